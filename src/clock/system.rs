//! [`SystemClock`]: the machine's clock, and what it is made of.
//!
//! The stream's time is the wall clock's at the start and the time that has passed since, as the kernel counts it
//! since the machine booted. That count is kept at the right pace (NTP slews it), never jumps, and goes on while
//! the machine is suspended: a machine that slept is one that was down, and what was missed is made up for in the
//! same way. What it doesn't follow is a wall clock that is set: [`Clock::wall_offset_ms`] tells of that, and the
//! next start takes the new time over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Clock, Signal};
use crate::time::{Time, millis};

/// How long a wait may be before the clock is looked at again: the waits of a machine that was suspended go on
/// where they were, though their time may have come meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The machine's clock, safe under jumps of the wall clock.
#[derive(Debug)]
pub struct SystemClock {
    origin: Time,
    /// How long the machine had been up at `origin`.
    started: Duration,
}

impl SystemClock {
    /// A clock that starts at the wall clock's time.
    ///
    /// ```
    /// use tidemill::clock::{Clock, SystemClock};
    ///
    /// let clock = SystemClock::new();
    /// let before = clock.now();
    /// assert!(clock.now() >= before);
    /// ```
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
            started: time_since_boot(),
        }
    }

    /// What it shows when the machine has been up for `up`.
    fn at(&self, up: Duration) -> Time {
        self.origin.plus(up.saturating_sub(self.started))
    }

    /// How long it is then until it shows `time`, to the fraction of a millisecond.
    fn left(&self, time: Time, up: Duration) -> Duration {
        time.since(self.origin)
            .saturating_sub(up.saturating_sub(self.started))
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        self.at(time_since_boot())
    }

    fn wait_until(&self, time: Time, wake: &Signal) {
        loop {
            let left = self.poll_delay(time);
            if left.is_zero() || wake.wait(Some(left)) {
                return;
            }
        }
    }

    fn poll_delay(&self, time: Time) -> Duration {
        self.left(time, time_since_boot()).min(LOOK_AGAIN)
    }

    fn wall_offset_ms(&self) -> Option<i64> {
        Some(ahead_ms(wall_clock(), self.now()))
    }
}

/// By how many milliseconds one time is ahead of another, which may be later.
fn ahead_ms(one: Time, other: Time) -> i64 {
    let length = |length| i64::try_from(millis(length)).unwrap_or(i64::MAX);
    match one >= other {
        true => length(one.since(other)),
        false => -length(other.since(one)),
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
    Time::from_millis(millis(since))
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_counts_the_time_that_the_machine_is_up_and_nothing_else() {
        let clock = SystemClock {
            origin: Time::from_millis(5000),
            started: HOUR,
        };
        assert_eq!(clock.at(HOUR), Time::from_millis(5000));
        let later = HOUR + Duration::from_micros(1999);
        assert_eq!(clock.at(later), Time::from_millis(5001));
        // Suspended for an hour, which the count goes on through.
        assert_eq!(clock.at(later + HOUR), Time::from_millis(5001 + 3_600_000));
        assert_eq!(clock.at(Duration::ZERO), Time::from_millis(5000));
    }

    #[test]
    fn what_is_left_ends_when_the_time_is_shown() {
        let clock = SystemClock {
            origin: Time::from_millis(5000),
            started: HOUR,
        };
        let target = Time::from_millis(5002);
        let up = HOUR + Duration::from_micros(1400);
        assert_eq!(clock.left(target, up), Duration::from_micros(600));
        assert!(clock.at(up) < target);
        assert_eq!(clock.at(up + clock.left(target, up)), target);
        assert_eq!(clock.left(target, up + HOUR), Duration::ZERO);
    }

    #[test]
    fn no_wait_is_longer_than_the_next_look() {
        let clock = SystemClock::new();
        let tomorrow = clock.now().plus(24 * HOUR);
        assert_eq!(clock.poll_delay(tomorrow), LOOK_AGAIN);
        assert_eq!(clock.poll_delay(clock.now()), Duration::ZERO);
        let wake = Signal::default();
        wake.notify();
        clock.wait_until(tomorrow, &wake);
        let soon = clock.now().plus(Duration::from_millis(3));
        clock.wait_until(soon, &wake);
        assert!(clock.now() >= soon);
    }

    #[test]
    fn the_wall_clock_may_be_ahead_or_behind() {
        let now = wall_clock();
        let behind = SystemClock::starting_at(now.minus(HOUR));
        let ahead = SystemClock::starting_at(now.plus(HOUR));
        let about = |offset: Option<i64>, meant: i64| (offset.unwrap() - meant).abs() < 60_000;
        assert!(about(behind.wall_offset_ms(), 3_600_000));
        assert!(about(ahead.wall_offset_ms(), -3_600_000));
        assert_eq!(ahead_ms(Time::from_millis(3), Time::from_millis(5)), -2);
    }
}
