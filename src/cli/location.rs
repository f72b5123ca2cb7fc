//! What a LOCATION argument means: a pipeline file, a URL, or a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_checkpoint::Location;
use tidemill_config::StoreUrl;
use tidemill_storage::{Disk, LocalDisk};
use tidemill_wal::{LogKind, LogReader};

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
    pub(super) folder: PathBuf,
    pub(super) reader: LogReader,
}

/// The logs at a location, the driver's first.
pub(super) fn logs(text: &str, sets: &[String]) -> Result<Vec<FoundLog>> {
    let folder = log_folder(text, sets)?;
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk);
    let mut found = Vec::new();
    for which in [WhichLog::Driver, WhichLog::Blocks] {
        let folder = folder.join(which.name());
        if folder.is_dir() {
            let reader = open(&disk, &folder)?;
            found.push(FoundLog {
                which,
                folder,
                reader,
            });
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if !folder.is_dir() {
        return Err(CliError::Failed(format!(
            "there is no log at {}: check the location, or run the pipeline first",
            folder.display()
        )));
    }
    // One log's own folder: its segments say which one it is.
    let reader = open(&disk, &folder)?;
    let header = reader.headers().find_map(std::result::Result::ok);
    match header.and_then(|header| WhichLog::of_kind(header.log_kind)) {
        Some(which) => Ok(vec![FoundLog {
            which,
            folder,
            reader,
        }]),
        None => Err(CliError::Failed(format!(
            "{} holds neither `{DRIVER_LOG_DIR}` and `{BLOCK_LOG_DIR}` nor segments of one of them",
            folder.display()
        ))),
    }
}

fn log_folder(text: &str, sets: &[String]) -> Result<PathBuf> {
    let url = if is_pipeline(text, sets)? {
        load::load(Path::new(text), sets)?.wal.url
    } else if Path::new(text).is_dir() {
        return Ok(PathBuf::from(text));
    } else {
        StoreUrl::parse(text).map_err(|(reason, help)| {
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            CliError::Usage(format!("{reason}{help}"))
        })?
    };
    match url {
        StoreUrl::File(folder) => Ok(folder),
        StoreUrl::Memory => Err(CliError::Failed(
            "the logs are in the memory of the running pipeline (`memory:`): there is nothing to read"
                .to_owned(),
        )),
        other => Err(CliError::Usage(format!("logs can't be read at {other}: use file:PATH"))),
    }
}

fn open(disk: &Arc<dyn Disk>, folder: &Path) -> Result<LogReader> {
    LogReader::open(Arc::clone(disk), folder).map_err(|error| CliError::Failed(error.to_string()))
}

/// Whether an argument names a pipeline file; `--set` makes sense for nothing else.
fn is_pipeline(text: &str, sets: &[String]) -> Result<bool> {
    let is_pipeline = text.ends_with(".toml") || Path::new(text).is_file();
    if !is_pipeline && !sets.is_empty() {
        return Err(CliError::Usage(format!(
            "--set changes a PIPELINE.toml, and `{text}` is none"
        )));
    }
    Ok(is_pipeline)
}
