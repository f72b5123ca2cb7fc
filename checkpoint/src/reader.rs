//! [`CheckpointReader`]: looking at a location without owning it.
//!
//! Takes no lock, claims nothing and changes nothing, so it works while a driver is live. On a sled
//! location it reads a copy of the index as of its opening. The driver may retire a checkpoint that is
//! just being looked at: one that vanished meanwhile is left out, not reported as damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use tidemill_storage::Location;

use crate::backend::{self, Backend, Folder, Name};
use crate::catalog::{self, Summary};
use crate::chunk::Chunk;
use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId};
use crate::manifest::{ChunkRef, Manifest};
use crate::retention::Slot;
use crate::store::Newest;

/// With how many newer checkpoints a savepoint counts as left behind: as many as are kept at least.
const LEFT_BEHIND: usize = 2;

/// A location of checkpoints, read only.
#[derive(Debug)]
pub struct CheckpointReader {
    backend: Box<dyn Backend>,
    location: String,
}

/// What [`CheckpointReader::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Each checkpoint, newest first.
    pub checkpoints: Vec<Verified>,
    /// Claims of epochs that can't be read. They do no harm: a claim counts by its name alone, what is in
    /// it only says who made it.
    pub claims: Vec<Finding>,
    /// Chunks that no readable manifest names: left by an interrupted write, swept by the next one.
    pub orphans: Vec<String>,
}

/// One checkpoint, verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Its number.
    pub id: CheckpointId,
    /// Its batch time, in milliseconds since the Unix epoch; `None` when its manifest can't be read.
    pub time_ms: Option<u64>,
    /// Chunks that were read and checked.
    pub chunks: usize,
    /// What is wrong with it; empty when it is whole.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong, with the place and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The file, object or database entry.
    pub place: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl Verification {
    /// Whether recovery would take the newest checkpoint without falling back.
    #[must_use]
    pub fn newest_is_whole(&self) -> bool {
        self.checkpoints
            .first()
            .is_none_or(|newest| newest.findings.is_empty())
    }

    /// Whether every checkpoint is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.checkpoints
            .iter()
            .all(|checkpoint| checkpoint.findings.is_empty())
    }
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
        })
    }

    /// The checkpoints whose manifests can be read, newest first.
    ///
    /// # Errors
    /// When the location can't be read, or a newer program wrote to it.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let mut summaries = Vec::new();
        for id in self.ids()? {
            match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) => summaries.push(Summary::from(&*manifest)),
                Ok(_) => {}
                Err(error) if error.is_damage() => {
                    tracing::warn!(checkpoint = %id, %error, "a manifest can't be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(summaries)
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

    /// Reads everything and checks it.
    ///
    /// # Errors
    /// When the location can't be listed. What is wrong with single checkpoints is in the result.
    pub fn verify(&self) -> Result<Verification> {
        self.verify_with(|_| {})
    }

    /// As [`CheckpointReader::verify`], for whoever shows how far it is: `on_read` is told the bytes of each chunk that has
    /// been read.
    ///
    /// # Errors
    /// As [`CheckpointReader::verify`].
    pub fn verify_with(&self, mut on_read: impl FnMut(u64)) -> Result<Verification> {
        let stored = self.backend.list(Folder::Chunks)?;
        let mut checked: BTreeMap<ChunkId, Option<Finding>> = BTreeMap::new();
        let mut named = BTreeSet::new();
        let mut checkpoints = Vec::new();
        for id in self.ids()? {
            let name = Name::Manifest(id);
            let mut verified = Verified {
                id,
                time_ms: None,
                chunks: 0,
                findings: Vec::new(),
            };
            match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) => {
                    verified.time_ms = Some(manifest.time_ms);
                    for reference in manifest.chunks() {
                        verified.chunks += 1;
                        named.insert(reference.id);
                        let finding = checked.entry(reference.id).or_insert_with(|| {
                            let finding = self.check(reference);
                            on_read(reference.bytes);
                            finding
                        });
                        verified.findings.extend(finding.clone());
                    }
                }
                Ok(_) => continue,
                Err(error) => {
                    verified.findings.push(self.finding(name, &error));
                }
            }
            let retired =
                !verified.findings.is_empty() && matches!(self.backend.get(name), Ok(None));
            if !retired {
                checkpoints.push(verified);
            }
        }
        if checkpoints.is_empty() && self.backend.was_published()? {
            return Err(Error::Vanished {
                location: self.location.clone(),
            });
        }
        let claims = self.damaged_claims()?;
        let orphan = |name: &Name| matches!(name, Name::Chunk(id) if !named.contains(id));
        let orphans = stored
            .into_iter()
            .filter(orphan)
            .map(|name| self.backend.place(name));
        Ok(Verification {
            checkpoints,
            claims,
            orphans: orphans.collect(),
        })
    }

    fn check(&self, reference: &ChunkRef) -> Option<Finding> {
        let error = self.read_chunk(reference).err()?;
        Some(self.finding(Name::Chunk(reference.id), &error))
    }

    fn damaged_claims(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for name in self.backend.list(Folder::Claims)? {
            // One that is gone by now belonged to an earlier epoch.
            let Some(bytes) = self.backend.get(name)? else {
                continue;
            };
            if let Err(error) = Claim::verify(&self.backend.place(name), &bytes) {
                findings.push(self.finding(name, &error));
            }
        }
        Ok(findings)
    }

    fn finding(&self, name: Name, error: &Error) -> Finding {
        Finding {
            place: self.backend.place(name),
            problem: error.to_string(),
        }
    }

    /// Newest first.
    fn ids(&self) -> Result<Vec<CheckpointId>> {
        let mut ids = catalog::ids(&*self.backend)?;
        ids.reverse();
        Ok(ids)
    }
}
