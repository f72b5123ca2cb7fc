//! Cached datasets: each partition is computed once and then read.

use std::sync::{Arc, OnceLock};

use super::position;
use super::{Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

struct Cached<T: ?Sized + Element> {
    parent: Rdd<T>,
    partitions: Vec<OnceLock<Vec<T::Buffer>>>,
}

impl<T: ?Sized + Element> RddNode<T> for Cached<T> {
    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.node().prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        if position::is_sought() {
            return self.parent.node().compute(partition, sink);
        }
        let Some(slot) = self.partitions.get(partition) else {
            return Ok(());
        };
        let chunks = match slot.get() {
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
                slot.get_or_init(|| chunks)
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
    /// The same dataset, whose partitions are kept in memory once computed. A dataset that is held in
    /// memory anyway is returned as it is.
    #[must_use]
    pub fn cache(&self) -> Rdd<T> {
        if self.node().is_materialized() {
            return self.clone();
        }
        let partitions = (0..self.partitions()).map(|_| OnceLock::new()).collect();
        Rdd {
            node: Arc::new(Cached {
                parent: self.clone(),
                partitions,
            }),
            executor: self.executor().clone(),
        }
    }
}
