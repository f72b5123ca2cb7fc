//! [`Changes`]: what a batch changes in one partition, beside the state until the batch is complete.

use hashbrown::HashTable;

use super::shelves::Held;
use crate::rdd::{Data, Entry, Key, Table};

/// A key's new state.
#[derive(Debug, Clone)]
pub(super) struct Change<K, S, M> {
    pub(super) held: Held<K, S, M>,
    /// Whether the key had no state before the batch.
    pub(super) is_new: bool,
}

/// What a batch changes in one partition.
#[derive(Debug, Clone)]
pub(super) struct Changes<K, S, M> {
    /// The keys whose state is another than before.
    pub(super) updated: HashTable<Change<K, S, M>>,
    /// The keys that had a state and have none now.
    pub(super) removed: Table<K, ()>,
}

impl<K, S, M> Default for Changes<K, S, M> {
    fn default() -> Self {
        Self {
            updated: HashTable::new(),
            removed: Table::new(),
        }
    }
}

impl<K: Key, S: Data, M: Copy> Changes<K, S, M> {
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
        let is_it = |change: &Change<K, S, M>| change.held.pair.0 == *key;
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
    pub(super) fn add(&mut self, held: Held<K, S, M>, is_new: bool) {
        let change = Change { held, is_new };
        self.updated
            .insert_unique(change.held.hash, change, |change| change.held.hash);
    }

    /// Notes that a key about which nothing was noted yet, and which had a state, has none now.
    pub(super) fn add_removed(&mut self, hash: u64, key: K) {
        let entry = Entry {
            hash,
            pair: (key, ()),
        };
        self.removed.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// Sets a key's state, whatever was noted before. `had_state`: before the batch.
    pub(super) fn set(&mut self, held: Held<K, S, M>, had_state: bool) {
        let hash = held.hash;
        if let Some(change) = self
            .updated
            .find_mut(hash, |change| change.held.pair.0 == held.pair.0)
        {
            change.held = held;
            return;
        }
        if !self.removed.is_empty()
            && let Ok(entry) = self
                .removed
                .find_entry(hash, |entry| entry.pair.0 == held.pair.0)
        {
            entry.remove();
        }
        self.add(held, !had_state);
    }

    /// Takes a key's state away, whatever was noted before. `had_state`: before the batch.
    pub(super) fn unset(&mut self, hash: u64, key: &K, had_state: bool) {
        if let Ok(entry) = self
            .updated
            .find_entry(hash, |change| change.held.pair.0 == *key)
        {
            entry.remove();
        }
        if had_state && !self.has_removed(hash, key) {
            self.add_removed(hash, key.clone());
        }
    }
}
