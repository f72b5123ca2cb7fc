//! Windows over keyed streams as state: partial results of panes, combined once and kept.
//!
//! A batch costs what enters and what leaves, not what the window holds, and no batch costs much more than
//! the others: with an inverse function what leaves is subtracted, without one keys take turns in having
//! their suffixes made (see [`method`]). Partial results go into checkpoints as they come, so a restart
//! reads no earlier batch again.
//!
//! Where memory is limited, closed panes lie on the disk (see [`spill`]); keys with their values, which every
//! slide yields, don't.
//!
//! Invariant: everything that the program's functions say about a batch is worked out before any of it
//! changes the window, and is for a checkpoint only once the batch is complete.

mod advance;
mod apply;
mod build;
mod convert;
#[cfg(test)]
mod convert_tests;
mod dataset;
mod delta;
mod erased;
mod flip;
mod loaded;
mod method;
mod pane;
mod partition;
mod restore;
mod span;
mod spill;
mod step;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use dataset::windowed;
pub(crate) use method::{Inverse, Method, Suffixes};
pub(crate) use span::Span;

use advance::Entering;
use partition::Partition;

use super::{Migrations, StateKey, StateValue, finished};
use crate::effects;
use crate::rdd::{Executor, JobError, Partitioning, Rdd};
use crate::time::Time;

/// The window of one operator.
pub(crate) struct WindowState<K: StateKey, V: StateValue, M: Method<K, V>> {
    pub(crate) span: Span,
    partitioning: Partitioning<K>,
    method: M,
    migrations: Migrations,
    partitions: Vec<RwLock<Partition<K, V, M::Side>>>,
    /// Whether any batch has taken effect.
    has_begun: AtomicBool,
    /// Whether the next checkpoint must hold everything.
    rewrite: AtomicBool,
}

impl<K: StateKey, V: StateValue, M: Method<K, V>> WindowState<K, V, M> {
    pub(crate) fn new(span: Span, partitioning: Partitioning<K>, method: M) -> Self {
        Self {
            span,
            partitions: (0..partitioning.partitions())
                .map(|_| RwLock::default())
                .collect(),
            partitioning,
            method,
            migrations: Migrations::new::<K, V>(),
            has_begun: AtomicBool::new(false),
            rewrite: AtomicBool::new(true),
        }
    }

    /// Whether any batch has taken effect. One that hasn't is made of all batches that it would hold.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    fn read(&self, partition: usize) -> Option<RwLockReadGuard<'_, Partition<K, V, M::Side>>> {
        let partition = self.partitions.get(partition)?;
        Some(partition.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, partition: usize) -> Option<RwLockWriteGuard<'_, Partition<K, V, M::Side>>> {
        let partition = self.partitions.get(partition)?;
        Some(partition.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it may take so much memory and no more.
    fn is_limited(&self) -> bool {
        self.read(0).is_some_and(|held| held.spilled.is_some())
    }

    /// Takes the batch at `time` in.
    fn advance(
        &self,
        time: Time,
        zero: Time,
        partials: Option<&Rdd<(K, V)>>,
        executor: &Executor,
    ) -> Result<(), JobError> {
        let batch = Entering {
            time,
            zero,
            partials,
            hasher: &executor.hasher(),
        };
        executor.run(self.partition_count(), |at| match self.write(at) {
            Some(mut held) => held.advance(at, &batch, &self.method, &self.span),
            None => Ok(()),
        })?;
        if M::FILTERS && self.span.is_output(time, zero) {
            executor.run(self.partition_count(), |at| {
                if let Some(mut held) = self.write(at) {
                    held.filter(time, &self.method);
                }
                Ok(())
            })?;
        }
        self.make_room(executor)?;
        self.hand_over();
        Ok(())
    }

    /// Leaves what partitions kept to the work that this is part of, in their order. Only when all is done:
    /// a partition that has taken the batch in doesn't do so again when another has to be tried again.
    fn hand_over(&self) {
        for partition in 0..self.partition_count() {
            if let Some(mut held) = self.write(partition) {
                effects::absorb(held.take_left());
            }
        }
    }

    /// Writes panes to the disk where memory is limited.
    fn make_room(&self, executor: &Executor) -> Result<(), JobError> {
        if !self.is_limited() {
            return Ok(());
        }
        executor.run(self.partition_count(), |at| match self.write(at) {
            Some(mut held) => finished(held.make_room::<M>(&self.span)),
            None => Ok(()),
        })?;
        Ok(())
    }
}
