//! [`TextFiles`]: batches as folders of text files, a line an element.

use std::fmt::Write as _;
use std::sync::Arc;

use tidemill_storage::{Disk, Objects};

use super::part_files::{PartFiles, PartFormat, PartWriter};
use super::{BatchIdentity, Guarantee, Sink, TextForm, text_of};
use crate::codec::Codec;
use crate::rdd::{BoxError, Element, Partition, Rdd, TaskError};
use crate::time::Time;

/// How much text is gathered before it's written or compressed.
const WRITE_BYTES: usize = 1 << 20;

/// Writes each batch to a folder of text files, one a partition, in place all at once or not at all.
///
/// ```
/// use tidemill::Time;
/// use tidemill::codec::Codec;
/// use tidemill::sink::TextFiles;
///
/// # fn main() -> Result<(), tidemill::rdd::BoxError> {
/// let files = TextFiles::open("data/out/counts", Some("txt"))?.codec(Codec::Gzip);
/// // The batch of that time becomes this folder, its first partition `part-00000.gz` in it.
/// assert_eq!(files.folder(Time::from_millis(1000)), "data/out/counts-1000.txt");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TextFiles {
    files: PartFiles,
    lines: TextLines,
}

impl TextFiles {
    /// Folders `PREFIX-TIME_MS[.SUFFIX]`. The prefix is a path on the local disk, plain or as `file:PATH`,
    /// or `s3://BUCKET/PATH`, `gs://BUCKET/PATH`, `az://CONTAINER/PATH`, whose credentials come from the
    /// environment, or `memory:NAME/PATH`. Its last component is the beginning of a name.
    ///
    /// # Errors
    /// When the prefix isn't one of these, or this build can't open it. Nothing is read or written yet.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::sink::TextFiles;
    ///
    /// let files = TextFiles::open("data/out/counts", Some("txt"))?;
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
    /// use tidemill::sink::TextFiles;
    /// use tidemill_storage::LocalDisk;
    ///
    /// let files = TextFiles::on_disk("data/out/counts", None, Arc::new(LocalDisk));
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
    /// use tidemill::sink::TextFiles;
    /// use tidemill_storage::RemoteObjects;
    ///
    /// let files = TextFiles::on_objects("out/counts", None, Arc::new(RemoteObjects::in_memory()?));
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
            lines: TextLines { codec: None },
        }
    }

    /// Compresses the parts, whose names then end as the codec says: `part-00000.gz`. The folders keep their
    /// names, so a program may change its codec: batches that were committed stay as they are.
    ///
    /// ```
    /// use tidemill::codec::Codec;
    /// use tidemill::sink::TextFiles;
    ///
    /// let files = TextFiles::open("data/out/counts", None)?.codec(Codec::Zstd);
    /// # let _ = files;
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.lines.codec = Some(codec);
        self
    }

    /// The path or name of the folder of the batch at `time`.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::sink::TextFiles;
    ///
    /// let files = TextFiles::open("data/out/counts", None)?;
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
    /// use tidemill::sink::TextFiles;
    ///
    /// let files = TextFiles::open("no/such/folder/counts", None)?;
    /// assert!(!files.is_committed(Time::from_millis(1000))?);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn is_committed(&self, time: Time) -> Result<bool, BoxError> {
        self.files.is_committed(time)
    }
}

impl<T: ?Sized + Element + TextForm> Sink<T> for TextFiles {
    fn kind(&self) -> &'static str {
        "save_as_text_files"
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Idempotent
    }

    fn check(&self) -> Result<(), BoxError> {
        self.lines.codec.map_or(Ok(()), Codec::check)?;
        self.files.check()
    }

    fn show(&self, value: &T) -> Option<String> {
        text_of(value)
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        self.files.commit(batch.time, rdd, &self.lines)
    }
}

/// A line an element.
#[derive(Debug, Clone)]
struct TextLines {
    codec: Option<Codec>,
}

impl<T: ?Sized + Element + TextForm> PartFormat<T> for TextLines {
    fn codec(&self) -> Option<Codec> {
        self.codec
    }

    fn write(
        &self,
        partition: Option<&Partition<'_, T>>,
        out: &mut PartWriter<'_>,
    ) -> Result<(), TaskError> {
        let Some(partition) = partition else {
            return Ok(());
        };
        let mut text = String::new();
        partition.try_for_each(|value| -> Result<(), BoxError> {
            value.write_text(&mut text)?;
            text.write_char('\n')?;
            if text.len() >= WRITE_BYTES {
                out.write(text.as_bytes())?;
                text.clear();
            }
            Ok(())
        })?;
        if text.is_empty() {
            return Ok(());
        }
        out.write(text.as_bytes()).map_err(TaskError::new)
    }
}
