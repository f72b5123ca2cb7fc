//! How streams are declared on a context.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::StreamingContext;
use super::inputs::ReceiverInput;
use crate::block::{Allocation, Intake, block_rdd};
use crate::dstream::{
    DStream, NodeCore, NodeParts, Registry, StreamNode, Streams, together, union_at,
};
use crate::engine::DirectInput;
use crate::rdd::{BoxError, Element, Rdd, TaskError};
use crate::receiver::{Receiver, ReceiverLimits};
use crate::source::{
    DirectSource, Erased, FileSource, FileSourceOptions, HttpSource, QueueHandle, QueueSource,
    RateOptions, RateSource, SocketOptions, SocketReceiver, object_file,
};
use crate::time::Time;

/// The most that a request to a stream's HTTP address may hold, in bytes.
const MAX_BODY: usize = 16 << 20;

impl StreamingContext {
    /// A stream of what `receiver` stores.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::rdd::BoxError;
    /// use tidemill::receiver::{Receiver, Store};
    ///
    /// struct Ticks;
    ///
    /// impl Receiver for Ticks {
    ///     type Record = str;
    ///
    ///     async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
    ///         store.store_reliably(["tick"]).await?;
    ///         store.stopped().await;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let ticks = context.receiver_stream(Ticks);
    /// ticks.print();
    /// assert!(context.sources()[0].is_receiver);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn receiver_stream<R: Receiver>(&self, receiver: R) -> DStream<R::Record> {
        self.receiver_at(
            "receiver",
            receiver,
            ReceiverLimits::default(),
            Location::caller(),
        )
    }

    /// A stream of what `receiver` stores, known to checkpoints as `name`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::rdd::BoxError;
    /// use tidemill::receiver::{Receiver, Store, ReceiverLimits};
    ///
    /// struct Ticks;
    ///
    /// impl Receiver for Ticks {
    ///     type Record = str;
    ///
    ///     async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
    ///         store.store_reliably(["tick"]).await?;
    ///         store.stopped().await;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let ticks = context.receiver_stream_with("ticks", Ticks, ReceiverLimits::default());
    /// ticks.print();
    /// assert_eq!(context.receivers()[0].stream_name.as_str(), "ticks");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn receiver_stream_with<R: Receiver>(
        &self,
        name: &str,
        receiver: R,
        limits: ReceiverLimits,
    ) -> DStream<R::Record> {
        self.receiver_at(name, receiver, limits, Location::caller())
    }

    /// Lines of text from a TCP server, which is connected to again whenever it goes away. A socket can't
    /// send again what was lost on the way: lines are safe once they are in a durable block.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let lines = context.socket_text_stream("localhost:9999");
    /// lines.count().print();
    /// assert_eq!(context.sources()[0].location, "lines from localhost:9999");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn socket_text_stream(&self, address: impl Into<String>) -> DStream<str> {
        let receiver = SocketReceiver::text(address, SocketOptions::default());
        self.receiver_at(
            "socket",
            receiver,
            ReceiverLimits::default(),
            Location::caller(),
        )
    }

    /// The lines of files that are moved into `folder`, each file once; or of objects that appear below a prefix of an
    /// object store, such as `s3://BUCKET/FOLDER`. See [`FileSource`].
    ///
    /// The original remembers which files it has read for as long as the stream is remembered and goes by their
    /// times; here it is known by name for as long as the file is there, see
    /// [`Remember`](crate::source::Remember).
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// let lines = context.text_file_stream("data/in");
    /// lines.count().print();
    /// ```
    #[track_caller]
    pub fn text_file_stream(&self, folder: impl Into<PathBuf>) -> DStream<str> {
        let source = FileSource::new(folder, FileSourceOptions::default());
        self.direct_at("files", source, Location::caller())
    }

    /// The elements of object files that appear in `folder`, each file once: files that are moved into it, and
    /// the folders that [`save_as_object_files`](DStream::save_as_object_files) writes there. It may be in an object
    /// store, as that of [`text_file_stream`](Self::text_file_stream). `T` is what was
    /// written, or a type that serde reads from it; `str` stands for text.
    ///
    /// The original reads object files as datasets only.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// let context = tidemill::StreamingContext::builder("totals", Duration::from_secs(1)).build()?;
    /// let counts = context.object_file_stream::<(String, u64)>("data/out");
    /// counts.reduce_by_key(|a, b| a + b).print();
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn object_file_stream<T: ?Sized + Element>(&self, folder: impl Into<PathBuf>) -> DStream<T>
    where
        T::Own: DeserializeOwned,
    {
        let options = FileSourceOptions {
            batch_folders: true,
            ..FileSourceOptions::default()
        };
        let source = FileSource::<T>::objects(folder, options);
        self.direct_at("object_files", source, Location::caller())
    }

    /// The elements of an object file; or of all object files in a folder: of one batch, or of all batches whose
    /// folders lie in it. A partition a file, in the order of their names. It may be in an object store, which is
    /// asked at once: `s3://BUCKET/FOLDER`.
    ///
    /// # Errors
    /// When it can't be read. What is damaged or of another type is an error of the dataset's actions.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// let context = tidemill::StreamingContext::builder("join", Duration::from_secs(1)).build()?;
    /// let error = context.object_file::<(String, u64)>("no/such/folder").unwrap_err();
    /// assert!(error.to_string().contains("no/such/folder"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn object_file<T: ?Sized + Element>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Rdd<T>, BoxError>
    where
        T::Own: DeserializeOwned,
    {
        object_file(path.as_ref(), &self.0.registry.executor)
    }

    /// Lines posted to `/ingest/NAME`, on the admin address, or on `listen` too where given. A post is
    /// answered when its lines are durable.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// lines.print();
    /// assert_eq!(context.sources()[0].uid.as_str(), "visits");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn http_stream(&self, name: &str, listen: Option<SocketAddr>) -> DStream<str> {
        let source = HttpSource::new(name, self.ingest().clone(), listen, MAX_BODY);
        self.receiver_at(name, source, ReceiverLimits::default(), Location::caller())
    }

    /// Lines made up at a steady rate: the same for the same options, as often as they are read.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::source::RateOptions;
    ///
    /// let lines = context.rate_stream(RateOptions::default());
    /// lines.count().print();
    /// assert!(context.sources()[0].is_replayable);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn rate_stream(&self, options: RateOptions) -> DStream<str> {
        self.direct_at("rate", RateSource::new(options), Location::caller())
    }

    /// The datasets that are pushed to the handle, one a batch, in order; nothing where none waits. For
    /// tests and demonstrations: what was pushed after the start is gone after a restart.
    ///
    /// The original refuses to write checkpoints of a program with such a stream. Here it may have them,
    /// and the batches that a restart finds without their datasets are empty, with a warning.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// queue.push(context.parallelize(vec![1, 2, 3]));
    /// queue.push_vec(vec![4, 5]);
    /// numbers.reduce(|a, b| a + b).print();
    /// ```
    #[track_caller]
    pub fn queue_stream<T: ?Sized + Element>(&self) -> (DStream<T>, QueueHandle<T>) {
        self.queue_stream_with(true, None)
    }

    /// As [`StreamingContext::queue_stream`]: one dataset a batch, or with `false` the union of all that
    /// wait; and what a batch gets when none does.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// let nothing = context.parallelize(vec![0]);
    /// let (numbers, queue) = context.queue_stream_with::<u64>(false, Some(nothing));
    /// queue.push_vec(vec![4, 5]);
    /// numbers.print();
    /// ```
    #[track_caller]
    pub fn queue_stream_with<T: ?Sized + Element>(
        &self,
        one_at_a_time: bool,
        default: Option<Rdd<T>>,
    ) -> (DStream<T>, QueueHandle<T>) {
        let (source, handle) = QueueSource::new();
        let mut source = source.one_at_a_time(one_at_a_time);
        if let Some(rdd) = default {
            source = source.default_rdd(rdd);
        }
        (self.direct_at("queue", source, Location::caller()), handle)
    }

    /// A stream of what a direct source plans.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::source::{RateOptions, RateSource};
    ///
    /// let lines = context.direct_stream(RateSource::new(RateOptions::default()));
    /// lines.count().print();
    /// assert!(!context.sources()[0].is_receiver);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn direct_stream<T: ?Sized + Element>(&self, source: impl DirectSource<T>) -> DStream<T> {
        let kind = source.kind();
        self.direct_at(kind, source, Location::caller())
    }

    /// A stream of what a direct source plans, known to checkpoints as `name`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::source::{RateOptions, RateSource};
    ///
    /// let lines = context.direct_stream_with("load", RateSource::new(RateOptions::default()));
    /// lines.count().print();
    /// assert_eq!(context.sources()[0].uid.as_str(), "load");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn direct_stream_with<T: ?Sized + Element>(
        &self,
        name: &str,
        source: impl DirectSource<T>,
    ) -> DStream<T> {
        self.direct_at(name, source, Location::caller())
    }

    /// The elements of all of `streams`, which must slide alike; their order between streams means
    /// nothing. Several receivers of one kind are read side by side this way.
    ///
    /// A list without streams, or of streams that don't go together, is a mistake that the start reports
    /// with this line; the original fails here.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// let ports = [9997, 9998, 9999];
    /// let streams = ports.map(|port| context.socket_text_stream(format!("localhost:{port}")));
    /// let lines = context.union(&streams);
    /// ```
    #[track_caller]
    pub fn union<T: ?Sized + Element>(&self, streams: &[DStream<T>]) -> DStream<T> {
        union_at(&self.0.registry, streams, Location::caller())
    }

    /// Any function of the datasets of several streams, run once a batch on the driver: what it returns is
    /// computed on the CPU pool as any dataset is. `streams` is a list of streams of one type, or a tuple
    /// of references to streams of any types.
    ///
    /// The original hands untyped datasets over, to be cast; here the types are known.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// # let (orders, _queue) = context.queue_stream::<(u64, String)>();
    /// # let (payments, _queue) = context.queue_stream::<(u64, f64)>();
    /// # let (returns, _queue) = context.queue_stream::<(u64, ())>();
    /// let kept = context.transform((&orders, &payments, &returns), |(orders, payments, returns), _time| {
    ///     orders.join(payments, 4).subtract_by_key(returns, 4)
    /// });
    /// ```
    #[track_caller]
    pub fn transform<S: Streams, U: ?Sized + Element>(
        &self,
        streams: S,
        f: impl Fn(&S::Datasets, Time) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U>
    where
        S::Datasets: 'static,
    {
        let caller = Location::caller();
        together(&self.0.registry, "transform", streams, caller, f)
    }

    fn receiver_at<R: Receiver>(
        &self,
        name: &str,
        receiver: R,
        limits: ReceiverLimits,
        caller: &'static Location<'static>,
    ) -> DStream<R::Record> {
        let (intake, executor) = (Arc::clone(&self.0.intake), self.0.registry.executor.clone());
        let parts = self.input_parts("receiver", name, caller);
        let registry = Arc::downgrade(&self.0.registry);
        let node = StreamNode::register_with(&self.0.registry, parts, move |core, _, time| {
            let allocation = allocation(&intake, &registry, core, time)?;
            let Some(intake) = intake.get() else {
                return Err(not_started());
            };
            let uid = core.uid();
            let blocks = allocation.blocks.get(&uid).cloned().unwrap_or_default();
            Ok(Some(block_rdd::<R::Record>(
                &intake.store,
                &uid,
                blocks,
                &executor,
            )))
        });
        let id = self.inputs_declared().len().saturating_sub(1);
        let input = ReceiverInput::new(id, node.clone(), receiver, limits);
        self.inputs().receivers.push(input);
        DStream::from_node(node)
    }

    fn direct_at<T: ?Sized + Element, S: DirectSource<T>>(
        &self,
        name: &str,
        source: S,
        caller: &'static Location<'static>,
    ) -> DStream<T> {
        let (intake, executor) = (Arc::clone(&self.0.intake), self.0.registry.executor.clone());
        let parts = self.input_parts(source.kind(), name, caller);
        let checked = source.check();
        let source = Arc::new(source);
        let reader = Arc::clone(&source);
        let registry = Arc::downgrade(&self.0.registry);
        let node = StreamNode::register_with(&self.0.registry, parts, move |core, _, time| {
            let allocation = allocation(&intake, &registry, core, time)?;
            let rdd = match allocation.plans.get(&core.uid()) {
                Some(plan) => {
                    let rdd = reader.rdd(plan, &executor).map_err(TaskError::Failed)?;
                    rdd.located_at(core.uid())
                }
                None => Rdd::empty(&executor),
            };
            Ok(Some(rdd))
        });
        let erased = Erased(source, PhantomData);
        let input = DirectInput::new(node.clone(), Arc::new(erased));
        self.inputs().direct.push(input);
        let stream = DStream::from_node(node);
        if let Err(error) = checked {
            stream.mistake(caller, error.to_string());
        }
        stream
    }

    fn input_parts(
        &self,
        kind: &'static str,
        name: &str,
        caller: &'static Location<'static>,
    ) -> NodeParts {
        NodeParts {
            kind,
            parents: Vec::new(),
            slide: self.0.registry.batch_interval,
            looks_back: Duration::ZERO,
            state: None,
            is_input: true,
            caller,
            uid: self.0.registry.new_uid(name),
        }
    }
}

/// What the batch at `time` holds; nothing where its tick was left out.
fn allocation(
    intake: &OnceLock<Arc<Intake>>,
    registry: &Weak<Registry>,
    core: &NodeCore,
    time: Time,
) -> Result<Allocation, TaskError> {
    let intake = intake.get().ok_or_else(not_started)?;
    if let Some(allocation) = intake.tracker.allocation(time) {
        return Ok(allocation);
    }
    // Read after the tracker: what is kept as of now can't have been cleaned up before.
    let complete = registry
        .upgrade()
        .and_then(|registry| registry.complete_through());
    match complete {
        Some(complete) if !core.is_kept(time, complete) => Err(core.gone(time)),
        _ => Ok(Allocation::default()),
    }
}

fn not_started() -> TaskError {
    TaskError::Gone("a stream was read before its context started".to_owned())
}
