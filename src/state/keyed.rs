//! [`KeyedState`]: one operator's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::changes::Changes;
use super::due::Due;
use super::mark::Mark;
use super::shelves::{Held, Shelves};
use super::{Migrations, StateKey, StateValue};
use crate::rdd::{Partitioning, Table};
use crate::time::Time;

/// The state of one partition.
pub(super) struct PartitionState<K, S, M> {
    /// Every key's state.
    pub(super) held: Shelves<K, S, M>,
    /// The keys that changed since the last checkpoint; `None` for those that are gone.
    pub(super) pending: Table<K, Option<(M, S)>>,
    /// The keys by when they may time out; empty where none does.
    pub(super) due: Due,
}

impl<K, S, M> Default for PartitionState<K, S, M> {
    fn default() -> Self {
        Self {
            held: Shelves::default(),
            pending: Table::new(),
            due: Due::default(),
        }
    }
}

/// What a batch changes, partition by partition.
pub(super) type Staged<K, S, M> = Arc<Vec<Changes<K, S, M>>>;

/// An operator's state, its staged changes, and what the next checkpoint must hold.
pub(crate) struct KeyedState<K: StateKey, S: StateValue, M: Mark = ()> {
    pub(super) partitioning: Partitioning<K>,
    /// How long a key is kept that no batch touches.
    pub(super) timeout: Option<Duration>,
    partitions: Vec<RwLock<PartitionState<K, S, M>>>,
    staged: Mutex<BTreeMap<Time, Staged<K, S, M>>>,
    /// The last batch that was merged, in milliseconds.
    merged_through: AtomicU64,
    /// Whether the next checkpoint must hold everything, because keys changed their partition.
    pub(super) rewrite: AtomicBool,
    /// Whether a merge ended in the middle.
    pub(super) is_torn: AtomicBool,
    pub(super) initial: Mutex<Vec<(K, S)>>,
    pub(super) migrations: Migrations,
}

impl<K: StateKey, S: StateValue, M: Mark> KeyedState<K, S, M> {
    pub(crate) fn new(
        partitioning: Partitioning<K>,
        initial: Vec<(K, S)>,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            partitions: (0..partitioning.partitions())
                .map(|_| RwLock::default())
                .collect(),
            partitioning,
            timeout,
            staged: Mutex::default(),
            merged_through: AtomicU64::new(0),
            rewrite: AtomicBool::new(true),
            is_torn: AtomicBool::new(false),
            initial: Mutex::new(initial),
            migrations: Migrations::new::<K, S>(),
        }
    }

    pub(super) fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn read(
        &self,
        partition: usize,
    ) -> Option<RwLockReadGuard<'_, PartitionState<K, S, M>>> {
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
    ) -> Option<RwLockWriteGuard<'_, PartitionState<K, S, M>>> {
        Some(
            self.partitions
                .get(partition)?
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn staged(&self) -> MutexGuard<'_, BTreeMap<Time, Staged<K, S, M>>> {
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

    /// Before when a key must have been touched last to have timed out at `time`.
    pub(super) fn timed_out_before(&self, time: Time) -> Option<Time> {
        self.timeout.map(|timeout| time.minus(timeout))
    }

    /// Puts keys into their partitions, as the state's first contents.
    pub(super) fn install(
        &self,
        partitions: Vec<Shelves<K, S, M>>,
        astray: impl IntoIterator<Item = Held<K, S, M>>,
    ) {
        for (partition, shelves) in partitions.into_iter().enumerate() {
            if let Some(mut held) = self.write(partition) {
                held.held = shelves;
            }
        }
        for entry in astray {
            let partition = self.partitioning.of(&entry.pair.0, entry.hash);
            if let Some(mut held) = self.write(partition) {
                held.held.put(entry);
            }
        }
    }

    /// Files the keys of a partition, once they are all there.
    pub(super) fn file_all(&self, partition: usize) {
        let (Some(_), Some(mut held)) = (self.timeout, self.write(partition)) else {
            return;
        };
        let PartitionState { held, due, .. } = &mut *held;
        for entry in held.iter() {
            if let Some(time) = entry.mark.touched() {
                due.add(entry.hash, time);
            }
        }
    }
}
