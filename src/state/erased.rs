//! A [`KeyedState`] as the engine sees it: merged, checkpointed and restored without knowing its types.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use tidemill_checkpoint::{ChunkBuilder, PartitionChanges, Series};

use super::keyed::{KeyedState, put, remove};
use super::restore::{ChunkSource, restore};
use super::{AnyState, PendingChanges, StateKey, StateValue};
use crate::rdd::{BoxError, Entry, Executor, JobError, Table};
use crate::time::Time;

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
        restore(self, series, through, chunks, executor)
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
