//! Where the bytes of a store lie, behind one small private contract.
//!
//! Invariant of the contract: what [`Backend::create`], [`Backend::put_chunk`] and [`Backend::publish`]
//! report as done is durable, and a record appears whole or not at all. A backend decides nothing; order, epochs,
//! fallback and retention are the [store's](crate::CheckpointStore).

mod exclusive;
mod name;
mod objects;
mod sled;

pub use exclusive::LOCK_FILE;

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use tidemill_storage::{Location, PutOutcome};

pub(crate) use self::exclusive::Exclusive;
pub(crate) use self::name::{Folder, Name};
pub(crate) use self::objects::ObjectBackend;
pub(crate) use self::sled::{SledBackend, pieces};
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId};

/// Homes of claims, manifests and chunks.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Creates a claim or fence, durable when it returns. Never changes an existing one.
    fn create(&self, name: Name, bytes: Bytes) -> Result<PutOutcome>;
    /// Up to how many bytes a chunk is handed to [`Backend::publish`], and not to
    /// [`Backend::put_chunk`] before.
    fn packs_up_to(&self) -> usize {
        0
    }
    /// Creates a manifest, and in one step with it the small chunks written for it. Never changes an
    /// existing one.
    fn publish(
        &self,
        id: CheckpointId,
        manifest: Bytes,
        chunks: &[(ChunkId, Bytes)],
    ) -> Result<PutOutcome>;
    /// Writes a chunk under a name never used before, durable when it returns.
    fn put_chunk(&self, name: Name, bytes: Bytes) -> Result<()>;
    /// Reads a record whole.
    fn get(&self, name: Name) -> Result<Option<Bytes>>;
    /// All records of a kind, in name order; of chunks, those that have a name of their own.
    fn list(&self, folder: Folder) -> Result<Vec<Name>>;
    /// Removes a record; it need not exist, and may come back after a power cut.
    fn delete(&self, name: Name) -> Result<()>;
    /// Lets go of what was published with manifests that are gone, but for the `wanted` chunks.
    fn keep_packed(&self, wanted: &BTreeSet<ChunkId>) -> Result<()> {
        let _ = wanted;
        Ok(())
    }
    /// Whether a checkpoint was ever published here, where the backend keeps a witness of that apart
    /// from the manifests themselves.
    fn was_published(&self) -> Result<bool> {
        Ok(false)
    }
    /// What the owner should know of how it was opened.
    fn notices(&self) -> &[String] {
        &[]
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
        Location::Sled(path) => Box::new(SledBackend::open_shared(path)?),
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
