//! [`CatchUp`]: how far the engine is behind, and [`Pace`]: how fast it may make up for it.
//!
//! Decides and counts, and does nothing itself: the job generator asks before each tick that it makes up for,
//! and tells after each turn how much is left.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Time, millis};

/// From so many batches on the engine is catching up.
const BEGINS_AT: u64 = 5;

/// It has caught up when no more than the batch at hand is left.
const ENDS_AT: u64 = 1;

/// How fast a program catches up that was down or fell behind.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CatchUpSettings {
    /// Records of an input that a batch takes at most [any number].
    pub(crate) max_records: Option<u64>,
    /// How many times as fast as they come missed batches are made up for, at most [as fast as they are processed].
    pub(crate) max_speed: Option<f64>,
}

impl CatchUpSettings {
    /// What is wrong with them, if anything.
    pub(crate) fn mistake(&self) -> Option<String> {
        if self.max_records == Some(0) {
            return Some(
                "catch_up_max_records is 0: a batch must take at least 1 record".to_owned(),
            );
        }
        match self.max_speed {
            Some(speed) if !(speed.is_finite() && speed > 1.0) => Some(format!(
                "catch_up_max_speed is {speed}: it must be above 1, or nothing is ever caught up with"
            )),
            _ => None,
        }
    }
}

/// How far the engine is behind after a time without batches, or with batches that took too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatchUp {
    /// Since when it has been catching up.
    pub since: Time,
    /// Batches to go: missed ones that will be made up for, those that wait or are run, and those that the
    /// records will fill which a batch may not take.
    pub batches_left: u64,
    /// Records in them, of inputs that can tell.
    pub records_left: u64,
    /// When it will have caught up, if it goes on as it did; `None` while what is left doesn't get less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_end: Option<Time>,
    /// Milliseconds until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_time_left: Option<u64>,
}

impl CatchUp {
    pub(crate) fn with_records(self, records_left: u64) -> Self {
        Self {
            records_left,
            ..self
        }
    }
}

impl fmt::Display for CatchUp {
    /// In words: `catching up, 57 batches to go, about 42 s left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.batches_left == 1 { "" } else { "es" };
        write!(f, "catching up, {} batch{plural} to go", self.batches_left)?;
        match self.estimated_time_left {
            Some(ms) => write!(f, ", about {} left", length(ms.div_ceil(1000))),
            None => Ok(()),
        }
    }
}

/// Seconds for people.
fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// What changed when it was told how much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is behind, by so many batches.
    Begins(u64),
    /// It isn't any more, after so long.
    Ends(Duration),
}

/// Knows since when the engine is behind, and how fast that gets less.
#[derive(Debug, Default)]
pub(super) struct Meter(Option<Behind>);

#[derive(Debug, Clone, Copy)]
struct Behind {
    since: Time,
    /// The most that was left since then, and when: what got less since tells how fast it goes.
    most: u64,
    most_at: Time,
}

impl Behind {
    /// From `now` on, when so many batches are left.
    fn begun(now: Time, left: u64) -> Self {
        Self {
            since: now,
            most: left,
            most_at: now,
        }
    }
}

impl Meter {
    /// So many batches are left at `now`.
    pub(super) fn observe(&mut self, now: Time, left: u64) -> Option<Turn> {
        match &mut self.0 {
            None if left >= BEGINS_AT => {
                self.0 = Some(Behind::begun(now, left));
                Some(Turn::Begins(left))
            }
            Some(behind) if left <= ENDS_AT => {
                let took = now.since(behind.since);
                self.0 = None;
                Some(Turn::Ends(took))
            }
            Some(behind) if left >= behind.most => {
                (behind.most, behind.most_at) = (left, now);
                None
            }
            _ => None,
        }
    }

    /// How it is at `now`, when so many batches are left; `None` when it isn't behind.
    pub(super) fn show(&self, now: Time, left: u64) -> Option<CatchUp> {
        // Whoever observes may be what stands still.
        let begun = || (left >= BEGINS_AT).then(|| Behind::begun(now, left));
        let behind = self.0.or_else(begun).filter(|_| left > ENDS_AT)?;
        let gained = behind.most.saturating_sub(left);
        let took = u128::from(millis(now.since(behind.most_at)));
        let estimate = (took * u128::from(left)).checked_div(u128::from(gained));
        let estimate = estimate.and_then(|ms| u64::try_from(ms).ok());
        Some(CatchUp {
            since: behind.since,
            batches_left: left,
            records_left: 0,
            estimated_end: estimate.map(|ms| now.plus(Duration::from_millis(ms))),
            estimated_time_left: estimate,
        })
    }
}

/// When the next missed tick may be made up for: so many times faster than ticks come, at most.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<(Time, u64)>);

impl Pace {
    /// A tick is run at `now` because it was missed.
    pub(super) fn made_up(&mut self, now: Time, speed: Option<f64>, interval: Duration) {
        // What it was held up for isn't made up for by going faster.
        if self.next(speed, interval).is_none_or(|next| next < now) {
            self.0 = Some((now, 0));
        }
        if let Some((_, ticks)) = &mut self.0 {
            *ticks += 1;
        }
    }

    /// When the next may be run; `None`: at once.
    pub(super) fn next(&self, speed: Option<f64>, interval: Duration) -> Option<Time> {
        let ((began, ticks), speed) = (self.0?, speed?);
        let seconds = interval.as_secs_f64() * ticks as f64 / speed;
        Some(began.plus(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_batch_or_two_are_nothing_to_catch_up_with() {
        let mut meter = Meter::default();
        for left in [0, 1, 4, 3] {
            assert_eq!(meter.observe(at(10), left), None);
            assert_eq!(meter.show(at(10), left), None);
        }
        // The generator stands still, and observes nothing.
        let shown = meter.show(at(10), 57).map(|behind| behind.batches_left);
        assert_eq!(shown, Some(57));
    }

    #[test]
    fn it_goes_on_until_the_batch_at_hand() {
        let mut meter = Meter::default();
        assert_eq!(meter.observe(at(10), 100), Some(Turn::Begins(100)));
        assert_eq!(meter.show(at(10), 100).unwrap().estimated_end, None);
        assert_eq!(meter.observe(at(11), 60), None);
        // Forty a second.
        let shown = meter.show(at(12), 20).unwrap();
        assert_eq!((shown.since, shown.batches_left), (at(10), 20));
        assert_eq!(shown.estimated_time_left, Some(500));
        assert_eq!(shown.estimated_end, Some(Time::from_millis(12_500)));
        assert_eq!(meter.observe(at(12), 2), None);
        assert_eq!(meter.observe(at(13), 1), Some(Turn::Ends(3 * SECOND)));
        assert_eq!(meter.show(at(13), 1), None);
    }

    #[test]
    fn falling_further_behind_has_no_end() {
        let mut meter = Meter::default();
        meter.observe(at(10), 10);
        meter.observe(at(20), 30);
        assert_eq!(meter.show(at(20), 30).unwrap().estimated_end, None);
        // What counts is how it goes since the worst.
        let shown = meter.show(at(30), 20).unwrap();
        assert_eq!(shown.estimated_time_left, Some(20_000));
    }

    #[test]
    fn it_is_told_in_words() {
        let told = |batches_left, estimated_time_left| {
            let left = CatchUp {
                since: at(1),
                batches_left,
                records_left: 0,
                estimated_end: None,
                estimated_time_left,
            };
            left.to_string()
        };
        assert_eq!(told(57, None), "catching up, 57 batches to go");
        assert_eq!(
            told(2, Some(41_200)),
            "catching up, 2 batches to go, about 42 s left"
        );
        assert_eq!(
            told(1, Some(600_000)),
            "catching up, 1 batch to go, about 10 min left"
        );
        assert_eq!(
            told(9, Some(9_000_000)),
            "catching up, 9 batches to go, about 2 h left"
        );
    }

    #[test]
    fn the_pace_is_held_whatever_holds_it_up() {
        let (mut pace, speed) = (Pace::default(), Some(4.0));
        assert_eq!(pace.next(speed, SECOND), None);
        for n in 1..=10 {
            pace.made_up(at(100), speed, SECOND);
            assert_eq!(pace.next(None, SECOND), None);
            let next = pace.next(speed, SECOND);
            assert_eq!(next, Some(Time::from_millis(100_000 + n * 250)));
        }
        // A slow batch was waited for.
        pace.made_up(at(200), speed, SECOND);
        assert_eq!(pace.next(speed, SECOND), Some(Time::from_millis(200_250)));
        // Less than a millisecond each is counted, too.
        let (mut pace, short) = (Pace::default(), Duration::from_millis(10));
        (0..1000).for_each(|_| pace.made_up(at(1), Some(100.0), short));
        let next = pace.next(Some(100.0), short);
        assert_eq!(next, Some(Time::from_millis(1100)));
    }
}
