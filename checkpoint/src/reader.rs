//! [`CheckpointReader`]: looking at a location without owning it.
//!
//! Takes no lock, claims nothing and changes nothing, so it works while a driver is live. On a sled
//! location it reads a copy of the index as of its opening. The driver may retire a checkpoint that is
//! just being looked at: one that vanished meanwhile is left out, not reported as damaged.

mod verify;

use std::sync::Arc;

use tidemill_storage::Location;

use crate::backend::{self, Backend, Name};
use crate::catalog::{self, Summary};
use crate::chunk::Chunk;
use crate::error::{Error, Result};
use crate::id::CheckpointId;
use crate::manifest::{ChunkRef, Manifest};
use crate::retention::Slot;
use crate::store::Newest;
pub use verify::{Finding, Start, Verification, Verified};

/// With how many newer checkpoints a savepoint counts as left behind: as many as are kept at least.
const LEFT_BEHIND: usize = 2;

/// A location of checkpoints, read only.
#[derive(Debug)]
pub struct CheckpointReader {
    backend: Box<dyn Backend>,
    location: String,
    is_local: bool,
}

/// What is at a location, without its chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The checkpoints whose manifests can be read, newest first.
    pub checkpoints: Vec<Summary>,
    /// Those whose manifests can't, newest first.
    pub damaged: Vec<Verified>,
}

impl CheckpointReader {
    /// Opens a location for reading.
    ///
    /// # Errors
    /// [`Error::NoStore`] when there is nothing; [`Error::Busy`] when a sled index was never quiet long
    /// enough for a copy.
    pub fn open(location: &Location) -> Result<Self> {
        Ok(Self {
            backend: backend::open_shared(location)?,
            location: location.to_string(),
            is_local: location.is_local(),
        })
    }

    /// The checkpoints whose manifests can be read, newest first.
    ///
    /// # Errors
    /// When the location can't be read, or a newer program wrote to it.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let listing = self.listing()?;
        for Verified { id, findings, .. } in &listing.damaged {
            tracing::warn!(checkpoint = %id, ?findings, "a manifest can't be read");
        }
        Ok(listing.checkpoints)
    }

    /// As [`CheckpointReader::list`], with those whose manifests can't be read.
    ///
    /// # Errors
    /// As [`CheckpointReader::list`].
    pub fn listing(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for id in self.ids()? {
            match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) => listing.checkpoints.push(Summary::from(&*manifest)),
                // A manifest that is missing was retired meanwhile.
                Ok(_) | Err(Error::Missing { .. }) => {}
                Err(error) if error.is_damage() => {
                    let mut damaged = Verified::of(id);
                    damaged
                        .findings
                        .push(self.finding(Name::Manifest(id), &error));
                    listing.damaged.push(damaged);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }

    /// The manifest of the newest checkpoint of which one can be read. Its chunks are not looked at.
    ///
    /// # Errors
    /// When the location can't be read, or a newer program wrote to it.
    pub fn newest_manifest(&self) -> Result<Option<Manifest>> {
        for (newer, id) in self.ids()?.into_iter().enumerate() {
            match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) if manifest.name.is_some() && newer >= LEFT_BEHIND => {}
                Ok(Slot::Whole(manifest)) => return Ok(Some(Arc::unwrap_or_clone(manifest))),
                Ok(_) | Err(Error::Missing { .. }) => {}
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The newest checkpoint of which manifest and all chunks verify, as a start would find it.
    ///
    /// # Errors
    /// [`Error::NoneVerifies`] when there are checkpoints and none is whole; when the location can't be read,
    /// or a newer program wrote to it.
    pub fn newest_whole(&self) -> Result<Newest> {
        self.newest_whole_where(|_| true)
    }

    /// As [`CheckpointReader::newest_whole`], of those whose batch time is before `time_ms` (milliseconds since
    /// the Unix epoch): what contains neither the batch of that time nor any after it.
    ///
    /// # Errors
    /// As [`CheckpointReader::newest_whole`].
    pub fn newest_whole_before(&self, time_ms: u64) -> Result<Newest> {
        self.newest_whole_where(|manifest| manifest.time_ms < time_ms)
    }

    fn newest_whole_where(&self, is_wanted: impl Fn(&Manifest) -> bool) -> Result<Newest> {
        let mut skipped = Vec::new();
        for (newer, id) in self.ids()?.into_iter().enumerate() {
            let found = match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) if manifest.name.is_some() && newer >= LEFT_BEHIND => {
                    Ok(None)
                }
                Ok(Slot::Whole(manifest)) if !is_wanted(&manifest) => Ok(None),
                Ok(Slot::Whole(manifest)) => {
                    let mut chunks = manifest.chunks();
                    let checked = chunks.try_for_each(|chunk| self.read_chunk(chunk).map(drop));
                    drop(chunks);
                    checked.map(|()| Some(manifest))
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            };
            match found {
                Ok(Some(manifest)) => {
                    return Ok(Newest {
                        manifest: Some(Arc::unwrap_or_clone(manifest)),
                        skipped,
                    });
                }
                Ok(None) => {}
                // Retired by a live driver meanwhile.
                Err(_) if matches!(self.backend.get(Name::Manifest(id)), Ok(None)) => {}
                Err(error) if error.is_damage() => skipped.push((id, error)),
                Err(error) => return Err(error),
            }
        }
        let count = skipped.len();
        match skipped.into_iter().next() {
            Some((newest, error)) => Err(Error::NoneVerifies {
                location: self.location.clone(),
                count,
                newest,
                source: Box::new(error),
            }),
            None => Ok(Newest {
                manifest: None,
                skipped: Vec::new(),
            }),
        }
    }

    /// The manifest of the savepoint of this name.
    ///
    /// # Errors
    /// [`Error::Savepoint`] when there is none.
    pub fn savepoint(&self, name: &str) -> Result<Manifest> {
        let mut known = Vec::new();
        for id in self.ids()? {
            match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) => match &manifest.name {
                    Some(found) if found == name => return Ok(Arc::unwrap_or_clone(manifest)),
                    Some(other) => known.push(other.clone()),
                    None => {}
                },
                Ok(_) | Err(Error::Missing { .. }) => {}
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::no_savepoint(&self.location, name, &known))
    }

    /// The manifest of a checkpoint.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] when there is none of this number.
    pub fn manifest(&self, id: CheckpointId) -> Result<Manifest> {
        match catalog::read_slot(&*self.backend, id) {
            Ok(Slot::Whole(manifest)) => Ok(Arc::unwrap_or_clone(manifest)),
            Ok(_) | Err(Error::Missing { .. }) => Err(Error::NoCheckpoint {
                location: self.location.clone(),
                id,
            }),
            Err(error) => Err(error),
        }
    }

    /// Reads a chunk, checked.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Missing`] when it isn't there as it was written.
    pub fn read_chunk(&self, reference: &ChunkRef) -> Result<Chunk> {
        catalog::read_chunk(&*self.backend, reference)
    }

    /// Newest first.
    fn ids(&self) -> Result<Vec<CheckpointId>> {
        let mut ids = catalog::ids(&*self.backend)?;
        ids.reverse();
        Ok(ids)
    }
}
