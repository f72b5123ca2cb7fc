//! Repartition: elements dealt out evenly, whatever the parent's partitions hold.

use super::stage::Stage;
use super::{Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop};

/// For each parent partition the hands that it dealt, one for each result partition.
type Dealt<T> = Vec<Vec<<T as Element>::Buffer>>;

struct Repartitioned<T: ?Sized + Element> {
    dealt: Stage<Dealt<T>>,
    partitions: usize,
}

impl<T: ?Sized + Element> RddNode<T> for Repartitioned<T> {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.dealt.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let dealt = self.dealt.ready()?;
        dealt
            .iter()
            .filter_map(|hands| hands.get(partition))
            .try_for_each(|hand| sink(Chunk::Shared(hand)))
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

/// Deals the elements of each of `rdd`'s partitions to `partitions` hands.
fn deal<T: ?Sized + Element>(
    rdd: &Rdd<T>,
    partitions: usize,
    executor: &Executor,
) -> Result<Dealt<T>, JobError> {
    rdd.node().prepare(executor)?;
    executor.run(rdd.partitions(), |index| {
        let held = rdd.buffer_of(index)?;
        let mut hands: Vec<T::Buffer> = (0..partitions).map(|_| T::Buffer::default()).collect();
        hands
            .iter_mut()
            .for_each(|hand| hand.set_source(held.source()));
        // Starting at another hand for each partition keeps many small partitions even.
        let mut turn = index;
        held.for_each(|value| {
            if let Some(hand) = hands.get_mut(turn % partitions) {
                hand.push(value);
            }
            turn += 1;
        });
        Ok(hands)
    })
}

impl<T: ?Sized + Element> Rdd<T> {
    /// The same elements dealt out evenly to `partitions` partitions.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let numbers = context.parallelize_with(vec![1, 2, 3, 4], 1).repartition(2);
    /// assert_eq!(numbers.partitions(), 2);
    /// assert_eq!(numbers.count()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn repartition(&self, partitions: usize) -> Rdd<T> {
        let (parent, partitions) = (self.clone(), partitions.max(1));
        let dealt = Stage::new(move |executor| deal(&parent, partitions, executor));
        Rdd::new(Repartitioned { dealt, partitions }, self.executor())
    }
}
