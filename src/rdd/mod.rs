//! Resilient distributed datasets: lazily computed, partitioned, with lineage made of Rust closures.
//!
//! An [`Rdd`] is a recipe. An action first *prepares* it: every wide step below it (a shuffle, a state
//! update) is run, bottom up, on the caller's thread with leaf tasks on the CPU pool. Then each
//! partition is *computed* by pushing chunks through the fused narrow steps into a sink.
//!
//! Invariant: [`RddNode::compute`] never starts other tasks and never waits for them; all that needs
//! the pool happens in [`RddNode::prepare`]. So tasks can't deadlock on each other.

mod actions;
mod activity;
mod aggregate;
mod cache;
mod counted;
mod element;
pub(crate) mod fallible;
mod fallible_partitions;
mod join;
mod key_index;
pub(crate) mod misfits;
mod narrow;
mod pairs;
mod partitioning;
pub(crate) mod position;
mod repartition;
mod route;
mod runs;
mod shuffle;
mod sources;
mod stage;
mod task;
mod text;
mod tracked;

use std::fmt;
use std::sync::Arc;

use crate::effects;
use crate::uid::OperatorUid;

pub use actions::Partition;
pub use cache::StorageLevel;
pub use element::{Buffer, Chunk, Data, Element};
pub use fallible::ErrorPolicy;
pub use fallible_partitions::{FailedRecord, PartitionRecord, PartitionRecords};
pub use key_index::KeyIndex;
pub use narrow::Emitter;
pub use pairs::Key;
pub use partitioning::{KeyHasher, Partitioner, Partitioning};
pub use task::{BoxError, Executor, JobError, Stop, TaskError, contained};
pub use text::TextBuffer;

pub(crate) use cache::{CacheOptions, CacheStore};
pub(crate) use counted::ElementCounts;
pub(crate) use element::CHUNK;
pub(crate) use partitioning::spread;
pub(crate) use route::{Routed, route};
pub(crate) use shuffle::{Combine, Entry, ShuffleMemory, Table, combine, visit_table};
pub(crate) use task::{panic_message, until_enough};

/// Takes the chunks of a partition.
pub type Sink<'a, T> = dyn FnMut(Chunk<'_, T>) -> Result<(), Stop> + 'a;

/// One step of a lineage.
///
/// ```
/// use tidemill::rdd::{Chunk, Executor, JobError, Rdd, RddNode, Sink, Stop};
///
/// /// The multiples of a number below an end, one partition for each number.
/// struct Multiples {
///     of: Vec<u64>,
///     end: u64,
/// }
///
/// impl RddNode<u64> for Multiples {
///     fn partitions(&self) -> usize {
///         self.of.len()
///     }
///
///     /// Nothing wide is below it.
///     fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
///         Ok(())
///     }
///
///     fn compute(&self, partition: usize, sink: &mut Sink<'_, u64>) -> Result<(), Stop> {
///         let mut multiples = (0..self.end).step_by(self.of[partition] as usize);
///         loop {
///             let mut chunk: Vec<u64> = multiples.by_ref().take(1000).collect();
///             if chunk.is_empty() {
///                 return Ok(());
///             }
///             sink(Chunk::Owned(&mut chunk))?;
///         }
///     }
/// }
///
/// let executor = Executor::new(2, 1)?;
/// let multiples = Rdd::new(Multiples { of: vec![2, 3], end: 10_000 }, &executor);
/// assert_eq!(multiples.partitions(), 2);
/// assert_eq!(multiples.count()?, 5000 + 3334);
/// # Ok::<(), tidemill::rdd::BoxError>(())
/// ```
pub trait RddNode<T: ?Sized + Element>: Send + Sync {
    /// How many partitions there are.
    fn partitions(&self) -> usize;

    /// Runs the wide steps that computing depends on; a second call finds them done.
    fn prepare(&self, executor: &Executor) -> Result<(), JobError>;

    /// Pushes one partition's elements into `sink`, chunk by chunk.
    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop>;

    /// Whether computing again costs no more than reading.
    fn is_materialized(&self) -> bool {
        false
    }

    /// Whether all of a partition has been computed in its batch, so that what tasks leave beside it is
    /// known.
    #[doc(hidden)]
    fn is_computed(&self, _partition: usize) -> bool {
        false
    }
}

/// A lazily computed, partitioned dataset.
pub struct Rdd<T: ?Sized + Element> {
    node: Arc<dyn RddNode<T>>,
    executor: Executor,
}

impl<T: ?Sized + Element> Clone for Rdd<T> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            executor: self.executor.clone(),
        }
    }
}

impl<T: ?Sized + Element> fmt::Debug for Rdd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rdd")
            .field("partitions", &self.partitions())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// A dataset whose partitions `node` computes, with actions run by `executor`.
    ///
    /// ```
    /// use tidemill::rdd::{Chunk, Executor, JobError, Rdd, RddNode, Sink, Stop};
    ///
    /// /// One partition with one element.
    /// struct Only(&'static str);
    ///
    /// impl RddNode<str> for Only {
    ///     fn partitions(&self) -> usize {
    ///         1
    ///     }
    ///     fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
    ///         Ok(())
    ///     }
    ///     fn compute(&self, _partition: usize, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
    ///         sink(Chunk::Refs(&[self.0]))
    ///     }
    /// }
    ///
    /// assert_eq!(Rdd::new(Only("ebb"), &Executor::new(2, 1)?).collect()?, ["ebb"]);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn new(node: impl RddNode<T> + 'static, executor: &Executor) -> Self {
        let node: Arc<dyn RddNode<T>> = match effects::born() {
            None => Arc::new(node),
            Some(batch) => Arc::new(tracked::Tracked::new(node, batch)),
        };
        Self {
            node,
            executor: executor.clone(),
        }
    }

    /// The same dataset, as the records of the input `source`, which names no blocks.
    pub(crate) fn located_at(self, source: OperatorUid) -> Self {
        let parent = self.node;
        Rdd::new(position::Positioned { parent, source }, &self.executor)
    }

    /// Computes what of it hasn't been computed in its batch, for what tasks leave beside it.
    pub(crate) fn complete(&self) -> Result<(), JobError> {
        self.node.prepare(&self.executor)?;
        let left: Vec<usize> = (0..self.partitions())
            .filter(|partition| !self.node.is_computed(*partition))
            .collect();
        let compute = |index: usize| match left.get(index) {
            Some(partition) => until_enough(self.node.compute(*partition, &mut |_| Ok(()))),
            None => Ok(()),
        };
        self.executor.run(left.len(), compute).map(drop)
    }

    /// How many partitions there are.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.parallelize_with(vec![1, 2, 3], 2).partitions(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn partitions(&self) -> usize {
        self.node.partitions()
    }

    /// The pool that runs its actions.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize(vec![1, 2, 3]);
    /// assert!(numbers.executor().parallelism() >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn node(&self) -> &Arc<dyn RddNode<T>> {
        &self.node
    }
}
