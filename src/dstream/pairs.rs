//! What streams of `(key, value)` pairs offer.

use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use crate::rdd::{Data, Key, Partitioning};

impl<K: Key, V: Data> DStream<(K, V)> {
    /// Each value replaced by what `f` makes of it, under the same key.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// let with_tax = sales.map_values(|cents| cents * 119 / 100);
    /// ```
    #[track_caller]
    pub fn map_values<U: Data>(
        &self,
        f: impl Fn(&V) -> U + Send + Sync + 'static,
    ) -> DStream<(K, U)> {
        let f = Arc::new(f);
        self.derive("map_values", Location::caller(), move |rdd| {
            let f = Arc::clone(&f);
            rdd.map_values(move |value| f(value))
        })
    }

    /// Each pair replaced by one for each value that `f` makes of its value, under the same key: none, where it
    /// makes none.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// let items = orders.flat_map_values(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>());
    /// ```
    #[track_caller]
    pub fn flat_map_values<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(&V) -> I + Send + Sync + 'static,
    ) -> DStream<(K, U)> {
        let f = Arc::new(f);
        self.derive("flat_map_values", Location::caller(), move |rdd| {
            let f = Arc::clone(&f);
            rdd.flat_map_values(move |value| f(value))
        })
    }

    /// All values of each key in a batch, in its order, also when it is run again; Spark's come in an order of
    /// chance. To combine them, [`DStream::reduce_by_key`] and [`DStream::combine_by_key`] hold less. All are in memory at once, where
    /// Spark writes some to disks; [`Builder::shuffle_memory`](crate::Builder::shuffle_memory) says how much that
    /// may be.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// let all = sales.group_by_key();
    /// ```
    #[track_caller]
    pub fn group_by_key(&self) -> DStream<(K, Vec<V>)> {
        self.group_by_key_with(self.registry().default_partitions)
    }

    /// As [`DStream::group_by_key`], partitioned as said: a number of partitions, or a [`Partitioning`] of one's
    /// own. No partitions are a mistake that the start reports.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// let all = sales.group_by_key_with(8);
    /// ```
    #[track_caller]
    pub fn group_by_key_with(
        &self,
        partitioning: impl Into<Partitioning<K>>,
    ) -> DStream<(K, Vec<V>)> {
        let caller = Location::caller();
        let partitioning = self.partitioning(partitioning, caller);
        self.derive("group_by_key", caller, move |rdd| {
            rdd.group_by_key(partitioning.clone())
        })
    }

    /// The values of each key in a batch combined by `f`, which must be associative. They are combined where
    /// they are read first, then across partitions, always in the order of the batch; so `f` needn't be
    /// commutative, as Spark wants it.
    ///
    /// The original's function takes and returns values; here it takes references, so that values that are
    /// held elsewhere aren't copied to be combined.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// let sums = sales.reduce_by_key(|a, b| a + b);
    /// ```
    #[track_caller]
    pub fn reduce_by_key(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
    ) -> DStream<(K, V)> {
        self.reduce_by_key_with(f, self.registry().default_partitions)
    }

    /// As [`DStream::reduce_by_key`], partitioned as said: a number of partitions, or a [`Partitioning`] of
    /// one's own. No partitions are a mistake that the start reports.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// use tidemill::rdd::{Partitioner, Partitioning};
    ///
    /// /// The shop in town apart, for the sake of its file.
    /// struct Shops;
    /// impl Partitioner<String> for Shops {
    ///     fn partitions(&self) -> usize {
    ///         2
    ///     }
    ///     fn partition(&self, shop: &String) -> usize {
    ///         usize::from(shop == "town")
    ///     }
    /// }
    /// let sums = sales.reduce_by_key_with(|a, b| a + b, Partitioning::by(Shops));
    /// ```
    #[track_caller]
    pub fn reduce_by_key_with(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
    ) -> DStream<(K, V)> {
        let caller = Location::caller();
        let (f, partitioning) = (Arc::new(f), self.partitioning(partitioning, caller));
        self.derive("reduce_by_key", caller, move |rdd| {
            let f = Arc::clone(&f);
            rdd.reduce_by_key(move |a, b| f(a, b), partitioning.clone())
        })
    }

    /// The values of each key in a batch combined into an accumulator: `create` makes one of a key's first
    /// value, `merge_value` adds another, `merge` adds a later one, made on another thread, to an earlier one.
    ///
    /// Values are always combined where they are read first; the original can be told not to. Its accumulators
    /// are returned anew, here they are changed in place.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// let means = sales
    ///     .combine_by_key(
    ///         |first| (*first, 1u64),
    ///         |(sum, count), next| {
    ///             *sum += next;
    ///             *count += 1;
    ///         },
    ///         |(sum, count), (other_sum, other_count)| {
    ///             *sum += other_sum;
    ///             *count += other_count;
    ///         },
    ///     )
    ///     .map_values(|(sum, count)| *sum as f64 / *count as f64);
    /// ```
    #[track_caller]
    pub fn combine_by_key<A: Data>(
        &self,
        create: impl Fn(&V) -> A + Send + Sync + 'static,
        merge_value: impl Fn(&mut A, &V) + Send + Sync + 'static,
        merge: impl Fn(&mut A, A) + Send + Sync + 'static,
    ) -> DStream<(K, A)> {
        self.combine_by_key_with(
            create,
            merge_value,
            merge,
            self.registry().default_partitions,
        )
    }

    /// As [`DStream::combine_by_key`], partitioned as said: a number of partitions, or a [`Partitioning`] of
    /// one's own. No partitions are a mistake that the start reports.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (sales, _queue) = context.queue_stream::<(String, u64)>();
    /// let lists = sales.combine_by_key_with(
    ///     |first| vec![*first],
    ///     |list, next| list.push(*next),
    ///     |list, other| list.extend(other),
    ///     8,
    /// );
    /// ```
    #[track_caller]
    pub fn combine_by_key_with<A: Data>(
        &self,
        create: impl Fn(&V) -> A + Send + Sync + 'static,
        merge_value: impl Fn(&mut A, &V) + Send + Sync + 'static,
        merge: impl Fn(&mut A, A) + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
    ) -> DStream<(K, A)> {
        let functions = Arc::new((create, merge_value, merge));
        let caller = Location::caller();
        let partitioning = self.partitioning(partitioning, caller);
        self.derive("combine_by_key", caller, move |rdd| {
            let (create, value, merge) = (
                Arc::clone(&functions),
                Arc::clone(&functions),
                Arc::clone(&functions),
            );
            rdd.combine_by_key(
                move |first| create.0(first),
                move |sum, next| value.1(sum, next),
                move |sum, other| merge.2(sum, other),
                partitioning.clone(),
            )
        })
    }
}
