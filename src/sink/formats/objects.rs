//! [`Objects`]: elements by serde, in checked frames, to be read back as what they were.

use serde::Serialize;

use crate::object_file::Writer;
use crate::rdd::{Element, Partition, TaskError};
use crate::sink::{FileFormat, PartWriter};

/// Elements by serde as MessagePack, structs with their field names, in checksummed frames
/// (`docs/formats.md`): a type may later get fields that have a `#[serde(default)]`. The original writes what
/// Java's serialisation makes of objects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Objects;

impl<T: ?Sized + Element + Serialize> FileFormat<T> for Objects {
    fn kind(&self) -> &'static str {
        "save_as_object_files"
    }

    fn show(&self, value: &T) -> Option<String> {
        serde_json::to_string(value).ok()
    }

    fn write(
        &self,
        partition: &Partition<'_, T>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let mut writer = Writer::default();
        let mut write = |bytes: &[u8]| out.put(bytes);
        partition.try_for_each(|value| writer.push(value, &mut write))?;
        writer.finish(&mut write).map_err(TaskError::new)
    }
}
