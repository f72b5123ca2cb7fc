//! sled behind a wall: its errors and panics become ours, and no call of it can end the process.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::closing;
use crate::error::{Error, Result};

/// Pages that sled may keep in memory. It only bounds an idle process: the index is small.
const CACHE_BYTES: u64 = 1024 * 1024;

/// An open database. It is never flushed: nothing in it is relied on after a crash.
pub(super) struct Database {
    /// `None` only while it is being dropped.
    database: Option<sled::Db>,
    folder: PathBuf,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.folder).finish()
    }
}

impl Database {
    /// Opens or creates the database in `folder`; errors call it `named`.
    pub(super) fn open(folder: &Path, named: &Path) -> Result<Self> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::LowSpace);
        Ok(Self {
            database: Some(guarded(named, || closing::open(&config))?),
            folder: named.to_owned(),
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>> {
        self.call(|database| database.get(key))
    }

    /// All keys that begin so.
    pub(super) fn keys(&self, prefix: &str) -> Result<Vec<sled::IVec>> {
        self.call(|database| database.scan_prefix(prefix).keys().collect())
    }

    pub(super) fn apply(&self, batch: sled::Batch) -> Result<()> {
        self.call(|database| database.apply_batch(batch))
    }

    /// One that answers every call with an error.
    #[cfg(test)]
    pub(super) fn closed(folder: &Path) -> Self {
        Self {
            database: None,
            folder: folder.to_owned(),
        }
    }

    fn call<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T> {
        let closed = || sled::Error::Unsupported("the database is closed".to_owned());
        guarded(&self.folder, || {
            call(self.database.as_ref().ok_or_else(closed)?)
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let database = self.database.take();
        if let Err(error) = guarded(&self.folder, || {
            drop(database);
            Ok(())
        }) {
            tracing::warn!(%error, "the index was not closed in order");
        }
    }
}

/// Whether a failure is the system's (no room, no permission, a lock that is held): then the database
/// itself may be sound.
pub(super) fn is_circumstance(error: &Error) -> bool {
    match error {
        Error::Sled { source, .. } => match &**source {
            sled::Error::Io(io) => io.raw_os_error().is_some() || closing::is_locked(source),
            _ => false,
        },
        _ => false,
    }
}

/// Calls into sled. It panics on some kinds of damage: those panics become errors here.
fn guarded<T>(folder: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => Err(Error::damaged(
            folder.display().to_string(),
            "the database says it is corrupt",
        )),
        Ok(Err(source)) => Err(Error::Sled {
            place: folder.display().to_string(),
            source: Box::new(source),
        }),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            let what = format!("the database gave up: {text}");
            Err(Error::damaged(folder.display().to_string(), what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_a_closed_database_are_errors() {
        let folder = Path::new("index");
        let error = guarded::<()>(folder, || panic!("assertion {}", "failed")).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains("assertion failed"));
        let error = Database::closed(folder).keys("").unwrap_err();
        assert!(error.to_string().contains("is closed"), "{error}");
    }

    #[test]
    fn no_room_and_a_held_lock_are_circumstances_and_damage_is_not() {
        let sled = |source| Error::Sled {
            place: "index".to_owned(),
            source: Box::new(source),
        };
        let no_space = std::io::Error::from_raw_os_error(28);
        assert!(is_circumstance(&sled(sled::Error::Io(no_space))));
        let held = std::io::Error::other("could not acquire lock on \"db\"");
        assert!(is_circumstance(&sled(sled::Error::Io(held))));
        let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert!(!is_circumstance(&sled(sled::Error::Io(short))));
        assert!(!is_circumstance(&Error::damaged("index", "corrupt")));
    }
}
