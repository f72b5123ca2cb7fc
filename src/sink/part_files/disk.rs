//! A batch's folder on a disk: written aside, synced, then renamed to its name.
//!
//! Every file and the hidden folder are synced before the rename, and the name after it. The name is taken
//! once: when it's there, the batch has been committed. An attempt writes only to a hidden folder that it
//! alone has claimed, by creating `_SUCCESS` in it, so two drivers that commit the same batch can't mix
//! their files: one rename succeeds. Hidden folders of attempts that died are removed behind a commit.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use tidemill_storage::durable::{create_dir_all_durable, rename_durable};
use tidemill_storage::{Disk, DiskFile, ErrorKind, failpoint};

use super::part::{FileFormat, Parts};
use super::{SUCCESS, part_name};
use crate::rdd::{BoxError, Element, Partition, Rdd, TaskError};

/// How the names of hidden folders end: behind this there is nothing, before it a number.
pub(super) const HIDDEN_SUFFIX: &str = ".tmp";

pub(super) struct DiskFolder<'a> {
    disk: &'a dyn Disk,
    path: PathBuf,
}

/// A hidden folder that one attempt has to itself.
struct Staging {
    number: u32,
    path: PathBuf,
    success: Box<dyn DiskFile>,
}

impl<'a> DiskFolder<'a> {
    pub(super) fn new(disk: &'a dyn Disk, path: String) -> Self {
        Self {
            disk,
            path: path.into(),
        }
    }

    fn parent(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Creates the folder that holds the batches' folders, and tries whether it can be written.
    pub(super) fn check(&self) -> Result<(), BoxError> {
        let parent = self.parent();
        let explain = |error: tidemill_storage::Error| {
            format!(
                "the output folder {} can't be written: {error}",
                parent.display()
            )
        };
        create_dir_all_durable(self.disk, parent).map_err(explain)?;
        let probe = parent.join(".tidemill-probe");
        self.disk.remove_file(&probe).map_err(explain)?;
        drop(self.disk.create_new(&probe).map_err(explain)?);
        self.disk.remove_file(&probe).map_err(explain)?;
        Ok(())
    }

    /// Whether the batch is in place already.
    pub(super) fn is_committed(&self) -> Result<bool, BoxError> {
        if self.disk.metadata(&self.path)?.is_none() {
            return Ok(false);
        }
        match self.disk.metadata(&self.path.join(SUCCESS))? {
            Some(_) => Ok(true),
            None => Err(format!(
                "{} exists and isn't an output of tidemill (it has no {SUCCESS}); move it away",
                self.path.display()
            )
            .into()),
        }
    }

    pub(super) fn commit<T: ?Sized + Element>(
        &self,
        rdd: &Rdd<T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<(), BoxError> {
        let attempt;
        if self.is_committed()? {
            attempt = self.settle()?;
        } else {
            create_dir_all_durable(self.disk, self.parent())?;
            let staging = self.claim()?;
            let path = staging.path.clone();
            attempt = staging.number;
            // When another driver is faster, the name is taken, and the next call finds the batch committed.
            self.write_and_rename(staging, rdd, parts)
                .inspect_err(|_| self.discard(&path))?;
        }
        failpoint!("sink::after_commit");
        self.tidy(attempt);
        failpoint!("sink::after_tidying");
        Ok(())
    }

    /// Makes the name durable that was found: whoever renamed may have ended right behind that, or have seen
    /// the folder's sync fail. A sync of the folder alone could then succeed and mean nothing (`ext4` answers
    /// one that finds nothing left to write with success, even when its journal has failed). So
    /// something new goes into the folder first, and is synced with it: journals keep their order, and one that
    /// has failed takes no change any more. The name itself can't be taken back and given anew:
    /// another driver, or a reader, may have relied on it.
    fn settle(&self) -> Result<u32, BoxError> {
        let staging = self.claim()?;
        failpoint!("sink::before_folder_sync");
        self.disk.sync_dir(self.parent())?;
        Ok(staging.number)
    }

    fn write_and_rename<T: ?Sized + Element>(
        &self,
        mut staging: Staging,
        rdd: &Rdd<T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<(), BoxError> {
        let extension = parts.extension();
        rdd.run_partitions(|partition| {
            let name = part_name(partition.index(), &extension);
            self.write_part(&staging.path.join(name), &partition, parts)
        })?;
        staging.success.sync_all()?;
        failpoint!("sink::before_folder_sync");
        self.disk.sync_dir(&staging.path)?;
        failpoint!("sink::before_commit");
        rename_durable(self.disk, &staging.path, &self.path)?;
        Ok(())
    }

    fn write_part<T: ?Sized + Element>(
        &self,
        path: &Path,
        partition: &Partition<'_, T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<(), TaskError> {
        // A task that is tried again finds its half-written file.
        self.disk.remove_file(path).map_err(TaskError::new)?;
        let mut file = self.disk.create_new(path).map_err(TaskError::new)?;
        parts.write(partition, &mut |bytes| {
            file.append(&mut [IoSlice::new(bytes)])?;
            Ok(())
        })?;
        file.sync_all().map_err(TaskError::new)
    }

    fn staging(&self, number: u32) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.parent()
            .join(format!(".{name}.{number}{HIDDEN_SUFFIX}"))
    }

    /// Takes the first hidden folder that nobody has taken.
    fn claim(&self) -> Result<Staging, BoxError> {
        let mut number = 0;
        loop {
            let path = self.staging(number);
            self.disk.create_dir(&path)?;
            match self.disk.create_new(&path.join(SUCCESS)) {
                // A power cut may have kept parts of an attempt and not its claim.
                Ok(success) if self.disk.read_dir(&path)?.len() == 1 => {
                    return Ok(Staging {
                        number,
                        path,
                        success,
                    });
                }
                Ok(_) => number += 1,
                Err(error) if error.kind == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes the hidden folders of other attempts; `attempt`'s own has been renamed. The highest goes
    /// first: whoever tidies up after a kill in between looks from 0 on, and must not meet a gap.
    fn tidy(&self, attempt: u32) {
        let mut found = Vec::new();
        for number in 0.. {
            let path = self.staging(number);
            match self.disk.metadata(&path) {
                Ok(Some(_)) => found.push(path),
                Ok(None) if number <= attempt => {}
                _ => break,
            }
        }
        found.iter().rev().for_each(|path| self.discard(path));
    }

    /// Removes a hidden folder. Only room is lost when that fails.
    fn discard(&self, staging: &Path) {
        if let Err(error) = self.disk.remove_dir_all(staging) {
            tracing::warn!(%error, "an unfinished output could not be removed");
        }
    }
}
