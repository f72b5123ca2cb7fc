//! [`History`]: the figures of the batches of late in a checkpoint, so that pages and dashboards don't begin
//! anew at each restart.
//!
//! Nothing depends on it but what people look at. So it's kept small: numbers are differences, names are
//! written once, and what has no room in [`MAX_BYTES`] is left out, oldest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::scheduler::{BatchInfo, OutputOperationInfo};
use crate::time::Time;
use crate::uid::OperatorUid;

/// The most that batches may take, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The most that is kept of a reason, in bytes.
const MAX_REASON: usize = 200;

/// Completed batches, oldest first. Times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    /// Inputs, by whose places batches tell of their records.
    pub(crate) streams: Vec<OperatorUid>,
    /// Output operations with their kinds, by whose places batches tell of them.
    pub(crate) outputs: Vec<(OperatorUid, String)>,
    pub(crate) batches: Vec<BatchRow>,
    /// Failures on the way: batch time, number of the operation in the batch, how often, the last reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<(Time, usize, u64, String)>,
}

/// A batch. What isn't known is nil.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchRow(
    /// Its time, after that of the one before; of the first one, after the epoch.
    i64,
    /// Its submission, after its time.
    i64,
    /// Its scheduling delay.
    u64,
    /// Its processing time.
    u64,
    /// Records, by the streams' places.
    Vec<Option<u64>>,
    /// Its operations, three numbers each: its place in `outputs`, its last start after that of the batch, and
    /// how long it took.
    Vec<i64>,
);

impl History {
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Of batches, newest first, as many as there is room for.
    pub(crate) fn of<'a>(batches: impl Iterator<Item = &'a BatchInfo>) -> Self {
        let mut history = Self::default();
        let mut bytes = 0;
        // Each row's time comes before that of the row that was made before it.
        let mut later: Option<Time> = None;
        for info in batches {
            let (streams, outputs) = (history.streams.len(), history.outputs.len());
            let Some(row) = history.row(info) else {
                continue;
            };
            bytes += row.most_bytes() + history.most_bytes_of_names(streams, outputs);
            let failed = info.output_operations.iter().filter(|o| o.failures > 0);
            let failed = failed.map(|output| {
                let reason = output.failure_reason.as_deref().unwrap_or_default();
                let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
                (
                    info.batch_time,
                    output.id,
                    output.failures,
                    reason.to_owned(),
                )
            });
            let failed: Vec<_> = failed.collect();
            bytes += failed
                .iter()
                .map(|(.., reason)| reason.len() + 30)
                .sum::<usize>();
            if bytes > MAX_BYTES {
                history.streams.truncate(streams);
                history.outputs.truncate(outputs);
                break;
            }
            if let (Some(later), Some(row)) = (later, history.batches.last_mut()) {
                row.0 = after(info.batch_time, later);
            }
            later = Some(info.batch_time);
            history.batches.push(row);
            history.failures.extend(failed);
        }
        history.batches.reverse();
        history.failures.reverse();
        history
    }

    /// The batches, oldest first. What can't be from [`History::of`] is left out.
    pub(crate) fn into_batches(self) -> Vec<BatchInfo> {
        let mut failures: BTreeMap<(Time, usize), (u64, String)> = self
            .failures
            .into_iter()
            .map(|(time, id, failures, reason)| ((time, id), (failures, reason)))
            .collect();
        let mut time = Time::default();
        let mut batches = Vec::with_capacity(self.batches.len());
        for BatchRow(step, submitted, waited, took, records, operations) in self.batches {
            time = at(time, step);
            let submission_time = at(time, submitted);
            let start = at(submission_time, clamped(waited));
            let records: BTreeMap<OperatorUid, u64> = self
                .streams
                .iter()
                .zip(records)
                .filter_map(|(stream, records)| Some((stream.clone(), records?)))
                .collect();
            let operation = |(id, of): (usize, &[i64])| {
                let [output, began, took] = *of else {
                    return None;
                };
                let (uid, name) = self.outputs.get(usize::try_from(output).ok()?)?;
                let (failures, reason) = failures.remove(&(time, id)).unzip();
                let began = at(start, began);
                Some(OutputOperationInfo {
                    id,
                    uid: uid.clone(),
                    name: name.clone(),
                    start_time: Some(began),
                    end_time: Some(at(began, took)),
                    failures: failures.unwrap_or_default(),
                    failure_reason: reason,
                    next_try: None,
                })
            };
            batches.push(BatchInfo {
                batch_time: time,
                submission_time,
                processing_start_time: Some(start),
                processing_end_time: Some(at(start, clamped(took))),
                num_records: records.values().fold(0, |sum, n| sum.saturating_add(*n)),
                stream_records: Arc::new(records),
                output_operations: operations
                    .chunks(3)
                    .enumerate()
                    .filter_map(operation)
                    .collect(),
            });
        }
        batches
    }

    /// A row with its whole time; `None` for a batch that isn't complete.
    fn row(&mut self, info: &BatchInfo) -> Option<BatchRow> {
        let start = info.processing_start_time?;
        let mut records = Vec::new();
        for (stream, count) in &*info.stream_records {
            let place = place_of(
                &mut self.streams,
                |known| known == stream,
                || stream.clone(),
            );
            if records.len() <= place {
                records.resize(place + 1, None);
            }
            if let Some(slot) = records.get_mut(place) {
                *slot = Some(*count);
            }
        }
        let mut operations = Vec::with_capacity(3 * info.output_operations.len());
        for output in &info.output_operations {
            let place = place_of(
                &mut self.outputs,
                |(uid, name)| *uid == output.uid && *name == output.name,
                || (output.uid.clone(), output.name.clone()),
            );
            // One that had been committed in an earlier life has no start.
            let began = output.start_time.unwrap_or(start);
            let ended = output.end_time.unwrap_or(began);
            let place = i64::try_from(place).unwrap_or(i64::MAX);
            operations.extend([place, after(start, began), after(began, ended)]);
        }
        Some(BatchRow(
            after(Time::default(), info.batch_time),
            after(info.batch_time, info.submission_time),
            info.scheduling_delay()?,
            info.processing_delay()?,
            records,
            operations,
        ))
    }

    /// Bytes of the names from these places on, at most.
    fn most_bytes_of_names(&self, streams: usize, outputs: usize) -> usize {
        let streams = self.streams.iter().skip(streams);
        let streams = streams.map(|uid| uid.as_str().len() + 5);
        let outputs = self.outputs.iter().skip(outputs);
        let outputs = outputs.map(|(uid, name)| uid.as_str().len() + name.len() + 11);
        streams.chain(outputs).sum()
    }
}

impl BatchRow {
    /// Bytes that it takes, at most.
    fn most_bytes(&self) -> usize {
        let Self(time, submitted, waited, took, records, operations) = self;
        let numbers = [*time, *submitted, clamped(*waited), clamped(*took)];
        let records = records
            .iter()
            .map(|count| clamped(count.unwrap_or_default()));
        let numbers = numbers
            .into_iter()
            .chain(records)
            .chain(operations.iter().copied());
        11 + numbers.map(bytes_of).sum::<usize>()
    }
}

/// Bytes of an integer in MessagePack.
fn bytes_of(number: i64) -> usize {
    match number {
        -32..=127 => 1,
        -128..=255 => 2,
        -32_768..=65_535 => 3,
        -2_147_483_648..=4_294_967_295 => 5,
        _ => 9,
    }
}

/// The place of what `is_it` knows; what isn't there comes to the end.
fn place_of<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    all.iter().position(is_it).unwrap_or_else(|| {
        all.push(new());
        all.len() - 1
    })
}

fn clamped(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Milliseconds from one time to another, which may be earlier.
fn after(from: Time, to: Time) -> i64 {
    clamped(to.as_millis()).saturating_sub(clamped(from.as_millis()))
}

fn at(from: Time, ms: i64) -> Time {
    Time::from_millis(from.as_millis().saturating_add_signed(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messagepack;

    fn output(id: usize, uid: &str, start: u64, end: u64) -> OutputOperationInfo {
        OutputOperationInfo {
            id,
            uid: OperatorUid::new(uid),
            name: "print".to_owned(),
            start_time: Some(Time::from_millis(start)),
            end_time: Some(Time::from_millis(end)),
            failures: 0,
            failure_reason: None,
            next_try: None,
        }
    }

    /// Batches as a word count has them: one input, two outputs.
    fn batch(time: u64, records: u64) -> BatchInfo {
        let at = |ms| Some(Time::from_millis(time + ms));
        BatchInfo {
            batch_time: Time::from_millis(time),
            submission_time: Time::from_millis(time + 2),
            processing_start_time: at(3),
            processing_end_time: at(90 + records % 100),
            num_records: records,
            stream_records: Arc::new([(OperatorUid::new("lines"), records)].into()),
            output_operations: vec![
                output(0, "screen", time + 3, time + 40),
                output(1, "files", time + 4, time + 88),
            ],
        }
    }

    fn there_and_back(batches: &[BatchInfo]) -> (Vec<BatchInfo>, usize) {
        let history = History::of(batches.iter().rev());
        let bytes = rmp_serde::to_vec_named(&history).unwrap();
        let read: History = messagepack::read(&bytes).unwrap();
        assert_eq!(read, history);
        (read.into_batches(), bytes.len())
    }

    /// All that can be said of batches.
    fn various() -> [BatchInfo; 4] {
        let mut failed = batch(3000, 7);
        failed.output_operations[1].failures = 2;
        failed.output_operations[1].failure_reason = Some("no disk".to_owned());
        // The last batch of a graceful stop is cut early, before its time.
        let mut early = batch(9000, 0);
        early.submission_time = Time::from_millis(8400);
        early.stream_records = Arc::default();
        early.output_operations.remove(0);
        early.output_operations[0].id = 0;
        [batch(1000, 5), batch(2000, 70_000), failed, early]
    }

    #[test]
    fn what_is_read_back_is_what_was_known() {
        assert_eq!(there_and_back(&various()).0, various());
    }

    /// To write it anew before a release has it: UPDATE_GOLDEN=1.
    #[test]
    fn the_first_form_can_be_read_for_ever() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/recovery/golden/history_v1.bin");
        let bytes = rmp_serde::to_vec_named(&History::of(various().iter().rev())).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let held = std::fs::read(&path).unwrap();
        assert_eq!(held, bytes);
        let read: History = messagepack::read(&held).unwrap();
        assert_eq!(read.into_batches(), various());
    }

    #[test]
    fn a_batch_that_is_not_complete_is_none() {
        let mut open = batch(1000, 5);
        open.processing_end_time = None;
        assert!(History::of([open].iter()).is_empty());
    }

    #[test]
    fn a_thousand_batches_take_some_twenty_bytes_each() {
        let batches: Vec<_> = (1..=1000)
            .map(|n| batch(n * 1000, 1000 + n * 37 % 900))
            .collect();
        let (read, bytes) = there_and_back(&batches);
        assert_eq!(read, batches);
        assert!(bytes < 22_000, "{bytes} bytes");
    }

    #[test]
    fn what_has_no_room_is_left_out_oldest_first() {
        let wide = |n: u64| {
            let mut info = batch(n * 1000, 0);
            let records = (0..200).map(|s| (OperatorUid::new(format!("input-{s}")), 1 << 40));
            info.stream_records = Arc::new(records.collect());
            info.num_records = 200 << 40;
            info.output_operations[0].failures = 1;
            info.output_operations[0].failure_reason = Some("x".repeat(MAX_REASON));
            info
        };
        let batches: Vec<_> = (1..=100).map(wide).collect();
        let (read, bytes) = there_and_back(&batches);
        assert!(
            bytes <= MAX_BYTES + 100 && bytes > MAX_BYTES / 2,
            "{bytes} bytes"
        );
        assert_eq!(read, batches[100 - read.len()..]);
    }

    #[test]
    fn whatever_stands_there_is_read_without_harm() {
        let history = History {
            streams: Vec::new(),
            outputs: Vec::new(),
            batches: vec![
                BatchRow(
                    i64::MIN,
                    i64::MAX,
                    u64::MAX,
                    u64::MAX,
                    vec![Some(1)],
                    vec![9, 1],
                ),
                BatchRow(i64::MAX, -1, 0, 0, Vec::new(), vec![-1, i64::MIN, i64::MAX]),
            ],
            failures: vec![(Time::default(), 7, 1, String::new())],
        };
        assert_eq!(history.into_batches().len(), 2);
    }
}
