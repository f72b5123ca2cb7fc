//! How a sled location is opened: by its owner, who brings the index up to what the sealed files say, and by
//! readers, who need none.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidemill_storage::{DiskObjects, LocalDisk, Objects};

use super::index::{self, Heads};
use super::legacy::{self, Legacy};
use super::pack_files::PackFiles;
use super::packs::{Pack, Packs};
use super::{PUBLISHED, SledBackend, lock};
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::id::CheckpointId;
use crate::pack::Contents;

/// Exists once all records are in sealed files.
const SEALED: &str = "sealed";

impl SledBackend {
    /// Opens or creates the store at `location`, whose lock the caller holds.
    pub(crate) fn open(location: &Path) -> Result<Self> {
        let mut backend = Self::at(location, true)?;
        backend.files.sweep()?;
        let was_published = backend.was_published()?;
        if backend.files.get(SEALED)?.is_none() {
            let is_legacy = legacy::is_there(location);
            if is_legacy {
                let told = legacy::seal_all(location, &backend.pack_files, was_published)?;
                backend.notices.extend(told);
            }
            backend.files.put_new(SEALED, Bytes::new())?;
            if is_legacy {
                index::move_aside(location)?;
            }
        }
        let opened = index::open(location, was_published);
        backend.notices.extend(opened.notice);
        for notice in &backend.notices {
            tracing::warn!("{notice}");
        }
        let (packs, lacking) = read_packs(&backend.pack_files, &opened.heads)?;
        let is_gone = |id: &&CheckpointId| packs.get(**id).is_none();
        let gone: Vec<CheckpointId> = opened.heads.keys().filter(is_gone).copied().collect();
        backend.packs = Mutex::new(packs);
        backend.index = Mutex::new(opened.index);
        for (id, head) in &lacking {
            backend.with_index(|index| index.put(*id, head));
        }
        for id in gone {
            backend.with_index(|index| index.remove(id));
        }
        if !was_published && lock(&backend.packs).manifests().next().is_some() {
            backend.mark_published()?;
        }
        Ok(backend)
    }

    /// Opens the store for reading beside its owner.
    pub(crate) fn open_shared(location: &Path) -> Result<Self> {
        let mut backend = Self::at(location, false)?;
        if backend.files.get(SEALED)?.is_some() {
            backend.refresh()?;
        } else if legacy::is_there(location) {
            backend.legacy = Some(Legacy::open_copy(location)?);
        } else {
            return Err(Error::NoStore {
                location: format!("sled:{}", location.display()),
            });
        }
        Ok(backend)
    }

    fn at(location: &Path, is_owner: bool) -> Result<Self> {
        let files = DiskObjects::new(Arc::new(LocalDisk), location);
        Ok(Self {
            was_published: AtomicBool::new(files.get(PUBLISHED)?.is_some()),
            files,
            pack_files: PackFiles::new(location),
            location: location.to_owned(),
            packs: Mutex::default(),
            index: Mutex::default(),
            carried: Mutex::default(),
            legacy: None,
            is_owner,
            notices: Vec::new(),
        })
    }

    /// Looks at the packs again: their owner goes on while a reader reads.
    pub(super) fn refresh(&self) -> Result<()> {
        let (packs, _) = read_packs(&self.pack_files, &Heads::new())?;
        *lock(&self.packs) = packs;
        Ok(())
    }
}

/// Reads the heads of all packs that `known` doesn't hold; also returns those.
fn read_packs(files: &PackFiles, known: &Heads) -> Result<(Packs, Heads)> {
    let (mut packs, mut lacking) = (Packs::default(), Heads::new());
    for (id, listed) in files.list()? {
        let place = || files.path(id, listed.is_spent).display().to_string();
        let indexed = known
            .get(&id)
            .and_then(|head| Contents::decode(&place(), id, head).ok())
            .filter(|contents| contents.total() == listed.bytes);
        let contents = match indexed {
            Some(contents) => Some(contents),
            None => match files.head(id, listed) {
                Ok(Some((head, contents))) => {
                    lacking.insert(id, head);
                    Some(contents)
                }
                Ok(None) => continue, // Retired while a reader looked.
                Err(error) if error.is_damage() || matches!(error, Error::Storage(_)) => {
                    tracing::warn!(%error, "a pack of checkpoints is damaged");
                    None
                }
                Err(error) => return Err(error),
            },
        };
        let pack = Pack {
            bytes: listed.bytes,
            is_spent: listed.is_spent,
            contents,
        };
        packs.insert(id, pack);
    }
    Ok((packs, lacking))
}

#[cfg(test)]
mod tests {
    use super::super::database::Database;
    use super::super::index::Index;
    use super::*;
    use crate::backend::{Folder, Name};

    #[test]
    fn an_index_that_fails_is_left_out_and_the_next_start_cures_it() {
        let folder = tempfile::tempdir().unwrap();
        let backend = SledBackend::open(folder.path()).unwrap();
        *lock(&backend.index) = Some(Index(Database::closed(folder.path())));
        let manifest = Bytes::from_static(b"manifest");
        backend
            .publish(CheckpointId(1), manifest.clone(), &[])
            .unwrap();
        assert!(lock(&backend.index).is_none());
        backend
            .publish(CheckpointId(2), manifest.clone(), &[])
            .unwrap();
        drop(backend);
        let backend = SledBackend::open(folder.path()).unwrap();
        let names = [1, 2].map(|id| Name::Manifest(CheckpointId(id)));
        assert_eq!(backend.list(Folder::Manifests).unwrap(), names);
        assert_eq!(backend.get(names[1]).unwrap(), Some(manifest));
        assert!(backend.notices().is_empty());
    }
}
