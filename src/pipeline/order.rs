//! [`Order`]: which record came first.
//!
//! Partitions of a batch are combined in whatever order they are ready. Functions that ask for the order
//! (`first`, `last`, lists) number their records before: by batch, partition and place.

use serde::{Deserialize, Serialize};

use crate::dstream::DStream;
use crate::rdd::{Chunk, Data, Executor, JobError, Rdd, RddNode, Sink, Stop};
use crate::time::Time;

/// A record's place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Order {
    time: Time,
    partition: usize,
    place: u64,
}

/// The records with their places.
pub(super) fn numbered<T: Data>(stream: &DStream<T>) -> DStream<(Order, T)> {
    stream.transform(|rdd, time| {
        Rdd::new(
            Numbered {
                rdd: rdd.clone(),
                time,
            },
            rdd.executor(),
        )
    })
}

struct Numbered<T: Data> {
    rdd: Rdd<T>,
    time: Time,
}

impl<T: Data> RddNode<(Order, T)> for Numbered<T> {
    fn partitions(&self) -> usize {
        self.rdd.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.rdd.node().prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, (Order, T)>) -> Result<(), Stop> {
        let mut place = 0;
        let mut records = Vec::new();
        self.rdd.node().compute(partition, &mut |chunk| {
            chunk.into_each(|record| {
                records.push((
                    Order {
                        time: self.time,
                        partition,
                        place,
                    },
                    record,
                ));
                place += 1;
            });
            sink(Chunk::Owned(&mut records))?;
            records.clear();
            Ok(())
        })
    }
}
