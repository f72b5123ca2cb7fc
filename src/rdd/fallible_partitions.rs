//! A step on whole partitions that may fail at single records of them.

use std::borrow::Borrow;
use std::fmt::Display;
use std::iter::{Enumerate, FusedIterator};
use std::ops::Deref;
use std::sync::Arc;
use std::vec;

use super::fallible::{OnError, Pass, Write};
use super::narrow::whole_partition;
use super::task::BoxError;
use super::{Data, Element, Emitter, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError};

/// The records of a partition, in order, as [`try_map_partitions`](crate::DStream::try_map_partitions) hands them
/// out: each knows which it is, so that it can be told apart when it fails.
#[derive(Debug)]
pub struct PartitionRecords<T>(Enumerate<vec::IntoIter<T>>);

impl<T> PartitionRecords<T> {
    fn new(elements: Vec<T>) -> Self {
        Self(elements.into_iter().enumerate())
    }
}

impl<T> Iterator for PartitionRecords<T> {
    type Item = PartitionRecord<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, value) = self.0.next()?;
        Some(PartitionRecord {
            number: number as u64,
            value,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for PartitionRecords<T> {}
impl<T> FusedIterator for PartitionRecords<T> {}

/// A record of a partition. It can be read as what it is.
#[derive(Debug, PartialEq, Eq)]
pub struct PartitionRecord<T> {
    number: u64,
    value: T,
}

impl<T> Deref for PartitionRecord<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartitionRecord<T> {
    /// The record itself.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<String>();
    /// // A record that isn't failed may also be left out, or moved on as it is.
    /// let kept = lines.try_map_partitions(|lines| {
    ///     let kept = lines.filter(|line| !line.is_empty());
    ///     Ok(kept.map(|line| Ok(line.into_inner())))
    /// });
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Says that the record can't be processed, and why; yield it in place of what would have been made of it.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<String>();
    /// let numbers = lines.try_map_partitions(|lines| {
    ///     Ok(lines.map(|line| line.parse::<u64>().map_err(|error| line.failed(error))))
    /// });
    /// ```
    pub fn failed(self, error: impl Display) -> FailedRecord<T> {
        FailedRecord {
            number: self.number,
            value: self.value,
            error: error.to_string(),
        }
    }
}

/// A record that can't be processed, and why: see [`PartitionRecord::failed`].
#[derive(Debug, PartialEq, Eq)]
pub struct FailedRecord<T> {
    number: u64,
    value: T,
    error: String,
}

struct FalliblePartitions<T: ?Sized + Element, F> {
    parent: Arc<dyn RddNode<T>>,
    f: F,
    on_error: OnError,
    write: Write<T>,
}

impl<T, U, I, F> RddNode<U> for FalliblePartitions<T, F>
where
    T: ?Sized + Element,
    U: Data,
    I: IntoIterator<Item = Result<U, FailedRecord<T::Own>>>,
    F: Fn(PartitionRecords<T::Own>) -> Result<I, BoxError> + Send + Sync,
{
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, U>) -> Result<(), Stop> {
        let elements = whole_partition(&*self.parent, partition)?;
        let mut emitter = Emitter::new(sink);
        let mut pass = Pass::new(&self.on_error);
        let yielded = (self.f)(PartitionRecords::new(elements)).map_err(TaskError::Failed)?;
        for made in yielded {
            match made {
                Ok(value) => emitter.emit_owned(value),
                Err(FailedRecord {
                    number,
                    value,
                    error,
                }) => pass.failed(number, || (self.write)(value.borrow()), error)?,
            }
        }
        emitter.end()?;
        pass.end(&*self.parent, partition)
    }
}

impl<T: ?Sized + Element> Rdd<T> {
    /// What `f` makes of each whole partition; `on_error` is asked about the records that it fails.
    pub(crate) fn fallible_partitions<U, I>(
        &self,
        on_error: OnError,
        write: Write<T>,
        f: impl Fn(PartitionRecords<T::Own>) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> Rdd<U>
    where
        U: Data,
        I: IntoIterator<Item = Result<U, FailedRecord<T::Own>>>,
    {
        let node = FalliblePartitions {
            parent: Arc::clone(self.node()),
            f,
            on_error,
            write,
        };
        Rdd::new(node, self.executor())
    }
}
