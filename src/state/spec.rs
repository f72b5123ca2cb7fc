//! [`StateSpec`]: what a `map_with_state` does.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::handle::State;
use crate::rdd::{Partitioner, Partitioning};
use crate::time::Time;

/// What a [`map_with_state`](crate::DStream::map_with_state) does: its function, and how the state is
/// partitioned, what it begins with and when a key is forgotten.
///
/// ```
/// use std::time::Duration;
/// use tidemill::state::{State, StateSpec};
///
/// // Running totals. A key of which nothing is heard for an hour is told a last time and forgotten.
/// let spec = StateSpec::function(
///     |key: &String, amount: Option<&u64>, total: &mut State<'_, u64>| {
///         if total.is_timing_out() {
///             return (key.clone(), *total.get(), "closed");
///         }
///         let now = total.get_option().copied().unwrap_or_default() + amount.copied().unwrap_or_default();
///         total.update(now);
///         (key.clone(), now, "open")
///     },
/// )
/// .initial_state([("till".to_owned(), 100)])
/// .num_partitions(4)
/// .timeout(Duration::from_secs(3600));
/// # let _ = spec;
/// ```
pub struct StateSpec<K: 'static, V, S, U, F> {
    pub(crate) function: F,
    pub(crate) partitioning: Option<Partitioning<K>>,
    pub(crate) initial: Vec<(K, S)>,
    pub(crate) timeout: Option<Duration>,
    types: PhantomData<fn(&V) -> U>,
}

impl<K, V, S, U, F> fmt::Debug for StateSpec<K, V, S, U, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateSpec")
            .field(
                "partitions",
                &self.partitioning.as_ref().map(Partitioning::partitions),
            )
            .field("initial", &self.initial.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What a function of [`StateSpec`] is turned into.
///
/// ```
/// use tidemill::state::{MapFunction, State, StateSpec};
///
/// /// A specification that several streams share: its function's type has no name, and needs none.
/// fn totals() -> StateSpec<String, u64, u64, u64, impl MapFunction<String, u64, u64, u64>> {
///     StateSpec::function(|_: &String, amount: Option<&u64>, total: &mut State<'_, u64>| {
///         let now = total.get_option().copied().unwrap_or_default() + amount.copied().unwrap_or_default();
///         total.update(now);
///         now
///     })
/// }
///
/// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
/// # let (pairs, _queue) = context.queue_stream::<(String, u64)>();
/// let all = pairs.map_with_state(totals());
/// let large = pairs.filter(|(_, amount)| *amount > 100).map_with_state(totals());
/// # all.print();
/// # large.print();
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait MapFunction<K, V, S, U>: Send + Sync + 'static {
    /// Maps one value of a key, or the end of a key that has timed out.
    fn map(&self, time: Time, key: &K, value: Option<&V>, state: &mut State<'_, S>) -> Option<U>;
}

/// A function that knows the batch's time and may yield nothing.
pub struct Timed<F>(F);

impl<K, V, S, U, F> MapFunction<K, V, S, U> for Timed<F>
where
    F: Fn(Time, &K, Option<&V>, &mut State<'_, S>) -> Option<U> + Send + Sync + 'static,
{
    #[inline]
    fn map(&self, time: Time, key: &K, value: Option<&V>, state: &mut State<'_, S>) -> Option<U> {
        (self.0)(time, key, value, state)
    }
}

/// A function that yields one element for each value.
pub struct Plain<F>(F);

impl<K, V, S, U, F> MapFunction<K, V, S, U> for Plain<F>
where
    F: Fn(&K, Option<&V>, &mut State<'_, S>) -> U + Send + Sync + 'static,
{
    #[inline]
    fn map(&self, _time: Time, key: &K, value: Option<&V>, state: &mut State<'_, S>) -> Option<U> {
        Some((self.0)(key, value, state))
    }
}

impl<K, V, S, U, F> StateSpec<K, V, S, U, Plain<F>>
where
    F: Fn(&K, Option<&V>, &mut State<'_, S>) -> U + Send + Sync + 'static,
{
    /// A function that is called for each pair of a batch, in their order, with the key, the value and
    /// the key's state, and whose result the stream yields; and once for each key that times out, with no
    /// value.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|word: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///     let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///     total.update(now);
    ///     (word.clone(), now)
    /// });
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.map_with_state(spec);
    /// ```
    pub fn function(f: F) -> Self {
        Self::of(Plain(f))
    }
}

impl<K, V, S, U, F> StateSpec<K, V, S, U, Timed<F>>
where
    F: Fn(Time, &K, Option<&V>, &mut State<'_, S>) -> Option<U> + Send + Sync + 'static,
{
    /// As [`StateSpec::function`], for a function that also takes the batch's time and may yield nothing.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::state::{State, StateSpec};
    ///
    /// // The first value of each key, with the time of its batch.
    /// let spec = StateSpec::function_with_time(
    ///     |time: Time, key: &u64, value: Option<&String>, seen: &mut State<'_, u64>| {
    ///         if seen.exists() {
    ///             return None;
    ///         }
    ///         seen.update(time.as_millis());
    ///         Some((*key, value.cloned()?, time))
    ///     },
    /// );
    /// # let _ = spec;
    /// ```
    pub fn function_with_time(f: F) -> Self {
        Self::of(Timed(f))
    }
}

impl<K, V, S, U, F> StateSpec<K, V, S, U, F> {
    fn of(function: F) -> Self {
        Self {
            function,
            partitioning: None,
            initial: Vec::new(),
            timeout: None,
            types: PhantomData,
        }
    }

    /// What the state begins with where no checkpoint holds it. These keys count as touched in the first
    /// batch. A key that is named twice has its last state.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|word: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///     let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///     total.update(now);
    ///     (word.clone(), now)
    /// })
    /// .initial_state([("tide".to_owned(), 10)]);
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.map_with_state(spec);
    /// ```
    #[must_use]
    pub fn initial_state(mut self, initial: impl IntoIterator<Item = (K, S)>) -> Self {
        self.initial = initial.into_iter().collect();
        self
    }

    /// How many partitions the state has, by the keys' hash [the context's default].
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|word: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///     let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///     total.update(now);
    ///     (word.clone(), now)
    /// })
    /// .num_partitions(8);
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.map_with_state(spec);
    /// ```
    #[must_use]
    pub fn num_partitions(mut self, partitions: usize) -> Self {
        self.partitioning = Some(Partitioning::Hash(partitions));
        self
    }

    /// Partitions the state as `partitioner` says.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    /// use tidemill::rdd::Partitioner;
    ///
    /// /// Words by their length.
    /// struct ByLength;
    ///
    /// impl Partitioner<String> for ByLength {
    ///     fn partitions(&self) -> usize {
    ///         4
    ///     }
    ///     fn partition(&self, word: &String) -> usize {
    ///         word.len() % 4
    ///     }
    /// }
    ///
    /// let spec = StateSpec::function(|word: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///     let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///     if !total.is_timing_out() {
    ///         total.update(now);
    ///     }
    ///     (word.clone(), now)
    /// })
    /// .partitioner(ByLength);
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.map_with_state(spec);
    /// ```
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner<K>) -> Self {
        self.partitioning = Some(Partitioning::by(partitioner));
        self
    }

    /// Forgets a key that no batch has touched for longer than this. In the first batch of which that is
    /// so, the function is called for it once more, with no value and a state for which
    /// [`is_timing_out`](State::is_timing_out) holds.
    ///
    /// Touched is a key by a value, whether or not the function updated the state then. Spark looks for
    /// such keys only when it checkpoints the state, each tenth batch by default; tidemill in each batch,
    /// because it costs what times out and not what is held.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|word: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///     let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///     if !total.is_timing_out() {
    ///         total.update(now);
    ///     }
    ///     (word.clone(), now)
    /// })
    /// .timeout(std::time::Duration::from_secs(600));
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<(String, u64)>();
    /// let totals = words.map_with_state(spec);
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
