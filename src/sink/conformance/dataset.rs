//! [`Dataset`]: a batch's records in some partitions, whose computation can be made to fail or to meet somebody.

use std::sync::Arc;

use crate::rdd::{Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError};

/// Happens when a partition has handed on half of its records.
#[derive(Clone)]
pub(super) enum Halfway {
    Fail,
    Panic,
    Do(Arc<dyn Fn() + Send + Sync>),
}

/// Records in partitions.
pub(super) struct Dataset<T: ?Sized + Element> {
    partitions: Vec<Vec<T::Own>>,
    /// In which partition what happens.
    halfway: Option<(usize, Halfway)>,
}

impl<T: ?Sized + Element> Dataset<T> {
    /// Deals the records out to `partitions` partitions.
    pub(super) fn new(records: impl IntoIterator<Item = T::Own>, partitions: usize) -> Self {
        let mut dealt = Vec::new();
        dealt.resize_with(partitions, Vec::new);
        for (index, record) in records.into_iter().enumerate() {
            if let Some(partition) = dealt.get_mut(index % partitions.max(1)) {
                partition.push(record);
            }
        }
        Self {
            partitions: dealt,
            halfway: None,
        }
    }

    /// The same, and something happens in the middle of `partition`.
    pub(super) fn with(self, partition: usize, halfway: Halfway) -> Self {
        Self {
            halfway: Some((partition, halfway)),
            ..self
        }
    }

    pub(super) fn rdd(self, executor: &Executor) -> Rdd<T> {
        Rdd::new(self, executor)
    }
}

impl<T: ?Sized + Element> RddNode<T> for Dataset<T> {
    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let Some(records) = self.partitions.get(partition) else {
            return Ok(());
        };
        let (first, second) = records.split_at(records.len() / 2);
        push(first, sink)?;
        match &self.halfway {
            Some((at, halfway)) if *at == partition => happen(halfway)?,
            _ => {}
        }
        push(second, sink)
    }
}

fn push<T: ?Sized + Element>(records: &[T::Own], sink: &mut Sink<'_, T>) -> Result<(), Stop> {
    let mut buffer = T::Buffer::default();
    for record in records {
        buffer.push_owned(record.clone());
    }
    sink(Chunk::Owned(&mut buffer))
}

/// The panic is the point: the computation that a sink is given may hold one.
#[allow(clippy::panic)]
fn happen(halfway: &Halfway) -> Result<(), Stop> {
    match halfway {
        Halfway::Fail => Err(Stop::Failed(TaskError::new(
            "the conformance test lets this computation fail",
        ))),
        Halfway::Panic => panic!("the conformance test lets this computation panic"),
        Halfway::Do(act) => {
            act();
            Ok(())
        }
    }
}
