//! Going back to a savepoint: what is as it was then, and what of the life since is kept.
//!
//! The savepoint's state, positions and waiting data count. Of the life since, only what no complete batch
//! held is kept: blocks of batches that weren't complete stay in batches of their times, so that a sink that
//! has committed one knows it again; blocks that waited wait behind those of the savepoint. No batch gets a
//! time that the life since has used.

use std::collections::BTreeSet;

use tidemill_checkpoint::{Manifest, Newest};

use crate::block::{Block, BlockId, BlockInfo, BlockStore, TrackerSnapshot, Withdrawn};
use crate::engine::SavedBlocks;
use crate::error::{Error, Result};
use crate::recovery::{Metadata, Renames};
use crate::time::Time;
use crate::uid::OperatorUid;

/// The newest checkpoint, and the savepoint that is to be gone back to.
pub(super) struct Found {
    pub(super) newest: Newest,
    pub(super) savepoint: Option<Manifest>,
}

impl Found {
    /// What a start goes on from.
    pub(super) fn base(&self) -> Option<&Manifest> {
        self.savepoint.as_ref().or(self.newest.manifest.as_ref())
    }

    /// What the newest checkpoint says of the life that is left for the savepoint, in the program's names.
    pub(super) fn since(&self, place: &str, renames: &Renames) -> Result<Option<Metadata>> {
        let Some((newest, _)) = self.newest.manifest.as_ref().zip(self.savepoint.as_ref()) else {
            return Ok(None);
        };
        let mut since = decoded(newest, place)?;
        renames.apply(&mut since);
        Ok(Some(since))
    }
}

/// Looks what to start from, given the newest checkpoint and the savepoint that is asked for by its name. A life
/// that began from the savepoint is gone on with.
pub(super) fn find(
    newest: tidemill_checkpoint::Result<Newest>,
    savepoint: Option<(&str, tidemill_checkpoint::Result<Manifest>)>,
    place: &str,
) -> Result<Found> {
    let Some((name, savepoint)) = savepoint else {
        return Ok(Found {
            newest: newest?,
            savepoint: None,
        });
    };
    let newest = match newest {
        Err(tidemill_checkpoint::Error::NoneVerifies { count, source, .. }) => {
            tracing::warn!(
                count,
                error = %source,
                "no checkpoint is whole; what was received after the savepoint can't be told"
            );
            Newest {
                manifest: None,
                skipped: Vec::new(),
            }
        }
        other => other?,
    };
    let begun = newest.manifest.as_ref();
    let begun = begun.map(|manifest| decoded(manifest, place));
    let begun = begun.transpose()?;
    let begun = begun.and_then(|held| Some((held.savepoint?, held.savepoint_name)));
    let savepoint = match (savepoint, begun) {
        (Ok(savepoint), Some((id, _))) if id == savepoint.id.0 => None,
        // Forgotten since: there is nothing to go back to, and no need to. Older checkpoints don't tell the name.
        (Err(_), Some((_, called))) if called.as_deref().is_none_or(|called| called == name) => {
            None
        }
        (other, _) => Some(other?),
    };
    Ok(Found { newest, savepoint })
}

fn decoded(manifest: &Manifest, place: &str) -> Result<Metadata> {
    let place = format!("checkpoint {} at {place}", manifest.id);
    Metadata::decode(&manifest.metadata, &place)
}

/// Brings what is left of the life since into what the savepoint holds. `since` is the newest checkpoint with
/// the log behind it.
pub(super) fn carry_over(saved: &mut Metadata, since: Option<&Metadata>, now: Time) {
    let known: BTreeSet<(OperatorUid, BlockId)> = saved
        .tracker
        .blocks()
        .map(|(uid, block)| (uid.clone(), block.id))
        .collect();
    let is_new = |uid: &OperatorUid, block: &BlockInfo| !known.contains(&(uid.clone(), block.id));
    let mut last = saved.tracker.last_allocated;
    match since {
        Some(since) => {
            for (uid, blocks) in &since.tracker.unallocated {
                let blocks = blocks.iter().filter(|block| is_new(uid, block)).cloned();
                let blocks: Vec<BlockInfo> = blocks.collect();
                note_put_back(&mut saved.tracker, uid, &blocks);
                let queue = saved.tracker.unallocated.entry(uid.clone()).or_default();
                queue.extend(blocks);
            }
            for time in since.unfinished() {
                if saved.tracker.allocated.contains_key(&time) {
                    continue;
                }
                let Some(mut batch) = since.tracker.allocated.get(&time).cloned() else {
                    continue;
                };
                for (uid, blocks) in &mut batch.blocks {
                    blocks.retain(|block| is_new(uid, block));
                    note_put_back(&mut saved.tracker, uid, blocks);
                }
                // Direct sources go back, and plan anew.
                batch.plans.clear();
                saved.tracker.allocated.insert(time, batch);
            }
            last = last.max(since.tracker.last_allocated);
        }
        None => last = last.max(Some(now)),
    }
    saved.tracker.last_allocated = last;
    if let Some(through) = last {
        withdraw(&mut saved.tracker, through);
    }
}

/// What waits in a savepoint may have become dead letters since. It will be in a batch again, so those aren't
/// to be put back.
fn withdraw(tracker: &mut TrackerSnapshot, through: Time) {
    for (uid, waiting) in &tracker.unallocated {
        let of_stream = tracker.withdrawn.entry(uid.clone()).or_default();
        let ids: BTreeSet<BlockId> = waiting.iter().map(|block| block.id).collect();
        of_stream.retain(|known| !ids.contains(&known.id));
        of_stream.extend(ids.into_iter().map(|id| Withdrawn { id, through }));
    }
    tracker.withdrawn.retain(|_, blocks| !blocks.is_empty());
}

/// Dead letters that were put back since, and are kept, aren't to be put back again.
fn note_put_back(tracker: &mut TrackerSnapshot, uid: &OperatorUid, blocks: &[BlockInfo]) {
    for letters_of in blocks.iter().filter_map(|block| block.requeued) {
        let of_stream = tracker.requeued.entry(uid.clone()).or_default();
        of_stream.insert(letters_of);
    }
}

/// The blocks of a savepoint, each to be had once.
pub(super) fn from_savepoint(
    mut blocks: SavedBlocks,
) -> impl FnMut(&OperatorUid, &BlockInfo) -> Result<Option<Block>> {
    move |uid, info| {
        let name = info.logged_as.as_ref().unwrap_or(uid).clone();
        Ok(blocks.remove(&(name, info.id)))
    }
}

/// Puts blocks of an earlier life into the block log again: a savepoint's, whose old places may be gone, or
/// those of a life that is only looked at. What `find` doesn't have stays where it is.
pub(super) fn take_back(
    saved: &mut Metadata,
    mut find: impl FnMut(&OperatorUid, &BlockInfo) -> Result<Option<Block>>,
    store: &BlockStore,
) -> Result<()> {
    let mut take = |uid: &OperatorUid, info: &mut BlockInfo| -> Result<()> {
        if let Some(block) = find(uid, info)? {
            let taken = store.take_back(uid, info, block);
            *info = taken.map_err(|error| Error::Unreadable {
                place: format!("block {} of `{uid}`, taken over", info.id),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    };
    for batch in saved.tracker.allocated.values_mut() {
        for (uid, blocks) in &mut batch.blocks {
            blocks.iter_mut().try_for_each(|block| take(uid, block))?;
        }
    }
    for (uid, blocks) in &mut saved.tracker.unallocated {
        blocks.iter_mut().try_for_each(|block| take(uid, block))?;
    }
    Ok(())
}
