//! When a batch takes too long, and what it is at.

use std::time::Duration;

use super::{BatchInfo, OutputOperationInfo};
use crate::time::Time;
use crate::utc::for_people;

impl BatchInfo {
    /// Since when it has been under way.
    fn since(&self) -> Time {
        self.processing_start_time.unwrap_or(self.submission_time)
    }

    /// Whether it has been under way for longer than `limit` at `now`: how often that has doubled since.
    pub(crate) fn overdue(&self, now: Time, limit: Duration) -> Option<u32> {
        let took = now.since(self.since()).as_millis();
        (took / limit.as_millis().max(1)).checked_ilog2()
    }

    /// What it is at, in words; `tasks` are those done, and all, of what is computed for it now.
    pub(crate) fn what_it_is_at(&self, tasks: Option<(usize, usize)>) -> String {
        let mut doing: Vec<String> = self.output_operations.iter().filter_map(doing).collect();
        if doing.is_empty() {
            let is_done = |output: &OutputOperationInfo| output.end_time.is_some();
            doing.push(match self.processing_start_time {
                None => "its jobs are being made".to_owned(),
                Some(_) if self.output_operations.iter().all(is_done) => {
                    "its outputs are committed, and it is taking effect".to_owned()
                }
                Some(_) => "none of its outputs has begun".to_owned(),
            });
        }
        if let Some((done, all)) = tasks {
            doing.push(format!("{done} of {all} tasks of this step are done"));
        }
        format!(
            "the batch at {} has been under way since {} UTC: {}",
            self.batch_time,
            for_people(self.since()),
            doing.join("; ")
        )
    }
}

/// What an output is at, if it has begun and isn't committed.
fn doing(output: &OutputOperationInfo) -> Option<String> {
    if output.end_time.is_some() {
        return None;
    }
    let uid = &output.uid;
    match (output.next_try, output.start_time) {
        (Some(next), _) => Some(format!(
            "`{uid}` failed {} and is tried again at {} UTC: {}",
            times(output.failures),
            for_people(next),
            output.failure_reason.as_deref().unwrap_or_default()
        )),
        (None, Some(start)) if output.failures > 0 => Some(format!(
            "`{uid}` has been running since {} UTC, having failed {}",
            for_people(start),
            times(output.failures)
        )),
        (None, Some(start)) => Some(format!(
            "`{uid}` has been running since {} UTC",
            for_people(start)
        )),
        (None, None) => None,
    }
}

/// How often, in words.
pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uid::OperatorUid;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn batch() -> BatchInfo {
        let output = |id, uid: &str| OutputOperationInfo {
            id,
            uid: OperatorUid::new(uid),
            name: "print".to_owned(),
            start_time: None,
            end_time: None,
            failures: 0,
            failure_reason: None,
            next_try: None,
        };
        BatchInfo {
            batch_time: at(1000),
            submission_time: at(1001),
            processing_start_time: Some(at(2000)),
            processing_end_time: None,
            num_records: 0,
            stream_records: Default::default(),
            output_operations: vec![output(0, "screen"), output(1, "files")],
        }
    }

    #[test]
    fn it_is_told_when_the_time_is_over_and_whenever_that_doubles() {
        let levels = [11_999, 12_000, 21_999, 22_000, 41_999, 42_000];
        let levels = levels.map(|now| batch().overdue(at(now), Duration::from_secs(10)));
        assert_eq!(levels, [None, Some(0), Some(0), Some(1), Some(1), Some(2)]);
        // One whose jobs can't be made counts, too.
        let mut batch = batch();
        batch.processing_start_time = None;
        assert_eq!(batch.overdue(at(11_001), Duration::from_secs(10)), Some(0));
    }

    #[test]
    fn what_it_is_at_is_told_in_words() {
        let mut batch = batch();
        let told = |batch: &BatchInfo, tasks| {
            let told = batch.what_it_is_at(tasks);
            let (_, doing) = told.split_once("UTC: ").unwrap();
            doing.to_owned()
        };
        assert_eq!(told(&batch, None), "none of its outputs has begun");
        batch.output_operations[0].start_time = Some(at(2000));
        assert_eq!(
            told(&batch, Some((3, 8))),
            format!(
                "`screen` has been running since {} UTC; 3 of 8 tasks of this step are done",
                for_people(at(2000))
            )
        );
        let files = &mut batch.output_operations[1];
        (files.start_time, files.failures, files.next_try) = (Some(at(2001)), 2, Some(at(9000)));
        files.failure_reason = Some("no disk".to_owned());
        batch.output_operations[0].end_time = Some(at(2003));
        assert_eq!(
            told(&batch, None),
            format!(
                "`files` failed 2 times and is tried again at {} UTC: no disk",
                for_people(at(9000))
            )
        );
        batch.output_operations[1].end_time = Some(at(9001));
        assert_eq!(
            told(&batch, None),
            "its outputs are committed, and it is taking effect"
        );
        batch.processing_start_time = None;
        batch.output_operations.clear();
        assert_eq!(told(&batch, None), "its jobs are being made");
    }
}
