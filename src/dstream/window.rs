//! Windows: what came over the last several batches.
//!
//! A window of length `L` sliding by `S` yields at times `S` apart what came in the last `L`; the first
//! ones hold what there is. Both must be multiples of the stream's own slide.
//!
//! [`DStream::window`] itself keeps its parent's datasets in memory for as long as a window needs them, and
//! rebuilds them from their blocks after a restart. The windows that combine are state: partial results
//! that go into checkpoints as they come ([`crate::state`]), so that a batch costs what enters and what
//! leaves, and a restart reads nothing again. They need no checkpoint location; without one a window
//! begins anew when the program does.

use std::hash::Hash;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::window_by_key::Windowing;
use super::{DStream, NodeParts, StreamNode};
use crate::rdd::{Element, Partitioning, Rdd};
use crate::state::{Inverse, StateKey, StateValue, Suffixes};
use crate::time::{Time, is_multiple};

impl<T: ?Sized + Element> DStream<T> {
    /// What came in the last `length`, every `slide`.
    ///
    /// The batches of a window are kept whole; where they are only to be counted or combined, the other
    /// windows keep less. As in Spark, except that a restart reads the batches again from the logs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = tidemill::StreamingContext::builder("example", Duration::from_secs(1)).build()?;
    /// # let (lines, _) = context.queue_stream::<String>();
    /// let recent = lines.window(Duration::from_secs(30), Duration::from_secs(10));
    /// assert_eq!(recent.slide_duration(), Duration::from_secs(10));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn window(&self, length: Duration, slide: Duration) -> DStream<T> {
        let caller = Location::caller();
        self.check_window(length, slide, caller);
        self.node().core().persist();
        let parts = NodeParts {
            slide,
            looks_back: length,
            ..self.child("window", caller)
        };
        let parent = Arc::clone(self.node());
        let executor = self.registry().executor.clone();
        DStream::from_node(StreamNode::register(
            self.registry(),
            parts,
            move |time: Time| {
                let rdds = parent.slice(time.minus(length), time)?;
                Ok(Some(Rdd::union_all(&rdds, &executor)))
            },
        ))
    }

    /// How many elements came in the last `length`, every `slide`, as one element; 0 for an empty window,
    /// also for the first ones, for which Spark yields nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (letters, queue) = context.queue_stream::<char>();
    /// let second = Duration::from_secs(1);
    /// let counts = letters.count_by_window(second * 2, second);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # counts.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
    /// #     let mut all = rdd.collect()?;
    /// #     all.sort();
    /// #     Ok(sender.send(all)?)
    /// # });
    /// # context.start()?;
    /// // What the batches of a second each yield.
    /// let next = |batch: Vec<_>| {
    ///     queue.push_vec(batch);
    ///     clock.advance(Duration::from_secs(1));
    ///     results.recv().unwrap()
    /// };
    /// assert_eq!(next(vec!['a']), [1]);
    /// assert_eq!(next(vec!['b', 'c']), [3]);
    /// assert_eq!(next(vec![]), [2]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn count_by_window(&self, length: Duration, slide: Duration) -> DStream<u64> {
        let caller = Location::caller();
        let counts = self
            .count()
            .derive("map", caller, |rdd| rdd.map(|count: &u64| ((), *count)));
        let windowing = Windowing::new("count_by_window", length, slide, 1.into(), caller);
        let method = Inverse {
            add: |a: &u64, b: &u64| a + b,
            inverse: |a: &u64, b: &u64| a - b,
            keep: |_: &((), u64)| true,
        };
        windowing.over(self, &counts, method, |rdd| rdd.map(|(_, count)| *count))
    }

    /// Each distinct element of the last `length` with how often it occurs there, every `slide`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (letters, queue) = context.queue_stream::<char>();
    /// let second = Duration::from_secs(1);
    /// let counts = letters.count_by_value_and_window(second * 2, second);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # counts.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
    /// #     let mut all = rdd.collect()?;
    /// #     all.sort();
    /// #     Ok(sender.send(all)?)
    /// # });
    /// # context.start()?;
    /// // What the batches of a second each yield.
    /// let next = |batch: Vec<_>| {
    ///     queue.push_vec(batch);
    ///     clock.advance(Duration::from_secs(1));
    ///     results.recv().unwrap()
    /// };
    /// assert_eq!(next(vec!['a', 'b']), [('a', 1), ('b', 1)]);
    /// assert_eq!(next(vec!['b']), [('a', 1), ('b', 2)]);
    /// assert_eq!(next(vec![]), [('b', 1)]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn count_by_value_and_window(
        &self,
        length: Duration,
        slide: Duration,
    ) -> DStream<(T::Own, u64)>
    where
        T: Hash + Eq,
        T::Own: StateKey,
    {
        let partitions = self.registry().default_partitions;
        self.count_by_value_and_window_at(length, slide, partitions, Location::caller())
    }

    /// As [`DStream::count_by_value_and_window`], in so many partitions.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (letters, queue) = context.queue_stream::<char>();
    /// let second = Duration::from_secs(1);
    /// let counts = letters.count_by_value_and_window_with(second * 2, second, 8);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # counts.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
    /// #     let mut all = rdd.collect()?;
    /// #     all.sort();
    /// #     Ok(sender.send(all)?)
    /// # });
    /// # context.start()?;
    /// // What the batches of a second each yield.
    /// let next = |batch: Vec<_>| {
    ///     queue.push_vec(batch);
    ///     clock.advance(Duration::from_secs(1));
    ///     results.recv().unwrap()
    /// };
    /// assert_eq!(next(vec!['b', 'a', 'b']), [('a', 1), ('b', 2)]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn count_by_value_and_window_with(
        &self,
        length: Duration,
        slide: Duration,
        partitions: usize,
    ) -> DStream<(T::Own, u64)>
    where
        T: Hash + Eq,
        T::Own: StateKey,
    {
        self.count_by_value_and_window_at(length, slide, partitions, Location::caller())
    }

    fn count_by_value_and_window_at(
        &self,
        length: Duration,
        slide: Duration,
        partitions: usize,
        caller: &'static Location<'static>,
    ) -> DStream<(T::Own, u64)>
    where
        T: Hash + Eq,
        T::Own: StateKey,
    {
        let partitioning = self.partitioning::<T::Own>(partitions, caller);
        let partitions = partitioning.partitions();
        let counts = self.derive("count_by_value", caller, move |rdd| {
            rdd.count_by_value(Partitioning::Hash(partitions))
        });
        let method = Inverse {
            add: |a: &u64, b: &u64| a + b,
            inverse: |a: &u64, b: &u64| a - b,
            keep: |(_, count): &(T::Own, u64)| *count > 0,
        };
        let kind = "count_by_value_and_window";
        Windowing::new(kind, length, slide, partitioning, caller).over(
            self,
            &counts,
            method,
            Rdd::clone,
        )
    }

    pub(super) fn check_window(
        &self,
        length: Duration,
        slide: Duration,
        caller: &'static Location<'static>,
    ) {
        let own = self.slide_duration();
        for (what, given) in [("length", length), ("slide", slide)] {
            if !is_multiple(given, own) {
                self.mistake(
                    caller,
                    format!(
                        "the window's {what} is {given:?}; it must be a positive multiple of the \
                         slide of the stream that it reads, {own:?}"
                    ),
                );
            }
        }
    }
}

impl<T: StateValue> DStream<T> {
    /// The elements of the last `length` combined by `f`, every `slide`; none when there were none.
    ///
    /// `f` must be associative; elements are combined in the order of the batches and of each batch. Each
    /// batch is combined once, whatever the length: Spark combines all batches of a window each time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (readings, queue) = context.queue_stream::<u64>();
    /// let second = Duration::from_secs(1);
    /// let highest = readings.reduce_by_window(|a, b| *a.max(b), second * 2, second);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # highest.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
    /// #     let mut all = rdd.collect()?;
    /// #     all.sort();
    /// #     Ok(sender.send(all)?)
    /// # });
    /// # context.start()?;
    /// // What the batches of a second each yield.
    /// let next = |batch: Vec<_>| {
    ///     queue.push_vec(batch);
    ///     clock.advance(Duration::from_secs(1));
    ///     results.recv().unwrap()
    /// };
    /// assert_eq!(next(vec![3, 7]), [7]);
    /// assert_eq!(next(vec![5]), [7]);
    /// assert_eq!(next(vec![]), [5]);
    /// assert!(next(vec![]).is_empty());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_window(
        &self,
        f: impl Fn(&T, &T) -> T + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<T> {
        let caller = Location::caller();
        let f = Arc::new(f);
        let g = Arc::clone(&f);
        let reduced = self.reduced(move |a, b| g(a, b), caller);
        let method = Suffixes(move |a: &T, b: &T| f(a, b));
        Windowing::new("reduce_by_window", length, slide, 1.into(), caller).over(
            self,
            &reduced,
            method,
            |rdd| rdd.map(|(_, value)| value.clone()),
        )
    }

    /// As [`DStream::reduce_by_window`], made of the window before: what entered is added by `f`, what left
    /// is taken away by `inverse`. Once something came there is always a value: what `inverse` leaves of
    /// the last.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (readings, queue) = context.queue_stream::<u64>();
    /// let second = Duration::from_secs(1);
    /// let sums = readings.reduce_by_window_inverse(|a, b| a + b, |a, b| a - b, second * 2, second);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # sums.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
    /// #     let mut all = rdd.collect()?;
    /// #     all.sort();
    /// #     Ok(sender.send(all)?)
    /// # });
    /// # context.start()?;
    /// // What the batches of a second each yield.
    /// let next = |batch: Vec<_>| {
    ///     queue.push_vec(batch);
    ///     clock.advance(Duration::from_secs(1));
    ///     results.recv().unwrap()
    /// };
    /// assert_eq!(next(vec![3, 7]), [10]);
    /// assert_eq!(next(vec![5]), [15]);
    /// assert_eq!(next(vec![]), [5]);
    /// assert_eq!(next(vec![]), [0]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_window_inverse(
        &self,
        f: impl Fn(&T, &T) -> T + Send + Sync + 'static,
        inverse: impl Fn(&T, &T) -> T + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<T> {
        let caller = Location::caller();
        let f = Arc::new(f);
        let g = Arc::clone(&f);
        let reduced = self.reduced(move |a, b| g(a, b), caller);
        let method = Inverse {
            add: move |a: &T, b: &T| f(a, b),
            inverse,
            keep: |_: &((), T)| true,
        };
        Windowing::new("reduce_by_window", length, slide, 1.into(), caller).over(
            self,
            &reduced,
            method,
            |rdd| rdd.map(|(_, value)| value.clone()),
        )
    }

    /// Each batch's elements combined, under the one key that there is.
    fn reduced(
        &self,
        f: impl Fn(&T, &T) -> T + Send + Sync + 'static,
        caller: &'static Location<'static>,
    ) -> DStream<((), T)> {
        self.reduce(f).derive("map", caller, |rdd| {
            rdd.map(|value: &T| ((), value.clone()))
        })
    }
}
