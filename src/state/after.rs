//! The state after a batch, as a dataset: what is held, with what the batch changes laid over it.

use std::sync::Arc;

use super::changes::Changes;
use super::cold::{Fault, Reader};
use super::keyed::KeyedState;
use super::mark::Mark;
use super::partition::PartitionState;
use super::{StateKey, StateValue};
use crate::rdd::{
    CHUNK, Chunk, Data, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError, visit_table,
};
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
        let changes = staged.as_ref().and_then(|staged| staged.get(partition));
        if changes.is_none() && self.merged_through() != time {
            return Err(self.gone(time).into());
        }
        let changes = changes.filter(|changes| !changes.is_empty());
        let all = held.held.iter();
        match changes {
            Some(changes) => {
                let unchanged = all.filter(|held| !changes.concern(held.hash(), &held.pair.0));
                let updated = changes.updated.iter().map(|change| &change.held);
                visit_table(unchanged.chain(updated).map(|held| &held.pair), sink)?;
            }
            None => visit_table(all.map(|held| &held.pair), sink)?,
        }
        held.with_cold(|cold| match cold {
            Some(cold) => self.visit_cold(&held, cold, changes, sink),
            None => Ok(()),
        })
    }

    /// Visits the keys that are only on the disk and about which a batch says nothing.
    fn visit_cold(
        &self,
        partition: &PartitionState<K, S, M>,
        cold: &Reader,
        changes: Option<&Changes<K, S, M>>,
        sink: &mut Sink<'_, (K, S)>,
    ) -> Result<(), Fault> {
        let mut pairs: Vec<(K, S)> = Vec::new();
        partition.each_cold(cold, |held| {
            if changes.is_some_and(|changes| changes.concern(held.hash(), &held.pair.0)) {
                return Ok(());
            }
            pairs.push(held.pair);
            if pairs.len() < CHUNK {
                return Ok(());
            }
            sink(Chunk::Owned(&mut pairs))?;
            pairs.clear();
            Ok(())
        })?;
        if !pairs.is_empty() {
            sink(Chunk::Owned(&mut pairs)).map_err(Fault::Stop)?;
        }
        Ok(())
    }

    /// Why what the batch at `time` made of the state can't be had.
    pub(super) fn gone(&self, time: Time) -> TaskError {
        TaskError::Gone(format!(
            "the state of the batch at {time} is gone: it is now that of {}",
            self.merged_through()
        ))
    }
}
