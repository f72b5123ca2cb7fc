//! One dataset in, one dataset out: map and its kin, repartition, and any function of one's own.

use std::panic::Location;
use std::sync::Arc;

use super::{DStream, StreamNode};
use crate::rdd::{Data, Element, Emitter, Rdd, contained};
use crate::time::Time;

impl<T: ?Sized + Element> DStream<T> {
    /// One element for each.
    ///
    /// ```
    /// # use tidemill::{StreamingContext, Time};
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let lengths = lines.map(|line| line.len());
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(&T) -> U + Send + Sync + 'static) -> DStream<U> {
        let f = Arc::new(f);
        self.derive("map", Location::caller(), move |rdd| {
            let f = Arc::clone(&f);
            rdd.map(move |value| f(value))
        })
    }

    /// Any number of elements for each: `f` emits them. A `&str` that lies in the record at hand is not
    /// copied.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let words = lines.flat_map::<str>(|line, out| {
    ///     line.split_ascii_whitespace().for_each(|word| out.emit(word));
    /// });
    /// ```
    #[track_caller]
    pub fn flat_map<U: ?Sized + Element>(
        &self,
        f: impl Fn(&T, &mut Emitter<'_, '_, U>) + Send + Sync + 'static,
    ) -> DStream<U> {
        let f = Arc::new(f);
        self.derive("flat_map", Location::caller(), move |rdd| {
            let f = Arc::clone(&f);
            rdd.flat_map(move |value, out| f(value, out))
        })
    }

    /// The elements for which `keep` holds.
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> DStream<T> {
        let keep = Arc::new(keep);
        self.derive("filter", Location::caller(), move |rdd| {
            let keep = Arc::clone(&keep);
            rdd.filter(move |value| keep(value))
        })
    }

    /// The elements that `f` makes of each whole partition.
    #[track_caller]
    pub fn map_partitions<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(Vec<T::Own>) -> I + Send + Sync + 'static,
    ) -> DStream<U> {
        let f = Arc::new(f);
        self.derive("map_partitions", Location::caller(), move |rdd| {
            let f = Arc::clone(&f);
            rdd.map_partitions(move |elements| f(elements))
        })
    }

    /// Each partition as one list.
    #[track_caller]
    pub fn glom(&self) -> DStream<Vec<T::Own>> {
        self.derive("glom", Location::caller(), Rdd::glom)
    }

    /// The same elements dealt out evenly to `partitions` partitions.
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> DStream<T> {
        let caller = Location::caller();
        let partitions = self.partitioning::<()>(partitions, caller).partitions();
        self.derive("repartition", caller, move |rdd| {
            rdd.repartition(partitions)
        })
    }

    /// Any function from dataset to dataset, run once a batch on the driver.
    #[track_caller]
    pub fn transform<U: ?Sized + Element>(
        &self,
        f: impl Fn(&Rdd<T>, Time) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U> {
        let parent = Arc::clone(self.node());
        let parts = self.child("transform", Location::caller());
        DStream::from_node(StreamNode::register(
            self.registry(),
            parts,
            move |time| match parent.get_or_compute(time)? {
                Some(rdd) => contained(|| Ok(Some(f(&rdd, time)))),
                None => Ok(None),
            },
        ))
    }
}
