//! [`Clock`]: where the engine reads the time and waits for it. The system's clock in production, a
//! manual one in tests.
//!
//! Invariant: a clock never runs backwards. [`SystemClock`] reads the wall clock once, when it is made,
//! and from then on adds what the monotonic clock counts, so that a jump of the wall clock can neither
//! repeat a batch time nor leave one out.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// Time as the engine sees it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Time;

    /// Waits until the clock shows `time` or `wake` is signalled, whichever comes first.
    fn wait_until(&self, time: Time, wake: &Signal);

    /// How long to sleep, in the machine's time, before looking at the clock again for `time`: the
    /// asynchronous counterpart of [`Clock::wait_until`]. Zero when the time has come.
    fn poll_delay(&self, time: Time) -> Duration;
}

/// Wakes a thread that waits on a clock; signals are kept until somebody waits.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<(Mutex<bool>, Condvar)>);

impl Signal {
    /// Wakes the waiter, or lets the next wait return at once.
    ///
    /// ```
    /// use tidemill::clock::Signal;
    ///
    /// let signal = Signal::default();
    /// // Given before anybody waits, it isn't lost.
    /// signal.notify();
    /// signal.wait(None);
    /// ```
    pub fn notify(&self) {
        let (flag, condition) = &*self.0;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        condition.notify_all();
    }

    /// Waits for a signal, at most for `limit` when there is one, and consumes it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::clock::Signal;
    ///
    /// let signal = Signal::default();
    /// signal.wait(Some(Duration::from_millis(1)));
    /// ```
    pub fn wait(&self, limit: Option<Duration>) {
        let (flag, condition) = &*self.0;
        let guard = flag.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = match limit {
            Some(limit) => {
                condition
                    .wait_timeout_while(guard, limit, |set| !*set)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => condition
                .wait_while(guard, |set| !*set)
                .unwrap_or_else(PoisonError::into_inner),
        };
        *guard = false;
    }
}

/// The machine's clock, safe under jumps of the wall clock.
#[derive(Debug)]
pub struct SystemClock {
    origin: Time,
    started: Instant,
}

impl SystemClock {
    /// A clock that starts at the wall clock's time.
    pub fn new() -> Self {
        Self::starting_at(wall_clock())
    }

    /// A clock that starts at `origin`: after a restart whose wall clock is behind the last batch time,
    /// the stream's time goes on from there.
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::clock::{Clock, SystemClock};
    ///
    /// let clock = SystemClock::starting_at(Time::from_millis(5000));
    /// assert!(clock.now() >= Time::from_millis(5000));
    /// ```
    pub fn starting_at(origin: Time) -> Self {
        Self {
            origin,
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        self.origin.plus(self.started.elapsed())
    }

    fn wait_until(&self, time: Time, wake: &Signal) {
        // In whole milliseconds `now` is rounded down; half a millisecond more avoids a second turn.
        let left = self.poll_delay(time);
        if !left.is_zero() {
            wake.wait(Some(left));
        }
    }

    fn poll_delay(&self, time: Time) -> Duration {
        time.since(self.origin)
            .saturating_sub(self.started.elapsed())
    }
}

/// What the machine's wall clock shows.
///
/// ```
/// use tidemill::Time;
/// use tidemill::clock::wall_clock;
///
/// assert!(wall_clock() > Time::from_millis(0));
/// ```
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the engine reads it"
)]
pub fn wall_clock() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_millis(crate::time::millis(since))
}

/// How long the machine has been up, the time it slept included. Goes on while the process is stopped.
pub(crate) fn time_since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug)]
struct Manual {
    now: Time,
    waiting: Vec<Signal>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Time) -> Self {
        Self(Arc::new(Mutex::new(Manual {
            now,
            waiting: Vec::new(),
        })))
    }

    /// Moves the clock on and wakes who waits for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    /// use tidemill::clock::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::new(Time::from_millis(1000));
    /// clock.advance(Duration::from_millis(500));
    /// assert_eq!(clock.now(), Time::from_millis(1500));
    /// ```
    pub fn advance(&self, length: Duration) {
        let mut manual = self.lock();
        manual.now = manual.now.plus(length);
        for signal in manual.waiting.drain(..) {
            signal.notify();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Manual> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        self.lock().now
    }

    fn wait_until(&self, time: Time, wake: &Signal) {
        {
            let mut manual = self.lock();
            if manual.now >= time {
                return;
            }
            manual.waiting.push(wake.clone());
        }
        wake.wait(None);
    }

    fn poll_delay(&self, time: Time) -> Duration {
        if self.now() >= time {
            Duration::ZERO
        } else {
            Duration::from_millis(1)
        }
    }
}

/// Sleeps on the current runtime until the clock shows `time`.
///
/// ```
/// use std::time::Duration;
/// use tidemill::Time;
/// use tidemill::clock::{ManualClock, sleep_until};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let clock = ManualClock::new(Time::from_millis(1000));
/// clock.advance(Duration::from_millis(500));
/// sleep_until(&clock, Time::from_millis(1500)).await;
/// # });
/// ```
pub async fn sleep_until(clock: &dyn Clock, time: Time) {
    loop {
        let delay = clock.poll_delay(time);
        if delay.is_zero() {
            return;
        }
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_wakes_its_waiter() {
        let clock = ManualClock::new(Time::from_millis(0));
        let other = clock.clone();
        let waiter = std::thread::spawn(move || {
            let wake = Signal::default();
            while other.now() < Time::from_millis(10) {
                other.wait_until(Time::from_millis(10), &wake);
            }
            other.now()
        });
        clock.advance(Duration::from_millis(4));
        clock.advance(Duration::from_millis(6));
        assert_eq!(waiter.join().unwrap(), Time::from_millis(10));
    }

    #[test]
    fn a_signal_given_before_the_wait_is_not_lost() {
        let signal = Signal::default();
        signal.notify();
        signal.wait(None);
    }
}
