//! A [`WindowState`] as the engine sees it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::partition::Slot;
use super::spill::Spilled;
use super::{Method, WindowState};
use crate::rdd::{BoxError, Executor, JobError};
use crate::state::{
    AnyState, Migrations, PendingChanges, StateKey, StateMemory, StateValue, Written,
};
use crate::time::Time;

impl<K: StateKey, V: StateValue, M: Method<K, V>> AnyState for WindowState<K, V, M> {
    fn type_names(&self) -> (&'static str, &'static str) {
        (std::any::type_name::<K>(), std::any::type_name::<V>())
    }

    fn keys(&self) -> u64 {
        let partitions = (0..self.partition_count()).filter_map(|at| self.read(at));
        partitions.map(|held| held.index.len() as u64).sum()
    }

    fn bytes(&self) -> u64 {
        let entry = (size_of::<u32>() + size_of::<Option<V>>()) as u64;
        let partitions = (0..self.partition_count()).filter_map(|at| self.read(at));
        let of_one = partitions.map(|held| {
            let entries: u64 = held.panes.iter().map(|pane| pane.len() as u64).sum();
            let slots = (held.slots.len() * size_of::<Option<Slot<K, V, M::Side>>>()) as u64;
            slots + entries * entry
        });
        of_one.sum()
    }

    fn merge(&self, _time: Time, _executor: &Executor) -> Result<(), JobError> {
        // In order, so that all that is staged is the batch's.
        let partitions = (0..self.partition_count()).filter_map(|at| self.write(at));
        partitions.for_each(|mut held| held.merge());
        self.has_begun.store(true, Ordering::Release);
        Ok(())
    }

    fn take_changes(&self) -> PendingChanges {
        let full = self.rewrite.swap(false, Ordering::AcqRel);
        let pane_ms = self.has_begun().then(|| self.span.pane_ms());
        let partitions = (0..self.partition_count()).filter_map(|at| self.write(at));
        let taken: Vec<_> = partitions.map(|mut held| held.pending.take()).collect();
        Box::new(move || {
            let taken = taken.into_iter();
            taken.map(|taken| taken.encode(full, pane_ms)).collect()
        })
    }

    fn restore(&self, written: &Written<'_>, executor: &Executor) -> Result<(), BoxError> {
        super::restore::restore(self, written, executor)
    }

    fn migrations(&self) -> Option<&Migrations> {
        Some(&self.migrations)
    }

    fn initialize(&self, _first: Time, _executor: &Executor) -> Result<(), BoxError> {
        Ok(())
    }

    fn partitions(&self) -> Option<usize> {
        Some(self.partition_count())
    }

    fn window(&self) -> Option<Duration> {
        Some(self.span.length())
    }

    fn has_begun(&self) -> bool {
        WindowState::has_begun(self)
    }

    fn limit_memory(&self, memory: &StateMemory, states: usize) -> Result<(), BoxError> {
        let partitions = self.partition_count();
        for partition in 0..partitions {
            if let Some(mut held) = self.write(partition) {
                let (bytes, cold) = memory.share(states, partitions)?;
                held.spilled = Some(Spilled::new(bytes, cold));
            }
        }
        Ok(())
    }
}
