//! [`JobGenerator`]: cuts a batch at each tick of the stream's clock.
//!
//! A tick allocates what has come in to the batch (durably, R3) and hands it to the job scheduler. Ticks
//! that were missed (the machine slept, the process was down) are made up for where that changes any
//! result: every one of them for programs whose state must see each batch, those on which a window still
//! holds data for windowed programs, none for the rest, whose waiting data goes into the next batch.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::catch_up::{CatchUp, Meter, Pace, Turn};
use super::missed::{Catchup, tick_to_run, ticks_to_run};
use crate::clock::{Clock, Signal};
use crate::error::Error;
use crate::time::Time;

/// Batches that may be waiting while missed ticks are made up for.
const CATCH_UP_BACKLOG: usize = 8;

/// How long it waits at most for its pace: standing still for longer would look like a standstill.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a tick does; implemented by the engine.
pub(crate) trait GenerateBatch: Send + Sync {
    /// Allocates and submits the batch at `time`; an error is final and ends the generator. The last one of a
    /// graceful stop takes in all that was received.
    fn generate_batch(&self, time: Time, is_last: bool) -> Result<(), Error>;
    /// Batches that are cut and not complete, and how many more are needed for what they had no room for.
    fn unfinished(&self) -> u64;
    /// The newest batch that holds data.
    fn last_filled(&self) -> Option<Time>;
    /// Waits, but not for long, until at most so many batches are incomplete; whether they are.
    fn wait_for_pending(&self, batches: usize) -> bool;
    /// Something failed for good.
    fn fatal(&self, error: Error);
}

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const STOPPED: u8 = 2;

/// Runs ticks on a thread of its own.
pub(crate) struct JobGenerator {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    interval: Duration,
    catchup: Catchup,
    batches: Arc<dyn GenerateBatch>,
    wake: Signal,
    phase: AtomicU8,
    next: AtomicU64,
    beats: AtomicU64,
    meter: Mutex<Meter>,
    max_speed: Mutex<Option<f64>>,
}

impl JobGenerator {
    /// Starts ticking at `first`. Missed ticks are made up for at most `max_speed` times as fast as they come.
    pub(crate) fn start(
        first: Time,
        interval: Duration,
        catchup: Catchup,
        max_speed: Option<f64>,
        clock: Arc<dyn Clock>,
        batches: Arc<dyn GenerateBatch>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            clock,
            interval,
            catchup,
            batches,
            wake: Signal::default(),
            phase: AtomicU8::new(RUNNING),
            next: AtomicU64::new(first.as_millis()),
            beats: AtomicU64::new(0),
            meter: Mutex::default(),
            max_speed: Mutex::new(max_speed),
        });
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("tidemill-generator".to_owned())
            .spawn(move || running.run())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The tick to come.
    pub(crate) fn next_time(&self) -> Time {
        Time::from_millis(self.shared.next.load(Ordering::Acquire))
    }

    /// How often it has gone round: what a watchdog watches.
    pub(crate) fn beats(&self) -> u64 {
        self.shared.beats.load(Ordering::Relaxed)
    }

    /// Makes up for missed ticks at most so many times as fast as they come, from now on.
    pub(crate) fn set_max_speed(&self, max_speed: Option<f64>) {
        let current = self.shared.max_speed.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = max_speed;
    }

    /// How far it is behind, if it is, but for the records, which it doesn't know.
    pub(crate) fn catch_up(&self) -> Option<CatchUp> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let left = shared.left(self.next_time(), now);
        shared.meter().show(now, left)
    }

    /// Ends ticking at once.
    pub(crate) fn stop(&self) {
        self.end(STOPPED);
    }

    /// Cuts one last batch without waiting for its time, of all that has come in, then ends.
    pub(crate) fn drain(&self) {
        self.end(DRAINING);
    }

    fn end(&self, phase: u8) {
        self.shared.phase.fetch_max(phase, Ordering::AcqRel);
        self.shared.wake.notify();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the job generator panicked");
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut pace = Pace::default();
        loop {
            self.beats.fetch_add(1, Ordering::Relaxed);
            let next = Time::from_millis(self.next.load(Ordering::Acquire));
            match self.phase.load(Ordering::Acquire) {
                STOPPED => return,
                DRAINING => {
                    self.tick(next, true);
                    return;
                }
                _ => {}
            }
            let (now, filled) = (self.clock.now(), self.batches.last_filled());
            self.measure(next, now);
            let Some(time) = tick_to_run(self.catchup, next, now, filled, self.interval) else {
                self.clock.wait_until(next, &self.wake);
                continue;
            };
            let is_missed = now >= time.plus(self.interval);
            if is_missed {
                let speed = self.max_speed();
                let due = pace.next(speed, self.interval);
                if let Some(due) = due.filter(|due| *due > now) {
                    let look = due.min(now.plus(LOOK_EVERY));
                    self.clock.wait_until(look, &self.wake);
                    continue;
                }
                pace.made_up(now, speed, self.interval);
            }
            let may_run = if is_missed {
                self.has_room()
            } else {
                self.is_running()
            };
            if may_run && !self.tick(time, false) {
                return;
            }
        }
    }

    /// How many batches are to go at `now`, the next tick being `next`.
    fn left(&self, next: Time, now: Time) -> u64 {
        let filled = self.batches.last_filled();
        let ticks = ticks_to_run(self.catchup, next, now, filled, self.interval);
        ticks.saturating_add(self.batches.unfinished())
    }

    /// Sees how far it is behind, and says when that begins and ends.
    fn measure(&self, next: Time, now: Time) {
        let left = self.left(next, now);
        let turn = self.meter().observe(now, left);
        match turn {
            Some(Turn::Begins(batches)) => tracing::info!(batches, "catching up"),
            Some(Turn::Ends(took)) => tracing::info!(?took, "caught up"),
            None => {}
        }
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max_speed(&self) -> Option<f64> {
        *self
            .max_speed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until catching up may go on; `false` when it's to end instead.
    fn has_room(&self) -> bool {
        while self.is_running() {
            // A long batch that is waited for is no standstill.
            self.beats.fetch_add(1, Ordering::Relaxed);
            if self.batches.wait_for_pending(CATCH_UP_BACKLOG) {
                return true;
            }
        }
        false
    }

    fn is_running(&self) -> bool {
        self.phase.load(Ordering::Acquire) == RUNNING
    }

    fn tick(&self, time: Time, is_last: bool) -> bool {
        match self.batches.generate_batch(time, is_last) {
            Ok(()) => {
                self.next
                    .store(time.plus(self.interval).as_millis(), Ordering::Release);
                true
            }
            Err(error) => {
                self.batches.fatal(error);
                false
            }
        }
    }
}
