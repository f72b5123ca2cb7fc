//! [`StreamingContext`]: the public entry. Declare streams on it, start it, wait for it.
//!
//! States (A2): a context is `Initialized` while streams are declared, `Active` from its start, `Stopped`
//! for ever after. There is one live context on a checkpoint location, on all machines.

mod assemble;
mod attach;
mod batch_inputs;
mod builder;
mod checkpoints;
mod examine;
mod freshness;
mod guarantees;
mod inputs;
mod lag;
mod locations;
mod readiness;
mod recover;
mod rehearse;
mod replay;
mod requeue;
mod rewind;
mod settings;
mod shared;
mod sizes;
mod start;
mod status;
mod steps;
mod stop;
mod streams;
mod timing;
mod tuning;
mod upgrade;
mod watch;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Runtime;

pub use batch_inputs::{BatchInput, InputBlock};
pub use builder::Builder;
pub use freshness::SourceFreshness;
pub use lag::{DurableAfter, SourceLag};
pub use rehearse::Rehearsal;
pub use replay::Replay;
pub use requeue::RequeuedBatch;
pub use shared::AccumulatorInfo;
pub use sizes::StateSize;
pub use status::LogStatus;
pub use steps::{Step, StepInfo};
pub use tuning::Tuning;

pub(crate) use examine::Which;
pub(crate) use locations::{BLOCK_LOG_DIR, BLOCK_LOG_KIND, DRIVER_LOG_DIR, DRIVER_LOG_KIND};

use crate::block::Intake;
use crate::dstream::Registry;
use crate::engine::{Engine, Trouble};
use crate::error::{Error, ErrorKind, Result};
use crate::scheduler::{JobGenerator, JobScheduler, ListenerBus, Progress, StreamingListener};
use crate::source::Ingest;
use crate::time::Time;
use inputs::{Inputs, RunningReceiver};
use settings::Settings;

/// Whether a context runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ContextState {
    /// Streams can be declared.
    Initialized,
    /// It is starting: recovering what a checkpoint holds.
    Starting,
    /// It runs.
    Active,
    /// It is on its way to stop.
    Stopping,
    /// It has ended and can't be started again.
    Stopped,
}

/// What to do about a checkpoint that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StartMode {
    /// Go on from it.
    #[default]
    GetOrCreate,
    /// Refuse to start.
    CreateOnly,
}

/// A streaming program: its streams and how they run. Clones are handles to the same context. When the last
/// one is dropped while it runs, it stops as by [`stop(false)`](StreamingContext::stop): nothing that was
/// acknowledged is lost, and no thread stays.
///
/// ```
/// use std::time::Duration;
/// use tidemill::StreamingContext;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = StreamingContext::builder("wordcount", Duration::from_secs(1)).build()?;
/// let lines = context.socket_text_stream("localhost:9999");
/// let words = lines.flat_map::<str>(|line, out| {
///     line.split_whitespace().for_each(|word| out.emit(word));
/// });
/// words.count_by_value().print();
/// context.start()?;
/// # context.stop(false)?;
/// context.await_termination()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StreamingContext(Arc<Owner>);

/// What the handles to a context share.
struct Owner {
    inner: Arc<Inner>,
    /// Whether it stops with the last of them.
    is_owned: bool,
}

impl Owner {
    fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            is_owned: true,
        }
    }

    /// For threads of the context's own: whoever drops the last handle of the others can wait for them.
    fn borrowed(inner: Arc<Inner>) -> Self {
        Self {
            inner,
            is_owned: false,
        }
    }
}

impl Deref for Owner {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

struct Inner {
    settings: Mutex<Settings>,
    registry: Arc<Registry>,
    inputs: Mutex<Inputs>,
    ingest: Ingest,
    intake: Arc<OnceLock<Arc<Intake>>>,
    bus: ListenerBus,
    progress: Arc<Progress>,
    steps: steps::Steps,
    runtime: OnceLock<RuntimeGuard>,
    life: Mutex<Life>,
    changed: Condvar,
}

/// Shuts the runtime down without waiting: a context may be dropped inside another runtime.
struct RuntimeGuard(Option<Runtime>);

impl Drop for RuntimeGuard {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Life {
    state: ContextState,
    started: Option<Time>,
    running: Option<Running>,
    /// Kept after the end, for its status.
    engine: Option<Arc<Engine>>,
    /// The first failed batch that nobody has been told of.
    batch_error: Option<Error>,
    /// Why the engine can't go on, until somebody has been told.
    fatal: Option<Error>,
    /// Whether the engine can't go on.
    is_broken: bool,
    /// Whether that is because a later driver has taken over.
    is_fenced: bool,
}

/// The moving parts of an active context.
struct Running {
    engine: Arc<Engine>,
    generator: JobGenerator,
    scheduler: Arc<JobScheduler>,
    receivers: Vec<RunningReceiver>,
    watch: Option<watch::Watch>,
}

impl fmt::Debug for StreamingContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingContext")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl StreamingContext {
    /// Sets up a context of this name with this batch interval.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .parallelism(2)
    ///     .build()?;
    /// assert_eq!(context.name(), "words");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn builder(name: impl Into<String>, batch_interval: Duration) -> Builder {
        Builder(Settings::new(name.into(), batch_interval))
    }

    /// A context that goes on from the checkpoint at `url`, or starts anew when there is none.
    ///
    /// `setup` is always run: it builds the context and declares its streams. When the context starts,
    /// its graph is compared with the checkpoint's, and state and unfinished batches are attached by
    /// [uid](crate::DStream::uid). What can't be attached is an error that lists it, and the checkpoint is
    /// left as it is.
    ///
    /// # Errors
    /// Those of `setup`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// let context = StreamingContext::get_or_create("memory:doc", || {
    ///     let context = StreamingContext::builder("totals", Duration::from_secs(1)).build()?;
    ///     let (words, _queue) = context.queue_stream::<str>();
    ///     words
    ///         .count_by_value()
    ///         .update_state_by_key(|new: &[u64], total: Option<&u64>| {
    ///             Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
    ///         })
    ///         .uid("totals")
    ///         .print();
    ///     Ok(context)
    /// })?;
    /// context.start()?;
    /// # context.stop(false)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_create(
        url: impl Into<String>,
        setup: impl FnOnce() -> Result<StreamingContext>,
    ) -> Result<StreamingContext> {
        let context = setup()?;
        context.settings().checkpoint = Some(url.into());
        Ok(context)
    }

    /// The application's name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.name(), "doc");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn name(&self) -> String {
        self.0.registry.application.clone()
    }

    /// The batch interval.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.batch_interval(), Duration::from_secs(1));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn batch_interval(&self) -> Duration {
        self.0.registry.batch_interval
    }

    /// Whether it runs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::ContextState;
    ///
    /// assert_eq!(context.state(), ContextState::Initialized);
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert_eq!(context.state(), ContextState::Active);
    /// context.stop(true)?;
    /// assert_eq!(context.state(), ContextState::Stopped);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn state(&self) -> ContextState {
        self.life().state
    }

    /// Adds a listener, with a thread of its own.
    ///
    /// # Errors
    /// When no thread can be had.
    ///
    /// ```
    /// use std::sync::mpsc::{Sender, channel};
    /// # use std::time::Duration;
    /// use tidemill::scheduler::{StreamingEvent, StreamingListener};
    ///
    /// struct Delays(Sender<u64>);
    ///
    /// impl StreamingListener for Delays {
    ///     fn on_event(&mut self, event: &StreamingEvent) {
    ///         if let StreamingEvent::BatchCompleted(batch) = event {
    ///             let _ = self.0.send(batch.total_delay().unwrap_or_default());
    ///         }
    ///     }
    /// }
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_millis(10)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// # queue.push_vec(vec!["high tide".to_owned()]);
    /// let (sender, delays) = channel();
    /// context.add_streaming_listener(Delays(sender))?;
    /// context.start()?;
    /// assert!(delays.recv().is_ok());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn add_streaming_listener(&self, listener: impl StreamingListener) -> Result<()> {
        self.0.bus.add(listener).map_err(|error| Error::System {
            what: "start a listener's thread",
            error,
        })
    }

    /// Keeps every stream's batches at least this long after their time, for queries beside the stream by
    /// [`DStream::slice`](crate::DStream::slice); for one stream see
    /// [`DStream::remember`](crate::DStream::remember). The longest length that is asked for counts.
    ///
    /// Only before the start; after it, the call is told in the log and changes nothing.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build().unwrap();
    /// context.remember(Duration::from_secs(60));
    /// ```
    pub fn remember(&self, length: Duration) {
        if self.0.registry.is_sealed() {
            tracing::error!("what is kept of batches can't change after the start");
        }
        let mut settings = self.settings();
        settings.remember = settings.remember.max(length);
    }

    /// A dataset of `elements` in as many partitions as there are threads, for a queue stream or a join.
    /// It holds nothing but the elements and can be used before the start.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let primes = context.parallelize(vec![2, 3, 5, 7]);
    /// assert_eq!(primes.map(|n| n * n).collect()?, [4, 9, 25, 49]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parallelize<T: crate::rdd::Data>(&self, elements: Vec<T>) -> crate::rdd::Rdd<T> {
        let partitions = self.0.registry.executor.parallelism();
        self.parallelize_with(elements, partitions)
    }

    /// As [`StreamingContext::parallelize`], in so many partitions, in the order of the elements; some are
    /// empty where there are fewer elements. No partitions are taken for one.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let halves = context.parallelize_with(vec![1, 2, 3, 4], 2);
    /// assert_eq!(halves.glom().collect()?, [vec![1, 2], vec![3, 4]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parallelize_with<T: crate::rdd::Data>(
        &self,
        elements: Vec<T>,
        partitions: usize,
    ) -> crate::rdd::Rdd<T> {
        crate::rdd::Rdd::parallelize(elements, partitions, &self.0.registry.executor)
    }

    /// Where HTTP sources are fed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("lines", None);
    /// # lines.print();
    /// // What the address `/ingest` of the admin server hands its posts to.
    /// let ingest = context.ingest().clone();
    /// # let _ = ingest;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn ingest(&self) -> &Ingest {
        &self.0.ingest
    }

    /// The runtime that receivers run on; for servers beside the stream.
    ///
    /// # Errors
    /// When its threads can't be had.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let answer = context.runtime()?.block_on(async { 6 * 7 });
    /// assert_eq!(answer, 42);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn runtime(&self) -> Result<tokio::runtime::Handle> {
        if self.0.runtime.get().is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("tidemill-io")
                .enable_all()
                .build()
                .map_err(|error| Error::System {
                    what: "start the runtime",
                    error,
                })?;
            // Of two that are made at once, one is dropped again.
            let _ = self.0.runtime.set(RuntimeGuard(Some(runtime)));
        }
        let runtime = self.0.runtime.get().and_then(|guard| guard.0.as_ref());
        runtime
            .map(|runtime| runtime.handle().clone())
            .ok_or(Error::WrongState("the runtime has been shut down"))
    }

    /// Waits until the context has stopped, or a batch has failed as often as it may.
    ///
    /// # Errors
    /// The first failure that nobody has been told of. After a failed batch the context still runs and
    /// tries it again: wait again, or stop it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// # let stopping = context.clone();
    /// # std::thread::spawn(move || stopping.stop(true));
    /// // Until another thread stops it, a signal does, or a batch fails.
    /// context.await_termination()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn await_termination(&self) -> Result<()> {
        self.wait(None).map(|_| ())
    }

    /// As [`StreamingContext::await_termination`], for at most `limit`; whether it has stopped.
    ///
    /// # Errors
    /// As [`StreamingContext::await_termination`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(!context.await_termination_or_timeout(Duration::from_millis(1))?);
    /// context.stop(true)?;
    /// assert!(context.await_termination_or_timeout(Duration::from_millis(1))?);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn await_termination_or_timeout(&self, limit: Duration) -> Result<bool> {
        self.wait(Some(Instant::now() + limit))
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        let mut life = self.life();
        loop {
            if let Some(error) = life.fatal.take() {
                return Err(error);
            }
            if life.state == ContextState::Stopped {
                return Ok(true);
            }
            if let Some(error) = life.batch_error.take() {
                return Err(error);
            }
            life = match deadline {
                None => self
                    .0
                    .changed
                    .wait(life)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        return Ok(false);
                    };
                    let waited = self.0.changed.wait_timeout(life, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.0.life()
    }

    fn inputs(&self) -> MutexGuard<'_, Inputs> {
        self.0.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something failed; tells whoever waits.
    fn trouble(&self, trouble: Trouble) {
        let mut life = self.life();
        match trouble {
            Trouble::Batch(error) => {
                life.batch_error.get_or_insert(error);
            }
            Trouble::Fatal(error) => {
                life.is_fenced |= error.kind() == ErrorKind::OwnedByAnother;
                life.fatal.get_or_insert(error);
                life.is_broken = true;
            }
        }
        self.changed.notify_all();
    }
}
