//! [`Home`]: a log as repair finds it, in a folder or in an object store.

use std::path::PathBuf;

use tidemill_storage::{LocalDisk, open_objects};
use tidemill_wal::repair::{
    Examined, ObjectLog, Plan, QuarantineReport, Quarantined, carry_out, examine, examine_objects,
};
use tidemill_wal::{Entry, LogKind};

use super::super::error::{CliError, Result};
use super::super::location::{self, WhichLog};

/// Where a log is, and what of it a repair has to know.
pub(super) enum Home {
    Folder(PathBuf),
    Objects(Box<ObjectLog>),
}

/// A log that was read.
pub(super) struct Read {
    pub(super) home: Home,
    pub(super) place: String,
    pub(super) examined: Examined,
}

impl Home {
    pub(super) fn carry_out(
        &self,
        plan: &Plan,
        report: QuarantineReport<'_>,
    ) -> tidemill_wal::Result<Quarantined> {
        match self {
            Self::Folder(folder) => carry_out(&LocalDisk, folder, plan, report),
            Self::Objects(log) => log.carry_out(plan, report),
        }
    }
}

/// Reads the log below a name (empty for the place itself); `None` when there is none.
pub(super) fn read(
    at: &location::Home,
    name: &str,
    kind: LogKind,
    each: &mut dyn FnMut(Entry),
) -> Result<Option<Read>> {
    let failed = |error: tidemill_wal::Error| CliError::Failed(error.to_string());
    match at {
        location::Home::Folder(folder) => {
            let folder = match name.is_empty() {
                true => folder.clone(),
                false => folder.join(name),
            };
            if !folder.is_dir() {
                return Ok(None);
            }
            let examined = examine(&LocalDisk, &folder, kind, each).map_err(failed)?;
            Ok(Some(Read {
                place: folder.display().to_string(),
                home: Home::Folder(folder),
                examined,
            }))
        }
        location::Home::Objects(location) => {
            let place = location.to_string();
            let objects = open_objects(location).map_err(|error| failed(error.into()))?;
            let found = examine_objects(objects, name, &place, kind, each).map_err(failed)?;
            Ok(found.map(|(log, examined)| Read {
                place: format!("{place}/{name}").trim_end_matches('/').to_owned(),
                home: Home::Objects(Box::new(log)),
                examined,
            }))
        }
    }
}

/// Which log a place is itself, by its name.
pub(super) fn own(at: &location::Home) -> Option<WhichLog> {
    let place = at.place();
    let name = place.trim_end_matches('/').rsplit('/').next()?;
    let both = [WhichLog::Driver, WhichLog::Blocks];
    both.into_iter().find(|which| which.name() == name)
}
