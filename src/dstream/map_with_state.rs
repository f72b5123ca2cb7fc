//! Streams with state: `map_with_state`.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{DStream, NodeParts, StreamNode};
use crate::rdd::{Data, Rdd};
use crate::state::{
    KeyedState, MapFunction, StateKey, StateSpec, StateValue, Touched, after_batch, map_with_state,
};

/// What [`DStream::map_with_state`] yields: the stream of mapped elements, which it stands for, and
/// beside it the [state](MapWithStateDStream::state_snapshots).
pub struct MapWithStateDStream<K: StateKey, S: StateValue, U: Data> {
    mapped: DStream<U>,
    state: Arc<KeyedState<K, S, Touched>>,
}

impl<K: StateKey, S: StateValue, U: Data> Clone for MapWithStateDStream<K, S, U> {
    fn clone(&self) -> Self {
        Self {
            mapped: self.mapped.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<K: StateKey, S: StateValue, U: Data> fmt::Debug for MapWithStateDStream<K, S, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mapped.fmt(f)
    }
}

impl<K: StateKey, S: StateValue, U: Data> Deref for MapWithStateDStream<K, S, U> {
    type Target = DStream<U>;

    fn deref(&self) -> &DStream<U> {
        &self.mapped
    }
}

impl<K: StateKey, S: StateValue, U: Data> From<MapWithStateDStream<K, S, U>> for DStream<U> {
    fn from(stream: MapWithStateDStream<K, S, U>) -> Self {
        stream.mapped
    }
}

impl<K: StateKey, S: StateValue, U: Data> MapWithStateDStream<K, S, U> {
    /// As [`DStream::uid`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::state::{State, StateSpec};
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let spec = StateSpec::function(|_: &String, n: Option<&u64>, last: &mut State<'_, u64>| {
    ///     n.map(|n| last.update(*n))
    /// });
    /// let last = words.map_with_state(spec).uid("last");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn uid(self, uid: impl AsRef<str>) -> Self {
        Self {
            mapped: self.mapped.uid(uid),
            ..self
        }
    }

    /// Every key with its state after each batch. Costs what is held; where nothing reads it, nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # use tidemill::state::{State, StateSpec};
    /// # let context = StreamingContext::builder("docs", Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let seen = words.map_with_state(StateSpec::function(
    ///     |_key: &String, n: Option<&u64>, last: &mut State<'_, u64>| n.map(|n| last.update(*n)),
    /// ));
    /// seen.state_snapshots().print();
    /// ```
    #[must_use]
    #[track_caller]
    pub fn state_snapshots(&self) -> DStream<(K, S)> {
        let (parent, state) = (Arc::clone(self.mapped.node()), Arc::clone(&self.state));
        let parts = self.mapped.child("state_snapshots", Location::caller());
        DStream::from_node(StreamNode::register(
            self.mapped.registry(),
            parts,
            move |time| {
                let batch = parent.get_or_compute(time)?;
                Ok(batch.map(|batch| after_batch(&state, &batch, time)))
            },
        ))
    }
}

impl<K: StateKey, V: Data> DStream<(K, V)> {
    /// A state for each key that a function updates as the key's values come: it is called for each pair,
    /// in their order, and the stream yields what it returns. Keys that don't come cost nothing.
    ///
    /// A batch's changes take effect when all of its outputs are committed, so a batch that is run again
    /// sees the state that it saw the first time. Needs a checkpoint location. A checkpoint writes the
    /// keys that were touched since the last.
    ///
    /// Spark's `mapWithState`, except: keys time out in the first batch in which they may, not with the
    /// next checkpoint; values come to the function in the order in which they stand in the stream; and
    /// what the function must not do ([`State`](crate::state::State)) names its line.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// use tidemill::state::{State, StateSpec};
    /// # let context = StreamingContext::builder("docs", Duration::from_secs(1)).build().unwrap();
    ///
    /// let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.map_with_state(
    ///     StateSpec::function(|word: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///         let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///         if !total.is_timing_out() {
    ///             total.update(now);
    ///         }
    ///         (word.clone(), now)
    ///     })
    ///     .timeout(Duration::from_secs(600)),
    /// );
    /// totals.print();
    /// ```
    #[track_caller]
    pub fn map_with_state<S: StateValue, U: Data, F: MapFunction<K, V, S, U>>(
        &self,
        spec: StateSpec<K, V, S, U, F>,
    ) -> MapWithStateDStream<K, S, U> {
        let caller = Location::caller();
        let StateSpec {
            function,
            partitioning,
            initial,
            timeout,
            ..
        } = spec;
        let partitioning =
            partitioning.unwrap_or_else(|| self.registry().default_partitions.into());
        let partitioning = self.partitioning(partitioning, caller);
        if timeout.is_some_and(|timeout| timeout < Duration::from_millis(1)) {
            let message = "the time-out of a state is at least 1 ms, not zero".to_owned();
            self.mistake(caller, message);
        }
        let state = Arc::new(KeyedState::new(partitioning, initial, timeout));
        let parts = NodeParts {
            state: Some(state.clone()),
            ..self.child("map_with_state", caller)
        };
        let (parent, function) = (Arc::clone(self.node()), Arc::new(function));
        let (of_batch, executor) = (Arc::clone(&state), self.registry().executor.clone());
        let node = StreamNode::register(self.registry(), parts, move |time| {
            // Keys time out in every batch, whether or not anything came.
            let batch = parent.get_or_compute(time)?;
            let batch = batch.unwrap_or_else(|| Rdd::empty(&executor));
            Ok(Some(map_with_state(&of_batch, &batch, time, &function)))
        });
        MapWithStateDStream {
            mapped: DStream::from_node(node),
            state,
        }
    }
}
