//! [`Counted`]: a dataset that tells how many elements each of its partitions had.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::position;
use super::{Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

/// How many elements a dataset's partitions had. One that is computed again has as many.
#[derive(Debug, Default)]
pub(crate) struct ElementCounts(Box<[AtomicU64]>);

/// Of a partition that hasn't been computed to its end.
const UNKNOWN: u64 = u64::MAX;

impl ElementCounts {
    fn new(partitions: usize) -> Self {
        let unknown = || AtomicU64::new(UNKNOWN);
        Self(std::iter::repeat_with(unknown).take(partitions).collect())
    }

    fn set(&self, partition: usize, elements: u64) {
        if let Some(count) = self.0.get(partition) {
            count.store(elements, Ordering::Relaxed);
        }
    }

    /// Of all partitions; `None` while one hasn't been computed to its end.
    pub(crate) fn total(&self) -> Option<u64> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        counts
            .map(|count| (count != UNKNOWN).then_some(count))
            .sum()
    }
}

struct Counted<T: ?Sized + Element> {
    node: Arc<dyn RddNode<T>>,
    counts: Arc<ElementCounts>,
}

impl<T: ?Sized + Element> RddNode<T> for Counted<T> {
    fn partitions(&self) -> usize {
        self.node.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.node.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        if position::is_sought() {
            return self.node.compute(partition, sink);
        }
        let mut elements = 0;
        self.node.compute(partition, &mut |chunk| {
            elements += chunk.len() as u64;
            sink(chunk)
        })?;
        self.counts.set(partition, elements);
        Ok(())
    }

    fn is_materialized(&self) -> bool {
        self.node.is_materialized()
    }

    fn is_computed(&self, partition: usize) -> bool {
        self.node.is_computed(partition)
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// The same dataset, and how many elements it has as they become known.
    pub(crate) fn counted(self) -> (Self, Arc<ElementCounts>) {
        let counts = Arc::new(ElementCounts::new(self.partitions()));
        let node = Counted {
            node: self.node,
            counts: Arc::clone(&counts),
        };
        let counted = Self {
            node: Arc::new(node),
            executor: self.executor,
        };
        (counted, counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_once_every_partition_was_computed_to_its_end() {
        let executor = Executor::new(2, 1).unwrap();
        let numbers = Rdd::<u32>::in_memory(vec![vec![1, 2, 3], vec![], vec![4, 5]], &executor);
        let (numbers, counts) = numbers.counted();
        assert_eq!(counts.total(), None);
        assert_eq!(numbers.take(1).unwrap(), [1]);
        assert_eq!(
            counts.total(),
            None,
            "only a part of the first was looked at"
        );
        for _ in 0..2 {
            assert_eq!(numbers.map(|n| n + 1).count().unwrap(), 5);
            assert_eq!(counts.total(), Some(5));
        }
        assert_eq!(ElementCounts::default().total(), Some(0));
    }
}
