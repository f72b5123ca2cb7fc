//! Streams with state: `update_state_by_key`.

use std::panic::Location;
use std::sync::Arc;

use super::{DStream, NodeParts, StreamNode};
use crate::rdd::{Data, Key, Partitioning, Rdd};
use crate::state::{KeyedState, StateKey, StateValue, update_state};
use crate::time::Time;

impl<K: Key + StateKey, V: Data> DStream<(K, V)> {
    /// A running state for each key: in every batch `f` is called for every key that has a state or new
    /// values, with the values in their order and the state so far; `None` drops the key. Yields every
    /// key's state.
    ///
    /// A batch's changes take effect when all of its outputs are committed, so a batch that is run again
    /// sees the state that it saw the first time. Needs a checkpoint location. A batch costs what is held;
    /// where only touched keys matter, [`map_with_state`](DStream::map_with_state) costs what is touched.
    ///
    /// As in Spark, but that a checkpoint writes only the keys whose state changed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("docs", Duration::from_secs(1)).build().unwrap();
    /// let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.update_state_by_key(|new: &[u64], total: Option<&u64>| {
    ///     Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
    /// });
    /// # totals.print();
    /// ```
    #[track_caller]
    pub fn update_state_by_key<S: StateValue>(
        &self,
        f: impl Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)> {
        let partitions = self.registry().default_partitions;
        self.update_state_by_key_with(f, partitions, Vec::new())
    }

    /// As [`DStream::update_state_by_key`], partitioned as said and beginning with `initial`, which is
    /// used when there's no checkpointed state.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("docs", Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.update_state_by_key_with(
    ///     |new: &[u64], total: Option<&u64>| Some(total.copied().unwrap_or_default() + new.len() as u64),
    ///     4,
    ///     vec![("hello".to_owned(), 10)],
    /// );
    /// # totals.print();
    /// ```
    #[track_caller]
    pub fn update_state_by_key_with<S: StateValue>(
        &self,
        f: impl Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
        initial: Vec<(K, S)>,
    ) -> DStream<(K, S)> {
        let f = Arc::new(f);
        let functions = move |_time, _partition| {
            let f = Arc::clone(&f);
            move |_: &K, new: &[V], held: Option<&S>| f(new, held)
        };
        self.update_state_at(functions, partitioning.into(), initial, Location::caller())
    }

    /// As [`DStream::update_state_by_key_with`], for a function that also takes the batch's time and the
    /// key.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::{StreamingContext, Time};
    /// # let context = StreamingContext::builder("docs", Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// // When each key was seen last; a key is dropped a minute after that.
    /// let seen = words.update_state_by_key_with_time(
    ///     |time: Time, _key: &String, new: &[u64], seen: Option<&Time>| {
    ///         let seen = if new.is_empty() { *seen? } else { time };
    ///         (time.since(seen) < Duration::from_secs(60)).then_some(seen)
    ///     },
    ///     4,
    ///     Vec::new(),
    /// );
    /// # seen.map(|(key, time)| (key.clone(), time.as_millis())).print();
    /// ```
    #[track_caller]
    pub fn update_state_by_key_with_time<S: StateValue>(
        &self,
        f: impl Fn(Time, &K, &[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
        initial: Vec<(K, S)>,
    ) -> DStream<(K, S)> {
        let f = Arc::new(f);
        let functions = move |time, _partition| {
            let f = Arc::clone(&f);
            move |key: &K, new: &[V], held: Option<&S>| f(time, key, new, held)
        };
        self.update_state_at(functions, partitioning.into(), initial, Location::caller())
    }

    /// As [`DStream::update_state_by_key_with_time`], with a function for each batch and partition, which
    /// `functions` makes: for what is costly to set up, or is shared by the keys of a partition.
    ///
    /// This is Spark's variant whose function takes an iterator over a partition's keys; here it can't
    /// yield other keys than it is given.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::{StreamingContext, Time};
    /// # let context = StreamingContext::builder("docs", Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// // At most a thousand keys a partition: new ones are dropped when it is full.
    /// let totals = words.update_state_by_key_partitions(
    ///     |_time: Time, _partition: usize| {
    ///         let mut kept = 0;
    ///         move |_key: &String, new: &[u64], total: Option<&u64>| {
    ///             kept += 1;
    ///             (kept <= 1000).then(|| total.copied().unwrap_or_default() + new.len() as u64)
    ///         }
    ///     },
    ///     4,
    ///     Vec::new(),
    /// );
    /// # totals.print();
    /// ```
    #[track_caller]
    pub fn update_state_by_key_partitions<S: StateValue, G>(
        &self,
        functions: impl Fn(Time, usize) -> G + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
        initial: Vec<(K, S)>,
    ) -> DStream<(K, S)>
    where
        G: FnMut(&K, &[V], Option<&S>) -> Option<S> + 'static,
    {
        self.update_state_at(functions, partitioning.into(), initial, Location::caller())
    }

    fn update_state_at<S: StateValue, G>(
        &self,
        functions: impl Fn(Time, usize) -> G + Send + Sync + 'static,
        partitioning: Partitioning<K>,
        initial: Vec<(K, S)>,
        caller: &'static Location<'static>,
    ) -> DStream<(K, S)>
    where
        G: FnMut(&K, &[V], Option<&S>) -> Option<S> + 'static,
    {
        let partitioning = self.partitioning(partitioning, caller);
        let state = Arc::new(KeyedState::new(partitioning, initial, None));
        let parts = NodeParts {
            state: Some(state.clone()),
            ..self.child("update_state_by_key", caller)
        };
        let (parent, functions) = (Arc::clone(self.node()), Arc::new(functions));
        let executor = self.registry().executor.clone();
        DStream::from_node(StreamNode::register(self.registry(), parts, move |time| {
            // A state is worked on in every batch, whether or not anything came.
            let batch = parent.get_or_compute(time)?;
            let batch = batch.unwrap_or_else(|| Rdd::empty(&executor));
            Ok(Some(update_state(
                &state,
                &batch,
                time,
                Arc::clone(&functions),
            )))
        }))
    }
}
