//! `update_state_by_key`: one batch's pass over a state, as a dataset.

use std::sync::{Arc, Mutex, PoisonError};

use super::keyed::{Changes, KeyedState, Staged};
use super::{StateKey, StateValue};
use crate::rdd::{
    Data, Entry, Executor, JobError, Rdd, RddNode, Sink, Stop, Table, TaskError, until_enough,
    visit_table,
};
use crate::time::Time;

/// The dataset of every key's state after the batch at `time`.
pub(crate) fn update_state<K, V, S, F>(
    state: &Arc<KeyedState<K, S>>,
    batch: &Rdd<(K, V)>,
    time: Time,
    f: Arc<F>,
) -> Rdd<(K, S)>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    F: Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
{
    let grouped = batch.group_by_key(state.partitioning.clone());
    let node = Updated {
        state: Arc::clone(state),
        time,
        batch: Mutex::new(Some(grouped)),
        f,
    };
    Rdd::new(node, batch.executor())
}

/// A batch's values by key.
type Grouped<K, V> = Rdd<(K, Vec<V>)>;

struct Updated<K: StateKey, V: Data, S: StateValue, F> {
    state: Arc<KeyedState<K, S>>,
    time: Time,
    /// The batch's values; let go once they are staged.
    batch: Mutex<Option<Grouped<K, V>>>,
    f: Arc<F>,
}

impl<K, V, S, F> RddNode<(K, S)> for Updated<K, V, S, F>
where
    K: StateKey,
    V: Data,
    S: StateValue,
    F: Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
{
    fn partitions(&self) -> usize {
        self.state.partition_count()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(grouped) = &*batch else {
            return Ok(());
        };
        if self.state.merged_through() < self.time {
            grouped.node().prepare(executor)?;
            let changes = executor.run(self.partitions(), |partition| {
                changes_of(&self.state, grouped, partition, executor, &*self.f)
            })?;
            self.state.staged().insert(self.time, Arc::new(changes));
        }
        *batch = None;
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, (K, S)>) -> Result<(), Stop> {
        let staged: Option<Staged<K, S>> = self.state.staged().get(&self.time).cloned();
        let Some(held) = self.state.read(partition) else {
            return Ok(());
        };
        let all = held.table.iter().map(|entry| (entry.hash, &entry.pair));
        match staged.as_ref().and_then(|staged| staged.get(partition)) {
            Some(changes) if !changes.is_empty() => {
                let unchanged = all.filter(|(hash, (key, _))| {
                    changes
                        .updated
                        .find(*hash, |entry| entry.pair.0 == *key)
                        .is_none()
                        && changes
                            .removed
                            .find(*hash, |entry| entry.pair.0 == *key)
                            .is_none()
                });
                let updated = changes.updated.iter().map(|entry| &entry.pair);
                visit_table(unchanged.map(|(_, pair)| pair).chain(updated), sink)
            }
            Some(_) => visit_table(all.map(|(_, pair)| pair), sink),
            None if self.state.merged_through() == self.time => {
                visit_table(all.map(|(_, pair)| pair), sink)
            }
            None => Err(TaskError::Gone(format!(
                "the state of the batch at {} is gone: it is now that of {}",
                self.time,
                self.state.merged_through()
            ))
            .into()),
        }
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

/// Calls `f` for every key of a partition that has a state or new values.
fn changes_of<K, V, S>(
    state: &KeyedState<K, S>,
    grouped: &Rdd<(K, Vec<V>)>,
    partition: usize,
    executor: &Executor,
    f: &impl Fn(&[V], Option<&S>) -> Option<S>,
) -> Result<Changes<K, S>, TaskError>
where
    K: StateKey,
    V: Data,
    S: StateValue,
{
    let hasher = executor.hasher();
    let mut arrived: Table<K, Vec<V>> = Table::new();
    until_enough(grouped.node().compute(partition, &mut |chunk| {
        chunk.into_each(|pair| {
            let hash = hasher.hash(&pair.0);
            arrived.insert_unique(hash, Entry { hash, pair }, |entry| entry.hash);
        });
        Ok(())
    }))?;
    let mut changes = Changes {
        updated: Table::new(),
        removed: Table::new(),
    };
    let Some(held) = state.read(partition) else {
        return Ok(changes);
    };
    let mut update = |hash: u64, key: &K, values: &[V], before: Option<&S>| match f(values, before)
    {
        Some(after) if before != Some(&after) => {
            let entry = Entry {
                hash,
                pair: (key.clone(), after),
            };
            changes
                .updated
                .insert_unique(hash, entry, |entry| entry.hash);
        }
        None if before.is_some() => {
            let entry = Entry {
                hash,
                pair: (key.clone(), ()),
            };
            changes
                .removed
                .insert_unique(hash, entry, |entry| entry.hash);
        }
        _ => {}
    };
    for Entry {
        hash,
        pair: (key, before),
    } in &held.table
    {
        let values = arrived.find(*hash, |entry| entry.pair.0 == *key);
        update(
            *hash,
            key,
            values.map_or(&[], |entry| entry.pair.1.as_slice()),
            Some(before),
        );
    }
    for Entry {
        hash,
        pair: (key, values),
    } in &arrived
    {
        if held
            .table
            .find(*hash, |entry| entry.pair.0 == *key)
            .is_none()
        {
            update(*hash, key, values, None);
        }
    }
    Ok(changes)
}
