//! [`CheckpointReader::verify`]: every byte read and checked, and what a start would go on from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{CheckpointReader, LEFT_BEHIND};
use crate::backend::{Folder, Name};
use crate::catalog;
use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId};
use crate::manifest::ChunkRef;
use crate::retention::Slot;

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
    /// What a start would go on from.
    pub start: Start,
}

/// What a start would go on from, as far as checkpoints decide it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// There is no checkpoint: a start would be the first.
    #[default]
    Anew,
    /// The newest that is whole, savepoints left out that two newer ones have left behind.
    From(CheckpointId),
    /// None that is there can be used, and a start doesn't begin anew beside them.
    Refused,
}

/// One checkpoint, verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Its number.
    pub id: CheckpointId,
    /// Its batch time, in milliseconds since the Unix epoch; `None` when its manifest can't be read.
    pub time_ms: Option<u64>,
    /// Its name, if it is a savepoint whose manifest can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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

/// What is wrong with a chunk.
struct Checked {
    finding: Finding,
    /// Whether a start passes over the checkpoint for it, rather than being refused.
    is_skipped: bool,
}

impl Verified {
    /// One of which nothing is known yet.
    pub(super) fn of(id: CheckpointId) -> Self {
        Self {
            id,
            time_ms: None,
            name: None,
            chunks: 0,
            findings: Vec::new(),
        }
    }
}

impl Verification {
    /// Whether recovery would take the newest checkpoint without falling back.
    #[must_use]
    pub fn newest_is_whole(&self) -> bool {
        self.checkpoints
            .first()
            .is_none_or(|newest| newest.findings.is_empty())
    }

    /// Whether every manifest can be read: else some of the orphans may be chunks of those that can't.
    #[must_use]
    pub fn all_manifests_are_read(&self) -> bool {
        self.checkpoints
            .iter()
            .all(|checkpoint| checkpoint.time_ms.is_some())
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
        let mut checked: BTreeMap<ChunkId, Option<Checked>> = BTreeMap::new();
        let mut named = BTreeSet::new();
        let mut checkpoints = Vec::new();
        let mut start = Start::Anew;
        let (mut is_decided, mut is_refused) = (false, false);
        for (newer, id) in self.ids()?.into_iter().enumerate() {
            let name = Name::Manifest(id);
            let mut verified = Verified::of(id);
            let (mut is_left_behind, mut is_skipped) = (false, true);
            match catalog::read_slot(&*self.backend, id) {
                Ok(Slot::Whole(manifest)) => {
                    verified.time_ms = Some(manifest.time_ms);
                    verified.name.clone_from(&manifest.name);
                    is_left_behind = manifest.name.is_some() && newer >= LEFT_BEHIND;
                    for reference in manifest.chunks() {
                        verified.chunks += 1;
                        named.insert(reference.id);
                        let found = checked.entry(reference.id).or_insert_with(|| {
                            let found = self.check(reference);
                            on_read(reference.bytes);
                            found
                        });
                        if let Some(found) = found {
                            is_skipped &= found.is_skipped;
                            verified.findings.push(found.finding.clone());
                        }
                    }
                }
                Ok(_) => continue,
                Err(error) => {
                    is_refused |= !self.is_skipped(&error);
                    verified.findings.push(self.finding(name, &error));
                }
            }
            let retired =
                !verified.findings.is_empty() && matches!(self.backend.get(name), Ok(None));
            if retired {
                continue;
            }
            if !is_left_behind && !is_decided {
                let is_whole = verified.findings.is_empty();
                start = if is_whole {
                    Start::From(id)
                } else {
                    Start::Refused
                };
                is_decided = is_whole || !is_skipped;
            }
            checkpoints.push(verified);
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
            // A start reads all manifests first.
            start: if is_refused { Start::Refused } else { start },
        })
    }

    fn check(&self, reference: &ChunkRef) -> Option<Checked> {
        let error = self.read_chunk(reference).err()?;
        Some(Checked {
            finding: self.finding(Name::Chunk(reference.id), &error),
            is_skipped: self.is_skipped(&error),
        })
    }

    /// Whether a start passes over a checkpoint for an error, rather than being refused.
    fn is_skipped(&self, error: &Error) -> bool {
        error.is_damage() || (self.is_local && matches!(error, Error::Storage(_)))
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

    pub(super) fn finding(&self, name: Name, error: &Error) -> Finding {
        Finding {
            place: self.backend.place(name),
            problem: error.to_string(),
        }
    }
}
