//! [`Text`]: a line an element.

use crate::rdd::{BoxError, Element, Partition, TaskError};
use crate::sink::{FileFormat, PartWriter, TextForm, text_of};

use super::WRITE_BYTES;

/// A line an element, in its [text form](TextForm).
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl<T: ?Sized + Element + TextForm> FileFormat<T> for Text {
    fn kind(&self) -> &'static str {
        "save_as_text_files"
    }

    fn show(&self, value: &T) -> Option<String> {
        text_of(value)
    }

    fn write(
        &self,
        partition: &Partition<'_, T>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let mut text = String::new();
        partition.try_for_each(|value| -> Result<(), BoxError> {
            value.write_text(&mut text)?;
            text.push('\n');
            if text.len() >= WRITE_BYTES {
                out.put(text.as_bytes())?;
                text.clear();
            }
            Ok(())
        })?;
        if text.is_empty() {
            return Ok(());
        }
        out.put(text.as_bytes()).map_err(TaskError::new)
    }
}
