//! Windows over streams of `(key, value)` pairs.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{DStream, NodeParts, StreamNode};
use crate::rdd::{Data, Element, Key, Partitioning, Rdd, TaskError};
use crate::state::{Inverse, Method, Span, StateKey, StateValue, Suffixes, WindowState, windowed};
use crate::time::Time;

impl<K: Key, V: Data> DStream<(K, V)> {
    /// All values of each key in the last `length`, every `slide`, in any order. As there is nothing to
    /// combine, a window costs its length: prefer a window that combines.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (pairs, queue) = context.queue_stream::<(char, u64)>();
    /// let second = Duration::from_secs(1);
    /// let lists = pairs.group_by_key_and_window(second * 2, second);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # lists.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
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
    /// assert_eq!(next(vec![('a', 1)]), [('a', vec![1])]);
    /// assert_eq!(next(vec![('a', 2), ('b', 3)]).len(), 2);
    /// assert_eq!(next(vec![]), [('a', vec![2]), ('b', vec![3])]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn group_by_key_and_window(
        &self,
        length: Duration,
        slide: Duration,
    ) -> DStream<(K, Vec<V>)> {
        self.window(length, slide).group_by_key()
    }

    /// As [`DStream::group_by_key_and_window`], partitioned as said.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (pairs, queue) = context.queue_stream::<(char, u64)>();
    /// let second = Duration::from_secs(1);
    /// let lists = pairs.group_by_key_and_window_with(second * 2, second, 8);
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # lists.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
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
    /// assert_eq!(next(vec![('b', 1), ('a', 2)]), [('a', vec![2]), ('b', vec![1])]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn group_by_key_and_window_with(
        &self,
        length: Duration,
        slide: Duration,
        partitioning: impl Into<Partitioning<K>>,
    ) -> DStream<(K, Vec<V>)> {
        self.window(length, slide).group_by_key_with(partitioning)
    }
}

impl<K: StateKey, V: StateValue> DStream<(K, V)> {
    /// The values of each key in the last `length` combined by `f`, every `slide`.
    ///
    /// `f` must be associative; a key's values are combined in the order of the batches and of each batch.
    /// A batch costs what enters and what leaves the window: each partial result is combined three times, whatever the length. Spark combines all batches of a
    /// window each time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = tidemill::StreamingContext::builder("example", Duration::from_secs(1)).build()?;
    /// # let (readings, _) = context.queue_stream::<(String, i64)>();
    /// let (length, slide) = (Duration::from_secs(60), Duration::from_secs(1));
    /// let highest = readings.reduce_by_key_and_window(|a, b| *a.max(b), length, slide);
    /// highest.print();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<(K, V)> {
        let partitions = self.registry().default_partitions;
        self.suffixes(f, length, slide, partitions.into(), Location::caller())
    }

    /// As [`DStream::reduce_by_key_and_window`], partitioned as said.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (readings, queue) = context.queue_stream::<(char, u64)>();
    /// let second = Duration::from_secs(1);
    /// let highest = readings.reduce_by_key_and_window_with(|a, b| *a.max(b), second * 2, second, 8);
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
    /// assert_eq!(next(vec![('a', 7), ('b', 1)]), [('a', 7), ('b', 1)]);
    /// assert_eq!(next(vec![('a', 5)]), [('a', 7), ('b', 1)]);
    /// assert_eq!(next(vec![]), [('a', 5)]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window_with(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        partitioning: impl Into<Partitioning<K>>,
    ) -> DStream<(K, V)> {
        self.suffixes(f, length, slide, partitioning.into(), Location::caller())
    }

    fn suffixes(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        partitioning: Partitioning<K>,
        caller: &'static Location<'static>,
    ) -> DStream<(K, V)> {
        let partitioning = self.partitioning(partitioning, caller);
        let f = Arc::new(f);
        let reduced = self.reduced_by_key(&f, &partitioning, caller);
        let method = Suffixes(move |a: &V, b: &V| f(a, b));
        Windowing::new(BY_KEY, length, slide, partitioning, caller).over(
            self,
            &reduced,
            method,
            Rdd::clone,
        )
    }

    /// As [`DStream::reduce_by_key_and_window`], made of the window before: what left is taken away by
    /// `inverse`, what entered is added by `f`.
    ///
    /// Keys for which `keep` doesn't hold are dropped, from the result and from what the next window is
    /// made of; a key whose values have all left stays if `keep` lets it, with what `inverse` leaves of
    /// it: `|_| true` keeps every key for ever. `keep` is asked about the keys that a window changed, and once
    /// more about all of them behind a restart, which adds nothing to accumulators. A batch costs what enters and what leaves. Spark fails when
    /// values leave of a key that was dropped before, here there is nothing to take them from.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = tidemill::StreamingContext::builder("example", Duration::from_secs(1)).build()?;
    /// # let (words, _) = context.queue_stream::<(String, u64)>();
    /// let (length, slide) = (Duration::from_secs(60), Duration::from_secs(1));
    /// let counts = words.reduce_by_key_and_window_inverse(
    ///     |a, b| a + b,
    ///     |a, b| a - b,
    ///     length,
    ///     slide,
    ///     |(_, count)| *count > 0,
    /// );
    /// counts.print();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        inverse: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        keep: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
    ) -> DStream<(K, V)> {
        let partitioning = self.registry().default_partitions.into();
        let windowing = Windowing::new(BY_KEY, length, slide, partitioning, Location::caller());
        self.inverse(f, inverse, keep, windowing)
    }

    /// As [`DStream::reduce_by_key_and_window_inverse`], partitioned as said.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (counts, queue) = context.queue_stream::<(char, u64)>();
    /// let second = Duration::from_secs(1);
    /// let sums = counts.reduce_by_key_and_window_inverse_with(
    ///     |a, b| a + b,
    ///     |a, b| a - b,
    ///     second * 2,
    ///     second,
    ///     |(_, sum)| *sum > 0,
    ///     8,
    /// );
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
    /// assert_eq!(next(vec![('a', 7), ('b', 1)]), [('a', 7), ('b', 1)]);
    /// assert_eq!(next(vec![('a', 5)]), [('a', 12), ('b', 1)]);
    /// assert_eq!(next(vec![]), [('a', 5)]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse_with(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        inverse: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        keep: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
    ) -> DStream<(K, V)> {
        let caller = Location::caller();
        let partitioning = self.partitioning(partitioning, caller);
        let windowing = Windowing::new(BY_KEY, length, slide, partitioning, caller);
        self.inverse(f, inverse, keep, windowing)
    }

    fn inverse(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        inverse: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        keep: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
        windowing: Windowing<K>,
    ) -> DStream<(K, V)> {
        let f = Arc::new(f);
        let reduced = self.reduced_by_key(&f, &windowing.partitioning, windowing.caller);
        let method = Inverse {
            add: move |a: &V, b: &V| f(a, b),
            inverse,
            keep,
        };
        windowing.over(self, &reduced, method, Rdd::clone)
    }

    fn reduced_by_key(
        &self,
        f: &Arc<impl Fn(&V, &V) -> V + Send + Sync + 'static>,
        partitioning: &Partitioning<K>,
        caller: &'static Location<'static>,
    ) -> DStream<(K, V)> {
        let (f, partitioning) = (Arc::clone(f), partitioning.clone());
        self.derive("reduce_by_key", caller, move |rdd| {
            let f = Arc::clone(&f);
            rdd.reduce_by_key(move |a, b| f(a, b), partitioning.clone())
        })
    }
}

const BY_KEY: &str = "reduce_by_key_and_window";

/// How a stream is windowed.
pub(super) struct Windowing<K: 'static> {
    kind: &'static str,
    length: Duration,
    slide: Duration,
    partitioning: Partitioning<K>,
    caller: &'static Location<'static>,
}

impl<K: StateKey> Windowing<K> {
    pub(super) fn new(
        kind: &'static str,
        length: Duration,
        slide: Duration,
        partitioning: Partitioning<K>,
        caller: &'static Location<'static>,
    ) -> Self {
        Self {
            kind,
            length,
            slide,
            partitioning,
            caller,
        }
    }

    /// The window over `partials`, which holds each key of a batch of `stream` once and is partitioned in
    /// the same way.
    pub(super) fn over<V, M, T, U>(
        self,
        stream: &DStream<T>,
        partials: &DStream<(K, V)>,
        method: M,
        yields: impl Fn(&Rdd<(K, V)>) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U>
    where
        V: StateValue,
        M: Method<K, V>,
        T: ?Sized + Element,
        U: ?Sized + Element,
    {
        stream.check_window(self.length, self.slide, self.caller);
        let span = Span::new(self.length, self.slide);
        let state = Arc::new(WindowState::new(span, self.partitioning, method));
        let registry = Arc::clone(stream.registry());
        let parent = Arc::clone(partials.node());
        let parts = NodeParts {
            kind: self.kind,
            parents: vec![parent.core().id],
            slide: self.slide,
            looks_back: Duration::ZERO,
            state: Some(state.clone()),
            is_input: false,
            caller: self.caller,
            uid: stream.child_uid(self.kind),
        };
        let step = partials.slide_duration();
        let can_be_rebuilt = !registry.reads_state(&[parent.core().id]);
        let declared = Arc::clone(&registry);
        let compute = move |time: Time| {
            let zero = declared.zero_time();
            if !time.is_step_from(zero, step) {
                return Ok(None);
            }
            let first = match state.has_begun() || !can_be_rebuilt {
                true => time,
                false => time.minus(span.length()).max(zero).plus(step).min(time),
            };
            let partials = |at: Time| -> Result<_, TaskError> {
                if !span.is_read(at, zero) {
                    return Ok((at, None));
                }
                match parent.get_or_compute(at) {
                    // One that is new to the program is made of what is still kept.
                    Err(TaskError::Gone(_)) if at < time => Ok((at, None)),
                    read => Ok((at, read?)),
                }
            };
            let batches = Time::steps(first, time, step).map(partials);
            let batches = batches.collect::<Result<Vec<_>, _>>()?;
            let rdd = windowed(&state, batches, time, zero, &declared.executor);
            Ok(Some(yields(&rdd)))
        };
        DStream::from_node(StreamNode::register(&registry, parts, compute))
    }
}
