//! [`ReceiverStatus`]: how a receiver is doing.

use std::time::Duration;

use serde::Serialize;

use crate::time::Time;
use crate::uid::OperatorUid;

/// One that was started again and hasn't failed for so long is up, though nothing has come.
const SETTLED: Duration = Duration::from_secs(10);

/// Whether a receiver runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ReceiverState {
    /// It hasn't been started yet.
    Inactive,
    /// It receives.
    Active,
    /// It failed and waits to be started again.
    Restarting,
    /// It has ended.
    Stopped,
}

/// How a receiver is doing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
    /// Counts the program's inputs, from 0, in the order of their declaration.
    pub stream_id: usize,
    /// The stream that it feeds.
    pub stream_name: OperatorUid,
    /// Where it receives from.
    pub location: String,
    /// Whether it runs.
    pub state: ReceiverState,
    /// How often it was started again.
    pub restarts: u64,
    /// Records stored so far.
    pub records: u64,
    /// Records a second that it may store at most, for now; `None`: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<f64>,
    /// Since when it hasn't received, failing again and again; `None` while it receives. (Spark doesn't tell.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_since: Option<Time>,
    /// When it is started again, while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Time>,
    /// When it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_time: Option<Time>,
    /// Why it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_message: Option<String>,
    /// Since when it has been active, and how many records it had stored when it last failed.
    #[serde(skip)]
    pub(crate) attempt: (Time, u64),
}

impl ReceiverStatus {
    /// That of a receiver that hasn't been started.
    pub(crate) fn new(stream_id: usize, stream_name: OperatorUid, location: String) -> Self {
        Self {
            stream_id,
            stream_name,
            location,
            state: ReceiverState::Inactive,
            restarts: 0,
            records: 0,
            rate_limit: None,
            down_since: None,
            next_try: None,
            last_error_time: None,
            last_error_message: None,
            attempt: Default::default(),
        }
    }

    /// It is being started, at `now`.
    pub(super) fn starts(&mut self, now: Time) {
        self.state = ReceiverState::Active;
        self.next_try = None;
        self.attempt.0 = now;
    }

    /// It failed at `now`, having stored `records`, and is started again after `delay`.
    pub(super) fn failed(&mut self, now: Time, records: u64, error: String, delay: Duration) {
        self.settle(now, records);
        self.state = ReceiverState::Restarting;
        self.restarts += 1;
        self.records = records;
        self.down_since.get_or_insert(now);
        self.next_try = Some(now.plus(delay));
        self.last_error_time = Some(now);
        self.last_error_message = Some(error);
        self.attempt.1 = records;
    }

    /// It isn't down any more when it has received something since it failed, or hasn't failed for a while.
    pub(crate) fn settle(&mut self, now: Time, records: u64) {
        let (since, before) = self.attempt;
        let works = records > before || now.since(since) >= SETTLED;
        if self.state == ReceiverState::Stopped || self.state == ReceiverState::Active && works {
            self.down_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn status() -> ReceiverStatus {
        ReceiverStatus::new(0, OperatorUid::new("lines"), "nowhere".to_owned())
    }

    #[test]
    fn it_is_down_from_its_first_failure_until_it_receives() {
        let mut status = status();
        status.starts(at(10));
        for (now, delay) in [(11, 1), (13, 2), (16, 4)] {
            status.failed(at(now), 0, "refused".to_owned(), Duration::from_secs(delay));
            assert_eq!(status.down_since, Some(at(11)));
            assert_eq!(status.next_try, Some(at(now + delay)));
            status.starts(at(now + delay));
            assert_eq!(
                (status.state, status.next_try),
                (ReceiverState::Active, None)
            );
            // That it was started doesn't say that it works.
            status.settle(at(now + delay), 0);
        }
        assert_eq!((status.restarts, status.down_since), (3, Some(at(11))));
        status.settle(at(20), 1);
        assert_eq!(status.down_since, None);
        status.failed(at(21), 1, "closed".to_owned(), Duration::from_secs(1));
        assert_eq!(status.down_since, Some(at(21)));
    }

    #[test]
    fn one_that_stays_up_works_though_nothing_comes() {
        let mut status = status();
        status.starts(at(10));
        status.failed(at(11), 5, "closed".to_owned(), Duration::from_secs(1));
        status.starts(at(12));
        status.settle(at(21), 5);
        assert_eq!(status.down_since, Some(at(11)));
        status.settle(at(22), 5);
        assert_eq!(status.down_since, None);
    }
}
