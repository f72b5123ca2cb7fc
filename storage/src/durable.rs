//! The recipes in which the order of syncs matters: create, replace, rename.
//!
//! A name that appears always stands for whole, synced bytes: they are written under a temporary
//! name beside it and synced before the name is given. A call that returns `Ok` has synced the
//! folder as well. After a crash a temporary file may be left over; [`sweep_temporaries`] removes
//! those, and readers skip them by [`is_temporary`].

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::objects::PutOutcome;
use crate::temporary::{TEMPORARY_SUFFIX, is_temporary};

/// The folder that holds `path`; `.` for a bare name.
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Writes a file whole, replacing what was there: after a crash the old bytes or the new, never a mix.
///
/// ```
/// use std::path::Path;
/// use tidemill_storage::{Disk, SimDisk, durable::write_durable};
///
/// let (disk, path) = (SimDisk::new(), Path::new("level"));
/// write_durable(&disk, path, b"high")?;
/// write_durable(&disk, path, b"low")?;
/// disk.power_cut();
/// assert_eq!(disk.read(path)?, "low");
/// # Ok::<(), tidemill_storage::Error>(())
/// ```
pub fn write_durable(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = write_temporary(disk, path, bytes)?;
    failpoint!("storage::before_rename");
    if let Err(error) = disk.rename(&temporary, path) {
        discard(disk, &temporary);
        return Err(error);
    }
    failpoint!("storage::after_rename");
    sync_dir(disk, parent_of(path))
}

/// Creates a file whole, if the name is free. [`PutOutcome::Conflict`] when other bytes have it;
/// when the very same bytes have it, the call made them durable and counts as written (so a call
/// whose first try failed halfway can be repeated).
///
/// ```
/// use std::path::Path;
/// use tidemill_storage::{PutOutcome, SimDisk, durable::create_durable};
///
/// let (disk, path) = (SimDisk::new(), Path::new("claim"));
/// assert_eq!(create_durable(&disk, path, b"mine")?, PutOutcome::Written);
/// // The same again is no conflict: the first try may have failed halfway.
/// assert_eq!(create_durable(&disk, path, b"mine")?, PutOutcome::Written);
/// assert_eq!(create_durable(&disk, path, b"yours")?, PutOutcome::Conflict);
/// # Ok::<(), tidemill_storage::Error>(())
/// ```
pub fn create_durable(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<PutOutcome> {
    let temporary = write_temporary(disk, path, bytes)?;
    failpoint!("storage::before_link");
    let linked = disk.link_new(&temporary, path);
    failpoint!("storage::after_link");
    discard(disk, &temporary);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::AlreadyExists => {
            if disk.read(path)?.as_ref() != bytes {
                return Ok(PutOutcome::Conflict);
            }
        }
        Err(error) => return Err(error),
    }
    sync_dir(disk, parent_of(path))?;
    Ok(PutOutcome::Written)
}

/// Creates a folder and its missing parents, each made durable in its own parent before the next.
pub fn create_dir_all_durable(disk: &dyn Disk, path: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut level = path;
    loop {
        match disk.metadata(level)? {
            Some(found) if found.is_dir => break,
            Some(_) => {
                let source = "it is a file";
                let path = level.display().to_string();
                return Err(Error::new(
                    "create folder",
                    path,
                    ErrorKind::AlreadyExists,
                    source,
                ));
            }
            None => missing.push(level),
        }
        if parent_of(level) == level {
            break;
        }
        level = parent_of(level);
    }
    // A process killed between creating the deepest level and syncing its parent left a name that is
    // there but not durable. A parent we may not read is one we can't have created it in.
    match disk.sync_dir(parent_of(level)) {
        Err(error) if error.kind == ErrorKind::Denied => {}
        other => other?,
    }
    for level in missing.into_iter().rev() {
        failpoint!("storage::before_dir_create");
        disk.create_dir(level)?;
        failpoint!("storage::after_dir_create");
        sync_dir(disk, parent_of(level))?;
    }
    Ok(())
}

/// Renames a file or folder and makes the new name durable, and the old one's absence with it.
pub fn rename_durable(disk: &dyn Disk, from: &Path, to: &Path) -> Result<()> {
    failpoint!("storage::before_rename");
    disk.rename(from, to)?;
    failpoint!("storage::after_rename");
    sync_dir(disk, parent_of(to))?;
    if parent_of(from) != parent_of(to) {
        sync_dir(disk, parent_of(from))?;
    }
    Ok(())
}

/// Removes what crashed writers left in `dir` (not in folders below it); returns how many files.
/// Only for the folder's one live writer: it would take another's file from under it.
pub fn sweep_temporaries(disk: &dyn Disk, dir: &Path) -> Result<usize> {
    let mut swept = 0;
    for entry in disk.read_dir(dir)? {
        if !entry.metadata.is_dir && is_temporary(&entry.name) {
            disk.remove_file(&dir.join(entry.name))?;
            swept += 1;
        }
    }
    Ok(swept)
}

fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<()> {
    failpoint!("storage::before_dir_sync");
    disk.sync_dir(dir)?;
    failpoint!("storage::after_dir_sync");
    Ok(())
}

/// Writes and syncs `bytes` under a fresh temporary name beside `path`.
fn write_temporary(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let process = std::process::id();
    failpoint!("storage::before_temporary_write");
    loop {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary =
            parent_of(path).join(format!(".{name}.{process}-{count}{TEMPORARY_SUFFIX}"));
        let mut file = match disk.create_new(&temporary) {
            Ok(file) => file,
            // Left over by a crashed process that had our number.
            Err(error) if error.kind == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        let written = file.append(&mut [IoSlice::new(bytes)]).and_then(|()| {
            failpoint!("storage::before_temporary_sync");
            file.sync_all()
        });
        failpoint!("storage::after_temporary_sync");
        match written {
            Ok(()) => return Ok(temporary),
            Err(error) => {
                discard(disk, &temporary);
                return Err(error);
            }
        }
    }
}

/// Removes a temporary file if it can: one that stays is only swept later.
fn discard(disk: &dyn Disk, temporary: &Path) {
    if let Err(error) = disk.remove_file(temporary) {
        tracing::debug!(%error, "a temporary file stays behind");
    }
}
