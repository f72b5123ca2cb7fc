//! [`Tracked`]: a dataset of the graph in a program that has something to add to. What its own code adds
//! is kept under its name and partition, see [`effects`](crate::effects).

use std::sync::Arc;

use super::position;
use super::{Element, Executor, JobError, RddNode, Sink, Stop, TaskError};
use crate::effects::{BatchEffects, Scope, collected};

pub(super) struct Tracked<N> {
    node: N,
    batch: Arc<BatchEffects>,
    dataset: u64,
}

impl<N> Tracked<N> {
    pub(super) fn new(node: N, batch: Arc<BatchEffects>) -> Self {
        let dataset = batch.new_dataset();
        Self {
            node,
            batch,
            dataset,
        }
    }
}

impl<T: ?Sized + Element, N: RddNode<T>> RddNode<T> for Tracked<N> {
    fn partitions(&self) -> usize {
        self.node.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let (result, effects) = collected(|| self.node.prepare(executor));
        // Kept after a failure, too: it's of those steps that succeeded, which aren't run again.
        self.batch.keep_once(self.dataset, effects);
        result
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        if position::is_sought() {
            return self.node.compute(partition, sink);
        }
        let mut scope = Scope::enter();
        self.node
            .compute(partition, &mut |chunk| scope.outside(|| sink(chunk)))?;
        let effects = scope.leave();
        self.batch
            .keep_partition(self.dataset, partition, effects)
            .map_err(|error| Stop::Failed(TaskError::new(error)))
    }

    fn is_materialized(&self) -> bool {
        self.node.is_materialized()
    }

    fn is_computed(&self, partition: usize) -> bool {
        self.batch.has_partition(self.dataset, partition)
    }
}
