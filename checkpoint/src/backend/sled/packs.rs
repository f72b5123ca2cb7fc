//! Which packs there are, where each chunk lies, and which packs may go. Pure: no file is touched here.
//!
//! Invariant: a pack stays while its manifest is wanted, or while it is the place of a chunk that is. A
//! pack of which only little is still wanted is emptied: those chunks are *carried*, written once more into
//! the next pack, which is their place from then on. So files hold at most about twice what is wanted, and
//! each byte that is carried has freed one.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{CheckpointId, ChunkId};
use crate::pack::{Contents, Part};

/// At most so many bytes are carried at a time, so that no checkpoint is slow for it.
const CARRIED_BYTES: u64 = 8 * 1024 * 1024;

/// What is known of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pack {
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether its manifest has been retired: it stays for its chunks.
    pub is_spent: bool,
    /// `None` when its head is damaged.
    pub contents: Option<Contents>,
}

/// All packs of a location.
#[derive(Debug, Default)]
pub(super) struct Packs {
    packs: BTreeMap<CheckpointId, Pack>,
    /// The newest pack that holds it, and where there.
    chunks: BTreeMap<ChunkId, (CheckpointId, Part)>,
}

/// What may be done, now that certain chunks are wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sweep {
    /// Packs that nothing needs any more.
    pub unneeded: Vec<CheckpointId>,
    /// Chunks to write into the next pack, so that theirs can go.
    pub carried: Vec<ChunkId>,
}

impl Packs {
    pub(super) fn insert(&mut self, id: CheckpointId, pack: Pack) {
        for (chunk, part) in pack.contents.iter().flat_map(Contents::chunks) {
            let place = self.chunks.entry(chunk).or_insert((id, part));
            if place.0 <= id {
                *place = (id, part);
            }
        }
        self.packs.insert(id, pack);
    }

    pub(super) fn remove(&mut self, id: CheckpointId) {
        self.packs.remove(&id);
        self.chunks.retain(|_, (pack, _)| *pack != id);
    }

    /// Notes that a pack's manifest is retired.
    pub(super) fn spend(&mut self, id: CheckpointId) {
        if let Some(pack) = self.packs.get_mut(&id) {
            pack.is_spent = true;
        }
    }

    pub(super) fn get(&self, id: CheckpointId) -> Option<&Pack> {
        self.packs.get(&id)
    }

    pub(super) fn place_of(&self, chunk: ChunkId) -> Option<(CheckpointId, Part)> {
        self.chunks.get(&chunk).copied()
    }

    /// The packs whose manifests count.
    pub(super) fn manifests(&self) -> impl Iterator<Item = CheckpointId> {
        let unspent = self.packs.iter().filter(|(_, pack)| !pack.is_spent);
        unspent.map(|(id, _)| *id)
    }

    /// What may go when only the `wanted` chunks are.
    pub(super) fn sweep(&self, wanted: &BTreeSet<ChunkId>) -> Sweep {
        let mut held: BTreeMap<CheckpointId, (u64, Vec<ChunkId>)> = BTreeMap::new();
        for chunk in wanted {
            if let Some((pack, part)) = self.place_of(*chunk) {
                let (bytes, chunks) = held.entry(pack).or_default();
                *bytes = bytes.saturating_add(part.bytes);
                chunks.push(*chunk);
            }
        }
        let mut sweep = Sweep::default();
        let mut left = CARRIED_BYTES;
        for (id, pack) in self.packs.iter().filter(|(_, pack)| pack.is_spent) {
            let Some((bytes, chunks)) = held.remove(id) else {
                sweep.unneeded.push(*id);
                continue;
            };
            if bytes <= left && bytes < pack.bytes / 2 {
                left = left.saturating_sub(bytes);
                sweep.carried.extend(chunks);
            }
        }
        sweep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Epoch;
    use crate::pack::Head;

    fn chunk(number: u64) -> ChunkId {
        ChunkId {
            epoch: Epoch(1),
            number,
        }
    }

    fn pack(id: u64, chunks: &[(u64, u64)], is_spent: bool) -> Pack {
        let head = Head {
            id: CheckpointId(id),
            manifest: 10,
            chunks: chunks
                .iter()
                .map(|&(number, bytes)| (chunk(number), bytes))
                .collect(),
        };
        let contents = Contents {
            head,
            head_bytes: 10,
        };
        Pack {
            bytes: contents.total(),
            is_spent,
            contents: Some(contents),
        }
    }

    #[test]
    fn packs_go_when_nothing_in_them_is_wanted_and_little_is_carried() {
        let mut packs = Packs::default();
        packs.insert(CheckpointId(1), pack(1, &[(1, 100), (2, 500)], true));
        packs.insert(CheckpointId(2), pack(2, &[(3, 300), (4, 100)], true));
        packs.insert(CheckpointId(3), pack(3, &[(5, 100)], true));
        packs.insert(CheckpointId(4), pack(4, &[], false));
        let wanted = [1, 3].map(chunk).into();
        let expected = Sweep {
            unneeded: vec![CheckpointId(3)],
            carried: vec![chunk(1)],
        };
        assert_eq!(packs.sweep(&wanted), expected);
        // The next pack holds what was carried: the one before is empty now.
        packs.insert(CheckpointId(5), pack(5, &[(1, 100)], false));
        assert_eq!(packs.place_of(chunk(1)).unwrap().0, CheckpointId(5));
        let expected = Sweep {
            unneeded: vec![CheckpointId(1), CheckpointId(3)],
            carried: vec![],
        };
        assert_eq!(packs.sweep(&wanted), expected);
    }

    #[test]
    fn packs_of_wanted_manifests_stay_and_damaged_ones_count() {
        let mut packs = Packs::default();
        let damaged = Pack {
            bytes: 99,
            is_spent: false,
            contents: None,
        };
        packs.insert(CheckpointId(1), damaged);
        packs.insert(CheckpointId(2), pack(2, &[(1, 10)], false));
        assert_eq!(packs.sweep(&BTreeSet::new()), Sweep::default());
        let manifests = |packs: &Packs| packs.manifests().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(manifests(&packs), [1, 2]);
        packs.spend(CheckpointId(1));
        assert_eq!(manifests(&packs), [2]);
        assert_eq!(packs.sweep(&BTreeSet::new()).unneeded, [CheckpointId(1)]);
        packs.remove(CheckpointId(1));
        assert_eq!(packs.get(CheckpointId(1)), None);
    }
}
