//! The lock that keeps a second driver off a location, where there can be one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidemill_storage::{FileLock, Holder, Location, LockError};

use crate::error::{Error, Result};

/// The file that a live driver holds locked, in a local location's folder.
pub const LOCK_FILE: &str = "lock";

/// Who uses which `memory:NAME` of this process.
static IN_MEMORY: Mutex<BTreeMap<String, Holder>> = Mutex::new(BTreeMap::new());

/// Held for as long as a driver owns the location.
#[derive(Debug)]
pub(crate) enum Exclusive {
    /// A local folder's lock; the kernel frees it when this process dies.
    File(#[expect(dead_code, reason = "held, not read")] FileLock),
    /// A named store of this process.
    Memory(#[expect(dead_code, reason = "held, not read")] InMemory),
    /// A fresh store that nobody else can name.
    Private,
    /// A shared store: epochs keep drivers apart.
    Nothing,
}

/// An entry of [`IN_MEMORY`], removed with it.
#[derive(Debug)]
pub(crate) struct InMemory(String);

impl Exclusive {
    pub(crate) fn acquire(location: &Location, holder: &Holder) -> Result<Self> {
        if let Some(path) = location.local_path() {
            return match FileLock::acquire(&path.join(LOCK_FILE), holder) {
                Ok(lock) => Ok(Self::File(lock)),
                Err(LockError::Held { holder, .. }) => Err(locked(location, holder)),
                Err(LockError::Storage(error)) => Err(error.into()),
                Err(other) => {
                    let kind = tidemill_storage::ErrorKind::Io;
                    let path = path.display().to_string();
                    Err(tidemill_storage::Error::new("lock", path, kind, other).into())
                }
            };
        }
        match location {
            Location::Memory(name) if name.is_empty() => Ok(Self::Private),
            Location::Memory(name) => {
                let mut holders = in_memory();
                if let Some(found) = holders.get(name) {
                    return Err(locked(location, Some(found.clone())));
                }
                holders.insert(name.clone(), holder.clone());
                Ok(Self::Memory(InMemory(name.clone())))
            }
            _ => Ok(Self::Nothing),
        }
    }

    /// Whether nobody else can open the location for writing.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        in_memory().remove(&self.0);
    }
}

fn in_memory() -> MutexGuard<'static, BTreeMap<String, Holder>> {
    IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn locked(location: &Location, holder: Option<Holder>) -> Error {
    Error::Locked {
        location: location.to_string(),
        holder: holder.map(Box::new),
    }
}
