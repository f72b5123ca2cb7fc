//! [`JsonLines`]: a line of JSON an element.

use serde::Serialize;

use super::hand_on;
use crate::rdd::{BoxError, Element, Partition, TaskError};
use crate::sink::{FileFormat, PartWriter};

/// A line of JSON an element, as serde has it: a struct is an object, a pair a list of two.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonLines;

impl<T: ?Sized + Element + Serialize> FileFormat<T> for JsonLines {
    fn kind(&self) -> &'static str {
        "save_as_json_files"
    }

    fn extension(&self) -> &'static str {
        ".json"
    }

    fn show(&self, value: &T) -> Option<String> {
        serde_json::to_string(value).ok()
    }

    fn write(
        &self,
        partition: &Partition<'_, T>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let mut lines = Vec::new();
        partition.try_for_each(|value| -> Result<(), BoxError> {
            serde_json::to_writer(&mut lines, value)?;
            lines.push(b'\n');
            hand_on(&mut lines, out)
        })?;
        out.put(&lines).map_err(TaskError::new)
    }
}
