//! [`JobGenerator`]: cuts a batch at each tick of the stream's clock.
//!
//! A tick allocates what has come in to the batch (durably, R3) and hands it to the job scheduler. Ticks
//! that were missed (the machine slept, the process was down) are made up for where that changes any
//! result: every one of them for programs whose state must see each batch, those on which a window still
//! holds data for windowed programs, none for the rest, whose waiting data goes into the next batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Signal};
use crate::error::Error;
use crate::time::Time;

/// Batches that may be waiting while missed ticks are made up for: the cap on the rate of catching up.
const CATCH_UP_BACKLOG: usize = 8;

/// Which missed ticks change a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Catchup {
    /// None.
    Nothing,
    /// Those at most this long after data last came in.
    Windows(Duration),
    /// All.
    EveryBatch,
}

/// The tick to run at `now`, when `next` is the first that hasn't been run; `None` when it isn't due yet.
///
/// It is `next` where that changes a result, else the newest that is due: those between are left out.
/// Decided anew before every tick, since a tick that is made up for takes in what has come meanwhile, and
/// that may give the ones behind it something to show.
pub(crate) fn tick_to_run(
    catchup: Catchup,
    next: Time,
    now: Time,
    last_filled: Option<Time>,
    interval: Duration,
) -> Option<Time> {
    if now < next {
        return None;
    }
    let newest = Time::steps(next, now, interval).next_back().unwrap_or(next);
    let changes_a_result = match (catchup, last_filled) {
        (Catchup::EveryBatch, _) => true,
        (Catchup::Windows(length), Some(filled)) => next <= filled.plus(length),
        _ => false,
    };
    Some(if changes_a_result { next } else { newest })
}

/// What a tick does; implemented by the engine.
pub(crate) trait GenerateBatch: Send + Sync {
    /// Allocates and submits the batch at `time`; an error is final and ends the generator.
    fn generate_batch(&self, time: Time) -> Result<(), Error>;
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
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
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
}

impl JobGenerator {
    /// Starts ticking at `first`.
    pub(crate) fn start(
        first: Time,
        interval: Duration,
        catchup: Catchup,
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
        });
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("tidemill-generator".to_owned())
            .spawn(move || running.run())?;
        Ok(Self {
            shared,
            thread: std::sync::Mutex::new(Some(thread)),
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
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the job generator panicked");
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut behind = false;
        loop {
            self.beats.fetch_add(1, Ordering::Relaxed);
            let next = Time::from_millis(self.next.load(Ordering::Acquire));
            match self.phase.load(Ordering::Acquire) {
                STOPPED => return,
                DRAINING => {
                    self.tick(next);
                    return;
                }
                _ => {}
            }
            let (now, filled) = (self.clock.now(), self.batches.last_filled());
            let Some(time) = tick_to_run(self.catchup, next, now, filled, self.interval) else {
                behind = false;
                self.clock.wait_until(next, &self.wake);
                continue;
            };
            let is_missed = now >= time.plus(self.interval);
            if is_missed && !behind {
                let missed = now.since(time).as_millis() / self.interval.as_millis().max(1);
                tracing::info!(batches = missed, "making up for missed batches");
            }
            behind |= is_missed;
            let may_run = if is_missed {
                self.has_room()
            } else {
                self.is_running()
            };
            if may_run && !self.tick(time) {
                return;
            }
        }
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

    fn tick(&self, time: Time) -> bool {
        match self.batches.generate_batch(time) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// The ticks from `next` to `now`, with what came in at each tick as `filled` says.
    fn ticks(catchup: Catchup, next: u64, now: u64, mut filled: Vec<u64>) -> Vec<u64> {
        let (mut next, mut ran, mut came) = (next, Vec::new(), Vec::new());
        filled.retain(|time| {
            let is_past = *time < next;
            if is_past {
                came.push(*time);
            }
            !is_past
        });
        while let Some(time) = tick_to_run(
            catchup,
            at(next),
            at(now),
            came.last().copied().map(at),
            SECOND,
        ) {
            let time = time.as_millis() / 1000;
            ran.push(time);
            // A tick takes in all that has come up to it.
            if filled.iter().any(|came| *came <= time) {
                filled.retain(|came| *came > time);
                came.push(time);
            }
            next = time + 1;
        }
        ran
    }

    #[test]
    fn a_tick_isnt_run_before_its_time() {
        assert!(ticks(Catchup::EveryBatch, 10, 9, vec![]).is_empty());
        assert_eq!(ticks(Catchup::EveryBatch, 10, 10, vec![]), [10]);
    }

    #[test]
    fn a_program_without_memory_skips_to_the_newest_tick() {
        assert_eq!(ticks(Catchup::Nothing, 10, 3600, vec![9]), [3600]);
    }

    #[test]
    fn a_window_is_run_until_it_is_empty() {
        let windows = Catchup::Windows(Duration::from_secs(3));
        assert_eq!(ticks(windows, 10, 3600, vec![9]), [10, 11, 12, 3600]);
        assert_eq!(ticks(windows, 10, 11, vec![9]), [10, 11]);
        assert_eq!(ticks(windows, 10, 3600, vec![]), [3600]);
    }

    #[test]
    fn what_comes_in_while_catching_up_has_all_its_windows_too() {
        let windows = Catchup::Windows(Duration::from_secs(3));
        assert_eq!(
            ticks(windows, 10, 3600, vec![9, 11]),
            [10, 11, 12, 13, 14, 3600]
        );
    }

    #[test]
    fn state_sees_every_batch() {
        assert_eq!(ticks(Catchup::EveryBatch, 10, 13, vec![]), [10, 11, 12, 13]);
    }
}
