//! Points in time as text, in UTC.

use crate::time::Time;

const MS_A_DAY: u64 = 86_400_000;

/// Days from 0000-03-01, where an era begins, to 1970-01-01.
const DAYS_TO_EPOCH: u64 = 719_468;

/// Days of 400 years.
const ERA: u64 = 146_097;

/// The date so many days after 1970-01-01, by the rule of 400-year eras that begin on 1 March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(DAYS_TO_EPOCH);
    let day_of_era = days % ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, later) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    (days / ERA * 400 + year_of_era + later, month, day)
}

/// The days from 1970-01-01 to a date; `None` when there is no such date, or it is earlier.
fn days_to((year, month, day): (u64, u64, u64)) -> Option<u64> {
    let from_march = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let year_of_era = from_march % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (from_march / 400 * ERA + day_of_era).checked_sub(DAYS_TO_EPOCH)?;
    (civil(days) == (year, month, day)).then_some(days)
}

fn written(time: Time, between: char) -> String {
    let ms = time.as_millis();
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}.{ms:03}")
}

/// For people: `2017-09-06 02:41:56.000`.
pub(crate) fn for_people(time: Time) -> String {
    written(time, ' ')
}

/// As Spark's REST API writes it: `2017-09-06T02:41:56.000GMT`.
pub(crate) fn as_spark_writes(time: Time) -> String {
    written(time, 'T') + "GMT"
}

/// A date as Spark's REST API takes it, `2017-09-06T02:41:56.000GMT` or `2017-09-06`; not before 1970 or after 9999.
pub(crate) fn parse(text: &str) -> Option<Time> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| are_digits)
    };
    let day = days_to((number(0, 4)?, number(5, 7)?, number(8, 10)?))? * MS_A_DAY;
    let ms = match text.len() {
        10 => day,
        _ => {
            let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
            let is_of_day = hour < 24 && minute < 60 && second < 60;
            let ms = ((hour * 60 + minute) * 60 + second) * 1000 + number(20, 23)?;
            is_of_day.then_some(day + ms)?
        }
    };
    // All that stands between the numbers is right when it's what would be written.
    let time = Time::from_millis(ms);
    let written = as_spark_writes(time);
    let is_date = text.len() == 10 && written.get(..10) == Some(text);
    let is_written = text == written
        || text
            .strip_suffix('Z')
            .is_some_and(|t| written == format!("{t}GMT"));
    (is_date || is_written).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for ms in [
            0,
            951_782_400_000,
            951_868_799_999,
            1_504_665_716_000,
            1_709_164_800_001,
            253_402_300_799_999,
        ] {
            let time = Time::from_millis(ms);
            assert_eq!(parse(&as_spark_writes(time)), Some(time), "{ms}");
        }
        let times = (0..2_932_896).step_by(17).map(|day| day * MS_A_DAY + 1);
        for time in times.map(Time::from_millis) {
            assert_eq!(parse(&as_spark_writes(time)), Some(time), "{time}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |ms| for_people(Time::from_millis(ms));
        assert_eq!(at(0), "1970-01-01 00:00:00.000");
        assert_eq!(at(951_782_400_000), "2000-02-29 00:00:00.000");
        assert_eq!(at(1_504_665_716_250), "2017-09-06 02:41:56.250");
        assert_eq!(at(1_735_689_599_999), "2024-12-31 23:59:59.999");
    }

    #[test]
    fn the_forms_are_sparks() {
        let time = Time::from_millis(1_426_461_213_245);
        assert_eq!(as_spark_writes(time), "2015-03-15T23:13:33.245GMT");
        assert_eq!(for_people(time), "2015-03-15 23:13:33.245");
        assert_eq!(parse("2015-03-15T23:13:33.245GMT"), Some(time));
        assert_eq!(parse("2015-03-15T23:13:33.245Z"), Some(time));
        let day = Time::from_millis(1_426_377_600_000);
        assert_eq!(parse("2015-03-15"), Some(day));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "soon",
            "2015-02-29",
            "2015-13-01",
            "2015-00-01",
            "1969-12-31",
            "2015-3-15",
            "+015-03-15",
            "2015-03-15T24:00:00.000GMT",
            "2015-03-15T23:13:33.245",
            "2015-03-15 23:13:33.245GMT",
            "2015-03-15T23:13:33.245CET",
            "2015-03-15T23:13:33.2é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
