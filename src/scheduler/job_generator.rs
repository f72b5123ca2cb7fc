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

/// The missed ticks in `[next, now]` that must be made up for, and the tick to go on with after them.
/// The newest tick that is due is never missed: it is run as itself.
pub(crate) fn missed_times(
    catchup: Catchup,
    next: Time,
    now: Time,
    last_filled: Option<Time>,
    interval: Duration,
) -> (Vec<Time>, Time) {
    if now < next {
        return (Vec::new(), next);
    }
    let due = Time::steps(next, now, interval).next_back().unwrap_or(next);
    let missed = Time::steps(next, due.minus(interval), interval).filter(|_| next < due);
    let until = match (catchup, last_filled) {
        (Catchup::EveryBatch, _) => due,
        (Catchup::Windows(length), Some(filled)) => filled.plus(length),
        _ => return (Vec::new(), due),
    };
    (missed.take_while(|time| *time <= until).collect(), due)
}

/// What a tick does; implemented by the engine.
pub(crate) trait GenerateBatch: Send + Sync {
    /// Allocates and submits the batch at `time`; an error is final and ends the generator.
    fn generate_batch(&self, time: Time) -> Result<(), String>;
    /// The newest batch that holds data.
    fn last_filled(&self) -> Option<Time>;
    /// Waits, but not for long, until at most so many batches are incomplete; whether they are.
    fn wait_for_pending(&self, batches: usize) -> bool;
    /// Something failed for good.
    fn fatal(&self, reason: String);
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
            let now = self.clock.now();
            if now < next {
                self.clock.wait_until(next, &self.wake);
                continue;
            }
            let filled = self.batches.last_filled();
            let (missed, due) = missed_times(self.catchup, next, now, filled, self.interval);
            if !missed.is_empty() {
                tracing::info!(batches = missed.len(), "making up for missed batches");
            }
            for time in missed {
                if self.has_room() && !self.tick(time) {
                    return;
                }
            }
            if self.is_running() && !self.tick(due) {
                return;
            }
        }
    }

    /// Waits until catching up may go on; `false` when it's to end instead.
    fn has_room(&self) -> bool {
        while self.is_running() {
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
            Err(reason) => {
                self.batches.fatal(reason);
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

    fn missed(catchup: Catchup, next: u64, now: u64, filled: Option<u64>) -> (Vec<u64>, u64) {
        let (times, due) = missed_times(catchup, at(next), at(now), filled.map(at), SECOND);
        (
            times.iter().map(|time| time.as_millis() / 1000).collect(),
            due.as_millis() / 1000,
        )
    }

    #[test]
    fn on_time_nothing_is_missed() {
        assert_eq!(missed(Catchup::EveryBatch, 10, 9, None), (vec![], 10));
        assert_eq!(missed(Catchup::EveryBatch, 10, 10, None), (vec![], 10));
    }

    #[test]
    fn a_program_without_memory_skips_to_the_newest_tick() {
        assert_eq!(missed(Catchup::Nothing, 10, 3600, Some(9)), (vec![], 3600));
    }

    #[test]
    fn a_window_is_run_until_it_is_empty() {
        let windows = Catchup::Windows(Duration::from_secs(3));
        assert_eq!(missed(windows, 10, 3600, Some(9)), (vec![10, 11, 12], 3600));
        assert_eq!(missed(windows, 10, 11, Some(9)), (vec![10], 11));
        assert_eq!(missed(windows, 10, 3600, None), (vec![], 3600));
    }

    #[test]
    fn state_sees_every_batch() {
        assert_eq!(
            missed(Catchup::EveryBatch, 10, 13, None),
            (vec![10, 11, 12], 13)
        );
    }
}
