//! [`Metadata`]: the engine's part of a checkpoint (R6), written as MessagePack with field names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::History;
use crate::block::{BlockInfo, TrackerSnapshot};
use crate::error::Error;
use crate::graph::GraphDescriptor;
use crate::messagepack;
use crate::time::{Time, millis};
use crate::uid::OperatorUid;

/// Names of the logs in a checkpoint's low-water marks.
pub(crate) const DRIVER_LOG: &str = "driver";
pub(crate) const BLOCK_LOG: &str = "blocks";

const FORMAT: u32 = 1;

/// What a checkpoint holds besides state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) format: u32,
    /// The release that wrote it.
    pub(crate) written_by: String,
    pub(crate) application: String,
    pub(crate) batch_interval_ms: u64,
    /// The time before the first batch: windows are in phase with it.
    pub(crate) zero_time: Time,
    /// See [`KeyHasher`](crate::rdd::KeyHasher).
    pub(crate) hash_seed: u64,
    pub(crate) graph: GraphDescriptor,
    /// A pipeline's text, for people and for `checkpoint show`.
    #[serde(default)]
    pub(crate) program: Option<String>,
    /// Every batch up to this one is complete, and its effect is in the state.
    pub(crate) complete_through: Time,
    /// Complete batches that are still allocated.
    pub(crate) completed: BTreeSet<Time>,
    pub(crate) tracker: TrackerSnapshot,
    /// What direct sources have planned so far.
    #[serde(default)]
    pub(crate) positions: BTreeMap<OperatorUid, ByteBuf>,
    /// Never anything but nil: rates are those of streams.
    #[serde(default)]
    pub(crate) rate_estimate: Option<u64>,
    /// Records a second that back-pressure had come to for each input.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rates: BTreeMap<OperatorUid, u64>,
    /// The number of the savepoint that this life began from, while the program names it: so that a restart
    /// with the same settings goes on and not back again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) savepoint: Option<u64>,
    /// Its name: it may have been forgotten since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) savepoint_name: Option<String>,
    /// What people see of the batches of late.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub(crate) history: History,
}

/// What must be read before anything else.
#[derive(Deserialize)]
struct Front {
    format: u32,
    #[serde(default)]
    written_by: String,
}

impl Metadata {
    /// The format that this release writes.
    pub(crate) const FORMAT: u32 = FORMAT;

    pub(crate) fn encode(&self) -> Result<Bytes, String> {
        rmp_serde::to_vec_named(self)
            .map(Bytes::from)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::Unreadable {
            place: place.to_owned(),
            reason,
        };
        let front: Front =
            messagepack::read(bytes).map_err(|error| unreadable(error.to_string()))?;
        if front.format > FORMAT {
            return Err(unreadable(format!(
                "written by tidemill {} in format {}; this release reads formats up to {FORMAT}: \
                 use that release or a newer one",
                front.written_by, front.format
            )));
        }
        messagepack::read(bytes).map_err(|error| unreadable(error.to_string()))
    }

    /// Whether a start would still read the blocks of the batch at `time`: it isn't complete, or windows
    /// look back that have no state.
    pub(crate) fn still_reads(&self, time: Time) -> bool {
        let is_complete = time <= self.complete_through || self.completed.contains(&time);
        !is_complete || self.graph.reads_the_past()
    }

    /// The blocks that a start would read, each with its stream: they wait, or a batch or window needs them.
    pub(crate) fn blocks_to_read(&self) -> Vec<(OperatorUid, BlockInfo)> {
        let batches = self.tracker.allocated.iter();
        let batches = batches.filter(|(time, _)| self.still_reads(**time));
        let batches = batches.flat_map(|(_, batch)| &batch.blocks);
        let batches =
            batches.flat_map(|(uid, blocks)| blocks.iter().map(move |block| (uid, block)));
        let waiting = self.tracker.unallocated.iter();
        let waiting =
            waiting.flat_map(|(uid, blocks)| blocks.iter().map(move |block| (uid, block)));
        let all = batches.chain(waiting);
        all.map(|(uid, block)| (uid.clone(), block.clone()))
            .collect()
    }

    /// The first time to come of a stream that has a dataset every `slide`.
    pub(crate) fn next_step(&self, slide: Duration) -> Time {
        let past = Time::from_millis(millis(self.complete_through.since(self.zero_time)));
        let next = past.next_multiple(slide);
        self.zero_time.plus(next.since(Time::default()))
    }

    /// Goes on at another batch interval.
    pub(crate) fn take_interval(&mut self, batch_interval: Duration) {
        let interval_ms = millis(batch_interval);
        if self.batch_interval_ms != interval_ms {
            // Nothing is in phase with the old interval, or it would have been refused.
            let last = self.tracker.last_allocated.unwrap_or(self.zero_time);
            self.zero_time = last.floor(batch_interval);
            self.batch_interval_ms = interval_ms;
        }
    }

    /// The time behind which the stream's can't go back: that of the last batch, or of the first start.
    pub(crate) fn last_time(&self) -> Time {
        let allocated = self.tracker.last_allocated.unwrap_or_default();
        allocated.max(self.complete_through)
    }

    /// The batches that are allocated and aren't complete.
    pub(crate) fn unfinished(&self) -> Vec<Time> {
        let is_unfinished =
            |time: &&Time| **time > self.complete_through && !self.completed.contains(*time);
        self.tracker
            .allocated
            .keys()
            .filter(is_unfinished)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{OperatorDescriptor, StateDescriptor};

    fn metadata() -> Metadata {
        let counts = OperatorDescriptor {
            uid: OperatorUid::new("counts"),
            kind: "update_state_by_key".to_owned(),
            parents: vec![OperatorUid::new("lines")],
            slide_ms: 1000,
            looks_back_ms: 0,
            window_ms: 0,
            is_input: false,
            state: Some(StateDescriptor {
                format: 1,
                key_type: "String".to_owned(),
                value_type: "u64".to_owned(),
                version: 1,
            }),
        };
        Metadata {
            format: FORMAT,
            written_by: "0.1.0".to_owned(),
            application: "wordcount".to_owned(),
            batch_interval_ms: 1000,
            zero_time: Time::from_millis(1_504_665_716_000),
            hash_seed: 7,
            graph: GraphDescriptor {
                operators: vec![counts],
                outputs: Vec::new(),
            },
            program: Some("name = \"wordcount\"".to_owned()),
            complete_through: Time::from_millis(1_504_665_717_000),
            completed: BTreeSet::from([Time::from_millis(1_504_665_717_000)]),
            tracker: TrackerSnapshot::default(),
            positions: BTreeMap::from([(OperatorUid::new("files"), ByteBuf::from(*b"seen"))]),
            savepoint: None,
            savepoint_name: None,
            rate_estimate: None,
            rates: BTreeMap::new(),
            history: History::default(),
        }
    }

    /// To write a new format's file: UPDATE_GOLDEN=1. Those of an old format are never changed.
    #[test]
    fn the_first_format_can_be_read_for_ever() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("src/recovery/golden/metadata_v{FORMAT}.bin"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, metadata().encode().unwrap()).unwrap();
        }
        let held = std::fs::read(&path).unwrap();
        assert_eq!(Metadata::decode(&held, "here").unwrap(), metadata());
        assert_eq!(held, metadata().encode().unwrap());
    }

    #[test]
    fn time_goes_on_from_the_last_batch_or_the_first_start() {
        let mut metadata = metadata();
        assert_eq!(metadata.last_time(), metadata.complete_through);
        let later = metadata
            .complete_through
            .plus(std::time::Duration::from_secs(5));
        metadata.tracker.last_allocated = Some(later);
        assert_eq!(metadata.last_time(), later);
    }

    #[test]
    fn cuts_and_newer_formats_are_errors_that_name_the_place() {
        let whole = metadata().encode().unwrap();
        for cut in 0..whole.len() {
            assert!(Metadata::decode(&whole[..cut], "here").is_err());
        }
        let newer = Metadata {
            format: FORMAT + 1,
            ..metadata()
        }
        .encode()
        .unwrap();
        let error = Metadata::decode(&newer, "checkpoint 3")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("checkpoint 3") && error.contains("format 2"),
            "{error}"
        );
    }
}
