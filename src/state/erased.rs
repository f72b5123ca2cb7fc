//! A [`KeyedState`] as the engine sees it: merged, checkpointed and restored without knowing its types.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use tidemill_checkpoint::PartitionChanges;

use super::keyed::KeyedState;
use super::mark::Mark;
use super::migration::restore_migrated;
use super::restore::{Written, restore};
use super::shelf::Held;
use super::{AnyState, Migrations, PendingChanges, StateKey, StateMemory, StateValue, encode};
use crate::rdd::{BoxError, Executor, JobError};
use crate::time::Time;

impl<K: StateKey, S: StateValue, M: Mark> AnyState for KeyedState<K, S, M> {
    fn type_names(&self) -> (&'static str, &'static str) {
        (std::any::type_name::<K>(), std::any::type_name::<S>())
    }

    fn keys(&self) -> u64 {
        (0..self.partition_count())
            .filter_map(|partition| self.read(partition))
            .map(|partition| partition.len() as u64)
            .sum()
    }

    fn bytes(&self) -> u64 {
        self.keys() * size_of::<Held<K, S, M>>() as u64
    }

    fn spilled_bytes(&self) -> u64 {
        (0..self.partition_count())
            .filter_map(|partition| self.read(partition))
            .map(|partition| partition.spilled_bytes())
            .sum()
    }

    fn merge(&self, time: Time, executor: &Executor) -> Result<(), JobError> {
        self.merge_staged(time, executor)
    }

    fn take_changes(&self) -> PendingChanges {
        let partitions = (0..self.partition_count()).filter_map(|partition| self.write(partition));
        if self.rewrite.swap(false, Ordering::AcqRel) {
            // Only the first checkpoint after a start is like this, and no batch runs yet.
            let full: Vec<Result<PartitionChanges, BoxError>> = partitions
                .map(|mut partition| {
                    partition.pending.clear();
                    encode::everything(&partition)
                })
                .collect();
            return Box::new(move || full.into_iter().collect());
        }
        let taken: Vec<_> = partitions
            .map(|mut partition| partition.pending.take())
            .collect();
        Box::new(move || taken.into_iter().map(encode::changed).collect())
    }

    fn restore(&self, written: &Written<'_>, executor: &Executor) -> Result<(), BoxError> {
        match written.version == self.migrations.version() {
            true => restore(self, written, executor),
            false => restore_migrated(self, written, executor),
        }
    }

    fn migrations(&self) -> Option<&Migrations> {
        Some(&self.migrations)
    }

    fn partitions(&self) -> Option<usize> {
        Some(self.partition_count())
    }

    fn initialize(&self, first: Time, executor: &Executor) -> Result<(), BoxError> {
        let initial =
            std::mem::take(&mut *self.initial.lock().unwrap_or_else(PoisonError::into_inner));
        let hasher = executor.hasher();
        let held = |pair: (K, S)| Held::new(hasher.hash(&pair.0), M::at(first), pair);
        self.install(initial.into_iter().map(held))?;
        Ok(())
    }

    fn limit_memory(&self, memory: &StateMemory, states: usize) -> Result<(), BoxError> {
        let partitions = self.partition_count();
        for partition in 0..partitions {
            if let Some(mut partition) = self.write(partition) {
                let (bytes, cold) = memory.share(states, partitions)?;
                partition.limit(bytes, cold);
            }
        }
        self.is_limited.store(true, Ordering::Release);
        Ok(())
    }
}
