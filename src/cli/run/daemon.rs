//! [`Daemon`]: one thread decides, by events, when the engine starts, stops and how it ends.
//!
//! Whatever may take long (starting, stopping, waiting for a failure) has a thread of its own and reports
//! here, so a signal is answered at once at any time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tidemill_config::Stop;

use super::super::error::{CliError, Result};
use super::super::notify;
use super::super::output::length;
use super::reload::Reloader;
use super::teller::Teller;
use crate::access::AUDIT;
use crate::error::{Error, ErrorKind};
use crate::time::millis;
use crate::{Step, StreamingContext};

/// How often the step that a stop is at is looked at.
const STEP_PERIOD: Duration = Duration::from_millis(500);

/// How long "ready" waits for sources to open.
const SOURCES_LIMIT: Duration = Duration::from_secs(1);

/// Something the daemon has to decide about.
#[derive(Debug)]
pub(super) enum Event {
    /// The engine runs, after this long, or doesn't.
    Started(crate::Result<Duration>),
    /// SIGTERM or SIGINT came, by number.
    Signal(u8),
    /// Somebody asked over HTTP.
    StopAsked {
        /// Whether what was received is to be processed first.
        gracefully: bool,
    },
    /// The engine can't go on.
    Fatal(Error),
    /// The stop is through.
    Stopped(crate::Result<()>),
}

/// Why and since when it is stopping.
struct Stopping {
    gracefully: bool,
    started: Instant,
    /// How long it may take: until its last checkpoint, and that.
    limits: Stop,
    /// Since when the last checkpoint is being written.
    checkpoint: Option<Instant>,
    /// What the run ends with, when it isn't an ordinary stop.
    failure: Option<Error>,
}

/// A running pipeline.
pub(super) struct Daemon {
    context: StreamingContext,
    sender: Sender<Event>,
    events: Receiver<Event>,
    ready: String,
    reloader: Arc<Reloader>,
    started: bool,
    /// A stop that was asked for before the engine had started.
    stop_when_started: Option<bool>,
    stopping: Option<Stopping>,
}

impl Daemon {
    /// A daemon that logs `ready` when its batches run. The reloader knows the limits of a stop.
    pub(super) fn new(
        context: StreamingContext,
        sender: Sender<Event>,
        events: Receiver<Event>,
        ready: String,
        reloader: Arc<Reloader>,
    ) -> Self {
        Self {
            context,
            sender,
            events,
            ready,
            reloader,
            started: false,
            stop_when_started: None,
            stopping: None,
        }
    }

    /// Starts the engine and stays until it has ended.
    pub(super) fn run(mut self) -> Result<()> {
        let _teller = Teller::start(self.context.clone(), self.ready.clone())?;
        let began = Instant::now();
        let context = self.context.clone();
        self.in_background("start", move |events| {
            let started = context.start();
            if started.is_ok() {
                wait_for_sources(&context);
            }
            let _ = events.send(Event::Started(started.map(|()| began.elapsed())));
        })?;
        loop {
            let event = match self.time_left() {
                None => self
                    .events
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(left) => self.events.recv_timeout(left.min(STEP_PERIOD)),
            };
            let event = match event {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) if self.time_left() > Some(Duration::ZERO) => {
                    continue;
                }
                Err(_) => return self.out_of_time(),
            };
            if let Some(end) = self.decide(event)? {
                return end;
            }
        }
    }

    /// What follows from an event; the outer error is an end at once, as is `Some`.
    fn decide(&mut self, event: Event) -> Result<Option<Result<()>>> {
        match event {
            Event::Started(Err(error)) => return Ok(Some(Err(error.into()))),
            Event::Started(Ok(took)) => self.on_started(took)?,
            Event::Signal(number) => {
                if self.stopping.is_some() || self.stop_when_started.is_some() {
                    return Err(CliError::Signal(number));
                }
                tracing::info!(
                    target: AUDIT,
                    by = format!("signal {number}"),
                    "audit: stopping gracefully; a second signal stops at once"
                );
                self.stop(true, None)?;
            }
            Event::StopAsked { gracefully } => match &self.stopping {
                Some(stopping) if stopping.gracefully && !gracefully => {
                    tracing::info!(
                        "stopped at once, as asked; what is left is done after the next start"
                    );
                    return Ok(Some(Ok(())));
                }
                Some(_) => {}
                None => self.stop(gracefully, None)?,
            },
            Event::Fatal(error) => {
                // One who was succeeded stops at once: finishing the work at hand is the successor's.
                if self.stopping.is_some() || error.kind() == ErrorKind::OwnedByAnother {
                    return Ok(Some(Err(error.into())));
                }
                tracing::error!(%error, "stopping");
                self.stop(false, Some(error))?;
            }
            Event::Stopped(result) => return Ok(Some(self.on_stopped(result))),
        }
        Ok(None)
    }

    fn on_started(&mut self, took: Duration) -> Result<()> {
        self.started = true;
        if let Some(gracefully) = self.stop_when_started.take() {
            return self.stop(gracefully, None);
        }
        let took = length(millis(took));
        match self.context.checkpoint_status() {
            Some(status) => tracing::info!(
                "started in {took}; checkpoints at {}, epoch {}",
                status.location,
                status.epoch
            ),
            None => tracing::info!("started in {took}"),
        }
        tracing::info!("ready: {}", self.ready);
        notify::ready(&self.ready);
        let context = self.context.clone();
        self.in_background("watch", move |events| watch(&context, &events))
    }

    /// Begins to stop, when the engine has started.
    fn stop(&mut self, gracefully: bool, failure: Option<Error>) -> Result<()> {
        if !self.started {
            self.stop_when_started = Some(gracefully);
            return Ok(());
        }
        notify::stopping();
        self.stopping = Some(Stopping {
            gracefully,
            started: Instant::now(),
            limits: self.reloader.stop_limits(),
            checkpoint: None,
            failure,
        });
        let context = self.context.clone();
        self.in_background("stop", move |events| {
            let _ = events.send(Event::Stopped(context.stop(gracefully)));
        })
    }

    fn on_stopped(&mut self, result: crate::Result<()>) -> Result<()> {
        let stopping = self.stopping.take();
        if let Some(error) = stopping.as_ref().and_then(|_| result.as_ref().err()) {
            tracing::error!(%error, "the stop didn't go well");
        }
        let Some(Stopping {
            gracefully,
            started,
            limits,
            checkpoint,
            failure,
        }) = stopping
        else {
            return Ok(());
        };
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        result?;
        let unfinished = self.context.progress().active().len();
        let processed = checkpoint.unwrap_or_else(Instant::now);
        if gracefully && (unfinished > 0 || processed - started >= limits.timeout) {
            return Err(CliError::Failed(format!(
                "the graceful stop took longer than stop.timeout; {unfinished} batches and what was \
                 not in a batch yet are left for the next start, nothing acknowledged is lost"
            )));
        }
        let statistics = self.context.progress().statistics(1);
        tracing::info!(
            "batches completed by this run: {}, records in them: {}; the stop took {}",
            statistics.total_completed_batches,
            statistics.processed_records,
            length(millis(started.elapsed()))
        );
        Ok(())
    }

    /// How long the stop may still take, once it has begun: all of it, and its last checkpoint by itself.
    fn time_left(&mut self) -> Option<Duration> {
        let stopping = self.stopping.as_mut()?;
        let Stop {
            timeout,
            checkpoint,
            ..
        } = stopping.limits;
        let mut left = (timeout + checkpoint).saturating_sub(stopping.started.elapsed());
        let step = self.context.step().map(|step| step.step);
        if step == Some(Step::LastCheckpoint) {
            let since = stopping.checkpoint.get_or_insert_with(Instant::now);
            left = left.min(checkpoint.saturating_sub(since.elapsed()));
        }
        Some(left)
    }

    fn out_of_time(&mut self) -> Result<()> {
        match self.stopping.take().and_then(|stopping| stopping.failure) {
            Some(failure) => Err(failure.into()),
            None => Err(CliError::Failed(
                "the stop took longer than stop.timeout and stop.checkpoint allow; ended at once: nothing \
                 acknowledged is lost, what is left is done after the next start"
                    .to_owned(),
            )),
        }
    }

    fn in_background(
        &self,
        what: &str,
        work: impl FnOnce(Sender<Event>) + Send + 'static,
    ) -> Result<()> {
        let events = self.sender.clone();
        let thread = thread::Builder::new().name(format!("tidemill-{what}"));
        let spawned = thread.spawn(move || work(events));
        spawned.map(drop).map_err(|error| {
            Error::System {
                what: "start a thread",
                error,
            }
            .into()
        })
    }
}

/// Waits a moment until posts are taken, so that whoever reads "ready" can feed it. A source that can't
/// be opened is no reason to wait longer: /readyz tells of it.
fn wait_for_sources(context: &StreamingContext) {
    let deadline = Instant::now() + SOURCES_LIMIT;
    while !context.ingest().closed_sources().is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Reports what the engine can't survive.
fn watch(context: &StreamingContext, events: &Sender<Event>) {
    loop {
        match context.await_termination() {
            Ok(()) => return,
            // It is tried on; the scheduler has logged it.
            Err(Error::Batch { .. }) => {}
            Err(error) => {
                let _ = events.send(Event::Fatal(error));
                return;
            }
        }
    }
}
