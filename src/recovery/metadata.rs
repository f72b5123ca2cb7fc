//! [`Metadata`]: the engine's part of a checkpoint (R6), written as MessagePack with field names.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::block::TrackerSnapshot;
use crate::dstream::OperatorUid;
use crate::error::Error;
use crate::graph::GraphDescriptor;
use crate::time::Time;

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
    /// Records a second that back-pressure had settled on.
    #[serde(default)]
    pub(crate) rate_estimate: Option<u64>,
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
        rmp_serde::to_vec_named(self).map(Bytes::from).map_err(|error| error.to_string())
    }

    pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<Self, Error> {
        let unreadable =
            |reason: String| Error::Unreadable { place: place.to_owned(), reason };
        let front: Front =
            rmp_serde::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        if front.format > FORMAT {
            return Err(unreadable(format!(
                "written by tidemill {} in format {}; this release reads formats up to {FORMAT}: \
                 use that release or a newer one",
                front.written_by, front.format
            )));
        }
        rmp_serde::from_slice(bytes).map_err(|error| unreadable(error.to_string()))
    }

    /// The batches that are allocated and aren't complete.
    pub(crate) fn unfinished(&self) -> Vec<Time> {
        let is_unfinished = |time: &&Time| {
            **time > self.complete_through && !self.completed.contains(*time)
        };
        self.tracker.allocated.keys().filter(is_unfinished).copied().collect()
    }
}
