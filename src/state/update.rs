//! `update_state_by_key`: one batch's pass over a state, as a dataset.

use std::sync::{Arc, Mutex, PoisonError};

use super::changes::{Before, Changes};
use super::group::Groups;
use super::keyed::KeyedState;
use super::shelf::Held;
use super::{StateKey, StateValue, finished};
use crate::rdd::{Data, Executor, JobError, Rdd, RddNode, Routed, Sink, Stop, TaskError, route};
use crate::time::Time;

/// The dataset of every key's state after the batch at `time`. `functions` makes the function for the
/// keys of one partition.
pub(crate) fn update_state<K, V, S, F, G>(
    state: &Arc<KeyedState<K, S>>,
    batch: &Rdd<(K, V)>,
    time: Time,
    functions: Arc<F>,
) -> Rdd<(K, S)>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    F: Fn(Time, usize) -> G + Send + Sync + 'static,
    G: FnMut(&K, &[V], Option<&S>) -> Option<S> + 'static,
{
    let node = Updated {
        state: Arc::clone(state),
        time,
        batch: Mutex::new(Some(batch.clone())),
        functions,
    };
    Rdd::new(node, batch.executor())
}

struct Updated<K: StateKey, V: Data, S: StateValue, F> {
    state: Arc<KeyedState<K, S>>,
    time: Time,
    /// The batch's pairs; let go once what they change is staged.
    batch: Mutex<Option<Rdd<(K, V)>>>,
    functions: Arc<F>,
}

impl<K, V, S, F, G> RddNode<(K, S)> for Updated<K, V, S, F>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    F: Fn(Time, usize) -> G + Send + Sync + 'static,
    G: FnMut(&K, &[V], Option<&S>) -> Option<S> + 'static,
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
            let changes = executor.run(self.partitions(), |partition| {
                let function = (self.functions)(self.time, partition);
                changes_of(&self.state, &routed, partition, function)
            })?;
            self.state.staged().insert(self.time, Arc::new(changes));
        }
        *batch = None;
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, (K, S)>) -> Result<(), Stop> {
        self.state.visit_after(self.time, partition, sink)
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

/// Calls `f` for every key of a partition that has a state or new values.
fn changes_of<K, V, S>(
    state: &KeyedState<K, S>,
    routed: &Routed<K, V>,
    partition: usize,
    mut f: impl FnMut(&K, &[V], Option<&S>) -> Option<S>,
) -> Result<Changes<K, S, ()>, TaskError>
where
    K: StateKey,
    V: Data,
    S: StateValue,
{
    let groups = Groups::of(routed.of(partition), routed.len_of(partition));
    let Some(held) = state.read(partition) else {
        return Ok(Changes::new(0, 0));
    };
    let mut changes = held.changes();
    let mut had_state = vec![false; groups.len()];
    let mut pass = |held: &Held<K, S, ()>| {
        let (hash, (key, before)) = (held.hash(), &held.pair);
        let group = groups.find(hash, key);
        let values = group.and_then(|group| {
            *had_state.get_mut(group)? = true;
            Some(groups.get(group)?.2)
        });
        match f(key, values.unwrap_or_default(), Some(before)) {
            Some(after) if *before == after => {}
            Some(after) => changes.add(entry(hash, key, after), Before::Somewhere),
            None => changes.add_removed(hash, key.clone()),
        }
    };
    held.held.iter().for_each(&mut pass);
    finished(held.with_cold(|cold| match cold {
        Some(cold) => held.each_cold(cold, |held| {
            pass(&held);
            Ok(())
        }),
        None => Ok(()),
    }))?;
    let new = had_state.into_iter().enumerate().filter(|(_, had)| !had);
    for (hash, key, values) in new.filter_map(|(group, _)| groups.get(group)) {
        if let Some(after) = f(key, values, None) {
            changes.add(entry(hash, key, after), Before::New);
        }
    }
    Ok(changes)
}

fn entry<K: Clone, S>(hash: u64, key: &K, state: S) -> Held<K, S, ()> {
    Held::new(hash, (), (key.clone(), state))
}
