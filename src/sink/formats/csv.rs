//! [`Csv`]: a row an element.

use csv::{Writer, WriterBuilder};
use serde::Serialize;

use super::WRITE_BYTES;
use crate::rdd::{Element, Partition, TaskError};
use crate::sink::{FileFormat, PartWriter};

/// Rows of fields, quoted where they must be (RFC 4180, with lines that end in a newline alone). A struct's fields
/// have their names in a first row; a pair's and a single value's have none, and nor has a part without rows.
///
/// What has no row is an error that says so: a list in a field, an object in an object.
#[derive(Debug, Clone, Copy)]
pub struct Csv {
    delimiter: u8,
    header: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: b',',
            header: true,
        }
    }
}

impl Csv {
    /// What stands between two fields: a comma unless set.
    ///
    /// ```
    /// let tabs = tidemill::sink::Csv::default().delimiter(b'\t');
    /// # let _ = tabs;
    /// ```
    #[must_use]
    pub fn delimiter(self, delimiter: u8) -> Self {
        Self { delimiter, ..self }
    }

    /// Whether the fields' names come first in each part, where there are any: they do unless set. Spark's don't.
    ///
    /// ```
    /// let rows_alone = tidemill::sink::Csv::default().header(false);
    /// # let _ = rows_alone;
    /// ```
    #[must_use]
    pub fn header(self, header: bool) -> Self {
        Self { header, ..self }
    }

    fn rows<W: std::io::Write>(self, out: W) -> Writer<W> {
        WriterBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(self.header)
            .buffer_capacity(WRITE_BYTES)
            .from_writer(out)
    }
}

impl<T: ?Sized + Element + Serialize> FileFormat<T> for Csv {
    fn kind(&self) -> &'static str {
        "save_as_csv_files"
    }

    fn extension(&self) -> &'static str {
        ".csv"
    }

    fn show(&self, value: &T) -> Option<String> {
        let mut rows = self.header(false).rows(Vec::new());
        rows.serialize(value).ok()?;
        let row = String::from_utf8(rows.into_inner().ok()?).ok()?;
        Some(row.trim_end().to_owned())
    }

    fn write(
        &self,
        partition: &Partition<'_, T>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let mut rows = self.rows(out);
        partition.try_for_each(|value| rows.serialize(value))?;
        rows.flush().map_err(TaskError::new)
    }
}
