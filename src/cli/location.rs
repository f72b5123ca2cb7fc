//! What a LOCATION argument means: a pipeline file, a URL, or a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_checkpoint::Location;
use tidemill_config::StoreUrl;
use tidemill_storage::{LocalDisk, open_objects};
use tidemill_wal::{Finding, LogKind, LogReader};

use super::error::{CliError, Result};
use super::load;
use crate::context::{BLOCK_LOG_DIR, BLOCK_LOG_KIND, DRIVER_LOG_DIR, DRIVER_LOG_KIND};

/// Where the checkpoints are.
pub(super) fn checkpoint(text: &str, sets: &[String]) -> Result<Location> {
    let url = match is_pipeline(text, sets)? {
        true => load::load(Path::new(text), sets)?
            .checkpoint
            .url
            .to_string(),
        false => text.to_owned(),
    };
    url.parse()
        .map_err(|error: tidemill_storage::LocationError| CliError::Usage(error.to_string()))
}

/// Which of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhichLog {
    Driver,
    Blocks,
}

impl WhichLog {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Driver => DRIVER_LOG_DIR,
            Self::Blocks => BLOCK_LOG_DIR,
        }
    }

    fn of_kind(kind: LogKind) -> Option<Self> {
        match kind {
            DRIVER_LOG_KIND => Some(Self::Driver),
            BLOCK_LOG_KIND => Some(Self::Blocks),
            _ => None,
        }
    }
}

/// A log to look at.
pub(super) struct FoundLog {
    pub(super) which: WhichLog,
    /// The folder, or the URL.
    pub(super) place: String,
    pub(super) reader: LogReader,
}

impl FoundLog {
    /// The file or object that a finding is in; the log itself when it has none.
    pub(super) fn file_of(&self, finding: &Finding) -> String {
        match finding.file.is_empty() {
            true => self.place.clone(),
            false => finding.file.clone(),
        }
    }
}

/// Where logs are.
pub(super) enum Home {
    Folder(PathBuf),
    Objects(Location),
}

impl Home {
    pub(super) fn place(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Objects(location) => location.to_string(),
        }
    }

    /// The log below a name (empty for the home itself); `None` when there is none.
    fn open(&self, name: &str) -> Result<Option<(String, LogReader)>> {
        let failed = |error: tidemill_wal::Error| CliError::Failed(error.to_string());
        match self {
            Self::Folder(folder) => {
                let folder = if name.is_empty() {
                    folder.clone()
                } else {
                    folder.join(name)
                };
                if !folder.is_dir() {
                    return Ok(None);
                }
                let reader = LogReader::open(Arc::new(LocalDisk), &folder).map_err(failed)?;
                Ok(Some((folder.display().to_string(), reader)))
            }
            Self::Objects(location) => {
                let place = location.to_string();
                let objects = open_objects(location).map_err(|error| failed(error.into()))?;
                match LogReader::open_objects(objects, name, &place) {
                    Ok(reader) => Ok(Some((format!("{place}/{name}"), reader))),
                    Err(tidemill_wal::Error::Storage(error)) if error.is_not_found() => Ok(None),
                    Err(error) => Err(failed(error)),
                }
            }
        }
    }
}

/// The logs at a location, the driver's first.
pub(super) fn logs(text: &str, sets: &[String]) -> Result<Vec<FoundLog>> {
    let home = log_home(text, sets)?;
    let mut found = Vec::new();
    for which in [WhichLog::Driver, WhichLog::Blocks] {
        if let Some((place, reader)) = home.open(which.name())? {
            found.push(FoundLog {
                which,
                place,
                reader,
            });
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    // One log's own place: its segments say which one it is.
    let Some((place, reader)) = home.open("")? else {
        return Err(CliError::Failed(format!(
            "there is no log at {}: check the location, or run the pipeline first",
            home.place()
        )));
    };
    let header = reader.headers().find_map(std::result::Result::ok);
    match header.and_then(|header| WhichLog::of_kind(header.log_kind)) {
        Some(which) => Ok(vec![FoundLog {
            which,
            place,
            reader,
        }]),
        None => Err(CliError::Failed(format!(
            "{} holds neither `{DRIVER_LOG_DIR}` and `{BLOCK_LOG_DIR}` nor segments of one of them",
            home.place()
        ))),
    }
}

pub(super) fn log_home(text: &str, sets: &[String]) -> Result<Home> {
    let url = if is_pipeline(text, sets)? {
        load::load(Path::new(text), sets)?.wal.url
    } else if Path::new(text).is_dir() {
        return Ok(Home::Folder(PathBuf::from(text)));
    } else {
        StoreUrl::parse(text).map_err(|(reason, help)| {
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            CliError::Usage(format!("{reason}{help}"))
        })?
    };
    match url {
        StoreUrl::File(folder) => Ok(Home::Folder(folder)),
        StoreUrl::Memory => Err(CliError::Failed(
            "the logs are in the memory of the running pipeline (`memory:`): there is nothing to read"
                .to_owned(),
        )),
        url @ StoreUrl::Object { .. } => {
            let location = url.to_string().parse();
            let location = location
                .map_err(|error: tidemill_storage::LocationError| CliError::Usage(error.to_string()))?;
            Ok(Home::Objects(location))
        }
        other => Err(CliError::Usage(format!(
            "logs can't be read at {other}: use file:PATH or an object store's URL"
        ))),
    }
}

/// Whether an argument names a pipeline file; `--set` makes sense for nothing else.
pub(super) fn is_pipeline(text: &str, sets: &[String]) -> Result<bool> {
    let is_pipeline = text.ends_with(".toml") || Path::new(text).is_file();
    if !is_pipeline && !sets.is_empty() {
        return Err(CliError::Usage(format!(
            "--set changes a PIPELINE.toml, and `{text}` is none"
        )));
    }
    Ok(is_pipeline)
}
