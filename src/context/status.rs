//! What a context tells about itself while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde::Serialize;
use tidemill_wal::{LatencyHistogram, Wal, WalStatus};

use super::StreamingContext;
use super::settings::ReceiverLog;
use crate::backpressure::StreamRate;
use crate::engine::{CheckpointInfo, CheckpointStatus, Engine, SpaceStatus};
use crate::error::{Error, Result};
use crate::graph::{GraphDescriptor, validate};
use crate::receiver::ReceiverStatus;
use crate::scheduler::Progress;
use crate::sink::Guarantee;
use crate::source::{Acknowledged, SourceInfo};
use crate::time::Time;
use crate::uid::OperatorUid;

/// How a log is doing.
#[derive(Debug, Clone)]
pub struct LogStatus {
    /// Which log: `driver` or `blocks`.
    pub name: &'static str,
    /// Its figures.
    pub status: WalStatus,
}

/// A state's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateSize {
    /// The operator.
    pub uid: OperatorUid,
    /// Keys held.
    pub keys: u64,
    /// Bytes held by keys and values, without what they point to.
    pub bytes: u64,
}

/// See [`StreamingContext::scratch_bytes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScratchBytes {
    pub(crate) states: u64,
    pub(crate) kept: u64,
    pub(crate) kept_in_memory: u64,
}

/// See [`StreamingContext::put_aside`].
#[derive(Debug, Clone)]
pub(crate) struct PutAside {
    pub(crate) letters: BTreeMap<OperatorUid, u64>,
    pub(crate) dropped: BTreeMap<OperatorUid, u64>,
}

impl StreamingContext {
    /// The batches of late.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_millis(10)).build()?;
    /// let (lines, queue) = context.queue_stream::<str>();
    /// lines.print();
    /// queue.push_vec(vec!["high tide".to_owned()]);
    /// context.start()?;
    /// let progress = context.progress();
    /// while progress.completed_batches().is_empty() {
    ///     std::thread::sleep(Duration::from_millis(1));
    /// }
    /// context.stop(true)?;
    /// assert!(progress.last_completed().is_some());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.0.progress)
    }

    /// When it became active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.started_at(), None);
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.started_at().is_some());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn started_at(&self) -> Option<Time> {
        self.life().started
    }

    /// The stream's time now, while it is active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.now(), None);
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.now() >= context.started_at());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn now(&self) -> Option<Time> {
        self.engine().map(|engine| engine.clock.now())
    }

    /// How its receivers are doing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let lines = context.socket_text_stream("localhost:9999");
    /// # lines.print();
    /// let receivers = context.receivers();
    /// assert_eq!(receivers[0].stream_name.as_str(), "socket");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn receivers(&self) -> Vec<ReceiverStatus> {
        self.inputs()
            .receivers
            .iter()
            .map(super::inputs::ReceiverInput::status)
            .collect()
    }

    /// The rates that back-pressure holds its inputs to, while it is active; none without back-pressure.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let context = StreamingContext::builder("doc", Duration::from_secs(1))
    ///     .backpressure(true)
    ///     .backpressure_initial_rate(5000.0)
    ///     .build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// assert!(context.rates().is_empty());
    /// context.start()?;
    /// let rates = context.rates();
    /// assert_eq!(rates[0].rate_limit, Some(5000.0));
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn rates(&self) -> Vec<StreamRate> {
        self.engine()
            .map(|engine| engine.backpressure.rates())
            .unwrap_or_default()
    }

    /// Its operators and outputs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.count().print();
    /// let kinds: Vec<String> = context.graph().operators.iter().map(|operator| operator.kind.to_string()).collect();
    /// assert!(kinds.contains(&"count".to_owned()), "{kinds:?}");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn graph(&self) -> GraphDescriptor {
        GraphDescriptor::of(&self.0.registry)
    }

    /// Its inputs, in the order of their declaration.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// let sources = context.sources();
    /// assert_eq!(sources[0].uid.as_str(), "queue");
    /// assert!(!sources[0].is_receiver);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn sources(&self) -> Vec<SourceInfo> {
        let has_log = self.settings().receiver_log() != ReceiverLog::Nowhere;
        let declared = self.inputs_declared();
        let id_of = |uid: &OperatorUid| declared.iter().position(|known| known == uid);
        let direct = |input: &crate::engine::DirectInput| {
            let uid = input.node.core().uid();
            SourceInfo {
                stream_id: id_of(&uid).unwrap_or_default(),
                uid,
                location: input.source.describe(),
                is_receiver: false,
                is_replayable: input.source.is_replayable(),
                acknowledged: match input.source.is_replayable() {
                    true => Acknowledged::Replayable,
                    false => Acknowledged::Never,
                },
            }
        };
        let engine = self.engine();
        let inputs = self.inputs();
        let receivers = inputs.receivers.iter().map(|receiver| {
            let status = receiver.status();
            SourceInfo {
                stream_id: status.stream_id,
                uid: status.stream_name,
                location: status.location,
                is_receiver: true,
                is_replayable: has_log,
                acknowledged: self.acknowledged(receiver.is_reliable),
            }
        });
        let running = engine.iter().flat_map(|engine| engine.direct.iter());
        let mut sources: Vec<SourceInfo> = receivers
            .chain(inputs.direct.iter().chain(running).map(direct))
            .collect();
        sources.sort_by_key(|source| source.stream_id);
        sources
    }

    /// The operators that take data in, in the order of their declaration.
    pub(super) fn inputs_declared(&self) -> Vec<OperatorUid> {
        let nodes = self.0.registry.nodes();
        let inputs = nodes.iter().filter(|node| node.core().is_input);
        inputs.map(|node| node.core().uid()).collect()
    }

    /// What each output guarantees.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::sink::Guarantee;
    ///
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.save_as_text_files("data/out/lines", None);
    /// lines.print();
    /// let guarantees: Vec<Guarantee> = context.guarantees().into_iter().map(|(_, guarantee)| guarantee).collect();
    /// assert_eq!(guarantees, [Guarantee::Idempotent, Guarantee::AtLeastOnce]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn guarantees(&self) -> Vec<(OperatorUid, Guarantee)> {
        let outputs = self.0.registry.outputs();
        outputs
            .iter()
            .map(|output| (output.uid.clone(), output.guarantee))
            .collect()
    }

    /// Bytes of states and of kept datasets that have no room in memory and lie in scratch files; and of kept
    /// datasets in memory.
    pub(crate) fn scratch_bytes(&self) -> ScratchBytes {
        let nodes = self.0.registry.nodes();
        let states = nodes.iter().filter_map(|node| node.core().state.as_ref());
        let cache = self.0.registry.executor.cache();
        ScratchBytes {
            states: states.map(|state| state.spilled_bytes()).sum(),
            kept: cache.bytes_on_disk(),
            kept_in_memory: cache.bytes(),
        }
    }

    /// How often shuffles without room in memory have read their inputs for one slice.
    pub(crate) fn shuffle_slices(&self) -> u64 {
        self.0.registry.executor.shuffles().passes()
    }

    /// Records that operators put aside as dead letters since the start, and those that they left out: of all
    /// operators that can.
    pub(crate) fn put_aside(&self) -> PutAside {
        let registry = &self.0.registry;
        let office = &registry.dead_letters;
        let nodes = registry.nodes();
        let fallible = nodes
            .iter()
            .filter(|node| office.policy(node.core().id).is_some());
        let none: BTreeMap<OperatorUid, u64> =
            fallible.map(|node| (node.core().uid(), 0)).collect();
        let with = |counts| none.clone().into_iter().chain(counts).collect();
        PutAside {
            letters: with(office.committed()),
            dropped: with(office.dropped()),
        }
    }

    /// Whether the engine has met an error after which it can't go on.
    pub(crate) fn is_broken(&self) -> bool {
        self.life().is_broken
    }

    /// Whether a later driver has taken the checkpoint location over.
    pub(crate) fn is_fenced(&self) -> bool {
        self.life().is_fenced
    }

    /// The sizes of its states.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let totals = words.count_by_value().update_state_by_key(|new: &[u64], held: Option<&u64>| {
    ///     Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
    /// });
    /// let totals = totals.uid("totals");
    /// # totals.print();
    /// let sizes = context.state_sizes();
    /// assert_eq!((sizes[0].uid.as_str(), sizes[0].keys), ("totals", 0));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn state_sizes(&self) -> Vec<StateSize> {
        let size = |node: &Arc<dyn crate::dstream::AnyNode>| {
            let state = node.core().state.as_ref()?;
            Some(StateSize {
                uid: node.core().uid(),
                keys: state.keys(),
                bytes: state.bytes(),
            })
        };
        self.0.registry.nodes().iter().filter_map(size).collect()
    }

    /// How many records each operator yielded in its newest batch, as far as that is complete and all of it
    /// was computed: where nothing reads an operator, or no more than the first of its records, nobody knows.
    ///
    /// Spark's page tells the records of receivers only.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::{OperatorUid, StreamingContext, Time, clock::ManualClock};
    /// # let clock = ManualClock::new(Time::from_millis(10_000));
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone()).build()?;
    /// let (lines, queue) = context.queue_stream::<str>();
    /// let words = lines.flat_map::<str>(|line, out| line.split(' ').for_each(|word| out.emit(word)));
    /// words.uid("words").for_each_rdd(|words, _| words.count().map(drop));
    /// queue.push_vec(vec!["high tide".to_owned(), "ebb".to_owned()]);
    /// context.start()?;
    /// clock.advance(Duration::from_secs(1));
    /// # while context.progress().last_completed().is_none() { std::thread::yield_now(); }
    /// assert_eq!(context.records_yielded()[&OperatorUid::new("words")], 3);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn records_yielded(&self) -> BTreeMap<OperatorUid, u64> {
        let Some(complete) = self.0.registry.complete_through() else {
            return BTreeMap::new();
        };
        let nodes = self.0.registry.nodes();
        let yielded = nodes.iter().filter_map(|node| {
            let core = node.core();
            Some((core.uid(), core.yielded.newest(complete)?))
        });
        yielded.collect()
    }

    /// How checkpoints are doing, while it is active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.checkpoint_status().is_some());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint_status(&self) -> Option<CheckpointStatus> {
        self.engine().map(|engine| engine.checkpointer.shown())
    }

    /// How long this driver's checkpoints took from the cut until they were durable.
    pub(crate) fn checkpoint_durations(&self) -> Option<LatencyHistogram> {
        self.engine().map(|engine| engine.checkpointer.durations())
    }

    /// The checkpoints that this driver wrote of late, newest first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// let cut = context.checkpoint_now(Duration::from_secs(60))?;
    /// assert_eq!(context.checkpoint_history()[0].id, cut.id);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint_history(&self) -> Vec<CheckpointInfo> {
        self.engine()
            .map(|engine| engine.checkpointer.history())
            .unwrap_or_default()
    }

    /// How the logs are doing, while it is active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// let names: Vec<&str> = context.logs().iter().map(|log| log.name).collect();
    /// assert!(names.contains(&"driver"));
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn logs(&self) -> Vec<LogStatus> {
        let Some(engine) = self.engine() else {
            return Vec::new();
        };
        let status = |name, log: &Wal| LogStatus {
            name,
            status: log.status(),
        };
        let blocks = engine.intake.store.log().map(|log| status("blocks", log));
        std::iter::once(status("driver", engine.intake.tracker.log()))
            .chain(blocks)
            .collect()
    }

    /// How much room there is on its disks, and whether sources are held back for want of it, while it is
    /// active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.space().is_some());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn space(&self) -> Option<SpaceStatus> {
        let sources = || {
            self.sources()
                .into_iter()
                .map(|source| source.uid)
                .collect()
        };
        self.engine().map(|engine| engine.space.status(sources))
    }

    /// Events that listeners were too slow to take.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.dropped_events(), 0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn dropped_events(&self) -> u64 {
        self.0.bus.dropped()
    }

    /// Finds out whether the program could be started as it is declared. Opens and writes nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.window(Duration::from_millis(1500), Duration::from_secs(1)).print();
    /// let error = context.validate().unwrap_err();
    /// assert!(error.to_string().contains("1.5s"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn validate(&self) -> Result<()> {
        validate(&self.0.registry, self.settings().checkpoint.is_some())
    }

    /// Bytes of received blocks in memory.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.block_bytes_in_memory(), 0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn block_bytes_in_memory(&self) -> u64 {
        self.engine()
            .map_or(0, |engine| engine.intake.store.bytes_in_memory())
    }

    /// Batches that aren't complete.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.pending_batches(), 0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn pending_batches(&self) -> usize {
        self.engine()
            .and_then(|engine| engine.scheduler())
            .map_or(0, |jobs| jobs.pending())
    }

    /// The next batch to be cut, while it is active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.next_batch(), None);
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.next_batch() > context.started_at());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn next_batch(&self) -> Option<Time> {
        self.life()
            .running
            .as_ref()
            .map(|running| running.generator.next_time())
    }

    /// How often the job generator has gone round: it stands still when the engine does.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.heartbeats(), None);
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.heartbeats().is_some());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn heartbeats(&self) -> Option<u64> {
        self.life()
            .running
            .as_ref()
            .map(|running| running.generator.beats())
    }

    /// Makes a savepoint at the next boundary between batches and waits until it's durable: a checkpoint with a
    /// name, which stays until it is [forgotten](StreamingContext::forget_savepoint), holds no log back and can
    /// be [gone back to](crate::Builder::from_savepoint). Spark has nothing of the kind.
    ///
    /// # Errors
    /// When the name isn't 1 to 64 letters, digits, `-`, `_` or `.` behind the first, or is taken; otherwise as
    /// [`StreamingContext::checkpoint_now`].
    ///
    /// ```
    /// # fn upgrade(context: &tidemill::StreamingContext) -> tidemill::Result<()> {
    /// context.create_savepoint("before-v2", std::time::Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_savepoint(&self, name: &str, limit: Duration) -> Result<CheckpointInfo> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_hidden = name.starts_with('.');
        if name.is_empty() || is_hidden || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(Error::Setting(format!(
                "a savepoint can't be called `{name}`: a name is 1 to 64 letters, digits, `-`, `_` or `.`, which \
                 can't be the first"
            )));
        }
        let engine = self.engine();
        if let Some(engine) = engine
            && engine.checkpointer.store().savepoint(name).is_ok()
        {
            let taken = tidemill_checkpoint::Error::Savepoint {
                location: engine.checkpointer.shown().location,
                name: name.to_owned(),
                why: "it is there already: forget it, or choose another name".to_owned(),
            };
            return Err(taken.into());
        }
        self.cut(Some(name.to_owned()), limit)
    }

    /// Gives a savepoint up: what only it held goes with the next checkpoint.
    ///
    /// # Errors
    /// When the context isn't active, there is no such savepoint, or it is among the newest checkpoints.
    ///
    /// ```
    /// # fn tidy(context: &tidemill::StreamingContext) -> tidemill::Result<()> {
    /// context.forget_savepoint("before-v2")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget_savepoint(&self, name: &str) -> Result<()> {
        let engine = self
            .engine()
            .ok_or(Error::WrongState("the context isn't active"))?;
        Ok(engine.checkpointer.store().forget(name)?)
    }

    /// Cuts a checkpoint at the next boundary between batches and waits until it's durable.
    ///
    /// # Errors
    /// When the context isn't active, the checkpoint can't be written, or `limit` has passed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// let cut = context.checkpoint_now(Duration::from_secs(60))?;
    /// assert_eq!(context.checkpoint_history()[0].id, cut.id);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint_now(&self, limit: Duration) -> Result<CheckpointInfo> {
        self.cut(None, limit)
    }

    fn cut(&self, name: Option<String>, limit: Duration) -> Result<CheckpointInfo> {
        let engine = self
            .engine()
            .ok_or(Error::WrongState("the context isn't active"))?;
        let (answer, answered) = channel();
        engine.checkpointer.request(answer, name);
        if let Some(scheduler) = engine.scheduler() {
            scheduler.wake_between();
        }
        match answered.recv_timeout(limit) {
            Ok(result) => result.map_err(Error::Fatal),
            Err(_) => Err(Error::WrongState(
                "no checkpoint became durable in time; it is still wanted",
            )),
        }
    }

    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.life().engine.clone()
    }
}
