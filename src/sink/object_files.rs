//! [`ObjectFiles`]: batches as folders of object files, to be read back as what they were.

use std::sync::Arc;

use serde::Serialize;
use tidemill_storage::{Disk, Objects};

use super::part_files::{PartFiles, PartFormat, PartWriter};
use super::{BatchIdentity, Guarantee, Sink};
use crate::codec::Codec;
use crate::object_file::Writer;
use crate::rdd::{BoxError, Element, Partition, Rdd, TaskError};
use crate::time::Time;

/// Writes each batch to a folder of object files, one a partition, in place all at once or not at all, as
/// [`TextFiles`](super::TextFiles) does.
///
/// Elements are written by serde as MessagePack, structs with their field names, in checksummed frames
/// (`docs/formats.md`): a type may later get fields that have a `#[serde(default)]`. The original writes what
/// Java's serialisation makes of objects.
///
/// ```
/// use tidemill::Time;
/// use tidemill::codec::Codec;
/// use tidemill::sink::ObjectFiles;
///
/// # fn main() -> Result<(), tidemill::rdd::BoxError> {
/// let files = ObjectFiles::open("data/out/visits", None)?.codec(Codec::Gzip);
/// assert_eq!(files.folder(Time::from_millis(1000)), "data/out/visits-1000");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ObjectFiles {
    files: PartFiles,
    frames: Frames,
}

impl ObjectFiles {
    /// Folders `PREFIX-TIME_MS[.SUFFIX]`; the prefix is as that of [`TextFiles`](super::TextFiles::open).
    ///
    /// # Errors
    /// When the prefix is no place, or this build can't open it. Nothing is read or written yet.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::sink::ObjectFiles;
    ///
    /// let files = ObjectFiles::open("data/out/counts", Some("txt"))?;
    /// assert_eq!(files.folder(Time::from_millis(1000)), "data/out/counts-1000.txt");
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn open(prefix: &str, suffix: Option<&str>) -> Result<Self, BoxError> {
        PartFiles::open(prefix, suffix).map(Self::of)
    }

    /// On a disk.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use tidemill::Time;
    /// use tidemill::sink::ObjectFiles;
    /// use tidemill_storage::LocalDisk;
    ///
    /// let files = ObjectFiles::on_disk("data/out/counts", None, Arc::new(LocalDisk));
    /// assert_eq!(files.folder(Time::from_millis(1000)), "data/out/counts-1000");
    /// ```
    pub fn on_disk(prefix: impl Into<String>, suffix: Option<&str>, disk: Arc<dyn Disk>) -> Self {
        Self::of(PartFiles::on_disk(prefix, suffix, disk))
    }

    /// In an object store; the prefix is below its root.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use tidemill::Time;
    /// use tidemill::sink::ObjectFiles;
    /// use tidemill_storage::RemoteObjects;
    ///
    /// let files = ObjectFiles::on_objects("out/counts", None, Arc::new(RemoteObjects::in_memory()?));
    /// assert_eq!(files.folder(Time::from_millis(1000)), "out/counts-1000");
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn on_objects(
        prefix: impl Into<String>,
        suffix: Option<&str>,
        objects: Arc<dyn Objects>,
    ) -> Self {
        Self::of(PartFiles::on_objects(prefix, suffix, objects))
    }

    fn of(files: PartFiles) -> Self {
        Self {
            files,
            frames: Frames { codec: None },
        }
    }

    /// Compresses the files, as [`TextFiles::codec`](super::TextFiles::codec) does.
    ///
    /// ```
    /// use tidemill::codec::Codec;
    /// use tidemill::sink::ObjectFiles;
    ///
    /// let files = ObjectFiles::open("data/out/counts", None)?.codec(Codec::Zstd);
    /// # let _ = files;
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.frames.codec = Some(codec);
        self
    }

    /// The path or name of the folder of the batch at `time`.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::sink::ObjectFiles;
    ///
    /// let files = ObjectFiles::open("data/out/counts", None)?;
    /// assert_eq!(files.folder(Time::from_millis(1000)), "data/out/counts-1000");
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn folder(&self, time: Time) -> String {
        self.files.folder(time)
    }

    /// Whether the batch at `time` has been committed, and not been removed since.
    ///
    /// # Errors
    /// When that can't be found out, or the name is taken by something else.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::sink::ObjectFiles;
    ///
    /// let files = ObjectFiles::open("no/such/folder/counts", None)?;
    /// assert!(!files.is_committed(Time::from_millis(1000))?);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn is_committed(&self, time: Time) -> Result<bool, BoxError> {
        self.files.is_committed(time)
    }
}

impl<T: ?Sized + Element + Serialize> Sink<T> for ObjectFiles {
    fn kind(&self) -> &'static str {
        "save_as_object_files"
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Idempotent
    }

    fn check(&self) -> Result<(), BoxError> {
        self.frames.codec.map_or(Ok(()), Codec::check)?;
        self.files.check()
    }

    fn show(&self, value: &T) -> Option<String> {
        serde_json::to_string(value).ok()
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        self.files.commit(batch.time, rdd, &self.frames)
    }
}

/// Elements in frames.
#[derive(Debug, Clone)]
struct Frames {
    codec: Option<Codec>,
}

impl<T: ?Sized + Element + Serialize> PartFormat<T> for Frames {
    fn codec(&self) -> Option<Codec> {
        self.codec
    }

    fn write(
        &self,
        partition: Option<&Partition<'_, T>>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let mut writer = Writer::default();
        let mut write = |bytes: &[u8]| out.write(bytes);
        if let Some(partition) = partition {
            partition.try_for_each(|value| writer.push(value, &mut write))?;
        }
        writer.finish(&mut write).map_err(TaskError::new)
    }
}
