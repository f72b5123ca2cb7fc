//! Output operations: what makes a stream do something. Each gives one job a batch.

use std::panic::Location;
use std::sync::Arc;

use super::DStream;
use super::operation::{OutputOperation, Work};
use super::preview::{PreviewSlot, previewing};
use crate::rdd::{BoxError, Element, Partition, Rdd, TaskError, contained};
use crate::sink::{BatchIdentity, ConnectionPool, Console, Guarantee, Sink, TextForm};
use crate::time::Time;

/// What an output closure may return: nothing, or a result whose error fails the batch.
pub trait Outcome {
    /// Reads it as a result.
    ///
    /// ```
    /// use tidemill::dstream::Outcome;
    ///
    /// assert!(().into_result().is_ok());
    /// let failed: Result<(), std::fmt::Error> = Err(std::fmt::Error);
    /// assert!(failed.into_result().is_err());
    /// ```
    fn into_result(self) -> Result<(), BoxError>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// What an output does: before the start, with each batch, and with an element that a rehearsal shows.
struct Steps<Check, Commit, Show> {
    check: Check,
    commit: Commit,
    show: Show,
}

impl<T: ?Sized + Element> DStream<T> {
    /// Runs `f` once a batch with the batch's dataset, on the driver; the dataset's actions run on the
    /// CPU pool. A batch that is run again after a failure or a restart calls `f` again: write by batch
    /// time, or implement [`Sink`], to write once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use std::sync::mpsc::channel;
    /// use tidemill::rdd::BoxError;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_millis(10)).build()?;
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// let (sender, sums) = channel();
    /// numbers.for_each_rdd(move |rdd, time| -> Result<(), BoxError> {
    ///     if let Some(sum) = rdd.reduce(|a, b| a + b)? {
    ///         sender.send((time, sum))?;
    ///     }
    ///     Ok(())
    /// });
    /// queue.push_vec(vec![1, 2, 3]);
    /// context.start()?;
    /// let (_time, sum) = sums.recv().unwrap();
    /// assert_eq!(sum, 6);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn for_each_rdd<R: Outcome>(&self, f: impl Fn(&Rdd<T>, Time) -> R + Send + Sync + 'static) {
        let f = move |identity: &BatchIdentity, rdd: &Rdd<T>| f(rdd, identity.time).into_result();
        self.closure("for_each_rdd", f, Location::caller());
    }

    /// Runs `f` on each partition of each batch, on the CPU pool.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use std::sync::mpsc::channel;
    /// use tidemill::rdd::BoxError;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_millis(10)).build()?;
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// let (sender, lists) = channel();
    /// numbers.for_each_partition(move |partition, _time| -> Result<(), BoxError> {
    ///     // What is set up here is there for a whole partition.
    ///     let mut list = Vec::new();
    ///     partition.for_each(|number| list.push(*number))?;
    ///     Ok(sender.send((partition.index(), list))?)
    /// });
    /// queue.push(context.parallelize_with(vec![1, 2, 3, 4], 2));
    /// context.start()?;
    /// let mut written: Vec<_> = lists.iter().take(2).collect();
    /// written.sort();
    /// assert_eq!(written, [(0, vec![1, 2]), (1, vec![3, 4])]);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn for_each_partition<R: Outcome>(
        &self,
        f: impl Fn(Partition<'_, T>, Time) -> R + Send + Sync + 'static,
    ) {
        let f = move |identity: &BatchIdentity, rdd: &Rdd<T>| {
            rdd.for_each_partition(|partition| f(partition, identity.time).into_result())
                .map_err(BoxError::from)
        };
        self.closure("for_each_partition", f, Location::caller());
    }

    /// Runs `f` on each partition of each batch, on the CPU pool, with a connection of `pool`, which keeps
    /// connections for further batches. One whose use ended in an error or a panic is closed.
    ///
    /// The original leaves the pool to the program.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// use std::io::Write;
    /// use std::net::TcpStream;
    /// use tidemill::sink::ConnectionPool;
    ///
    /// let context = tidemill::StreamingContext::builder("send", Duration::from_secs(1)).build()?;
    /// let lines = context.socket_text_stream("localhost:9999");
    /// let pool = ConnectionPool::new(|| TcpStream::connect("localhost:9998"));
    /// lines.for_each_partition_with(&pool, |connection, partition, _time| {
    ///     partition.try_for_each(|line| writeln!(connection, "{line}"))
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn for_each_partition_with<C: Send + 'static, R: Outcome>(
        &self,
        pool: &ConnectionPool<C>,
        f: impl Fn(&mut C, &Partition<'_, T>, Time) -> R + Send + Sync + 'static,
    ) {
        let pool = pool.clone();
        let f = move |identity: &BatchIdentity, rdd: &Rdd<T>| {
            rdd.for_each_partition(|partition| {
                pool.with(|connection| f(connection, &partition, identity.time).into_result())
            })
            .map_err(BoxError::from)
        };
        self.closure("for_each_partition", f, Location::caller());
    }

    /// An output of a closure: asked nothing beforehand, and given a batch again when it is run again.
    fn closure(
        &self,
        kind: &'static str,
        commit: impl Fn(&BatchIdentity, &Rdd<T>) -> Result<(), BoxError> + Send + Sync + 'static,
        caller: &'static Location<'static>,
    ) {
        let steps = Steps {
            check: || Ok(()),
            commit,
            show: |_: &T| None,
        };
        self.output(kind, None, Guarantee::AtLeastOnce, steps, caller);
    }

    /// Commits each batch to `sink`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::sink::TextFiles;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.sink(TextFiles::open("data/out/lines", Some("txt"))?);
    /// assert_eq!(context.graph().outputs.len(), 1);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    #[track_caller]
    pub fn sink(&self, sink: impl Sink<T>) {
        self.sink_at(sink, None, Location::caller());
    }

    /// As [`DStream::sink`], known to checkpoints under `uid`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::sink::TextFiles;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.sink_with_uid(TextFiles::open("data/out/lines", None)?, "written-lines");
    /// let (uid, _guarantee) = &context.guarantees()[0];
    /// assert_eq!(uid.as_str(), "written-lines");
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    #[track_caller]
    pub fn sink_with_uid(&self, sink: impl Sink<T>, uid: impl AsRef<str>) {
        self.sink_at(sink, Some(uid.as_ref()), Location::caller());
    }

    pub(super) fn sink_at(
        &self,
        sink: impl Sink<T>,
        uid: Option<&str>,
        caller: &'static Location<'static>,
    ) {
        let (kind, guarantee, sink) = (sink.kind(), sink.guarantee(), Arc::new(sink));
        let (checked, shows) = (Arc::clone(&sink), Arc::clone(&sink));
        let steps = Steps {
            check: move || checked.check(),
            commit: move |identity: &BatchIdentity, rdd: &Rdd<T>| sink.commit(identity, rdd),
            show: move |value: &T| shows.show(value),
        };
        self.output(kind, uid, guarantee, steps, caller);
    }

    fn output(
        &self,
        kind: &'static str,
        uid: Option<&str>,
        guarantee: Guarantee,
        steps: Steps<
            impl Fn() -> Result<(), BoxError> + Send + Sync + 'static,
            impl Fn(&BatchIdentity, &Rdd<T>) -> Result<(), BoxError> + Send + Sync + 'static,
            impl Fn(&T) -> Option<String> + Send + Sync + 'static,
        >,
        caller: &'static Location<'static>,
    ) {
        let Steps {
            check,
            commit,
            show,
        } = steps;
        let uid = match uid {
            Some(uid) => self.registry().new_uid(uid),
            None => self.child_uid(kind),
        };
        if self.registry().is_sealed() {
            // It isn't run either: no checkpoint would know of it.
            self.mistake(
                caller,
                "outputs can't be added to a context that has started".to_owned(),
            );
            return;
        }
        let (parent, commit) = (Arc::clone(self.node()), Arc::new(commit));
        let generate = move |identity: &BatchIdentity| {
            let Some(rdd) = parent.get_or_compute(identity.time)? else {
                return Ok(None);
            };
            let (commit, identity) = (Arc::clone(&commit), identity.clone());
            let work: Work =
                Box::new(move || contained(|| commit(&identity, &rdd).map_err(TaskError::Failed)));
            Ok(Some(work))
        };
        let parent = Arc::clone(self.node());
        let show = Arc::new(show);
        let preview = move |time: Time, slot: &Arc<PreviewSlot>| {
            let rdd = parent.get_or_compute(time)?;
            let work = |rdd| previewing(rdd, Arc::clone(slot), Arc::clone(&show));
            Ok(rdd.map(|rdd| -> Work { Box::new(work(rdd)) }))
        };
        self.registry().add_output(OutputOperation {
            uid,
            kind,
            parent: self.node().core().id,
            guarantee,
            caller,
            check: Box::new(check),
            generate: Box::new(generate),
            preview: Box::new(preview),
        });
    }
}

impl<T: ?Sized + Element + TextForm> DStream<T> {
    /// Prints the first ten elements of each batch, headed by the batch time.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.count_by_value().print();
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn print(&self) {
        self.sink_at(Console::stdout(10), None, Location::caller());
    }

    /// Prints the first `rows` elements of each batch, headed by the batch time.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print_rows(100);
    /// assert!(context.validate().is_ok());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn print_rows(&self, rows: usize) {
        self.sink_at(Console::stdout(rows), None, Location::caller());
    }
}
