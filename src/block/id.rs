//! [`BlockId`] and [`BlockInfo`]: what names and describes a block.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidemill_wal::Position;

use crate::time::Time;
use crate::uid::OperatorUid;

/// Names a block within its stream: the epoch of the driver that cut it, and a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId {
    /// The epoch of the driver that cut the block.
    pub epoch: u64,
    /// Counts the stream's blocks within an epoch, from 0.
    pub number: u64,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// What is known of a block without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInfo {
    /// The block's name.
    pub id: BlockId,
    /// How many records it holds.
    pub records: u64,
    /// Bytes of its records.
    pub bytes: u64,
    /// When it was cut, in milliseconds since the epoch.
    pub cut_ms: u64,
    /// Where its data is in the block log; `None` when it is held in memory only.
    #[serde(default)]
    pub position: Option<Position>,
    /// What the block log calls its stream, when that was renamed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_as: Option<OperatorUid>,
    /// The batch whose dead letters of this stream it puts back. Says in one step that they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<Time>,
}
