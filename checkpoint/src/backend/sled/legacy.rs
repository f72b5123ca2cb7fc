//! Locations of format 1, in which the database itself held manifests and small chunks.
//!
//! They can be read beside their owner, and their owner's next start seals what is in them into packs.

use std::path::Path;

use bytes::Bytes;
use tidemill_storage::PutOutcome;

use super::copy::{self, Copied};
use super::database::Database;
use super::index::INDEX;
use super::pack_files::PackFiles;
use super::packs::{Pack, Packs};
use super::{Folder, Name, leftovers, pieces};
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId};
use crate::manifest::Manifest;
use crate::pack;

/// The records in a database of format 1.
#[derive(Debug)]
pub(super) struct Legacy {
    database: Database,
    place: String,
    _copy: Option<Copied>,
}

/// Whether there is such a database, where nothing says that its records were sealed.
pub(super) fn is_there(location: &Path) -> bool {
    location.join(INDEX).join("db").is_file()
}

impl Legacy {
    /// Opens a copy of the database, for reading beside its owner.
    pub(super) fn open_copy(location: &Path) -> Result<Self> {
        let index = location.join(INDEX);
        copy::open_copy(&index, |copied| {
            let legacy = Self {
                database: Database::open(copied.path(), &index)?,
                place: index.display().to_string(),
                _copy: Some(copied),
            };
            // Reading everything shows a copy whose parts are from different moments.
            for folder in [Folder::Manifests, Folder::Chunks] {
                for name in legacy.list(folder)? {
                    legacy.get(name)?;
                }
            }
            Ok(legacy)
        })
    }

    fn open(location: &Path, was_published: bool) -> Result<Self> {
        let index = location.join(INDEX);
        leftovers::remove(&index, was_published)?;
        Ok(Self {
            database: Database::open(&index, &index)?,
            place: index.display().to_string(),
            _copy: None,
        })
    }

    pub(super) fn get(&self, name: Name) -> Result<Option<Bytes>> {
        pieces::join(name, &self.place(name), |key| self.database.get(key))
    }

    pub(super) fn list(&self, folder: Folder) -> Result<Vec<Name>> {
        let keys = self.database.keys(&format!("{}/", folder.as_str()))?;
        let names = keys.iter().filter_map(|key| pieces::name_of_head(key));
        Ok(names.collect())
    }

    pub(super) fn place(&self, name: Name) -> String {
        format!("{}, entry {name}", self.place)
    }
}

/// Seals what a database of format 1 holds into packs. What was interrupted is done again: packs that are
/// there already stay. Returns what the owner should be told.
///
/// # Errors
/// When a newer program wrote it, or none of its checkpoints can be read: then nothing was changed.
pub(super) fn seal_all(
    location: &Path,
    files: &PackFiles,
    was_published: bool,
) -> Result<Vec<String>> {
    let legacy = match Legacy::open(location, was_published) {
        Err(error) if error.is_damage() && !was_published => {
            tracing::debug!(%error, "a database was left half made, before its first checkpoint");
            return Ok(Vec::new());
        }
        other => other?,
    };
    let (mut manifests, mut notices, mut last) = (Vec::new(), Vec::new(), None);
    for name in legacy.list(Folder::Manifests)? {
        let Name::Manifest(id) = name else { continue };
        let read = legacy.get(name).and_then(|bytes| match bytes {
            Some(bytes) => Ok((Manifest::decode(&legacy.place(name), id, &bytes)?, bytes)),
            None => Err(Error::Missing {
                place: legacy.place(name),
            }),
        });
        match read {
            Ok(read) => manifests.push(read),
            Err(error) if error.is_damage() => {
                tracing::warn!(checkpoint = %id, %error, "a checkpoint can't be sealed");
                notices.push(format!(
                    "checkpoint {id} was damaged and is left out: {error}"
                ));
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    if let (true, Some(error)) = (manifests.is_empty(), last) {
        return Err(error);
    }
    let mut packs = Packs::default();
    for (manifest, bytes) in &manifests {
        seal(&legacy, files, &mut packs, manifest, bytes)?;
    }
    tracing::info!(
        location = %location.display(),
        checkpoints = manifests.len(),
        "sealed the checkpoints of an earlier format"
    );
    Ok(notices)
}

/// Creates the pack of a checkpoint, with those of its small chunks that no pack holds yet.
fn seal(
    legacy: &Legacy,
    files: &PackFiles,
    packs: &mut Packs,
    manifest: &Manifest,
    bytes: &Bytes,
) -> Result<()> {
    let mut chunks: Vec<(ChunkId, Bytes)> = Vec::new();
    for reference in manifest.chunks() {
        let id = reference.id;
        if packs.place_of(id).is_some() || chunks.iter().any(|(there, _)| *there == id) {
            continue;
        }
        match legacy.get(Name::Chunk(id)) {
            Ok(Some(chunk)) => chunks.push((id, chunk)),
            Ok(None) => {} // A large one, in a file of its own.
            Err(error) if error.is_damage() => {
                tracing::warn!(chunk = %id, %error, "a chunk can't be sealed");
            }
            Err(error) => return Err(error),
        }
    }
    let id: CheckpointId = manifest.id;
    let (sealed, _) = pack::encode(id, bytes, &chunks)?;
    if files.create(id, sealed)? == PutOutcome::Conflict {
        tracing::debug!(checkpoint = %id, "was sealed before an interruption");
    }
    if let Some(listed) = files.list()?.get(&id)
        && let Some((_, contents)) = files.head(id, *listed)?
    {
        packs.insert(
            id,
            Pack {
                bytes: listed.bytes,
                is_spent: listed.is_spent,
                contents: Some(contents),
            },
        );
    }
    Ok(())
}
