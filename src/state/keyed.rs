//! [`KeyedState`]: one operator's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::changes::Changes;
use super::mark::Mark;
use super::partition::PartitionState;
use super::shelf::Held;
use super::{Migrations, StateKey, StateValue, finished};
use crate::rdd::{Partitioning, TaskError};
use crate::time::Time;

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
    /// Whether the keys in memory are limited.
    pub(super) is_limited: AtomicBool,
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
                .map(|_| RwLock::new(PartitionState::new(timeout.is_some())))
                .collect(),
            partitioning,
            timeout,
            staged: Mutex::default(),
            merged_through: AtomicU64::new(0),
            rewrite: AtomicBool::new(true),
            is_torn: AtomicBool::new(false),
            is_limited: AtomicBool::new(false),
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

    /// Puts keys into their partitions, before the first batch. Of a key that is there twice the last counts.
    pub(super) fn install(
        &self,
        entries: impl IntoIterator<Item = Held<K, S, M>>,
    ) -> Result<(), TaskError> {
        for held in entries {
            let to = self.partitioning.of(&held.pair.0, held.hash());
            let Some(mut partition) = self.write(to) else {
                continue;
            };
            let is_new = !finished(partition.has(held.hash(), &held.pair.0))?;
            partition.put(held, is_new);
            if partition.len().is_multiple_of(LOOK) {
                finished(partition.make_room())?;
            }
        }
        Ok(())
    }
}

/// After how many keys it is looked how much memory they take.
const LOOK: usize = 1024;
