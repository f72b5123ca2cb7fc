//! Reading a database whose owner is alive.
//!
//! sled lets one process open a database, so a reader copies its folder (small: large chunks lie
//! elsewhere) and opens the copy. The owner may write meanwhile. A copy during which a file changed is
//! thrown away, as is one that doesn't open or doesn't verify, and the next try is made a little later.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use tidemill_storage::{Error as StorageError, Result as StorageResult};

use super::leftovers::is_half_written;
use crate::error::{Error, Result};

const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(25);

/// A temporary folder, removed with this value.
#[derive(Debug)]
pub(super) struct Copied(PathBuf);

impl Copied {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(folder = %self.0.display(), %error, "a temporary copy stays behind");
        }
    }
}

/// Copies the database folder `index` until a copy is whole and `open` accepts it.
pub(super) fn open_copy<T>(index: &Path, open: impl Fn(Copied) -> Result<T>) -> Result<T> {
    let mut last = None;
    for attempt in 0..TRIES {
        if attempt > 0 {
            thread::sleep(PAUSE * attempt);
        }
        let before = state(index)?;
        let copied = match copy(index) {
            Ok(copied) => copied,
            // A file that sled has just replaced or removed.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        if state(index)? != before {
            continue;
        }
        match open(copied) {
            Ok(opened) => return Ok(opened),
            Err(error) => last = Some(error),
        }
    }
    let busy = || Error::Busy {
        location: index.display().to_string(),
        tries: TRIES,
    };
    Err(last.unwrap_or_else(busy))
}

/// Names, lengths and times of the files in a folder.
fn state(index: &Path) -> Result<Vec<(PathBuf, u64, Option<SystemTime>)>> {
    let mut found = Vec::new();
    for path in files(index)? {
        match fs::metadata(&path) {
            Ok(metadata) => found.push((path, metadata.len(), metadata.modified().ok())),
            Err(_) => found.push((path, 0, None)),
        }
    }
    Ok(found)
}

fn files(folder: &Path) -> StorageResult<Vec<PathBuf>> {
    let fail = |error| StorageError::io("list", folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if path.is_file() && !is_half_written(&entry.file_name().to_string_lossy()) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn copy(index: &Path) -> StorageResult<Copied> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("tidemill-index-{}-{count}", std::process::id());
    let copied = Copied(std::env::temp_dir().join(name));
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| StorageError::io("copy", &path, error)
    };
    if copied.path().exists() {
        // Left over by a dead process that had our number.
        fs::remove_dir_all(copied.path()).map_err(fail(copied.path()))?;
    }
    // State is nobody else's business, also while it is copied.
    DirBuilder::new()
        .mode(0o700)
        .create(copied.path())
        .map_err(fail(copied.path()))?;
    for path in files(index)? {
        if let Some(name) = path.file_name() {
            fs::copy(&path, copied.path().join(name)).map_err(fail(&path))?;
        }
    }
    Ok(copied)
}
