//! Discretised streams: the operators of a program, each a template that yields one dataset a batch.
//!
//! A [`DStream`] is a handle to an operator. Its methods declare further operators; nothing runs until
//! the context starts. Every method names Spark's; where text is concerned, closures take and give
//! `&str` views into the block that the text came in.

mod aggregate;
mod checkpointed;
mod fallible;
mod join;
mod map_with_state;
mod node;
mod operation;
mod operator;
mod output;
mod pairs;
mod preview;
mod registry;
mod save;
#[cfg(feature = "columnar")]
mod save_columns;
mod several;
mod silence;
mod stateful;
mod transform;
mod versions;
mod window;
mod window_by_key;
mod yielded;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

pub use map_with_state::MapWithStateDStream;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use output::Outcome;
pub use registry::Mistake;
pub use several::Streams;
pub use silence::OnSilence;

pub(crate) use checkpointed::CHECKPOINTED;
pub(crate) use node::StreamNode;
pub(crate) use operation::{Job, OutputOperation};
pub(crate) use operator::{AnyNode, NodeCore, NodeParts};
pub(crate) use preview::{Preview, PreviewSlot, Shown};
pub(crate) use registry::Registry;
pub(crate) use several::{together, union_at};
pub(crate) use silence::Silence;

use crate::rdd::{Element, Partitioning, Rdd, StorageLevel, TaskError};
use crate::time::Time;
use crate::uid::OperatorUid;

/// A stream of datasets, one for each of its batch times.
pub struct DStream<T: ?Sized + Element> {
    node: Arc<StreamNode<T>>,
}

impl<T: ?Sized + Element> Clone for DStream<T> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
        }
    }
}

impl<T: ?Sized + Element> fmt::Debug for DStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.node.core();
        f.debug_struct("DStream")
            .field("uid", &core.uid())
            .field("kind", &core.kind)
            .finish()
    }
}

impl<T: ?Sized + Element> DStream<T> {
    pub(crate) fn from_node(node: Arc<StreamNode<T>>) -> Self {
        Self { node }
    }

    pub(crate) fn node(&self) -> &Arc<StreamNode<T>> {
        &self.node
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.node.registry()
    }

    /// Names this operator for checkpoints, in place of the name derived from its place in the graph.
    /// State, unfinished batches and committed outputs follow the uid when the program changes. Name an
    /// operator before declaring further ones on it: their uids derive from it. A uid that another operator has
    /// is a mistake that the start reports.
    ///
    /// The original has no such thing: it can't go on from a checkpoint of another program.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let counts = lines.count_by_value().uid("counts");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn uid(self, uid: impl AsRef<str>) -> Self {
        let core = self.node.core();
        let new = OperatorUid::new(uid);
        if self.registry().rename_uid(&core.uid(), &new) {
            core.set_uid(new);
        } else {
            self.mistake(
                Location::caller(),
                format!("the uid `{new}` is taken by another operator; uids must differ"),
            );
        }
        self
    }

    /// How far apart its datasets are: the batch interval, or a window's slide.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let slide = Duration::from_secs(2);
    /// assert_eq!(lines.slide_duration(), Duration::from_secs(1));
    /// assert_eq!(lines.window(slide * 3, slide).slide_duration(), slide);
    /// ```
    pub fn slide_duration(&self) -> Duration {
        self.node.core().slide
    }

    /// Keeps each dataset in memory once computed, for as long as later batches read it. Windowed and
    /// stateful streams do so by themselves.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// // Computed once, though two windows read it.
    /// let squares = numbers.map(|n| n * n).persist();
    /// let second = Duration::from_secs(1);
    /// let both = squares.window(second * 2, second).union(&squares.window(second, second));
    /// # let (sender, results) = std::sync::mpsc::channel();
    /// # both.for_each_rdd(move |rdd, _| -> Result<(), tidemill::rdd::BoxError> {
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
    /// assert_eq!(next(vec![2]), [4, 4]);
    /// assert_eq!(next(vec![3]), [4, 9, 9]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    pub fn persist(self) -> Self {
        self.node.core().persist();
        self
    }

    /// Keeps each dataset once computed, for as long as later batches read it, where `level` says: in memory, as
    /// bytes, on disk, with a second copy. How much memory kept datasets may take is the context's
    /// [`cached_memory`](crate::Builder::cached_memory), where its files lie
    /// [`scratch`](crate::Builder::scratch). What a shuffle or a state holds in memory anyway stays there.
    ///
    /// The original's `persist()` keeps bytes in memory (`MEMORY_ONLY_SER`); here it keeps the elements as they are.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// use tidemill::rdd::StorageLevel;
    ///
    /// let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1))
    ///     .cached_memory(64 << 20)
    ///     .build()?;
    /// let lines = context.socket_text_stream("localhost:9999");
    /// let words = lines.map(|line| line.len() as u64).persist_with(StorageLevel::MEMORY_AND_DISK);
    /// words.window(Duration::from_secs(60), Duration::from_secs(10)).print();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn persist_with(self, level: StorageLevel) -> Self
    where
        T: Serialize,
        T::Own: DeserializeOwned,
    {
        let caller = Location::caller();
        if level.replication() > 1 && !self.registry().executor.cache().has_replica() {
            self.mistake(
                caller,
                format!("{level} keeps a second copy and has no place for it: set the builder's scratch_replica, or \
                         use a level without _2"),
            );
        }
        if let Err(other) = self.node.keep_as(level, move |rdd| rdd.persist(level)) {
            self.mistake(
                caller,
                format!("it is kept at {other} already and can't be kept at {level}: say it once"),
            );
        }
        self
    }

    /// As [`DStream::persist`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let clock = tidemill::clock::ManualClock::new(tidemill::Time::from_millis(100_000));
    /// # let builder = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone());
    /// # let context = builder.build()?;
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// let squares = numbers.map(|n| n * n).cache();
    /// let sums = squares.reduce(|a, b| a + b);
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
    /// assert_eq!(next(vec![2, 3]), [13]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    pub fn cache(self) -> Self {
        self.persist()
    }

    /// Keeps each batch of this stream for at least `length` after its time, so that [`DStream::slice`] can
    /// still read it. Streams that it is made of keep theirs as long; windows need no such call. Without
    /// it, a batch is let go when it is complete and no other reads it.
    ///
    /// Only before the start; after it, the call is told in the log and changes nothing. For all streams at
    /// once see [`StreamingContext::remember`](crate::StreamingContext::remember).
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (words, _queue) = context.queue_stream::<str>();
    /// let counts = words.count_by_value().remember(Duration::from_secs(60));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn remember(self, length: Duration) -> Self {
        if self.registry().is_sealed() {
            self.mistake(
                Location::caller(),
                "what is kept of batches can't change after the start".to_owned(),
            );
        } else {
            self.node.core().remember_at_least(length);
        }
        self
    }

    /// The datasets of the batches in `[from, to]`, in order, for queries beside the stream: from any
    /// thread, while it runs. What is computed already is read, the rest computed again from its blocks.
    /// Batches that aren't complete are left out, except where they are being computed; so are times at
    /// which the stream has no batch.
    ///
    /// The original takes `from` down to the batch before it, and computes batches of the future, which
    /// then lack what comes in later. Here a batch that is asked for early is still whole in its time.
    ///
    /// # Errors
    /// [`TaskError::Gone`] when the context hasn't started, or a batch is no longer kept: see
    /// [`DStream::remember`]. A dataset of a stream with state can be read until the next batch is
    /// complete; its actions tell when it is too late.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (words, _queue) = context.queue_stream::<str>();
    /// let counts = words.count_by_value().remember(Duration::from_secs(60));
    /// counts.print();
    /// context.start()?;
    /// let now = context.now().ok_or("it has just been started")?;
    /// for batch in counts.slice(now.minus(Duration::from_secs(30)), now)? {
    ///     println!("{} different words", batch.count()?);
    /// }
    /// # context.stop(false)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn slice(&self, from: Time, to: Time) -> Result<Vec<Rdd<T>>, TaskError> {
        self.node.kept(from.minus(Duration::from_millis(1)), to)
    }

    pub(crate) fn mistake(&self, caller: &'static Location<'static>, message: String) {
        let uid = self.node.core().uid();
        self.registry().mistake(Mistake {
            uid,
            message,
            caller,
        });
    }

    /// A partitioning that was asked for at `caller`; one of no partitions is a mistake.
    pub(crate) fn partitioning<K: ?Sized + 'static>(
        &self,
        asked: impl Into<Partitioning<K>>,
        caller: &'static Location<'static>,
    ) -> Partitioning<K> {
        let partitioning = asked.into();
        if partitioning.asked() == 0 {
            self.mistake(
                caller,
                "0 partitions were asked for; expected at least 1".to_owned(),
            );
        }
        partitioning
    }

    /// A uid for an operator that reads this one.
    pub(crate) fn child_uid(&self, kind: &str) -> OperatorUid {
        self.registry()
            .new_uid(&format!("{}.{kind}", self.node.core().uid()))
    }

    /// What an operator that reads only this one is made of.
    pub(crate) fn child(
        &self,
        kind: &'static str,
        caller: &'static Location<'static>,
    ) -> NodeParts {
        let core = self.node.core();
        NodeParts {
            kind,
            parents: vec![core.id],
            slide: core.slide,
            looks_back: Duration::ZERO,
            state: None,
            is_input: false,
            caller,
            uid: self.child_uid(kind),
        }
    }

    /// An operator whose dataset at a time is made of this one's at that time.
    pub(crate) fn derive<U: ?Sized + Element>(
        &self,
        kind: &'static str,
        caller: &'static Location<'static>,
        f: impl Fn(&Rdd<T>) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U> {
        let parent = Arc::clone(&self.node);
        let compute = move |time| Ok(parent.get_or_compute(time)?.map(|rdd| f(&rdd)));
        DStream::from_node(StreamNode::register(
            self.registry(),
            self.child(kind, caller),
            compute,
        ))
    }
}
