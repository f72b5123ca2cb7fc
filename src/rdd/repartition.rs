//! Repartition: elements dealt out evenly, whatever the parent's partitions hold.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError};

type Dealt<T> = Arc<Vec<Vec<<T as Element>::Buffer>>>;

struct Repartitioned<T: ?Sized + Element> {
    parent: Mutex<Option<Rdd<T>>>,
    /// For each parent partition the hands that it dealt, one for each result partition.
    dealt: Mutex<Option<Dealt<T>>>,
    partitions: usize,
}

impl<T: ?Sized + Element> RddNode<T> for Repartitioned<T> {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let mut dealt = self.dealt.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rdd) = &*parent else { return Ok(()) };
        rdd.node().prepare(executor)?;
        let hands = executor.run(rdd.partitions(), |index| {
            let held = rdd.buffer_of(index)?;
            let mut hands: Vec<T::Buffer> =
                (0..self.partitions).map(|_| T::Buffer::default()).collect();
            hands
                .iter_mut()
                .for_each(|hand| hand.set_source(held.source()));
            // Starting at another hand for each partition keeps many small partitions even.
            let mut turn = index;
            held.for_each(|value| {
                if let Some(hand) = hands.get_mut(turn % self.partitions) {
                    hand.push(value);
                }
                turn += 1;
            });
            Ok(hands)
        })?;
        *dealt = Some(Arc::new(hands));
        *parent = None;
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let dealt = self
            .dealt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(dealt) = dealt else {
            return Err(TaskError::new("a repartition was read before it ran").into());
        };
        dealt
            .iter()
            .filter_map(|hands| hands.get(partition))
            .try_for_each(|hand| sink(Chunk::Shared(hand)))
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// The same elements dealt out evenly to `partitions` partitions.
    #[must_use]
    pub fn repartition(&self, partitions: usize) -> Rdd<T> {
        Rdd::new(
            Repartitioned {
                parent: Mutex::new(Some(self.clone())),
                dealt: Mutex::new(None),
                partitions: partitions.max(1),
            },
            self.executor(),
        )
    }
}
