//! [`KeyedState`]: one operator's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tidemill_checkpoint::{ChunkBuilder, PartitionChanges, Series};

use super::{AnyState, ChunkSource, PendingChanges, StateKey, StateValue, restore};
use crate::rdd::{BoxError, Entry, Executor, JobError, Partitioning, Table};
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
    rewrite: AtomicBool,
    initial: Mutex<Vec<(K, S)>>,
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

    fn write(&self, partition: usize) -> Option<RwLockWriteGuard<'_, PartitionState<K, S>>> {
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

impl<K: StateKey, S: StateValue> AnyState for KeyedState<K, S> {
    fn type_names(&self) -> (&'static str, &'static str) {
        (std::any::type_name::<K>(), std::any::type_name::<S>())
    }

    fn keys(&self) -> u64 {
        (0..self.partition_count())
            .filter_map(|partition| self.read(partition))
            .map(|held| held.table.len() as u64)
            .sum()
    }

    fn bytes(&self) -> u64 {
        self.keys() * size_of::<Entry<K, S>>() as u64
    }

    fn merge(&self, time: Time, executor: &Executor) -> Result<(), JobError> {
        let Some(staged) = self.staged().remove(&time) else {
            return Ok(());
        };
        executor.run(staged.len(), |partition| {
            let changes = staged.get(partition).filter(|changes| !changes.is_empty());
            let (Some(changes), Some(mut held)) = (changes, self.write(partition)) else {
                return Ok(());
            };
            for Entry {
                hash,
                pair: (key, ()),
            } in &changes.removed
            {
                remove(&mut held.table, *hash, key);
                let gone = Entry {
                    hash: *hash,
                    pair: (key.clone(), None),
                };
                put(&mut held.pending, gone);
            }
            for entry in &changes.updated {
                let Entry {
                    hash,
                    pair: (key, state),
                } = entry;
                let changed = Entry {
                    hash: *hash,
                    pair: (key.clone(), Some(state.clone())),
                };
                put(&mut held.pending, changed);
                put(&mut held.table, entry.clone());
            }
            Ok(())
        })?;
        self.set_merged_through(time);
        Ok(())
    }

    fn take_changes(&self) -> PendingChanges {
        let full = self.rewrite.swap(false, Ordering::AcqRel);
        let taken: Vec<Table<K, Option<S>>> = (0..self.partition_count())
            .filter_map(|partition| self.write(partition))
            .map(|mut held| {
                let pending = std::mem::take(&mut held.pending);
                match full {
                    false => pending,
                    true => everything(&held.table),
                }
            })
            .collect();
        Box::new(move || taken.iter().map(|table| encode(table, full)).collect())
    }

    fn restore(
        &self,
        series: &Series,
        through: Time,
        chunks: &ChunkSource<'_>,
        executor: &Executor,
    ) -> Result<(), BoxError> {
        restore::restore(self, series, through, chunks, executor)
    }

    fn initialize(&self, executor: &Executor) {
        let initial =
            std::mem::take(&mut *self.initial.lock().unwrap_or_else(PoisonError::into_inner));
        let hasher = executor.hasher();
        let entries = initial
            .into_iter()
            .map(|pair| Entry {
                hash: hasher.hash(&pair.0),
                pair,
            })
            .collect();
        self.install(Vec::new(), entries);
    }
}

fn everything<K: StateKey, S: StateValue>(table: &Table<K, S>) -> Table<K, Option<S>> {
    let mut all = Table::with_capacity(table.len());
    for Entry {
        hash,
        pair: (key, state),
    } in table
    {
        let entry = Entry {
            hash: *hash,
            pair: (key.clone(), Some(state.clone())),
        };
        all.insert_unique(*hash, entry, |entry| entry.hash);
    }
    all
}

fn encode<K: StateKey, S: StateValue>(
    table: &Table<K, Option<S>>,
    full: bool,
) -> Result<PartitionChanges, BoxError> {
    let mut builder = ChunkBuilder::with_capacity(table.len() * 32);
    let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
    for Entry {
        pair: (key, state), ..
    } in table
    {
        key_bytes.clear();
        key.serialize(&mut rmp_serde::Serializer::new(&mut key_bytes).with_struct_map())?;
        match state {
            Some(state) => {
                value_bytes.clear();
                state.serialize(
                    &mut rmp_serde::Serializer::new(&mut value_bytes).with_struct_map(),
                )?;
                builder.push(&key_bytes, Some(&value_bytes));
            }
            None => builder.push(&key_bytes, None),
        }
    }
    Ok(PartitionChanges { full, builder })
}
