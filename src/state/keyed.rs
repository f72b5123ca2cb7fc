//! [`KeyedState`]: one operator's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{StateKey, StateValue};
use crate::rdd::{Entry, Partitioning, Table};
use crate::time::Time;

/// The state of one partition.
pub(super) struct PartitionState<K, S> {
    /// Every key's state.
    pub(super) table: Table<K, S>,
    /// The keys that changed since the last checkpoint; `None` for those that are gone.
    pub(super) pending: Table<K, Option<S>>,
}

impl<K, S> Default for PartitionState<K, S> {
    fn default() -> Self {
        Self {
            table: Table::new(),
            pending: Table::new(),
        }
    }
}

/// What a batch changes in one partition.
pub(super) struct Changes<K, S> {
    pub(super) updated: Table<K, S>,
    pub(super) removed: Table<K, ()>,
}

impl<K, S> Changes<K, S> {
    pub(super) fn is_empty(&self) -> bool {
        self.updated.is_empty() && self.removed.is_empty()
    }
}

/// What a batch changes, partition by partition.
pub(super) type Staged<K, S> = Arc<Vec<Changes<K, S>>>;

/// An operator's state, its staged changes, and what the next checkpoint must hold.
pub(crate) struct KeyedState<K: StateKey, S: StateValue> {
    pub(super) partitioning: Partitioning<K>,
    partitions: Vec<RwLock<PartitionState<K, S>>>,
    staged: Mutex<BTreeMap<Time, Staged<K, S>>>,
    /// The last batch that was merged, in milliseconds.
    merged_through: AtomicU64,
    /// Whether the next checkpoint must hold everything, because keys changed their partition.
    pub(super) rewrite: AtomicBool,
    pub(super) initial: Mutex<Vec<(K, S)>>,
}

impl<K: StateKey, S: StateValue> KeyedState<K, S> {
    pub(crate) fn new(partitioning: Partitioning<K>, initial: Vec<(K, S)>) -> Self {
        Self {
            partitions: (0..partitioning.partitions())
                .map(|_| RwLock::default())
                .collect(),
            partitioning,
            staged: Mutex::default(),
            merged_through: AtomicU64::new(0),
            rewrite: AtomicBool::new(true),
            initial: Mutex::new(initial),
        }
    }

    pub(super) fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn read(
        &self,
        partition: usize,
    ) -> Option<RwLockReadGuard<'_, PartitionState<K, S>>> {
        Some(
            self.partitions
                .get(partition)?
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn write(
        &self,
        partition: usize,
    ) -> Option<RwLockWriteGuard<'_, PartitionState<K, S>>> {
        Some(
            self.partitions
                .get(partition)?
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn staged(&self) -> MutexGuard<'_, BTreeMap<Time, Staged<K, S>>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn merged_through(&self) -> Time {
        Time::from_millis(self.merged_through.load(Ordering::Acquire))
    }

    pub(super) fn set_merged_through(&self, time: Time) {
        self.merged_through
            .store(time.as_millis(), Ordering::Release);
    }

    pub(super) fn set_rewrite(&self, rewrite: bool) {
        self.rewrite.store(rewrite, Ordering::Release);
    }

    /// Puts keys into their partitions, as the state's first contents.
    pub(super) fn install(&self, tables: Vec<Table<K, S>>, astray: Vec<Entry<K, S>>) {
        for (partition, table) in tables.into_iter().enumerate() {
            if let Some(mut held) = self.write(partition) {
                held.table = table;
            }
        }
        for entry in astray {
            let partition = self.partitioning.of(&entry.pair.0, entry.hash);
            if let Some(mut held) = self.write(partition) {
                put(&mut held.table, entry);
            }
        }
    }
}

/// Sets a key's entry.
pub(super) fn put<K: Eq, A>(table: &mut Table<K, A>, entry: Entry<K, A>) {
    match table.find_mut(entry.hash, |held| held.pair.0 == entry.pair.0) {
        Some(held) => held.pair.1 = entry.pair.1,
        None => {
            table.insert_unique(entry.hash, entry, |entry| entry.hash);
        }
    }
}

/// Removes a key's entry.
pub(super) fn remove<K: Eq, A>(table: &mut Table<K, A>, hash: u64, key: &K) {
    if let Ok(entry) = table.find_entry(hash, |held| held.pair.0 == *key) {
        entry.remove();
    }
}
