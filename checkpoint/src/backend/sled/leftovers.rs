//! What a killed process leaves of sled's start, and sled takes for damage.
//!
//! - While it opens, sled writes `snap.N.generating` and renames it to `snap.N`. On the next start it
//!   takes either for a snapshot, and a half-written one for corruption. The snapshot before goes only
//!   after the rename, and a snapshot only shortens the reading of the log: so the half-written one can go.
//! - On its first start sled writes `conf` in two steps, and a file with the first alone is no
//!   configuration to it. Its contents follow from our settings, and sled writes a missing one anew: so as
//!   long as nothing was published, it can go.

use std::path::Path;

use tidemill_storage::{Disk, LocalDisk};

use crate::error::Result;

const HALF_WRITTEN: &str = ".generating";
pub(super) const CONFIGURATION: &str = "conf";

/// Whether a file of the database's folder is a snapshot that was never finished.
pub(super) fn is_half_written(name: &str) -> bool {
    name.starts_with("snap.") && name.ends_with(HALF_WRITTEN)
}

/// Removes what sled would stumble over. Only for the owner, before the database is opened.
pub(super) fn remove(index: &Path, was_published: bool) -> Result<()> {
    let disk = LocalDisk;
    for entry in disk.read_dir(index)? {
        if is_half_written(&entry.name) {
            tracing::debug!(file = entry.name, "removed a half-written index snapshot");
            disk.remove_file(&index.join(&entry.name))?;
        }
    }
    if !was_published {
        disk.remove_file(&index.join(CONFIGURATION))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::SledBackend;
    use super::*;

    #[test]
    fn a_start_goes_on_where_a_kill_left_any_of_its_files_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index");
        drop(SledBackend::open(folder.path()).unwrap());
        let configuration = fs::read(index.join(CONFIGURATION)).unwrap();
        for written in 0..configuration.len() {
            fs::write(index.join(CONFIGURATION), &configuration[..written]).unwrap();
            fs::write(index.join("snap.7FFFFFFFFFFFFFFF.generating"), "").unwrap();
            drop(SledBackend::open(folder.path()).unwrap());
            assert_eq!(fs::read(index.join(CONFIGURATION)).unwrap(), configuration);
        }
        let left = fs::read_dir(&index)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left
            .filter(|name| is_half_written(&name.to_string_lossy()))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
