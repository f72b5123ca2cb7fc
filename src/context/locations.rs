//! Where a context's checkpoints and logs are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_checkpoint::{Holder, LOCK_FILE, Location};
use tidemill_storage::{Disk, FileLock, LocalDisk, LockError, Objects, memory_disk, open_objects};
use tidemill_wal::{LogKind, LogReader, Sequence, Wal, WalOptions};

use super::settings::Settings;
use crate::engine::Place;
use crate::error::{Error, Result};
use crate::state::StateMemory;

/// The kinds of the two logs, so that one is never opened as the other.
pub(crate) const DRIVER_LOG_KIND: LogKind = LogKind(1);
pub(crate) const BLOCK_LOG_KIND: LogKind = LogKind(2);

/// Their folders.
pub(crate) const DRIVER_LOG_DIR: &str = "driver";
pub(crate) const BLOCK_LOG_DIR: &str = "blocks";

/// Where checkpoints and logs are.
pub(super) struct Locations {
    pub(super) checkpoint: Location,
    logs: Logs,
    /// Whether the logs are on this machine's disk, not a simulated one.
    on_local_disk: bool,
}

/// Where the logs are.
enum Logs {
    /// In folders of a disk.
    Folder(Arc<dyn Disk>, PathBuf),
    /// In an object store.
    Objects(Arc<dyn Objects>, Location),
}

impl Locations {
    pub(super) fn of(settings: &Settings) -> Result<Self> {
        let parse = |url: &str| {
            url.parse::<Location>()
                .map_err(|error| Error::Setting(error.to_string()))
        };
        let checkpoint = parse(settings.checkpoint.as_deref().unwrap_or("memory:"))?;
        let wal = match &settings.wal {
            Some(url) => parse(url)?,
            None => checkpoint.beside("wal").ok_or_else(|| {
                let reason = "nothing can lie beside it: say where the write-ahead logs are to be";
                Error::Setting(format!("the checkpoint is at {checkpoint}, and {reason}"))
            })?,
        };
        let on_local_disk = wal.is_local();
        let logs = match wal {
            Location::File(path) => Logs::Folder(Arc::new(LocalDisk), path),
            Location::Memory(name) => Logs::Folder(Arc::new(memory_disk(&name)), "/wal".into()),
            Location::Sled(_) => {
                let reason = format!("a write-ahead log can't be kept at {wal}: use file:PATH");
                return Err(Error::Setting(reason));
            }
            other => Logs::Objects(open_objects(&other)?, other),
        };
        Ok(Self {
            checkpoint,
            logs,
            on_local_disk,
        })
    }

    /// Checkpoints and logs in a folder of this machine's disk.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            checkpoint: Location::File(folder.join("checkpoint")),
            logs: Logs::Folder(Arc::new(LocalDisk), folder.join("wal")),
            on_local_disk: true,
        }
    }

    /// Keeps other drivers of this machine off the logs, where they are in a folder of its disk: a checkpoint
    /// in an object store has no lock, and two checkpoints may lie beside the same logs.
    pub(super) fn lock_logs(&self, holder: &Holder) -> Result<Option<FileLock>> {
        let Logs::Folder(_, folder) = &self.logs else {
            return Ok(None);
        };
        if !self.on_local_disk {
            return Ok(None);
        }
        match FileLock::acquire(&folder.join(LOCK_FILE), holder) {
            Ok(lock) => Ok(Some(lock)),
            Err(error @ LockError::Held { .. }) => Err(Error::OwnedByAnother(error.to_string())),
            Err(error) => Err(Error::Setting(format!(
                "the logs in {} can't be locked: {error}",
                folder.display()
            ))),
        }
    }

    /// The limit on the memory of states, with a scratch folder for the rest: as set, or beside the
    /// checkpoint or the logs, where they are on this machine, or else within `own`, a folder of the process.
    pub(super) fn state_memory(
        &self,
        settings: &Settings,
        own: impl FnOnce() -> std::io::Result<PathBuf>,
    ) -> Result<Option<StateMemory>> {
        let Some(bytes) = settings.state_memory else {
            return Ok(None);
        };
        let logs = match &self.logs {
            Logs::Folder(_, folder) if self.on_local_disk => Some(folder.as_path()),
            _ => None,
        };
        let beside = |path: &Path| Some(path.parent()?.join("scratch"));
        let beside = self.checkpoint.local_path().or(logs).and_then(beside);
        let folder = match (&settings.state_scratch, beside) {
            // A folder of people's own may be given to several programs.
            (Some(folder), _) => folder.join(file_name(&settings.name)),
            (None, Some(folder)) => folder,
            (None, None) => {
                let what = "make a folder for states";
                let own = own().map_err(|error| Error::System { what, error })?;
                own.join("states")
            }
        };
        StateMemory::new(bytes, folder)
            .map(Some)
            .map_err(|error| Error::Setting(error.to_string()))
    }

    /// The folders on disks that can be full.
    pub(super) fn places(&self) -> Vec<Place> {
        let logs = match &self.logs {
            Logs::Folder(disk, folder) => Some(Place {
                name: "logs",
                folder: folder.clone(),
                disk: Arc::clone(disk),
            }),
            Logs::Objects(..) => None,
        };
        let checkpoint = self.checkpoint.local_path().map(|path| Place {
            name: "checkpoint",
            folder: path.to_owned(),
            disk: Arc::new(LocalDisk),
        });
        logs.into_iter().chain(checkpoint).collect()
    }

    /// A log to look at beside whoever writes it, and what to call it; `None` when there is none.
    pub(super) fn read_log(&self, name: &str) -> Result<Option<(LogReader, String)>> {
        let (place, opened) = match &self.logs {
            Logs::Folder(disk, logs) => {
                let folder = logs.join(name);
                let place = format!("the log in {}", folder.display());
                (place, LogReader::open(Arc::clone(disk), &folder))
            }
            Logs::Objects(objects, location) => {
                let location = location.to_string();
                let place = format!("the log at {location}/{name}");
                let opened = LogReader::open_objects(Arc::clone(objects), name, &location);
                (place, opened)
            }
        };
        match opened {
            Ok(reader) => Ok(Some((reader, place))),
            Err(tidemill_wal::Error::Storage(error)) if error.is_not_found() => Ok(None),
            Err(error) => Err(Error::Log {
                log: place,
                error: Box::new(error),
            }),
        }
    }

    pub(super) fn open_log(
        &self,
        settings: &Settings,
        folder: &str,
        kind: LogKind,
        epoch: u64,
        known_end: u64,
    ) -> Result<(Wal, String)> {
        let mut options = WalOptions::new(kind, epoch);
        options.segment_bytes = settings.segment_bytes;
        options.segment_age = settings.segment_age;
        options.known_end = Sequence(known_end);
        let (place, opened) = match &self.logs {
            Logs::Folder(disk, logs) => {
                let folder = logs.join(folder);
                let place = format!("the log in {}", folder.display());
                (place, Wal::open(Arc::clone(disk), &folder, options))
            }
            Logs::Objects(objects, location) => {
                let (objects, location) = (Arc::clone(objects), location.to_string());
                let place = format!("the log at {location}/{folder}");
                (
                    place,
                    Wal::open_objects(objects, folder, &location, options),
                )
            }
        };
        let (log, recovered) = opened.map_err(|error| Error::Log {
            log: place.clone(),
            error: Box::new(error),
        })?;
        if let Some(torn) = recovered.torn_tail {
            tracing::warn!(
                ?torn,
                "{place}: an interrupted write at its end was cut off"
            );
        }
        Ok((log, place))
    }
}

/// A name as part of a path.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(plain).collect()
}
