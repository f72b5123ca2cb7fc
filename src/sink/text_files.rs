//! [`TextFiles`]: a folder of text files for each batch, in place all at once or not at all.
//!
//! A batch is written to a hidden folder beside its own; every file and the folder are synced; then the
//! folder is renamed to its name, `PREFIX-TIME_MS[.SUFFIX]`, and the name is synced. The name carries
//! the batch's identity: when it's taken, the batch has been committed.

use std::fmt::Write as _;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_storage::durable::{create_dir_all_durable, rename_durable};
use tidemill_storage::{Disk, LocalDisk, failpoint};

use super::{BatchIdentity, Guarantee, Sink, TextForm};
use crate::rdd::{BoxError, Element, Partition, Rdd, TaskError};
use crate::time::Time;

/// The file that says that a folder is whole.
pub(crate) const SUCCESS: &str = "_SUCCESS";

/// How much text is gathered before it's written.
const WRITE_BYTES: usize = 1 << 20;

/// Writes each batch to a folder of text files, one a partition.
#[derive(Debug, Clone)]
pub struct TextFiles {
    prefix: String,
    suffix: Option<String>,
    disk: Arc<dyn Disk>,
}

impl TextFiles {
    /// Folders `PREFIX-TIME_MS[.SUFFIX]` on the local disk; the prefix may hold a path.
    pub fn new(prefix: impl Into<String>, suffix: Option<&str>) -> Self {
        Self::on_disk(prefix, suffix, Arc::new(LocalDisk))
    }

    /// The same on another disk.
    pub fn on_disk(prefix: impl Into<String>, suffix: Option<&str>, disk: Arc<dyn Disk>) -> Self {
        let suffix = suffix
            .filter(|suffix| !suffix.is_empty())
            .map(str::to_owned);
        Self {
            prefix: prefix.into(),
            suffix,
            disk,
        }
    }

    /// The folder of the batch at `time`.
    pub fn folder(&self, time: Time) -> PathBuf {
        match &self.suffix {
            Some(suffix) => format!("{}-{}.{suffix}", self.prefix, time.as_millis()).into(),
            None => format!("{}-{}", self.prefix, time.as_millis()).into(),
        }
    }

    fn parent(&self) -> PathBuf {
        match self.folder(Time::default()).parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// Whether the batch is in place already.
    fn is_committed(&self, folder: &Path) -> Result<bool, BoxError> {
        if self.disk.metadata(folder)?.is_none() {
            return Ok(false);
        }
        match self.disk.metadata(&folder.join(SUCCESS))? {
            Some(_) => Ok(true),
            None => Err(format!(
                "{} exists and isn't an output of tidemill (it has no {SUCCESS}); move it away",
                folder.display()
            )
            .into()),
        }
    }

    fn write_part<T: ?Sized + Element + TextForm>(
        &self,
        path: &Path,
        partition: &Partition<'_, T>,
    ) -> Result<(), TaskError> {
        // A task that is tried again finds its half-written file.
        self.disk.remove_file(path).map_err(TaskError::new)?;
        let mut file = self.disk.create_new(path).map_err(TaskError::new)?;
        let mut text = String::new();
        partition.try_for_each(|value| -> Result<(), BoxError> {
            value.write_text(&mut text)?;
            text.write_char('\n')?;
            if text.len() >= WRITE_BYTES {
                file.append(&mut [IoSlice::new(text.as_bytes())])?;
                text.clear();
            }
            Ok(())
        })?;
        if !text.is_empty() {
            file.append(&mut [IoSlice::new(text.as_bytes())])
                .map_err(TaskError::new)?;
        }
        file.sync_all().map_err(TaskError::new)
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
        let parent = self.parent();
        let explain = |error: tidemill_storage::Error| {
            format!(
                "the output folder {} can't be written: {error}",
                parent.display()
            )
        };
        create_dir_all_durable(&*self.disk, &parent).map_err(explain)?;
        let probe = parent.join(".tidemill-probe");
        self.disk.remove_file(&probe).map_err(explain)?;
        drop(self.disk.create_new(&probe).map_err(explain)?);
        self.disk.remove_file(&probe).map_err(explain)?;
        Ok(())
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        let folder = self.folder(batch.time);
        let parent = self.parent();
        if self.is_committed(&folder)? {
            // Its name may not be durable yet: the commit before may have ended right behind the rename.
            self.disk.sync_dir(&parent)?;
            return Ok(());
        }
        create_dir_all_durable(&*self.disk, &parent)?;
        let name = folder
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default();
        let staging = parent.join(format!(".{name}.tmp"));
        self.disk.remove_dir_all(&staging)?;
        self.disk.create_dir(&staging)?;
        let parts = rdd.partitions();
        rdd.run_partitions(|partition| {
            let path = staging.join(format!("part-{:05}", partition.index()));
            self.write_part(&path, &partition)
        })?;
        if parts == 0 {
            self.disk
                .create_new(&staging.join("part-00000"))?
                .sync_all()?;
        }
        self.disk.create_new(&staging.join(SUCCESS))?.sync_all()?;
        failpoint!("sink::before_folder_sync");
        self.disk.sync_dir(&staging)?;
        failpoint!("sink::before_commit");
        rename_durable(&*self.disk, &staging, &folder)?;
        failpoint!("sink::after_commit");
        Ok(())
    }
}
