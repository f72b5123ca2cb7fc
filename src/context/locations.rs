//! Where a context's checkpoints and logs are.

use std::path::PathBuf;
use std::sync::Arc;

use tidemill_checkpoint::Location;
use tidemill_storage::{Disk, LocalDisk, memory_disk};
use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};

use super::settings::Settings;
use crate::error::{Error, Result};

/// The kinds of the two logs, so that one is never opened as the other.
pub(crate) const DRIVER_LOG_KIND: LogKind = LogKind(1);
pub(crate) const BLOCK_LOG_KIND: LogKind = LogKind(2);

/// Their folders.
pub(crate) const DRIVER_LOG_DIR: &str = "driver";
pub(crate) const BLOCK_LOG_DIR: &str = "blocks";

/// Where checkpoints and logs are.
pub(super) struct Locations {
    pub(super) checkpoint: Location,
    disk: Arc<dyn Disk>,
    logs: PathBuf,
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
            None => match checkpoint.local_path() {
                Some(path) => Location::File(path.with_file_name("wal")),
                None => Location::Memory(match &checkpoint {
                    Location::Memory(name) if !name.is_empty() => format!("{name}/wal"),
                    _ => String::new(),
                }),
            },
        };
        let (disk, logs): (Arc<dyn Disk>, PathBuf) = match &wal {
            Location::File(path) => (Arc::new(LocalDisk), path.clone()),
            Location::Memory(name) => (Arc::new(memory_disk(name)), PathBuf::from("/wal")),
            other => {
                return Err(Error::Setting(format!(
                    "a write-ahead log can't be kept at {other} yet: use file:PATH"
                )));
            }
        };
        Ok(Self {
            checkpoint,
            disk,
            logs,
        })
    }

    pub(super) fn open_log(
        &self,
        settings: &Settings,
        folder: &str,
        kind: LogKind,
        epoch: u64,
        known_end: u64,
    ) -> Result<(Wal, String)> {
        let folder = self.logs.join(folder);
        let place = format!("the log in {}", folder.display());
        let mut options = WalOptions::new(kind, epoch);
        options.segment_bytes = settings.segment_bytes;
        options.segment_age = settings.segment_age;
        options.known_end = Sequence(known_end);
        let opened = Wal::open(Arc::clone(&self.disk), &folder, options);
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
