//! Joins of two streams of pairs, batch by batch.
//!
//! A batch's two datasets are put together in one shuffle. To join over more than a batch, window either
//! stream first; to join with a fixed dataset, use [`DStream::transform`] with
//! [`Rdd::join_index`](crate::rdd::Rdd::join_index).

use std::panic::Location;

use super::DStream;
use super::several::together;
use crate::rdd::{Data, Key, Partitioning, Rdd};

/// The join of a kind with default partitions, and the one that is partitioned as said.
macro_rules! joins {
    ($(
        $(#[$doc:meta])*
        $name:ident, $with:ident -> $out:ty;
    )+) => {
        impl<K: Key, V: Data> DStream<(K, V)> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name<W: Data>(&self, other: &DStream<(K, W)>) -> DStream<(K, $out)> {
                self.$with(other, self.registry().default_partitions)
            }

            #[doc = concat!(
                "As [`DStream::", stringify!($name), "`], partitioned as said: a number of partitions, or ",
                "a [`Partitioning`] of one's own."
            )]
            ///
            /// ```
            /// # use tidemill::StreamingContext;
            /// # use std::time::Duration;
            /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
            /// # let (ours, _queue) = context.queue_stream::<(String, u64)>();
            /// # let (theirs, _queue) = context.queue_stream::<(String, char)>();
            #[doc = concat!("let both = ours.", stringify!($with), "(&theirs, 8);")]
            /// ```
            #[track_caller]
            pub fn $with<W: Data>(
                &self,
                other: &DStream<(K, W)>,
                partitioning: impl Into<Partitioning<K>>,
            ) -> DStream<(K, $out)> {
                let caller = Location::caller();
                let partitioning = self.partitioning(partitioning, caller);
                together(
                    self.registry(),
                    stringify!($name),
                    (self, other),
                    caller,
                    move |(ours, theirs): &(Rdd<(K, V)>, Rdd<(K, W)>), _| {
                        ours.$name(theirs, partitioning.clone())
                    },
                )
            }
        )+}
    };
}

joins! {
    /// Each key of either stream in a batch with the list of its values here and the list of those in
    /// `other`; a side without the key has an empty list. The order in a list means nothing.
    ///
    /// Both streams must slide alike and belong to one context: checked when the context starts.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// # let (payments, _queue) = context.queue_stream::<(u64, f64)>();
    /// let accounts = orders.cogroup(&payments);
    /// let open = accounts.filter(|(_order, (ordered, paid))| paid.len() < ordered.len());
    /// ```
    cogroup, cogroup_with -> (Vec<V>, Vec<W>);

    /// Each value here with each value in `other` of the same key and batch; keys that only one side has
    /// are left out.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// # let (payments, _queue) = context.queue_stream::<(u64, f64)>();
    /// // Orders and the payments for them that came within the same minute.
    /// let minute = Duration::from_secs(60);
    /// let slide = Duration::from_secs(1);
    /// let paid = orders.window(minute, slide).join(&payments.window(minute, slide));
    /// ```
    join, join_with -> (V, W);

    /// As [`DStream::join`], with the values here of keys that `other` lacks in the batch, once each with
    /// `None`.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// # let (payments, _queue) = context.queue_stream::<(u64, f64)>();
    /// let unpaid = orders
    ///     .left_outer_join(&payments)
    ///     .filter(|(_order, (_text, payment))| payment.is_none());
    /// ```
    left_outer_join, left_outer_join_with -> (V, Option<W>);

    /// As [`DStream::join`], with the values in `other` of keys that are lacking here in the batch, once
    /// each with `None`.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// # let (payments, _queue) = context.queue_stream::<(u64, f64)>();
    /// let unasked = orders
    ///     .right_outer_join(&payments)
    ///     .filter(|(_order, (text, _payment))| text.is_none());
    /// ```
    right_outer_join, right_outer_join_with -> (Option<V>, W);

    /// As [`DStream::join`], with the values of keys that only one side has in the batch, once each with
    /// `None` for the other.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// # let (payments, _queue) = context.queue_stream::<(u64, f64)>();
    /// let all = orders.full_outer_join(&payments);
    /// all.for_each_rdd(|batch, time| println!("{time}: {} rows", batch.count().unwrap()));
    /// ```
    full_outer_join, full_outer_join_with -> (Option<V>, Option<W>);
}
