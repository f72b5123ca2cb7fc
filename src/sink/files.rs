//! [`Files`]: batches as folders of files, in any format.

use std::sync::Arc;

use tidemill_storage::{Disk, Objects};

use super::part_files::{FileFormat, PartFiles, Parts};
use super::{BatchIdentity, Guarantee, Sink};
use crate::codec::Codec;
use crate::rdd::{BoxError, Element, Rdd};
use crate::time::Time;

/// Writes each batch to a folder of files, one a partition, in place all at once or not at all. What they hold is
/// said by `F`, a [`FileFormat`]: [`TextFiles`](super::TextFiles), [`ObjectFiles`](super::ObjectFiles) and others are
/// this in a format of ours.
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
pub struct Files<F> {
    files: PartFiles,
    format: F,
    codec: Option<Codec>,
}

impl<F: Default> Files<F> {
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
        Self::open_with(prefix, suffix, F::default())
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
        Self::of(PartFiles::on_disk(prefix, suffix, disk), F::default())
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
        Self::of(PartFiles::on_objects(prefix, suffix, objects), F::default())
    }
}

impl<F> Files<F> {
    /// As [`Files::open`], in this format.
    ///
    /// # Errors
    /// As those of [`Files::open`].
    ///
    /// ```
    /// use tidemill::sink::{Csv, Files};
    ///
    /// let files = Files::open_with("data/out/counts", None, Csv::default().delimiter(b';'))?;
    /// # let _ = files;
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn open_with(prefix: &str, suffix: Option<&str>, format: F) -> Result<Self, BoxError> {
        let files = PartFiles::open(prefix, suffix)?;
        Ok(Self::of(files, format))
    }

    fn of(files: PartFiles, format: F) -> Self {
        Self {
            files,
            format,
            codec: None,
        }
    }

    /// Compresses the parts, whose names then end as the codec says: `part-00000.gz`; those of formats that
    /// compress what they hold themselves keep their names. The folders keep theirs, so a program may change its codec: batches that were committed stay as they are.
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
        self.codec = Some(codec);
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

impl<T: ?Sized + Element, F: FileFormat<T>> Sink<T> for Files<F> {
    fn kind(&self) -> &'static str {
        self.format.kind()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Idempotent
    }

    fn check(&self) -> Result<(), BoxError> {
        self.codec.map_or(Ok(()), Codec::check)?;
        self.format.check(self.codec)?;
        self.files.check()
    }

    fn show(&self, value: &T) -> Option<String> {
        self.format.show(value)
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        let parts = Parts {
            format: &self.format,
            codec: self.codec,
        };
        self.files.commit(batch.time, rdd, &parts)
    }
}
