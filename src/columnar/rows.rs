//! Elements become record batches, whose size is bounded in rows and in bytes.

use arrow_array::RecordBatch;
use serde::Serialize;
use serde_arrow::ArrayBuilder;

use super::columns::Columns;
use crate::rdd::{BoxError, Element, Partition, TaskError};

/// The rows of a partition's first batch.
const FIRST_ROWS: usize = 256;
/// The most rows of a batch: as many as are in memory at once before.
const MOST_ROWS: usize = 4096;
/// What a batch should take in memory.
const BATCH_BYTES: usize = 4 << 20;

/// Hands a partition's elements to `take`, batch by batch. Where the batches end follows from the elements, so
/// that the same elements become the same bytes.
pub(super) fn for_each_batch<T: ?Sized + Element + Serialize>(
    partition: &Partition<'_, T>,
    columns: &Columns,
    mut take: impl FnMut(&RecordBatch) -> Result<(), BoxError>,
) -> Result<(), TaskError> {
    let fields = columns.schema().fields();
    let mut builder =
        ArrayBuilder::from_arrow(fields).map_err(|error| TaskError::new(failed(error)))?;
    let (mut rows, mut room) = (0, FIRST_ROWS);
    let mut hand_on = |builder: &mut ArrayBuilder, rows: usize| -> Result<usize, BoxError> {
        let arrays = builder.to_arrow().map_err(failed)?;
        let batch = RecordBatch::try_new(columns.schema().clone(), arrays)?;
        take(&batch)?;
        Ok(next_rows(rows, batch.get_array_memory_size()))
    };
    partition.try_for_each(|value| -> Result<(), BoxError> {
        if columns.single() {
            builder.push(Single { value }).map_err(failed)?;
        } else {
            builder.push(value).map_err(failed)?;
        }
        rows += 1;
        if rows == room {
            room = hand_on(&mut builder, rows)?;
            rows = 0;
        }
        Ok(())
    })?;
    if rows > 0 {
        hand_on(&mut builder, rows).map_err(TaskError::new)?;
    }
    Ok(())
}

/// How many rows the batch after one of `rows` rows and `bytes` bytes takes.
fn next_rows(rows: usize, bytes: usize) -> usize {
    let fitting = rows.saturating_mul(BATCH_BYTES) / bytes.max(1);
    fitting.clamp(1, MOST_ROWS)
}

/// An element as the struct of one column; the field's name is [`super::columns::SINGLE`].
#[derive(Serialize)]
struct Single<'a, T: ?Sized> {
    value: &'a T,
}

fn failed(error: serde_arrow::Error) -> BoxError {
    format!("an element doesn't fit its columns: {}", error.message()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_large_as_it_should_be_whatever_its_rows_are() {
        assert_eq!(next_rows(256, 256 * 100), MOST_ROWS);
        assert_eq!(next_rows(256, 256 << 20), 4);
        assert_eq!(next_rows(4, 4 << 30), 1);
        assert_eq!(next_rows(1, 1 << 11), 2048);
        assert_eq!(next_rows(1, 0), MOST_ROWS);
    }
}
