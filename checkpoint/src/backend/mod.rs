//! Where the bytes of a store lie, behind one small private contract.
//!
//! Invariant of the contract: what [`Backend::create`] and [`Backend::sync_chunks`] report as done is
//! durable, and a created record appears whole or not at all. A backend decides nothing; order, epochs,
//! fallback and retention are the [store's](crate::CheckpointStore).

mod exclusive;
mod name;
mod objects;
mod sled;

pub use exclusive::LOCK_FILE;

use std::fmt;

use bytes::Bytes;
use tidemill_storage::{Location, PutOutcome};

pub(crate) use self::exclusive::Exclusive;
pub(crate) use self::name::{Folder, Name};
pub(crate) use self::objects::ObjectBackend;
pub(crate) use self::sled::SledBackend;
use crate::error::{Error, Result};

/// Homes of claims, manifests and chunks.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Creates a claim or manifest, durable when it returns. Never changes an existing one.
    fn create(&self, name: Name, bytes: Bytes) -> Result<PutOutcome>;
    /// Writes a chunk under a name never used before. Durable after [`Backend::sync_chunks`].
    fn put_chunk(&self, name: Name, bytes: Bytes) -> Result<()>;
    /// Makes all chunks put so far durable.
    fn sync_chunks(&self) -> Result<()>;
    /// Reads a record whole.
    fn get(&self, name: Name) -> Result<Option<Bytes>>;
    /// All records of a kind, in name order.
    fn list(&self, folder: Folder) -> Result<Vec<Name>>;
    /// Removes a record; it need not exist, and may come back after a power cut.
    fn delete(&self, name: Name) -> Result<()>;
    /// Lets other processes see what was deleted so far.
    fn show_deletes(&self) -> Result<()> {
        Ok(())
    }
    /// Whether a checkpoint was ever published here, where the backend keeps a witness of that apart
    /// from the manifests themselves.
    fn was_published(&self) -> Result<bool> {
        Ok(false)
    }
    /// What errors call a record: a path, a URL.
    fn place(&self, name: Name) -> String;
}

/// Whether drivers on other machines (or without our lock) can write there, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// A lock keeps all others out.
    Exclusive,
    /// Only epochs and conditional writes keep drivers apart.
    Shared,
}

/// Opens a location for its one writer: lock first, then the store.
pub(crate) fn open_owned(
    location: &Location,
    holder: &tidemill_storage::Holder,
) -> Result<(Box<dyn Backend>, Exclusive, Sharing)> {
    let exclusive = Exclusive::acquire(location, holder)?;
    let sharing = if exclusive.is_held() {
        Sharing::Exclusive
    } else {
        Sharing::Shared
    };
    let backend: Box<dyn Backend> = match location {
        Location::Sled(path) => Box::new(SledBackend::open(path)?),
        other => {
            let objects = tidemill_storage::open_objects(other)?;
            if sharing == Sharing::Exclusive {
                objects.sweep()?;
            }
            Box::new(ObjectBackend::new(objects, root_of(other)))
        }
    };
    Ok((backend, exclusive, sharing))
}

/// Opens a location for reading beside whoever owns it. Nothing there is changed or created.
pub(crate) fn open_shared(location: &Location) -> Result<Box<dyn Backend>> {
    if let Some(path) = location.local_path()
        && !path.is_dir()
    {
        return Err(Error::NoStore {
            location: location.to_string(),
        });
    }
    Ok(match location {
        Location::Sled(path) => Box::new(SledBackend::open_copy(path)?),
        other => {
            let objects = tidemill_storage::open_objects(other)?;
            Box::new(ObjectBackend::new(objects, root_of(other)))
        }
    })
}

/// What the places of a location's objects begin with: a folder is its path, as a shell takes it.
fn root_of(location: &Location) -> String {
    location
        .local_path()
        .map_or_else(|| location.to_string(), |path| path.display().to_string())
}
