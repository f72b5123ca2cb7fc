//! What is kept and what may go. Pure: what is there in, what to delete out.
//!
//! Invariant (R8): the newest `retain` checkpoints that are whole stay, however many damaged ones lie
//! between or above them. Damaged ones go with the whole ones of their age, and a chunk goes only when
//! no manifest that stays names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{CheckpointId, ChunkId, Epoch};
use crate::manifest::Manifest;

/// What is known of one manifest's place.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// A checkpoint with nothing known against it.
    Whole(Arc<Manifest>),
    /// One that was reported as failed to the driver and is there all the same. Its changes were
    /// handed in again, so it counts as none; its chunks stay as long as it does.
    Doubtful(Arc<Manifest>),
    /// One that can't be used; with what it names, where that much can be read.
    Damaged(Option<Arc<Manifest>>),
    /// No checkpoint: a later owner's [fence](crate::claim).
    Fence(Epoch),
}

/// What is known of a store's manifests.
pub(crate) type Slots = BTreeMap<CheckpointId, Slot>;

impl Slot {
    /// The epoch of whoever occupied it, where that can be read.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Fence(epoch) => Some(*epoch),
            other => other.manifest().map(|manifest| manifest.epoch),
        }
    }

    fn manifest(&self) -> Option<&Arc<Manifest>> {
        match self {
            Self::Whole(manifest) | Self::Doubtful(manifest) => Some(manifest),
            Self::Damaged(manifest) => manifest.as_ref(),
            Self::Fence(_) => None,
        }
    }
}

/// The whole checkpoints, newest first.
pub(crate) fn whole(slots: &Slots) -> impl Iterator<Item = &Arc<Manifest>> {
    slots.values().rev().filter_map(|slot| match slot {
        Slot::Whole(manifest) => Some(manifest),
        _ => None,
    })
}

/// The whole checkpoints that a start may go on from with the logs, newest first: all but savepoints that
/// ordinary ones have left behind.
pub(crate) fn current(slots: &Slots, retain: usize) -> impl Iterator<Item = &Arc<Manifest>> {
    let by_age = whole(slots).enumerate();
    by_age.filter_map(move |(age, manifest)| {
        (age < retain || manifest.name.is_none()).then_some(manifest)
    })
}

/// The savepoints that can be read, newest first.
pub(crate) fn savepoints(slots: &Slots) -> impl Iterator<Item = &Arc<Manifest>> {
    whole(slots).filter(|manifest| manifest.name.is_some())
}

/// Whether a savepoint is so old that the logs may not reach back to it.
pub(crate) fn is_left_behind(slots: &Slots, manifest: &Manifest, retain: usize) -> bool {
    let newer = slots.range(manifest.id.next()..);
    let newer = newer.filter(|(_, slot)| !matches!(slot, Slot::Fence(_)));
    manifest.name.is_some() && newer.count() >= retain
}

/// The manifests (and fences) that may go, oldest first.
pub(crate) fn expired(slots: &Slots, retain: usize) -> Vec<CheckpointId> {
    let is_named = |slot: &Slot| {
        slot.manifest()
            .is_some_and(|manifest| manifest.name.is_some())
    };
    match whole(slots).nth(retain.saturating_sub(1)) {
        None => Vec::new(),
        Some(oldest) => {
            let older = slots.range(..oldest.id);
            older
                .filter(|(_, slot)| !is_named(slot))
                .map(|(id, _)| *id)
                .collect()
        }
    }
}

/// The chunks that any manifest names.
pub(crate) fn named(slots: &Slots) -> BTreeSet<ChunkId> {
    let manifests = slots.values().filter_map(Slot::manifest);
    let chunks = manifests.flat_map(|manifest| manifest.chunks());
    chunks.map(|chunk| chunk.id).collect()
}

/// The chunks that may go, oldest first: named by no manifest, and not a later driver's.
pub(crate) fn orphans(
    stored: &BTreeSet<ChunkId>,
    named: &BTreeSet<ChunkId>,
    epoch: Epoch,
) -> Vec<ChunkId> {
    stored
        .iter()
        .filter(|id| id.epoch <= epoch && !named.contains(id))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Chain, ChunkRef, Series};

    fn chunk(epoch: u64, number: u64) -> ChunkId {
        ChunkId {
            epoch: Epoch(epoch),
            number,
        }
    }

    fn manifest(id: u64, chunks: &[u64]) -> Arc<Manifest> {
        let reference = |&number| ChunkRef {
            id: chunk(1, number),
            bytes: 0,
            entries: 0,
            crc: 0,
        };
        let chain = Chain {
            base: None,
            deltas: chunks.iter().map(reference).collect(),
        };
        Arc::new(Manifest {
            id: CheckpointId(id),
            time_ms: 0,
            created_ms: 0,
            epoch: Epoch(1),
            metadata: Default::default(),
            low_water: Default::default(),
            series: vec![Series {
                name: String::new(),
                format: 0,
                partitions: vec![chain],
            }],
            new_bytes: 0,
            name: None,
        })
    }

    #[test]
    fn damaged_doubtful_and_fences_do_not_count() {
        let slots: Slots = [
            (CheckpointId(1), Slot::Whole(manifest(1, &[1]))),
            (CheckpointId(2), Slot::Whole(manifest(2, &[1, 2]))),
            (CheckpointId(3), Slot::Damaged(Some(manifest(3, &[3])))),
            (CheckpointId(4), Slot::Doubtful(manifest(4, &[4]))),
            (CheckpointId(5), Slot::Fence(Epoch(1))),
            (CheckpointId(6), Slot::Whole(manifest(6, &[2, 6]))),
        ]
        .into();
        assert_eq!(expired(&slots, 2), [CheckpointId(1)]);
        assert_eq!(expired(&slots, 3), []);
        assert_eq!(expired(&slots, 4), []);
        let ids: Vec<_> = whole(&slots).map(|manifest| manifest.id.0).collect();
        assert_eq!(ids, [6, 2, 1]);
    }

    #[test]
    fn savepoints_stay_and_hold_nothing_else() {
        let named = |id, name: &str| {
            let manifest = Manifest {
                name: Some(name.to_owned()),
                ..Manifest::clone(&manifest(id, &[id]))
            };
            (CheckpointId(id), Slot::Whole(Arc::new(manifest)))
        };
        let plain = |id| (CheckpointId(id), Slot::Whole(manifest(id, &[id])));
        let slots: Slots = [
            named(1, "a"),
            plain(2),
            named(3, "b"),
            plain(4),
            named(5, "c"),
            plain(6),
        ]
        .into();
        assert_eq!(expired(&slots, 2), [CheckpointId(2), CheckpointId(4)]);
        let ids =
            |found: Vec<&Arc<Manifest>>| found.iter().map(|found| found.id.0).collect::<Vec<_>>();
        assert_eq!(ids(current(&slots, 2).collect()), [6, 5, 4, 2]);
        assert_eq!(ids(savepoints(&slots).collect()), [5, 3, 1]);
        let is_left = |id| is_left_behind(&slots, slots[&CheckpointId(id)].manifest().unwrap(), 2);
        assert_eq!(
            [1, 3, 4, 5, 6].map(is_left),
            [true, true, false, false, false]
        );
        assert_eq!(named_chunks(&slots).len(), 6);
    }

    fn named_chunks(slots: &Slots) -> BTreeSet<ChunkId> {
        named(slots)
    }

    #[test]
    fn chunks_stay_while_any_manifest_names_them_or_a_later_driver_may() {
        let slots: Slots = [
            (CheckpointId(3), Slot::Damaged(Some(manifest(3, &[3])))),
            (CheckpointId(4), Slot::Doubtful(manifest(4, &[4]))),
            (CheckpointId(6), Slot::Whole(manifest(6, &[6]))),
        ]
        .into();
        let stored = (1..8)
            .map(|number| chunk(1, number))
            .chain([chunk(2, 1)])
            .collect();
        let gone = [chunk(1, 1), chunk(1, 2), chunk(1, 5), chunk(1, 7)];
        assert_eq!(orphans(&stored, &named(&slots), Epoch(1)), gone);
    }
}
