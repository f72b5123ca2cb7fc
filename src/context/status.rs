//! What a context tells about itself while it runs.

use std::sync::Arc;

use tidemill_wal::{Wal, WalStatus};

use super::StreamingContext;
use super::settings::ReceiverLog;
use crate::backpressure::StreamRate;
use crate::engine::{Engine, SpaceStatus};
use crate::error::Result;
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

    /// Whether the engine has met an error after which it can't go on.
    pub(crate) fn is_broken(&self) -> bool {
        self.life().is_broken
    }

    /// Whether a later driver has taken the checkpoint location over.
    pub(crate) fn is_fenced(&self) -> bool {
        self.life().is_fenced
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

    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.life().engine.clone()
    }
}
