//! [`Teller`]: a thread that looks at the engine again and again, and tells the service manager, the log and a
//! terminal how far it is.
//!
//! It also feeds the watchdog, as long as the job generator is alive: an engine that has come to a standstill
//! without noticing is killed by the manager, and the next start goes on from what was. While it starts, the
//! manager's time-out is put off with each sign of progress; while it stops, the daemon's own deadlines count.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::super::notify;
use super::super::terminal::Bar;
use super::pulse::{Look, Pulse};
use crate::error::{Error, Result};
use crate::{ContextState, StepInfo, StreamingContext};

/// How often it looks, unless the watchdog wants to be fed more often.
const PERIOD: Duration = Duration::from_secs(1);

/// How often a start, a stop or a catch-up that takes long is told in the log.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// By how much the manager's time-out is put off when a start has got further.
const EXTENSION: Duration = Duration::from_secs(120);

/// A running teller.
pub(super) struct Teller {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    /// Starts to tell; `ready` is what the manager is told when nothing else is to be said.
    pub(super) fn start(context: StreamingContext, ready: String) -> Result<Self> {
        let (end, ended) = channel();
        let telling = Telling {
            context,
            ready,
            watchdog: notify::watchdog_interval(),
            pulse: Pulse::default(),
            told: None,
            last_step: None,
            last_log: Instant::now(),
            bar: None,
        };
        let thread = thread::Builder::new().name("tidemill-teller".to_owned());
        let thread = thread.spawn(move || telling.run(&ended));
        let thread = thread.map_err(|error| Error::System {
            what: "start a thread",
            error,
        })?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Teller {
    /// Waits for its end, so that no bar stays on the terminal.
    fn drop(&mut self) {
        self.end = None;
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the thread that tells how far it is panicked");
        }
    }
}

struct Telling {
    context: StreamingContext,
    ready: String,
    /// How often the manager wants to hear of it, if it does.
    watchdog: Option<Duration>,
    pulse: Pulse,
    /// What the manager was last told beside `ready`.
    told: Option<String>,
    last_step: Option<StepInfo>,
    last_log: Instant,
    bar: Option<Bar>,
}

impl Telling {
    fn run(mut self, ended: &Receiver<()>) {
        // Often enough that one look that comes late does no harm.
        let period = self.watchdog.map_or(PERIOD, |limit| PERIOD.min(limit / 4));
        while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
            if self.watchdog.is_some() && self.is_alive() {
                notify::watchdog();
            }
            match self.context.step() {
                Some(step) => self.under_way(step),
                None => self.running(),
            }
        }
    }

    /// Whether the engine works, as far as the watchdog is concerned.
    fn is_alive(&mut self) -> bool {
        let context = &self.context;
        let look = (context.heartbeats(), context.next_batch(), context.now());
        match look {
            (Some(beats), Some(next), Some(now)) => self.pulse.is_alive(Look { beats, next, now }),
            // It starts or stops, which have limits of their own.
            _ => true,
        }
    }

    /// A start or a stop.
    fn under_way(&mut self, step: StepInfo) {
        let text = step.to_string();
        let is_starting = self.context.state() == ContextState::Starting;
        let is_further = self
            .last_step
            .as_ref()
            .is_none_or(|last| (last.step, last.done) != (step.step, step.done));
        let extension = (is_starting && is_further).then_some(EXTENSION);
        if extension.is_some() || self.told.as_ref() != Some(&text) {
            notify::status(&text, extension);
        }
        if self.last_log.elapsed() >= LOG_PERIOD {
            tracing::info!("{text}");
            self.last_log = Instant::now();
        }
        self.bar.get_or_insert_with(Bar::new).show(&step, &text);
        self.told = Some(text);
        self.last_step = Some(step);
    }

    /// Between start and stop: what stands in the way, or that it isn't up to date yet.
    fn running(&mut self) {
        self.bar = None;
        self.last_step = None;
        if self.context.state() != ContextState::Active {
            return;
        }
        let behind = self.context.catch_up().map(|behind| behind.to_string());
        match &behind {
            Some(behind) if self.last_log.elapsed() >= LOG_PERIOD => {
                tracing::info!("{behind}");
                self.last_log = Instant::now();
            }
            Some(_) => {}
            None => self.last_log = Instant::now(),
        }
        let obstacles = self.context.obstacles();
        let text = match obstacles.is_empty() {
            false => Some(format!("not ready: {}", obstacles.join("; "))),
            true => behind,
        };
        if text != self.told {
            notify::status(text.as_ref().unwrap_or(&self.ready), None);
            self.told = text;
        }
    }
}
