//! `map_with_state`: a function over a batch's pairs and their keys' state, as a dataset. Work follows
//! the keys that the batch touches and those that time out, not those that are held.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::changes::{Before, Changes};
use super::cold::{Fault, Reader};
use super::handle::{Now, State};
use super::keyed::KeyedState;
use super::mark::{Mark, Touched};
use super::partition::PartitionState;
use super::shelf::Held;
use super::spec::MapFunction;
use super::{StateKey, StateValue, finished};
use crate::rdd::{
    Chunk, Data, Entry, Executor, JobError, Rdd, RddNode, Routed, Sink, Stop, TaskError, route,
};
use crate::time::Time;

/// The dataset of what `f` makes of the batch at `time`.
pub(crate) fn map_with_state<K, V, S, U, F>(
    state: &Arc<KeyedState<K, S, Touched>>,
    batch: &Rdd<(K, V)>,
    time: Time,
    f: &Arc<F>,
) -> Rdd<U>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    U: Data,
    F: MapFunction<K, V, S, U>,
{
    let node = Mapped {
        state: Arc::clone(state),
        time,
        batch: Mutex::new(Some(batch.clone())),
        f: Arc::clone(f),
        mapped: OnceLock::new(),
    };
    Rdd::new(node, batch.executor())
}

struct Mapped<K: StateKey, V: Data, S: StateValue, U, F> {
    state: Arc<KeyedState<K, S, Touched>>,
    time: Time,
    /// The batch's pairs; let go once what they change is staged.
    batch: Mutex<Option<Rdd<(K, V)>>>,
    f: Arc<F>,
    /// What the function yielded, partition by partition.
    mapped: OnceLock<Vec<Vec<U>>>,
}

impl<K, V, S, U, F> RddNode<U> for Mapped<K, V, S, U, F>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    U: Data,
    F: MapFunction<K, V, S, U>,
{
    fn partitions(&self) -> usize {
        self.state.partition_count()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pairs) = &*batch else {
            return Ok(());
        };
        if self.state.merged_through() < self.time {
            let routed = route(pairs, &self.state.partitioning, executor)?;
            let worked =
                executor.run(self.partitions(), |partition| self.work(&routed, partition))?;
            let (changes, mapped): (Vec<_>, Vec<_>) = worked.into_iter().unzip();
            self.state.staged().insert(self.time, Arc::new(changes));
            let _ = self.mapped.set(mapped);
        }
        *batch = None;
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, U>) -> Result<(), Stop> {
        let Some(mapped) = self.mapped.get() else {
            return Err(self.state.gone(self.time).into());
        };
        match mapped.get(partition) {
            Some(elements) if !elements.is_empty() => sink(Chunk::Shared(elements)),
            _ => Ok(()),
        }
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

/// What changes in a partition, and what the function yielded.
type Worked<K, S, U> = (Changes<K, S, Touched>, Vec<U>);

/// How many keys are looked up before the function is called for them: a look-up waits for memory, and
/// so they wait together. First for the entries, then for what their keys point to.
const RUN: usize = 64;

impl<K, V, S, U, F> Mapped<K, V, S, U, F>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    U: Data,
    F: MapFunction<K, V, S, U>,
{
    /// One partition: what changes, and what the function yields.
    fn work(&self, routed: &Routed<K, V>, partition: usize) -> Result<Worked<K, S, U>, TaskError> {
        let Some(held) = self.state.read(partition) else {
            return Ok((Changes::new(0, 0), Vec::new()));
        };
        let mut changes = held.changes();
        let mut mapped = Vec::with_capacity(routed.len_of(partition));
        finished(held.with_cold(|cold| {
            let mut arrived = routed.of(partition);
            let mut run = Vec::with_capacity(RUN);
            loop {
                let next = arrived.by_ref().take(RUN);
                run.extend(next.map(|entry| (entry, held.held.candidate(entry.hash))));
                if run.is_empty() {
                    break;
                }
                for (entry, slot) in &mut run {
                    let (hash, key) = (entry.hash, &entry.pair.0);
                    *slot = slot.and_then(|at| held.held.confirm(at, hash, key));
                }
                for (entry, slot) in run.drain(..) {
                    let read = match (slot, cold) {
                        (None, Some(cold)) => held.find_cold(cold, entry.hash, &entry.pair.0)?,
                        _ => None,
                    };
                    let (before, state) = match (slot, &read) {
                        (Some(slot), _) => (Before::At(slot), held.held.at(entry.hash, slot)),
                        (None, Some(read)) => (Before::Somewhere, Some(read)),
                        (None, None) => (Before::New, None),
                    };
                    mapped.extend(self.touch(entry, before, state, &mut changes));
                }
            }
            self.time_out(&held, cold, &mut changes, &mut mapped)
        }))?;
        Ok((changes, mapped))
    }

    /// Calls the function for a pair. `before` and `held` are what there was of the key before the batch.
    #[inline]
    fn touch(
        &self,
        entry: &Entry<K, V>,
        before: Before,
        held: Option<&Held<K, S, Touched>>,
        changes: &mut Changes<K, S, Touched>,
    ) -> Option<U> {
        let Entry {
            hash,
            pair: (key, value),
        } = entry;
        let (hash, now) = (*hash, Touched::at(self.time));
        let changed = changes.updated(hash, key).map(|change| &change.held);
        let latest = match changed {
            None if changes.has_removed(hash, key) => None,
            None => held,
            changed => changed,
        };
        let mut state = State::of(latest.map(|held| &held.pair.1));
        let mapped = self.f.map(self.time, key, Some(value), &mut state);
        match state.into_now() {
            Now::Updated(state) => changes.set(hash, key, now, state, before),
            Now::Removed => changes.unset(hash, key, before),
            // To be touched is to be alive, where that matters.
            Now::AsBefore => {
                let aged = latest.filter(|held| self.state.timeout.is_some() && held.mark != now);
                if let Some(held) = aged {
                    let state = held.pair.1.clone();
                    changes.set(hash, key, now, state, before);
                }
            }
        }
        mapped
    }

    /// Calls the function for the keys that have timed out, and removes them.
    fn time_out(
        &self,
        held: &PartitionState<K, S, Touched>,
        cold: Option<&Reader>,
        changes: &mut Changes<K, S, Touched>,
        mapped: &mut Vec<U>,
    ) -> Result<(), Fault> {
        let (Some(due), Some(before)) = (&held.due, self.state.timed_out_before(self.time)) else {
            return Ok(());
        };
        for hash in due.before(before) {
            held.with_hash(cold, hash, |held| {
                let (key, state) = &held.pair;
                if held.mark.0 >= before || changes.concern(held.hash(), key) {
                    return;
                }
                let mut state = State::timing_out(state);
                mapped.extend(self.f.map(self.time, key, None, &mut state));
                changes.add_removed(held.hash(), key.clone());
            })?;
        }
        Ok(())
    }
}
