//! The inputs of a context: declared receivers and direct sources, and receivers that run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::settings::{ReceiverSettings, Settings};
use crate::backpressure::Backpressure;
use crate::block::{GeneratorOptions, Intake, TokenBucket, block_generator};
use crate::clock::Clock;
use crate::dstream::AnyNode;
use crate::engine::DirectInput;
use crate::receiver::{
    CloseReceiver, Receiver, ReceiverLimits, ReceiverStatus, Store, Supervision, supervise,
};
use crate::scheduler::ListenerBus;
use crate::time::Time;
use crate::uid::OperatorUid;

/// What was declared.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) receivers: Vec<ReceiverInput>,
    pub(super) direct: Vec<DirectInput>,
}

/// A declared receiver.
pub(super) struct ReceiverInput {
    pub(super) node: Arc<dyn AnyNode>,
    /// Whether its source is told what is durable.
    pub(super) is_reliable: bool,
    status: Arc<Mutex<ReceiverStatus>>,
    start: Option<Start>,
    running: Option<(CloseReceiver, Arc<dyn Clock>)>,
    /// Where its records are held back, once it runs.
    limit: Option<Arc<TokenBucket>>,
}

type Start = Box<dyn FnOnce(&ReceiverInput, &StartReceivers<'_>) -> RunningReceiver + Send>;

/// What receivers need to start.
pub(super) struct StartReceivers<'a> {
    pub(super) settings: &'a Settings,
    pub(super) backpressure: &'a Backpressure,
    pub(super) epoch: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) intake: Arc<Intake>,
    pub(super) bus: ListenerBus,
    pub(super) on_fatal: crate::block::OnFatal,
    pub(super) runtime: Handle,
}

/// A receiver that runs.
pub(super) struct RunningReceiver {
    limit: Arc<TokenBucket>,
    generator: CloseReceiver,
    stop: CancellationToken,
    stop_cutting: CancellationToken,
    supervisor: JoinHandle<()>,
    cutter: JoinHandle<()>,
    pusher: JoinHandle<()>,
}

impl ReceiverInput {
    pub(super) fn new<R: Receiver>(
        stream_id: usize,
        node: Arc<dyn AnyNode>,
        receiver: R,
        limits: ReceiverLimits,
    ) -> Self {
        let status = ReceiverStatus::new(stream_id, node.core().uid(), receiver.describe());
        let is_reliable = receiver.is_reliable();
        let start: Start = Box::new(move |input, with| input.run(receiver, &limits, with));
        Self {
            node,
            is_reliable,
            status: Arc::new(Mutex::new(status)),
            start: Some(start),
            running: None,
            limit: None,
        }
    }

    pub(super) fn status(&self) -> ReceiverStatus {
        let mut status = self
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        status.stream_name = self.node.core().uid();
        if let Some((running, clock)) = &self.running {
            status.settle(clock.now(), running.records());
            status.records = running.records();
            status.rate_limit = running.rate_limit();
        }
        status
    }

    /// Since when it holds a record that nobody waits for and that isn't durable yet.
    pub(super) fn at_risk_since(&self) -> Option<Time> {
        self.way_in()?.at_risk_since()
    }

    /// When its last record came.
    pub(super) fn last_record(&self) -> Option<Time> {
        self.way_in()?.last_record()
    }

    /// Records that it stored and that haven't got to the tracker.
    pub(super) fn on_the_way(&self) -> u64 {
        self.way_in().map_or(0, |running| running.on_the_way())
    }

    /// Where its records are held back, with its uid; once it runs.
    pub(super) fn limit(&self) -> Option<(OperatorUid, &Arc<TokenBucket>)> {
        Some((self.node.core().uid(), self.limit.as_ref()?))
    }

    /// The way into the engine, while it runs.
    pub(super) fn way_in(&self) -> Option<CloseReceiver> {
        let (running, _) = self.running.as_ref()?;
        Some(Arc::clone(running))
    }

    /// Starts the receiver; `None` when it was started before.
    pub(super) fn start(&mut self, with: &StartReceivers<'_>) -> Option<RunningReceiver> {
        let start = self.start.take()?;
        let running = start(self, with);
        self.running = Some((Arc::clone(&running.generator), Arc::clone(&with.clock)));
        self.limit = Some(Arc::clone(&running.limit));
        Some(running)
    }

    fn run<R: Receiver>(
        &self,
        receiver: R,
        limits: &ReceiverLimits,
        with: &StartReceivers<'_>,
    ) -> RunningReceiver {
        let uid = self.node.core().uid();
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stream_name = uid.clone();
        let ReceiverSettings {
            queue,
            max_block_bytes,
            limits: usual,
            ..
        } = &with.settings.receiver;
        let max_rate = limits.max_rate.or(usual.max_rate);
        let clock = Arc::clone(&with.clock);
        let limit = with.backpressure.bucket(&uid, max_rate, clock);
        let options = GeneratorOptions {
            block_interval: with.settings.block_interval(limits),
            queue: *queue,
            max_block_bytes: *max_block_bytes,
            limit: Some(Arc::clone(&limit)),
        };
        let (clock, intake) = (Arc::clone(&with.clock), Arc::clone(&with.intake));
        let on_fatal = Arc::clone(&with.on_fatal);
        let (generator, push) =
            block_generator::<R::Record>(uid, with.epoch, options, clock, intake, on_fatal);
        let (stop, stop_cutting) = (CancellationToken::new(), CancellationToken::new());
        let supervision = Supervision {
            status: Arc::clone(&self.status),
            bus: with.bus.clone(),
            clock: Arc::clone(&with.clock),
            stop: stop.clone(),
        };
        let store = Store::new(Arc::clone(&generator), stop.clone());
        let cutting = (Arc::clone(&generator), stop_cutting.clone());
        RunningReceiver {
            limit,
            generator,
            stop,
            stop_cutting,
            supervisor: with.runtime.spawn(supervise(receiver, store, supervision)),
            cutter: with
                .runtime
                .spawn(async move { cutting.0.cut_regularly(cutting.1).await }),
            pusher: with.runtime.spawn(push),
        }
    }
}

impl RunningReceiver {
    /// Tells the receiver to stop; what it stored goes on being pushed.
    pub(super) fn cancel(&self) {
        self.stop.cancel();
    }

    /// Waits until the receiver has ended and all it stored is in the logs; `false` when it took longer
    /// than until `deadline`.
    pub(super) fn finish(self, runtime: &Handle, deadline: Instant) -> bool {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let done = async move {
            let _ = self.supervisor.await;
            self.generator.close("the context is stopping").await;
            let _ = self.pusher.await;
            self.stop_cutting.cancel();
            let _ = self.cutter.await;
        };
        runtime.block_on(async { tokio::time::timeout(left, done).await.is_ok() })
    }
}
