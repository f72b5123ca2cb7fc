//! [`Known`]: what is known of blocks, whatever log is repaired.

use std::collections::BTreeMap;

use super::super::held::Checkpoints;
use crate::block::{BlockInfo, Event, TrackerSnapshot};
use crate::time::Time;
use crate::uid::OperatorUid;

/// What the driver's log and the checkpoints say about blocks.
#[derive(Default)]
pub(super) struct Known {
    pub(super) checkpoints: Checkpoints,
    /// The events of the driver's log that can be read.
    pub(super) events: BTreeMap<u64, Event>,
    /// The tracker as a start would find it behind a repair.
    pub(super) tracker: TrackerSnapshot,
    /// Every block that was ever named, by its entry in the block log.
    pub(super) named: BTreeMap<u64, (OperatorUid, BlockInfo)>,
    /// Whether events were lost that may have named more.
    pub(super) is_cut: bool,
}

impl Known {
    /// Whether a start would still read a block.
    pub(super) fn is_needed(&self, block: &BlockInfo, batch: Option<Time>) -> bool {
        let newest = self.checkpoints.whole.first();
        match (batch, newest) {
            (Some(time), Some(newest)) => newest.metadata.still_reads(time),
            (Some(_), None) => true,
            (None, _) => self
                .tracker
                .blocks()
                .any(|(_, held)| held.position == block.position),
        }
    }
}
