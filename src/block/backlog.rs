//! [`Backlog`]: what of a stream isn't processed yet.

use super::BlockInfo;
use crate::time::Time;

/// What of a stream isn't processed yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Records in blocks.
    pub(crate) records: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// When the oldest block was cut, or the first batch was planned.
    pub(crate) oldest: Option<Time>,
}

impl Backlog {
    pub(super) fn add(&mut self, block: &BlockInfo) {
        self.records += block.records;
        self.bytes += block.bytes;
        self.since(Time::from_millis(block.cut_ms));
    }

    /// Something has waited since `time`.
    pub(super) fn since(&mut self, time: Time) {
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
    }
}
