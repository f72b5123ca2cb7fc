//! [`Parquet`]: Apache Parquet files.

use std::io::Write;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use serde::Serialize;

use super::ColumnFormat;
use super::columns::Columns;
use super::rows::for_each_batch;
use crate::codec::Codec;
use crate::rdd::{BoxError, Element, Partition, TaskError};

/// What a row group holds at most before it's written, counted as encoded. A part's row group is in memory
/// while it's made.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// [Apache Parquet](https://parquet.apache.org) files, `part-00000.parquet`; columns as the
/// [module](crate::columnar) says.
///
/// Pages are compressed by Snappy, as the original's are, or by the codec that is set. An enum whose variants
/// have values has no place in Parquet and is refused at the start.
///
/// ```
/// use tidemill::columnar::Parquet;
/// use tidemill::sink::Files;
///
/// let files = Files::open_with("data/out/visits", None, Parquet)?;
/// # let _ = files;
/// # Ok::<(), tidemill::rdd::BoxError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Parquet;

impl ColumnFormat for Parquet {
    const KIND: &'static str = "save_as_parquet_files";
    const EXTENSION: &'static str = ".parquet";

    fn check(columns: &Columns, _codec: Option<Codec>) -> Result<(), BoxError> {
        // Its writer takes them for impossible.
        columns.refuse_unions("Parquet")?;
        ArrowWriter::try_new(Vec::new(), columns.schema().clone(), None)?;
        Ok(())
    }

    fn write<T: ?Sized + Element + Serialize>(
        partition: &Partition<'_, T>,
        columns: &Columns,
        codec: Option<Codec>,
        out: &mut dyn Write,
    ) -> Result<(), TaskError> {
        write(partition, columns, codec, ROW_GROUP_BYTES, out)
    }
}

pub(super) fn write<T: ?Sized + Element + Serialize>(
    partition: &Partition<'_, T>,
    columns: &Columns,
    codec: Option<Codec>,
    row_group_bytes: usize,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let properties = WriterProperties::builder()
        .set_compression(compression(codec))
        .set_max_row_group_bytes(Some(row_group_bytes))
        .build();
    let schema = columns.schema().clone();
    // What it writes to has to be `Send`, which `out` isn't: it's handed on from here.
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(TaskError::new)?;
    for_each_batch(partition, columns, |batch| {
        writer.write(batch)?;
        let written = writer.inner_mut();
        out.write_all(written)?;
        written.clear();
        Ok(())
    })?;
    let rest = writer.into_inner().map_err(TaskError::new)?;
    out.write_all(&rest).map_err(TaskError::new)
}

fn compression(codec: Option<Codec>) -> Compression {
    match codec {
        None => Compression::SNAPPY,
        Some(Codec::Gzip) => Compression::GZIP(GzipLevel::default()),
        Some(Codec::Zstd) => Compression::ZSTD(ZstdLevel::default()),
    }
}
