//! Durations as people write them: `"200ms"`, `"10s"`, `"1h30m"`.
//!
//! Batch times are whole milliseconds, so that is the finest unit; parts of a unit are written in the
//! next finer one (`"1s500ms"`), which keeps the arithmetic exact.

use std::time::Duration;

/// Units from coarse to fine, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration accepted (36,500 days), so that a batch time plus any duration can't overflow.
pub const MAX_DURATION: Duration = Duration::from_millis(36_500 * 86_400_000);

/// Reads a duration such as `200ms`, `10s`, `5m`, `1h30m` or `1d`.
///
/// # Errors
///
/// A sentence that says what is wrong with the text.
///
/// ```
/// use std::time::Duration;
/// use tidemill_config::parse_duration;
///
/// assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(parse_duration("90").unwrap_err().contains("no unit"));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a duration can't be empty".into());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(letters);
        if number.is_empty() {
            return Err(format!(
                "`{text}` is no duration: a whole number goes before each unit"
            ));
        }
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" if next.starts_with('.') => format!(
                    "`{text}` is no duration: a whole number goes before each unit, as in `1s500ms`"
                ),
                "" => format!("`{text}` has no unit: add ms, s, m, h or d"),
                _ => format!("`{unit}` in `{text}` is no unit of time: use ms, s, m, h or d"),
            });
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(*millis))
            .and_then(|n| n.checked_add(total))
            .filter(|n| u128::from(*n) <= MAX_DURATION.as_millis())
            .ok_or_else(|| format!("`{text}` is longer than 36500d"))?;
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration with the coarsest unit that is exact; parts of a millisecond are dropped.
///
/// ```
/// use std::time::Duration;
/// use tidemill_config::format_duration;
///
/// assert_eq!(format_duration(Duration::from_secs(120)), "2m");
/// assert_eq!(format_duration(Duration::from_millis(1500)), "1500ms");
/// ```
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    UNITS
        .iter()
        .find(|(_, unit)| millis != 0 && millis.is_multiple_of(u128::from(*unit)))
        .map_or_else(
            || "0s".into(),
            |(name, unit)| format!("{}{name}", millis / u128::from(*unit)),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_unit_and_their_sums() {
        let ms = |text| parse_duration(text).unwrap().as_millis();
        assert_eq!(ms("200ms"), 200);
        assert_eq!(ms("10s"), 10_000);
        assert_eq!(ms("5m"), 300_000);
        assert_eq!(ms("1h"), 3_600_000);
        assert_eq!(ms("1d"), 86_400_000);
        assert_eq!(ms("1m30s"), 90_000);
        assert_eq!(ms(" 0s "), 0);
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse_duration("").unwrap_err(), "a duration can't be empty");
        assert_eq!(
            parse_duration("10").unwrap_err(),
            "`10` has no unit: add ms, s, m, h or d"
        );
        assert!(parse_duration("10 s").unwrap_err().contains("no unit"));
        assert!(
            parse_duration("5min")
                .unwrap_err()
                .contains("`min` in `5min`")
        );
        assert!(
            parse_duration("-5s")
                .unwrap_err()
                .contains("a whole number")
        );
        assert_eq!(
            parse_duration("1.5s").unwrap_err(),
            "`1.5s` is no duration: a whole number goes before each unit, as in `1s500ms`"
        );
        assert!(
            parse_duration("99999999999999999999d")
                .unwrap_err()
                .contains("36500d")
        );
        assert!(parse_duration("36501d").unwrap_err().contains("36500d"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..=36_500 * 86_400_000u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
