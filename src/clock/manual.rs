//! [`ManualClock`]: a clock for tests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, Signal};
use crate::time::Time;

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
    ///
    /// ```
    /// use tidemill::Time;
    /// use tidemill::clock::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::new(Time::from_millis(5000));
    /// assert_eq!(clock.now(), Time::from_millis(5000));
    /// ```
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
}
