//! `run --fresh`: an old checkpoint and its logs are moved aside, never deleted.
//!
//! Invariant: nothing is moved from under a live driver: its lock is taken first, and moves along with
//! the folder it is in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tidemill_config::{Pipeline, StoreUrl};
use tidemill_storage::{LocalDisk, durable};

use super::super::error::{CliError, Result};
use super::owner;
use crate::clock::wall_clock;

/// Moves the pipeline's checkpoint and log folders to `PATH.superseded-MS` and logs what it moved.
pub(super) fn move_aside(pipeline: &Pipeline, admin: Option<SocketAddr>) -> Result<()> {
    let checkpoint = folder("checkpoint", &pipeline.checkpoint.url)?;
    let logs = folder("wal", &pipeline.wal.url)?;
    let now = wall_clock().as_millis();
    let _lock = owner::take(pipeline, admin)?;
    // Cut short between the two, the next start refuses the half that is left and says so; `--fresh`
    // again then moves that, too.
    let mut moved = false;
    for path in logs.into_iter().chain(checkpoint) {
        if path.exists() {
            let aside = superseded(path, now);
            durable::rename_durable(&LocalDisk, path, &aside)
                .map_err(|error| CliError::Failed(error.to_string()))?;
            tracing::info!("moved {} aside, to {}", path.display(), aside.display());
            moved = true;
        }
    }
    if !moved {
        tracing::info!("--fresh: there was nothing to move aside");
    }
    Ok(())
}

/// The local folder of a location; `None` for one that is gone with its process anyway.
fn folder<'a>(what: &str, url: &'a StoreUrl) -> Result<Option<&'a Path>> {
    match url {
        StoreUrl::Sled(path) | StoreUrl::File(path) => Ok(Some(path)),
        StoreUrl::Memory => Ok(None),
        other => Err(CliError::Usage(format!(
            "--fresh can't move {other} aside: it isn't on this machine's disk, and moving is no single \
             step there; choose another location with --set {what}.url=URL"
        ))),
    }
}

fn superseded(path: &Path, now_ms: u64) -> PathBuf {
    // By components, so that `wal/` becomes `wal.superseded-1`, not a file within.
    let mut name = path.components().collect::<PathBuf>().into_os_string();
    name.push(format!(".superseded-{now_ms}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_beside_the_old_ones() {
        for path in ["data/wal", "data/wal/"] {
            assert_eq!(
                superseded(Path::new(path), 7),
                Path::new("data/wal.superseded-7")
            );
        }
    }

    #[test]
    fn only_what_is_on_this_machine_can_be_moved() {
        let url = StoreUrl::parse("s3://bucket/app").unwrap();
        assert!(
            folder("checkpoint", &url)
                .unwrap_err()
                .to_string()
                .contains("s3://bucket/app")
        );
        assert!(folder("wal", &StoreUrl::Memory).unwrap().is_none());
    }
}
