//! Who owns a pipeline's checkpoint location, before it is opened.

use std::net::SocketAddr;

use tidemill_checkpoint::LOCK_FILE;
use tidemill_config::{Pipeline, StoreUrl};
use tidemill_storage::{FileLock, Holder, LockError};

use super::super::error::{CliError, Result};
use crate::clock::wall_clock;

/// Takes the lock of a checkpoint folder that exists; `None` where there is nothing to lock. A live
/// driver that has it is named in the error.
pub(in crate::cli) fn take(
    pipeline: &Pipeline,
    admin: Option<SocketAddr>,
) -> Result<Option<FileLock>> {
    let (StoreUrl::Sled(folder) | StoreUrl::File(folder)) = &pipeline.checkpoint.url else {
        return Ok(None);
    };
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut holder = Holder::current(pipeline.name.as_str(), wall_clock().as_millis());
    holder.admin = admin.map(|address| format!("http://{address}"));
    match FileLock::acquire(&folder.join(LOCK_FILE), &holder) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ LockError::Held { .. }) => Err(CliError::Owned(error.to_string())),
        Err(error) => Err(CliError::Failed(error.to_string())),
    }
}
