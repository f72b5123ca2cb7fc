//! The index: the heads of all packs in one sled database, so that a start reads it and not every pack.
//!
//! Invariant: nothing is in it that isn't in sealed files, and nothing waits for its disk. After a crash it
//! may lag behind, be torn or be gone. What is missing is read from the packs; one that doesn't open, or
//! holds an entry that fails its checksum, is moved aside and made anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tidemill_storage::{Disk, LocalDisk, durable, failpoint};

use super::database::{Database, is_circumstance};
use super::{Folder, Name, leftovers, pieces};
use crate::error::{Error, Result};
use crate::id::CheckpointId;

/// The database's folder, below the location's.
pub(super) const INDEX: &str = "index";
/// Where a damaged one is moved: one generation stays.
pub(super) const ASIDE: &str = "index.aside";

/// The database of heads.
#[derive(Debug)]
pub(super) struct Index(pub(super) Database);

/// The sealed heads of packs.
pub(super) type Heads = BTreeMap<CheckpointId, Bytes>;

/// An index to use, what it knows, and what happened to the one before.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub index: Option<Index>,
    pub heads: Heads,
    pub notice: Option<String>,
}

/// Opens a location's index. Never fails: without one, a start only reads more.
pub(super) fn open(location: &Path, was_published: bool) -> Opened {
    let folder = location.join(INDEX);
    match try_open(&folder, was_published) {
        Ok((index, heads)) => Opened {
            index: Some(index),
            heads,
            notice: None,
        },
        Err(error) if matches!(error, Error::Storage(_)) || is_circumstance(&error) => {
            tracing::warn!(%error, "going on without the index of checkpoints");
            Opened::default()
        }
        Err(error) => {
            let notice = format!(
                "the index {} was damaged ({error}); it was moved to {ASIDE} and made anew from the \
                 sealed files, nothing is lost",
                folder.display()
            );
            let anew = move_aside(location).and_then(|()| try_open(&folder, was_published));
            let index = match anew {
                Ok((index, _)) => Some(index),
                Err(error) => {
                    tracing::warn!(%error, "going on without the index of checkpoints");
                    None
                }
            };
            Opened {
                index,
                heads: Heads::new(),
                notice: Some(notice),
            }
        }
    }
}

fn try_open(folder: &Path, was_published: bool) -> Result<(Index, Heads)> {
    durable::create_dir_all_durable(&LocalDisk, folder)?;
    leftovers::remove(folder, was_published)?;
    let index = Index(Database::open(folder, folder)?);
    let heads = index.heads(folder)?;
    Ok((index, heads))
}

/// Puts the database's folder out of the way; the one that lay there before goes.
pub(super) fn move_aside(location: &Path) -> Result<()> {
    let (from, to): (PathBuf, PathBuf) = (location.join(INDEX), location.join(ASIDE));
    failpoint!("checkpoint::before_index_aside");
    LocalDisk.remove_dir_all(&to)?;
    durable::rename_durable(&LocalDisk, &from, &to)?;
    failpoint!("checkpoint::after_index_aside");
    Ok(())
}

impl Index {
    fn heads(&self, folder: &Path) -> Result<Heads> {
        let keys = self.0.keys("")?;
        let mut heads = Heads::new();
        for key in &keys {
            if !key.starts_with(Folder::Packs.as_str().as_bytes()) {
                let what = "it holds an entry that is none of an index";
                return Err(Error::damaged(folder.display().to_string(), what));
            }
            if let Some(Name::Pack(id)) = pieces::name_of_head(key) {
                let place = format!("{}, entry {}", folder.display(), Name::Pack(id));
                let head = pieces::join(Name::Pack(id), &place, |key| self.0.get(key))?;
                heads.extend(head.map(|head| (id, head)));
            }
        }
        Ok(heads)
    }

    pub(super) fn put(&self, id: CheckpointId, head: &[u8]) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in pieces::split(Name::Pack(id), head) {
            batch.insert(key, value);
        }
        failpoint!("checkpoint::before_index_update");
        self.0.apply(batch)?;
        failpoint!("checkpoint::after_index_update");
        Ok(())
    }

    pub(super) fn remove(&self, id: CheckpointId) -> Result<()> {
        let mut batch = sled::Batch::default();
        for key in self.0.keys(&Name::Pack(id).to_string())? {
            batch.remove(key);
        }
        self.0.apply(batch)
    }
}
