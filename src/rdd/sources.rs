//! Datasets that depend on no other, and unions of datasets.

use std::sync::Arc;

use super::{Chunk, Data, Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

/// Elements that are in memory, one buffer a partition.
struct InMemory<T: ?Sized + Element>(Vec<T::Buffer>);

impl<T: ?Sized + Element> RddNode<T> for InMemory<T> {
    fn partitions(&self) -> usize {
        self.0.len()
    }

    fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        self.0
            .get(partition)
            .map_or(Ok(()), |buffer| sink(Chunk::Shared(buffer)))
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

/// Several datasets one after the other: their partitions are those of all of them.
struct Union<T: ?Sized + Element>(Vec<Arc<dyn RddNode<T>>>);

impl<T: ?Sized + Element> RddNode<T> for Union<T> {
    fn partitions(&self) -> usize {
        self.0.iter().map(|rdd| rdd.partitions()).sum()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.0.iter().try_for_each(|rdd| rdd.prepare(executor))
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let mut index = partition;
        for rdd in &self.0 {
            if index < rdd.partitions() {
                return rdd.compute(index, sink);
            }
            index -= rdd.partitions();
        }
        Ok(())
    }

    fn is_materialized(&self) -> bool {
        self.0.iter().all(|rdd| rdd.is_materialized())
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// No elements, in no partition.
    ///
    /// ```
    /// use tidemill::rdd::{Executor, Rdd};
    ///
    /// let executor = Executor::new(2, 1)?;
    /// assert_eq!(Rdd::<u64>::empty(&executor).partitions(), 0);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn empty(executor: &Executor) -> Self {
        Self::in_memory(Vec::new(), executor)
    }

    /// Partitions that are in memory.
    ///
    /// ```
    /// use tidemill::rdd::{Executor, Rdd};
    ///
    /// let executor = Executor::new(2, 1)?;
    /// let numbers = Rdd::<u64>::in_memory(vec![vec![1, 2], vec![3]], &executor);
    /// assert_eq!(numbers.glom().collect()?, [vec![1, 2], vec![3]]);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn in_memory(partitions: Vec<T::Buffer>, executor: &Executor) -> Self {
        Rdd::new(InMemory::<T>(partitions), executor)
    }

    /// All of `rdds` together; partitions keep their order.
    ///
    /// ```
    /// use tidemill::rdd::{Executor, Rdd};
    ///
    /// let executor = Executor::new(2, 1)?;
    /// let parts = [1, 2, 3].map(|n| Rdd::parallelize(vec![n], 1, &executor));
    /// assert_eq!(Rdd::union_all(&parts, &executor).collect()?, [1, 2, 3]);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn union_all(rdds: &[Rdd<T>], executor: &Executor) -> Self {
        match rdds {
            [] => Self::empty(executor),
            [only] => only.clone(),
            many => Rdd::new(
                Union(many.iter().map(|rdd| Arc::clone(rdd.node())).collect()),
                executor,
            ),
        }
    }

    /// The elements of both.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (low, high) = (context.parallelize(vec![1, 2]), context.parallelize(vec![8]));
    /// assert_eq!(low.union(&high).collect()?, [1, 2, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn union(&self, other: &Rdd<T>) -> Self {
        Self::union_all(&[self.clone(), other.clone()], self.executor())
    }
}

impl<T: Data> Rdd<T> {
    /// `elements` cut into `partitions` partitions of about the same size.
    ///
    /// ```
    /// use tidemill::rdd::{Executor, Rdd};
    ///
    /// let executor = Executor::new(2, 1)?;
    /// let numbers = Rdd::parallelize(vec![1, 2, 3, 4], 2, &executor);
    /// assert_eq!(numbers.glom().collect()?, [[1, 2], [3, 4]]);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn parallelize(elements: Vec<T>, partitions: usize, executor: &Executor) -> Self {
        let size = elements.len().div_ceil(partitions.max(1)).max(1);
        let mut buffers: Vec<Vec<T>> = elements.chunks(size).map(<[T]>::to_vec).collect();
        buffers.resize_with(partitions.max(1), Vec::new);
        Self::in_memory(buffers, executor)
    }
}
