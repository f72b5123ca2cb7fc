//! One dataset in, one dataset out: map and its kin, repartition, and any function of one's own.

use std::panic::Location;
use std::sync::Arc;

use super::{DStream, StreamNode};
use crate::rdd::{Data, Element, Emitter, Rdd, contained};
use crate::time::Time;

impl<T: ?Sized + Element> DStream<T> {
    /// One element for each, made by `f`, which is given a reference: nothing is copied on the way in.
    /// Text comes as `&str`.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
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
    /// The original's function returns a collection of what it makes. Here it emits, so that no collection is
    /// made for each element.
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
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let errors = lines.filter(|line| line.contains("ERROR"));
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> DStream<T> {
        let keep = Arc::new(keep);
        self.derive("filter", Location::caller(), move |rdd| {
            let keep = Arc::clone(&keep);
            rdd.filter(move |value| keep(value))
        })
    }

    /// The elements that `f` makes of each whole partition of a batch: for work that needs something costly
    /// once for many elements. Partitions of a received stream are its blocks; [`DStream::repartition`] makes
    /// them as many as are wanted.
    ///
    /// The original hands an iterator over, here the list of a partition's elements is made: a partition must
    /// fit in memory.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (numbers, _queue) = context.queue_stream::<u64>();
    /// let sorted = numbers.repartition(4).map_partitions(|mut partition| {
    ///     partition.sort_unstable();
    ///     partition
    /// });
    /// ```
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

    /// Each partition of a batch as one list, also an empty one.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (numbers, _queue) = context.queue_stream::<u64>();
    /// let largest = numbers.glom().map(|partition| partition.iter().max().copied());
    /// ```
    #[track_caller]
    pub fn glom(&self) -> DStream<Vec<T::Own>> {
        self.derive("glom", Location::caller(), Rdd::glom)
    }

    /// The same elements dealt out evenly to exactly `partitions` partitions, so that costly steps after it run
    /// on as many cores. No partitions are a mistake that the start reports.
    ///
    /// The original hashes and writes elements to do so; here they stay in memory, and text stays where it is.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let spread = lines.repartition(8).map(|line| line.to_uppercase());
    /// ```
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> DStream<T> {
        let caller = Location::caller();
        let partitions = self.partitioning::<()>(partitions, caller).partitions();
        self.derive("repartition", caller, move |rdd| {
            rdd.repartition(partitions)
        })
    }

    /// Any function from dataset to dataset, run once a batch on the driver, with the batch's time: for what
    /// datasets offer and streams don't, and for joins with a fixed dataset. What it returns is computed on the
    /// CPU pool, as any dataset is; it's run again when a batch is. A panic in it fails the batch, not the
    /// process. For functions of several streams see [`DStream::transform_with`] and
    /// [`StreamingContext::transform`](crate::StreamingContext::transform).
    ///
    /// A join with a dataset that is held by key costs what the batch costs, however large the dataset; the
    /// original goes through the dataset in each batch, unless its keys are broadcast by hand.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (visits, _queue) = context.queue_stream::<(String, u64)>();
    /// let robots = context.parallelize(vec![("crawler".to_owned(), ())]).index_by_key();
    /// let people = visits.transform(move |batch, _time| batch.subtract_index(&robots));
    /// ```
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
