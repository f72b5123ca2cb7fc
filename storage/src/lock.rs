//! [`FileLock`]: one owner for a local folder, known by name to whoever is refused.
//!
//! The lock is the kernel's (`flock`): it is freed the moment its holder dies, however it dies, so a
//! file left over by a dead process never blocks. The file's contents only *describe* the holder;
//! they are written after the lock is held and prove nothing by themselves. The file is never
//! removed: removing it would let two processes hold locks on two files of one name.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{Error, Result};
use crate::local::LocalDisk;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process number on `host`.
    pub pid: u32,
    /// The machine it runs on.
    pub host: String,
    /// The application's name.
    pub application: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// Where its admin address answers, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
}

impl Holder {
    /// This process, on this machine, running `application` since `started_ms`.
    pub fn current(application: impl Into<String>, started_ms: u64) -> Self {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let pid = std::process::id();
        Self {
            pid,
            host,
            application: application.into(),
            started_ms,
            admin: None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            host,
            application,
            started_ms,
            admin,
        } = self;
        write!(
            f,
            "`{application}` (process {pid} on {host}, started at {started_ms} ms"
        )?;
        match admin {
            Some(admin) => write!(f, ", admin at {admin})"),
            None => f.write_str(")"),
        }
    }
}

/// Why a lock wasn't acquired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A live process has it.
    #[error("{path} is locked by {}; stop it first, or use another location",
        holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string))]
    Held {
        /// The lock file.
        path: String,
        /// Who has it; `None` when it hasn't written its name (yet).
        holder: Option<Holder>,
    },
    /// The lock file couldn't be opened, locked or written.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock at `path`, or says at once who has it. Creates the file (and missing folders).
    /// Two calls in one process exclude each other as two processes do.
    ///
    /// ```
    /// use tidemill_storage::{FileLock, Holder, LockError};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("lock");
    /// let held = FileLock::acquire(&path, &Holder::current("tides", 0))?;
    /// let refused = FileLock::acquire(&path, &Holder::current("tides", 0)).unwrap_err();
    /// assert!(matches!(refused, LockError::Held { .. }));
    /// drop(held);
    /// assert!(FileLock::acquire(&path, &Holder::current("tides", 0)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Self, LockError> {
        durable::create_dir_all_durable(&LocalDisk, durable::parent_of(path))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Error::io("open", path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(path)?;
                return Err(LockError::Held {
                    path: path.display().to_string(),
                    holder,
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error).into()),
        }
        let mut lock = Self {
            file,
            path: path.to_owned(),
        };
        lock.describe(holder)?;
        Ok(lock)
    }

    /// Replaces what the lock file says about its holder (an admin address known only later).
    pub fn describe(&mut self, holder: &Holder) -> Result<()> {
        let mut write = || {
            let text = serde_json::to_vec(holder)?;
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(&text)
        };
        write().map_err(|error| Error::io("write", &self.path, error))
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Whoever looks next shouldn't see the name of one who has left. Closing the file unlocks.
        let _ = self.file.set_len(0);
    }
}

/// What the lock file at `path` says about its holder: `None` when there is no file, or nobody's
/// whole name in it. Doesn't say whether the lock is held.
pub fn read_holder(path: &Path) -> Result<Option<Holder>> {
    let mut text = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut text)) {
        Ok(_) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(application: &str) -> Holder {
        Holder {
            admin: Some("127.0.0.1:4040".into()),
            ..Holder::current(application, 1_700)
        }
    }

    #[test]
    fn the_second_is_refused_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/lock");
        let first = FileLock::acquire(&path, &holder("first")).unwrap();
        let refused = FileLock::acquire(&path, &holder("second")).unwrap_err();
        let text = refused.to_string();
        let LockError::Held {
            holder: Some(found),
            ..
        } = refused
        else {
            panic!("{text}")
        };
        assert_eq!(found, holder("first"));
        assert!(text.contains("is locked by `first` (process "), "{text}");
        assert!(text.contains("admin at 127.0.0.1:4040"), "{text}");
        drop(first);
        assert_eq!(read_holder(&path).unwrap(), None);
        FileLock::acquire(&path, &holder("third")).unwrap();
    }

    #[test]
    fn a_file_left_over_by_a_dead_process_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, serde_json::to_vec(&holder("dead")).unwrap()).unwrap();
        assert_eq!(read_holder(&path).unwrap(), Some(holder("dead")));
        let lock = FileLock::acquire(&path, &holder("alive")).unwrap();
        assert_eq!(read_holder(lock.path()).unwrap(), Some(holder("alive")));
        std::fs::write(&path, b"{\"pid\":").unwrap();
        assert_eq!(read_holder(&path).unwrap(), None);
    }
}
