//! [`Clock`]: where the engine reads the time and waits for it. The system's clock in production, a
//! manual one in tests.
//!
//! Invariant: a clock never runs backwards. [`SystemClock`] reads the wall clock once, when it is made,
//! and from then on adds the time that passes, that of a suspended machine included, so that a jump of the
//! wall clock can neither repeat a batch time nor leave one out.

mod manual;
mod system;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub use manual::ManualClock;
pub(crate) use system::time_since_boot;
pub use system::{SystemClock, wall_clock};

use crate::time::Time;

/// Time as the engine sees it.
///
/// ```
/// use std::time::Duration;
///
/// use tidemill::clock::{Clock, ManualClock, Signal};
/// use tidemill::{StreamingContext, Time};
///
/// /// A clock that is an hour ahead of another.
/// #[derive(Debug)]
/// struct Ahead(ManualClock);
///
/// const HOUR: Duration = Duration::from_secs(3600);
///
/// impl Clock for Ahead {
///     fn now(&self) -> Time {
///         self.0.now().plus(HOUR)
///     }
///     fn wait_until(&self, time: Time, wake: &Signal) {
///         self.0.wait_until(time.minus(HOUR), wake);
///     }
///     fn poll_delay(&self, time: Time) -> Duration {
///         self.0.poll_delay(time.minus(HOUR))
///     }
/// }
///
/// let clock = ManualClock::new(Time::from_millis(1000));
/// let ahead = Ahead(clock.clone());
/// assert_eq!(ahead.now(), Time::from_millis(3_601_000));
/// assert!(!ahead.poll_delay(Time::from_millis(3_602_000)).is_zero());
/// clock.advance(Duration::from_secs(1));
/// ahead.wait_until(Time::from_millis(3_602_000), &Signal::default());
/// assert_eq!(ahead.wall_offset_ms(), None);
/// # let _ =
/// StreamingContext::builder("ahead", Duration::from_secs(1)).clock(ahead)
/// # ;
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Time;

    /// Waits until the clock shows `time` or `wake` is signalled, whichever comes first.
    fn wait_until(&self, time: Time, wake: &Signal);

    /// How long to sleep, in the machine's time, before looking at the clock again for `time`: the
    /// asynchronous counterpart of [`Clock::wait_until`]. Zero when the time has come; it may be less than what
    /// is left.
    fn poll_delay(&self, time: Time) -> Duration;

    /// By how many milliseconds the machine's wall clock is ahead of it, behind it where negative; `None` for a
    /// clock that has nothing to do with it.
    fn wall_offset_ms(&self) -> Option<i64> {
        None
    }
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

    /// Waits for a signal, at most for `limit` when there is one, and consumes it; whether there was one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::clock::Signal;
    ///
    /// let signal = Signal::default();
    /// assert!(!signal.wait(Some(Duration::from_millis(1))));
    /// ```
    pub fn wait(&self, limit: Option<Duration>) -> bool {
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
        std::mem::take(&mut *guard)
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
    fn a_signal_given_before_the_wait_is_not_lost() {
        let signal = Signal::default();
        signal.notify();
        assert!(signal.wait(None));
        assert!(!signal.wait(Some(Duration::ZERO)));
    }
}
