//! The store in a local folder with an embedded index: `sled:PATH`, the default.
//!
//! sled 0.34.7 alone doesn't keep the contract (see `docs/findings-sled.md`): its `flush` ends in
//! `sync_file_range`, which leaves the disk's cache and the file's length alone, and large values go to
//! files that are never synced. So nothing that counts is left to it. Below `PATH`:
//!
//! - `pack/` holds, for each checkpoint, its manifest and the small chunks written with it in one sealed
//!   [pack](crate::pack). Creating the pack is what publishes the checkpoint.
//! - `chunk/` holds the larger chunks as sealed files, `epoch/` the claims.
//! - `index/` is the database: the heads of all packs. It is never waited for; whatever becomes of it, it
//!   follows from the packs. A damaged one is moved to `index.aside/`.
//! - `published` is created once there is a manifest: a store that then comes back empty is damage, not a
//!   fresh start. `sealed` says that no record lies in the database alone, as it did in [format 1](legacy).
//! - `lock` is the owner's.
//!
//! Invariant: what is read is believed only with its checksum, and only sealed files are believed to hold
//! what was reported.

mod closing;
mod copy;
mod database;
mod index;
mod leftovers;
mod legacy;
mod open;

mod pack_files;
mod packs;
pub(crate) mod pieces;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tidemill_storage::{DiskObjects, Objects, PutOutcome};

use self::index::Index;
use self::legacy::Legacy;
use self::pack_files::PackFiles;
use self::packs::{Pack, Packs};
use super::{Backend, Folder, Name};
use crate::chunk::Chunk;
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId};
use crate::pack::{self, Contents};

/// Exists once a manifest does.
const PUBLISHED: &str = "published";
/// Larger chunks become files of their own.
const PACKED_BYTES: usize = 64 * 1024;

/// Sealed files, and an index of them.
#[derive(Debug)]
pub(crate) struct SledBackend {
    files: DiskObjects,
    pack_files: PackFiles,
    location: PathBuf,
    packs: Mutex<Packs>,
    /// The owner's; `None` once it failed, and for readers.
    index: Mutex<Option<Index>>,
    /// Chunks to be written again into the next pack.
    carried: Mutex<Vec<ChunkId>>,
    /// For readers of a location of format 1.
    legacy: Option<Legacy>,
    is_owner: bool,
    was_published: AtomicBool,
    notices: Vec<String>,
}

impl SledBackend {
    /// Updates the index. One that fails is not used any more: the next start sees to it.
    fn with_index(&self, update: impl FnOnce(&Index) -> Result<()>) {
        let mut index = lock(&self.index);
        if let Some(Err(error)) = index.as_ref().map(update) {
            tracing::warn!(%error, "the index of checkpoints failed; the next start makes it anew");
            *index = None;
        }
    }

    fn mark_published(&self) -> Result<()> {
        self.files.put_new(PUBLISHED, Bytes::new())?;
        self.was_published.store(true, Ordering::Release);
        Ok(())
    }

    fn manifest(&self, id: CheckpointId) -> Result<Option<Bytes>> {
        let Some(pack) = lock(&self.packs).get(id).cloned() else {
            return Ok(None);
        };
        if pack.is_spent {
            return Ok(None);
        }
        let place = || self.pack_files.path(id, false).display().to_string();
        let Some(contents) = pack.contents else {
            let listed = self.pack_files.list()?.get(&id).copied();
            let read = listed.map(|listed| self.pack_files.head(id, listed));
            let what = "its head could not be read when the store was opened";
            return match read.transpose()?.flatten() {
                Some(_) => Err(Error::damaged(place(), what)),
                None => Ok(None),
            };
        };
        if contents.total() != pack.bytes {
            let what = format!(
                "it has {} bytes, its head says {}",
                pack.bytes,
                contents.total()
            );
            return Err(Error::damaged(place(), what));
        }
        self.pack_files.part(id, false, contents.manifest())
    }

    fn chunk(&self, id: ChunkId) -> Result<Option<Bytes>> {
        let place = lock(&self.packs).place_of(id);
        if let Some((pack, part)) = place {
            let is_spent = lock(&self.packs)
                .get(pack)
                .is_some_and(|pack| pack.is_spent);
            if let Some(found) = self.pack_files.part(pack, is_spent, part)? {
                return Ok(Some(found));
            }
        }
        Ok(self.files.get(&Name::Chunk(id).to_string())?)
    }

    /// The chunks to be carried, those that are sound.
    fn read_carried(&self) -> Vec<(ChunkId, Bytes)> {
        let carried = lock(&self.carried).clone();
        let read = |id: ChunkId| {
            let bytes = self.chunk(id)?.unwrap_or_default();
            Chunk::decode_at(&self.place(Name::Chunk(id)), bytes)
        };
        let sound = carried.into_iter().filter_map(|id| match read(id) {
            Ok(chunk) => Some((id, chunk.bytes().clone())),
            Err(error) => {
                tracing::warn!(%error, "a damaged chunk stays where it is");
                None
            }
        });
        sound.collect()
    }

    fn add_pack(&self, id: CheckpointId, bytes: u64, contents: Option<Contents>) {
        let pack = Pack {
            bytes,
            is_spent: false,
            contents,
        };
        lock(&self.packs).insert(id, pack);
    }
}

impl Backend for SledBackend {
    fn create(&self, name: Name, bytes: Bytes) -> Result<PutOutcome> {
        Ok(self.files.put_new(&name.to_string(), bytes)?)
    }

    fn packs_up_to(&self) -> usize {
        PACKED_BYTES
    }

    fn publish(
        &self,
        id: CheckpointId,
        manifest: Bytes,
        chunks: &[(ChunkId, Bytes)],
    ) -> Result<PutOutcome> {
        let mut parts = self.read_carried();
        parts.extend_from_slice(chunks);
        let (pack, head) = pack::encode(id, &manifest, &parts)?;
        let bytes = pack.len() as u64;
        let outcome = self.pack_files.create(id, pack)?;
        if outcome == PutOutcome::Conflict {
            // From an attempt that was reported as failed, and is there all the same.
            let listed = self.pack_files.list()?.get(&id).copied();
            if let Some(listed) = listed {
                let read = self.pack_files.head(id, listed);
                let contents = read.ok().flatten().map(|(_, contents)| contents);
                self.add_pack(id, listed.bytes, contents);
            }
            return Ok(outcome);
        }
        let place = self.pack_files.path(id, false).display().to_string();
        self.add_pack(id, bytes, Some(Contents::decode(&place, id, &head)?));
        lock(&self.carried).clear();
        self.with_index(|index| index.put(id, &head));
        if !self.was_published()? {
            self.mark_published()?;
        }
        Ok(outcome)
    }

    fn put_chunk(&self, name: Name, bytes: Bytes) -> Result<()> {
        Ok(self.files.put(&name.to_string(), bytes)?)
    }

    fn get(&self, name: Name) -> Result<Option<Bytes>> {
        let get = || match name {
            Name::Manifest(id) => self.manifest(id),
            Name::Chunk(id) => self.chunk(id),
            Name::Claim(_) | Name::Pack(_) => Ok(self.files.get(&name.to_string())?),
        };
        if let Some(legacy) = &self.legacy
            && let Some(found) = legacy.get(name)?
        {
            return Ok(Some(found));
        }
        match get()? {
            None if !self.is_owner && self.legacy.is_none() => {
                self.refresh()?;
                get()
            }
            found => Ok(found),
        }
    }

    fn list(&self, folder: Folder) -> Result<Vec<Name>> {
        let mut names = match &self.legacy {
            Some(legacy) => legacy.list(folder)?,
            None => Vec::new(),
        };
        if folder == Folder::Manifests {
            names.extend(lock(&self.packs).manifests().map(Name::Manifest));
        } else {
            let files = self.files.list(folder.as_str())?;
            names.extend(files.iter().filter_map(|(name, _)| Name::parse(name)));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: Name) -> Result<()> {
        let Name::Manifest(id) = name else {
            return Ok(self.files.delete(&name.to_string())?);
        };
        let Some(pack) = lock(&self.packs).get(id).cloned() else {
            return Ok(());
        };
        if pack.contents.is_some() {
            self.pack_files.spend(id)?;
            lock(&self.packs).spend(id);
        } else {
            self.pack_files.delete(id)?;
            lock(&self.packs).remove(id);
        }
        Ok(())
    }

    fn keep_packed(&self, wanted: &BTreeSet<ChunkId>) -> Result<()> {
        let sweep = lock(&self.packs).sweep(wanted);
        *lock(&self.carried) = sweep.carried;
        for id in sweep.unneeded {
            self.pack_files.delete(id)?;
            lock(&self.packs).remove(id);
            self.with_index(|index| index.remove(id));
        }
        Ok(())
    }

    fn was_published(&self) -> Result<bool> {
        Ok(self.was_published.load(Ordering::Acquire))
    }

    fn notices(&self) -> &[String] {
        &self.notices
    }

    fn place(&self, name: Name) -> String {
        let packs = lock(&self.packs);
        let pack = |id: CheckpointId| {
            let is_spent = packs.get(id).is_some_and(|pack| pack.is_spent);
            self.pack_files.path(id, is_spent).display().to_string()
        };
        if let Some(legacy) = &self.legacy
            && !matches!(name, Name::Claim(_))
            && !self.location.join(name.to_string()).is_file()
        {
            return legacy.place(name);
        }
        match name {
            Name::Manifest(id) => pack(id),
            Name::Chunk(chunk) => match packs.place_of(chunk) {
                Some((id, part)) => {
                    format!("{}, chunk {chunk} at offset {}", pack(id), part.offset)
                }
                None => self.location.join(name.to_string()).display().to_string(),
            },
            Name::Claim(_) | Name::Pack(_) => {
                self.location.join(name.to_string()).display().to_string()
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
