//! Kept datasets: each partition is computed once and then read, from where its [`StorageLevel`] says.
//!
//! Invariant: whatever becomes of a kept partition (evicted, its file damaged or gone), the dataset is the same: it is
//! computed again from its lineage.

mod form;
mod level;
mod scratch;
mod slots;
mod store;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use level::StorageLevel;

pub(crate) use store::{CacheOptions, CacheStore};

use self::form::Form;
use self::slots::Slots;
use super::position;
use super::{Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

struct Cached<T: ?Sized + Element> {
    parent: Rdd<T>,
    slots: Arc<Slots<T>>,
}

impl<T: ?Sized + Element> RddNode<T> for Cached<T> {
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.node().prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        if position::is_sought() {
            return self.parent.node().compute(partition, sink);
        }
        let chunks = match self.slots.get(partition) {
            Some(chunks) => chunks,
            None => {
                // Two tasks may compute the same partition; the first result is kept.
                let mut chunks = Vec::new();
                self.parent.node().compute(partition, &mut |chunk| {
                    let mut buffer = T::Buffer::default();
                    buffer.set_source(chunk.source());
                    chunk.append_to(&mut buffer);
                    chunks.push(buffer);
                    Ok(())
                })?;
                let chunks = Arc::new(chunks);
                self.slots.keep(partition, &chunks);
                chunks
            }
        };
        chunks
            .iter()
            .try_for_each(|buffer| sink(Chunk::Shared(buffer)))
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// The same dataset, whose partitions are kept in memory once computed, as
    /// [`MEMORY_ONLY`](StorageLevel::MEMORY_ONLY) says. A dataset that is held in memory anyway is returned as it is.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let computed = Arc::new(AtomicUsize::new(0));
    /// let counted = Arc::clone(&computed);
    /// let squares = context.parallelize(vec![1, 2, 3]).map(move |n| {
    ///     counted.fetch_add(1, Ordering::Relaxed);
    ///     n * n
    /// });
    /// let kept = squares.cache();
    /// assert_eq!(kept.collect()?, kept.collect()?);
    /// assert_eq!(computed.load(Ordering::Relaxed), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cache(&self) -> Rdd<T> {
        self.kept(StorageLevel::MEMORY_ONLY, None)
    }

    /// The same dataset, whose partitions are kept once computed where `level` says, for as long as the dataset is
    /// held. A dataset that is held in memory anyway (elements that were put together, what a shuffle made) is
    /// returned as it is: a second copy would save nothing.
    ///
    /// Files are checked when they are read. A partition that was let go, or whose files are damaged or gone, is
    /// computed again.
    ///
    /// ```
    /// use tidemill::rdd::{Executor, Rdd, StorageLevel};
    ///
    /// # fn main() -> Result<(), tidemill::rdd::BoxError> {
    /// let executor = Executor::new(2, 1)?;
    /// let squares = Rdd::parallelize(vec![1u64, 2, 3], 2, &executor).map(|n| n * n);
    /// let kept = squares.persist(StorageLevel::DISK_ONLY);
    /// assert_eq!(kept.collect()?, [1, 4, 9]);
    /// assert_eq!(kept.collect()?, [1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn persist(&self, level: StorageLevel) -> Rdd<T>
    where
        T: Serialize,
        T::Own: DeserializeOwned,
    {
        self.kept(level, Some(Form::of_serde()))
    }

    fn kept(&self, level: StorageLevel, form: Option<Form<T>>) -> Rdd<T> {
        if level == StorageLevel::NONE || self.node().is_materialized() {
            return self.clone();
        }
        let store = Arc::clone(self.executor().cache());
        let slots = Slots::new(self.partitions(), level, form, store);
        let node = Cached {
            parent: self.clone(),
            slots: Arc::new(slots),
        };
        Rdd::new(node, self.executor())
    }
}

#[cfg(test)]
mod tests;
