//! [`Changes`]: what a batch changes in one partition, beside the state until the batch is complete.

use hashbrown::HashTable;

use super::shelf::{Held, Slot};
use crate::rdd::{Data, Entry, Key, Table};

/// What there was of a key before the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    New,
    /// A state in this slot in memory.
    At(Slot),
    /// A state; where is to be found out.
    Somewhere,
}

/// A key's new state.
#[derive(Debug, Clone)]
pub(super) struct Change<K, S, M> {
    pub(super) held: Held<K, S, M>,
    pub(super) before: Before,
}

/// What a batch changes in one partition.
#[derive(Debug, Clone)]
pub(super) struct Changes<K, S, M> {
    /// The keys whose state is another than before.
    pub(super) updated: HashTable<Change<K, S, M>>,
    /// The keys that had a state and have none now.
    pub(super) removed: Table<K, ()>,
    /// The state's [`moves`](super::shelves::Shelves::moves) when its slots were looked up.
    pub(super) moves: u64,
}

impl<K: Key, S: Data, M: Copy> Changes<K, S, M> {
    /// Nothing yet, with room for as many updated keys. `moves` is the state's.
    pub(super) fn new(room: usize, moves: u64) -> Self {
        Self {
            updated: HashTable::with_capacity(room),
            removed: Table::new(),
            moves,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.updated.is_empty() && self.removed.is_empty()
    }

    /// Whether the batch says anything about a key.
    #[inline]
    pub(super) fn concern(&self, hash: u64, key: &K) -> bool {
        self.updated(hash, key).is_some() || self.has_removed(hash, key)
    }

    /// A key's new state.
    #[inline]
    pub(super) fn updated(&self, hash: u64, key: &K) -> Option<&Change<K, S, M>> {
        // Most keys that are asked for aren't here. The hash tells without looking behind them.
        let is_it =
            |change: &Change<K, S, M>| change.held.hash() == hash && change.held.pair.0 == *key;
        self.updated.find(hash, is_it)
    }

    /// Whether a key that had a state has none now.
    #[inline]
    pub(super) fn has_removed(&self, hash: u64, key: &K) -> bool {
        !self.removed.is_empty()
            && self
                .removed
                .find(hash, |entry| entry.pair.0 == *key)
                .is_some()
    }

    /// Notes the new state of a key about which nothing was noted yet.
    #[inline]
    pub(super) fn add(&mut self, held: Held<K, S, M>, before: Before) {
        let change = Change { held, before };
        self.updated
            .insert_unique(change.held.hash(), change, |change| change.held.hash());
    }

    /// Notes that a key about which nothing was noted yet, and which had a state, has none now.
    pub(super) fn add_removed(&mut self, hash: u64, key: K) {
        let entry = Entry {
            hash,
            pair: (key, ()),
        };
        self.removed.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// Sets a key's state, whatever was noted of the batch so far.
    pub(super) fn set(&mut self, hash: u64, key: &K, mark: M, state: S, before: Before) {
        if let Some(change) = self
            .updated
            .find_mut(hash, |change| change.held.pair.0 == *key)
        {
            (change.held.mark, change.held.pair.1) = (mark, state);
            return;
        }
        if !self.removed.is_empty()
            && let Ok(entry) = self.removed.find_entry(hash, |entry| entry.pair.0 == *key)
        {
            entry.remove();
        }
        self.add(Held::new(hash, mark, (key.clone(), state)), before);
    }

    /// Takes a key's state away, whatever was noted of the batch so far.
    pub(super) fn unset(&mut self, hash: u64, key: &K, before: Before) {
        if let Ok(entry) = self
            .updated
            .find_entry(hash, |change| change.held.pair.0 == *key)
        {
            entry.remove();
        }
        if before != Before::New && !self.has_removed(hash, key) {
            self.add_removed(hash, key.clone());
        }
    }
}
