//! Which applications a query asks for, as Spark's `status`, `minDate`, `maxDate`, `minEndDate`, `maxEndDate`
//! and `limit` do.

use super::super::query::parameters;
use crate::problem::Problem;
use crate::time::Time;
use crate::utc;

/// What isn't set is no limit.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// Both when none is asked for.
    completed: bool,
    running: bool,
    min_start: Option<Time>,
    max_start: Option<Time>,
    min_end: Option<Time>,
    max_end: Option<Time>,
    limit: Option<u64>,
}

impl Wanted {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let mut wanted = Self::default();
        for (name, value) in parameters(query)? {
            match name.as_str() {
                "status" => wanted.status(&value)?,
                "minDate" => wanted.min_start = Some(date(&name, &value)?),
                "maxDate" => wanted.max_start = Some(date(&name, &value)?),
                "minEndDate" => wanted.min_end = Some(date(&name, &value)?),
                "maxEndDate" => wanted.max_end = Some(date(&name, &value)?),
                "limit" => wanted.limit = Some(limit(&value)?),
                _ => {}
            }
        }
        if !wanted.completed && !wanted.running {
            (wanted.completed, wanted.running) = (true, true);
        }
        Ok(wanted)
    }

    fn status(&mut self, status: &str) -> Result<(), Problem> {
        match status.to_ascii_lowercase().as_str() {
            "completed" => self.completed = true,
            "running" => self.running = true,
            _ => {
                return Err(Problem::bad_request(format!(
                    "an application's status is completed or running, not `{status}`"
                )));
            }
        }
        Ok(())
    }

    /// Whether it takes an application that began at `start`. One that has ended has just done so: nobody could
    /// ask it later.
    pub(super) fn takes(&self, completed: bool, start: Time, now: Time) -> bool {
        let is_within = |time: Time, min: Option<Time>, max: Option<Time>| {
            min.is_none_or(|min| time >= min) && max.is_none_or(|max| time <= max)
        };
        // What runs has no end yet: only an end that had to be in the past leaves it out.
        let min_end = self.min_end.filter(|_| completed);
        let has_status = if completed {
            self.completed
        } else {
            self.running
        };
        self.limit != Some(0)
            && has_status
            && is_within(start, self.min_start, self.max_start)
            && is_within(now, min_end, self.max_end)
    }
}

/// Spark's two forms, or milliseconds.
fn date(name: &str, text: &str) -> Result<Time, Problem> {
    let ms = || text.parse().ok().map(Time::from_millis);
    utc::parse(text).or_else(ms).ok_or_else(|| {
        Problem::bad_request(format!(
            "{name} is a date as 2015-02-10 or 2015-02-03T16:42:40.000GMT, or milliseconds since the Unix epoch, \
             not `{text}`"
        ))
    })
}

fn limit(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_request(format!("limit is a number, not `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(query: &str, completed: bool) -> bool {
        let start = utc::parse("2015-02-10T12:00:00.000GMT").unwrap();
        let now = utc::parse("2015-02-11").unwrap();
        Wanted::parse(query).unwrap().takes(completed, start, now)
    }

    #[test]
    fn an_application_is_asked_for_by_status_and_dates() {
        for (query, running, completed) in [
            ("", true, true),
            ("status=running", true, false),
            ("status=COMPLETED", false, true),
            ("status=completed&status=running", true, true),
            ("minDate=2015-02-10", true, true),
            ("minDate=2015-02-11", false, false),
            ("minDate=1423569600000", true, true),
            ("minDate=1423569600001", false, false),
            ("maxDate=2015-02-10T12%3A00%3A00.000GMT", true, true),
            ("maxDate=2015-02-10T11:59:59.999GMT", false, false),
            ("minEndDate=2015-02-12", true, false),
            ("maxEndDate=2015-02-10", false, false),
            ("maxEndDate=3000-01-01", true, true),
            ("limit=1&other=2", true, true),
            ("limit=0", false, false),
        ] {
            assert_eq!(takes(query, false), running, "{query}, running");
            assert_eq!(takes(query, true), completed, "{query}, completed");
        }
    }

    #[test]
    fn what_is_asked_wrongly_is_refused() {
        for query in [
            "status=lost",
            "minDate=soon",
            "limit=-1",
            "limit=%zz",
            "limit=%",
        ] {
            assert!(Wanted::parse(query).is_err(), "{query}");
        }
    }
}
