//! Each batch's elements combined: count, reduce, count by value.

use std::hash::Hash;
use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use crate::rdd::{Data, Element, Partitioning};

impl<T: ?Sized + Element> DStream<T> {
    /// How many elements each batch has, as one element: 0 for an empty batch.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// lines.count().print();
    /// ```
    #[track_caller]
    pub fn count(&self) -> DStream<u64> {
        self.derive("count", Location::caller(), |rdd| {
            rdd.aggregate(
                || 0u64,
                |count, chunk| *count += chunk.len() as u64,
                |a, b| *a += b,
            )
        })
    }

    /// Each distinct element of a batch with how often it occurs there. Text is looked up as it lies: a word is
    /// copied once, when it is new in its batch.
    ///
    /// What the original needs, the number of partitions, is that of the context here; see
    /// [`DStream::count_by_value_with`].
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let counts = lines.count_by_value();
    /// ```
    #[track_caller]
    pub fn count_by_value(&self) -> DStream<(T::Own, u64)>
    where
        T: Hash + Eq,
        T::Own: Hash + Eq,
    {
        self.count_by_value_with(self.registry().default_partitions)
    }

    /// As [`DStream::count_by_value`], partitioned as said: a number of partitions, or a [`Partitioning`] of
    /// one's own. No partitions are a mistake that the start reports.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let counts = lines.count_by_value_with(8);
    /// ```
    #[track_caller]
    pub fn count_by_value_with(
        &self,
        partitioning: impl Into<Partitioning<T>>,
    ) -> DStream<(T::Own, u64)>
    where
        T: Hash + Eq,
        T::Own: Hash + Eq,
    {
        let caller = Location::caller();
        let partitioning = self.partitioning(partitioning, caller);
        self.derive("count_by_value", caller, move |rdd| {
            rdd.count_by_value(partitioning.clone())
        })
    }
}

impl<T: Data> DStream<T> {
    /// Each batch's elements combined by `f`, which must be associative, as one element; none for an empty
    /// batch. They come together in the order of the batch.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (numbers, _queue) = context.queue_stream::<u64>();
    /// let greatest = numbers.reduce(|a, b| *a.max(b));
    /// ```
    #[track_caller]
    pub fn reduce(&self, f: impl Fn(&T, &T) -> T + Send + Sync + 'static) -> DStream<T> {
        let f = Arc::new(f);
        self.derive("reduce", Location::caller(), move |rdd| {
            let (f, g) = (Arc::clone(&f), Arc::clone(&f));
            rdd.aggregate(
                || None::<T>,
                move |total, chunk| {
                    chunk.for_each(|value| {
                        *total = Some(match total.take() {
                            Some(sum) => f(&sum, value),
                            None => value.clone(),
                        });
                    });
                },
                move |total, other| {
                    *total = match (total.take(), other) {
                        (Some(a), Some(b)) => Some(g(&a, &b)),
                        (a, b) => a.or(b),
                    };
                },
            )
            .flat_map(|total: &Option<T>, out| {
                if let Some(total) = total {
                    out.emit(total);
                }
            })
        })
    }
}
