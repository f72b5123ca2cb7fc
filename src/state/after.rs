//! The state after a batch, as a dataset: what is held, with what the batch changes laid over it.

use std::sync::Arc;

use super::keyed::KeyedState;
use super::mark::Mark;
use super::{StateKey, StateValue};
use crate::rdd::{Data, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError, visit_table};
use crate::time::Time;

/// Every key's state after the batch at `time`, once `batch`, which works on the state, is prepared.
pub(crate) fn after_batch<K: StateKey, S: StateValue, M: Mark, U: Data>(
    state: &Arc<KeyedState<K, S, M>>,
    batch: &Rdd<U>,
    time: Time,
) -> Rdd<(K, S)> {
    let node = After {
        state: Arc::clone(state),
        batch: batch.clone(),
        time,
    };
    Rdd::new(node, batch.executor())
}

struct After<K: StateKey, S: StateValue, M: Mark, U: Data> {
    state: Arc<KeyedState<K, S, M>>,
    batch: Rdd<U>,
    time: Time,
}

impl<K, S, M, U> RddNode<(K, S)> for After<K, S, M, U>
where
    K: StateKey,
    S: StateValue,
    M: Mark,
    U: Data,
{
    fn partitions(&self) -> usize {
        self.state.partition_count()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.batch.node().prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, (K, S)>) -> Result<(), Stop> {
        self.state.visit_after(self.time, partition, sink)
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

impl<K: StateKey, S: StateValue, M: Mark> KeyedState<K, S, M> {
    /// Visits every key of a partition with its state after the batch at `time`, which is staged or was
    /// the last to be merged.
    pub(super) fn visit_after(
        &self,
        time: Time,
        partition: usize,
        sink: &mut Sink<'_, (K, S)>,
    ) -> Result<(), Stop> {
        let staged = self.staged().get(&time).cloned();
        let Some(held) = self.read(partition) else {
            return Ok(());
        };
        let all = held.held.iter();
        match staged.as_ref().and_then(|staged| staged.get(partition)) {
            Some(changes) if !changes.is_empty() => {
                let unchanged = all.filter(|held| !changes.concern(held.hash, &held.pair.0));
                let updated = changes.updated.iter().map(|change| &change.held);
                visit_table(unchanged.chain(updated).map(|held| &held.pair), sink)
            }
            Some(_) => visit_table(all.map(|held| &held.pair), sink),
            None if self.merged_through() == time => visit_table(all.map(|held| &held.pair), sink),
            None => Err(self.gone(time).into()),
        }
    }

    /// Why what the batch at `time` made of the state can't be had.
    pub(super) fn gone(&self, time: Time) -> TaskError {
        TaskError::Gone(format!(
            "the state of the batch at {time} is gone: it is now that of {}",
            self.merged_through()
        ))
    }
}
