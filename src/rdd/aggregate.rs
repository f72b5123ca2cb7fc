//! A whole dataset folded into one element, lazily.

use std::sync::{Mutex, PoisonError};

use super::stage::Stage;
use super::{Chunk, Data, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, until_enough};

/// One partition that holds one element.
struct Aggregated<A>(Stage<Vec<A>>);

impl<A: Data> RddNode<A> for Aggregated<A> {
    fn partitions(&self) -> usize {
        1
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.0.prepare(executor)
    }

    fn compute(&self, _partition: usize, sink: &mut Sink<'_, A>) -> Result<(), Stop> {
        sink(Chunk::Shared(&*self.0.ready()?))
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// All elements folded into one: `fold` takes in chunks, `merge` adds what another thread folded of
    /// later ones.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let words = context.parallelize(vec!["high", "tide", "ebb"]);
    /// let lengths = words.aggregate(
    ///     || 0,
    ///     |sum, chunk| chunk.for_each(|word| *sum += word.len()),
    ///     |sum, other| *sum += other,
    /// );
    /// assert_eq!(lengths.collect()?, [11]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate<A: Data>(
        &self,
        init: impl Fn() -> A + Send + Sync + 'static,
        fold: impl Fn(&mut A, &Chunk<'_, T>) + Send + Sync + 'static,
        merge: impl Fn(&mut A, A) + Send + Sync + 'static,
    ) -> Rdd<A> {
        let parent = self.clone();
        let run = move |executor: &Executor| {
            parent.node().prepare(executor)?;
            let parts = executor.fold(parent.partitions(), &init, |total, partition| {
                until_enough(parent.node().compute(partition, &mut |chunk| {
                    fold(total, &chunk);
                    Ok(())
                }))
            })?;
            let parts = Mutex::new(Some(parts));
            let whole = executor.run_once(1, |_| {
                let parts = parts.lock().unwrap_or_else(PoisonError::into_inner).take();
                let mut parts = parts.unwrap_or_default().into_iter();
                let mut total = parts.next().unwrap_or_else(&init);
                parts.for_each(|part| merge(&mut total, part));
                Ok(total)
            })?;
            Ok(vec![whole.into_iter().next().unwrap_or_else(&init)])
        };
        Rdd::new(Aggregated(Stage::new(run)), self.executor())
    }
}
