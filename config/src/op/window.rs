//! Windows: a length and a slide, both multiples of the time between the results that reach them.

use std::time::Duration;

use crate::format_duration;

/// The last `length`, every `slide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// How far back it reaches; a multiple of the slide of what reaches it.
    pub length: Duration,
    /// Time between its results; a multiple of the slide of what reaches it.
    pub slide: Duration,
}

/// Checks that `duration` is a positive multiple of `unit`; `what` is "length" or "slide".
pub(super) fn multiple(
    what: &str,
    duration: Duration,
    unit: Duration,
    batch: Duration,
) -> Result<(), String> {
    let (millis, step) = (duration.as_millis(), unit.as_millis().max(1));
    if millis > 0 && millis.is_multiple_of(step) {
        return Ok(());
    }
    let beat = if unit == batch {
        "the batch interval".to_owned()
    } else {
        format!(
            "the slide of what reaches it (the batch interval is {})",
            format_duration(batch)
        )
    };
    let times = |n: u128| {
        let millis = u64::try_from(step.saturating_mul(n)).unwrap_or(u64::MAX);
        format_duration(Duration::from_millis(millis))
    };
    let below = millis / step;
    let nearest = if below == 0 {
        format!("the least valid {what} is {}", times(1))
    } else {
        format!(
            "the nearest valid {what}s are {} and {}",
            times(below),
            times(below + 1)
        )
    };
    Err(format!(
        "{} is no positive multiple of {}, {beat}; {nearest}",
        format_duration(duration),
        format_duration(unit)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_numbers_and_the_nearest() {
        let s = Duration::from_secs;
        assert_eq!(multiple("length", s(12), s(3), s(3)), Ok(()));
        assert_eq!(
            multiple("length", s(10), s(3), s(3)).unwrap_err(),
            "10s is no positive multiple of 3s, the batch interval; the nearest valid lengths are 9s \
             and 12s"
        );
        assert_eq!(
            multiple("slide", s(1), s(6), s(3)).unwrap_err(),
            "1s is no positive multiple of 6s, the slide of what reaches it (the batch interval is 3s); \
             the least valid slide is 6s"
        );
        assert!(multiple("slide", s(0), s(3), s(3)).is_err());
    }
}
