//! [`Time`]: the batch clock's unit, milliseconds since the Unix epoch.
//!
//! A batch is named by the time at which it was cut. Intervals are half open to the left, as in Spark:
//! the batch at `t` holds what came in `(t - interval, t]`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch. Batch times are multiples of the batch interval.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The time `ms` milliseconds after the Unix epoch.
    ///
    /// ```
    /// use tidemill::Time;
    ///
    /// assert_eq!(Time::from_millis(1500).as_millis(), 1500);
    /// ```
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    ///
    /// ```
    /// use tidemill::Time;
    ///
    /// assert_eq!(Time::from_millis(1500).as_millis(), 1500);
    /// ```
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This time and a length later.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let later = Time::from_millis(1000).plus(Duration::from_millis(500));
    /// assert_eq!(later, Time::from_millis(1500));
    /// ```
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// The earliest time behind this one.
    pub(crate) fn just_after(self) -> Self {
        self.plus(Duration::from_millis(1))
    }

    /// A length earlier; the epoch when that would be before it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let earlier = Time::from_millis(1000).minus(Duration::from_millis(500));
    /// assert_eq!(earlier, Time::from_millis(500));
    /// ```
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }

    /// How long ago `earlier` was at this time; zero when it is later.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let (from, to) = (Time::from_millis(1000), Time::from_millis(1500));
    /// assert_eq!(to.since(from), Duration::from_millis(500));
    /// ```
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The greatest multiple of `interval` that is not after this time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let time = Time::from_millis(1700);
    /// assert_eq!(time.floor(Duration::from_secs(1)), Time::from_millis(1000));
    /// ```
    pub fn floor(self, interval: Duration) -> Self {
        let step = millis(interval).max(1);
        Self(self.0 / step * step)
    }

    /// The smallest multiple of `interval` that is after this time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let time = Time::from_millis(1700);
    /// assert_eq!(time.next_multiple(Duration::from_secs(1)), Time::from_millis(2000));
    /// ```
    pub fn next_multiple(self, interval: Duration) -> Self {
        self.floor(interval).plus(interval)
    }

    /// Whether this time is a whole number of `interval`s after `origin`, and not before it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let (zero, second) = (Time::from_millis(500), Duration::from_secs(1));
    /// assert!(Time::from_millis(2500).is_step_from(zero, second));
    /// assert!(!Time::from_millis(2000).is_step_from(zero, second));
    /// ```
    pub fn is_step_from(self, origin: Time, interval: Duration) -> bool {
        self >= origin && (self.0 - origin.0).is_multiple_of(millis(interval).max(1))
    }

    /// The times `first`, `first + step`, ... up to and with `last`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::Time;
    ///
    /// let (first, last) = (Time::from_millis(1000), Time::from_millis(3000));
    /// let times: Vec<u64> = Time::steps(first, last, Duration::from_secs(1)).map(Time::as_millis).collect();
    /// assert_eq!(times, [1000, 2000, 3000]);
    /// ```
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
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(tidemill::time::millis(Duration::from_secs(2)), 2000);
/// ```
pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Whether `length` is a positive whole number of `unit`s.
///
/// ```
/// use std::time::Duration;
/// use tidemill::time::is_multiple;
///
/// let second = Duration::from_secs(1);
/// assert!(is_multiple(second * 3, second));
/// assert!(!is_multiple(second / 2, second));
/// assert!(!is_multiple(Duration::ZERO, second));
/// ```
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
