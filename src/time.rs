//! [`Time`]: the batch clock's unit, milliseconds since the Unix epoch.
//!
//! A batch is named by the time at which it was cut. Intervals are half open to the left, as in Spark:
//! the batch at `t` holds what came in `(t - interval, t]`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch. Batch times are multiples of the batch interval.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The time `ms` milliseconds after the Unix epoch.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This time and a length later.
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// The earliest time behind this one.
    pub(crate) fn just_after(self) -> Self {
        self.plus(Duration::from_millis(1))
    }

    /// A length earlier; the epoch when that would be before it.
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }

    /// How long ago `earlier` was at this time; zero when it is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The greatest multiple of `interval` that is not after this time.
    pub fn floor(self, interval: Duration) -> Self {
        let step = millis(interval).max(1);
        Self(self.0 / step * step)
    }

    /// The smallest multiple of `interval` that is after this time.
    pub fn next_multiple(self, interval: Duration) -> Self {
        self.floor(interval).plus(interval)
    }

    /// Whether this time is a whole number of `interval`s after `origin`, and not before it.
    pub fn is_step_from(self, origin: Time, interval: Duration) -> bool {
        self >= origin && (self.0 - origin.0).is_multiple_of(millis(interval).max(1))
    }

    /// The times `first`, `first + step`, ... up to and with `last`.
    pub fn steps(first: Time, last: Time, step: Duration) -> impl DoubleEndedIterator<Item = Time> {
        let step = millis(step).max(1);
        let count = if first > last {
            0
        } else {
            (last.0 - first.0) / step + 1
        };
        (0..count).map(move |n| Time(first.0 + n * step))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A length in whole milliseconds, the resolution of batch times.
pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Whether `length` is a positive whole number of `unit`s.
pub fn is_multiple(length: Duration, unit: Duration) -> bool {
    let (length, unit) = (millis(length), millis(unit));
    length > 0 && unit > 0 && length.is_multiple_of(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_times_are_aligned_to_the_interval() {
        let second = Duration::from_secs(1);
        let t = Time::from_millis(1_504_665_716_250);
        assert_eq!(t.floor(second).as_millis(), 1_504_665_716_000);
        assert_eq!(t.next_multiple(second).as_millis(), 1_504_665_717_000);
        assert_eq!(
            t.floor(second).next_multiple(second),
            t.next_multiple(second)
        );
    }

    #[test]
    fn steps_include_both_ends() {
        let at = Time::from_millis;
        let step = Duration::from_millis(10);
        let times: Vec<_> = Time::steps(at(10), at(30), step).collect();
        assert_eq!(times, [at(10), at(20), at(30)]);
        assert_eq!(Time::steps(at(30), at(10), step).count(), 0);
    }

    #[test]
    fn only_positive_multiples_count() {
        let ms = Duration::from_millis;
        assert!(is_multiple(ms(6000), ms(3000)));
        assert!(!is_multiple(ms(0), ms(3000)));
        assert!(!is_multiple(ms(5000), ms(3000)));
        assert!(Time::from_millis(7).is_step_from(Time::from_millis(1), ms(3)));
        assert!(!Time::from_millis(1).is_step_from(Time::from_millis(7), ms(3)));
    }
}
