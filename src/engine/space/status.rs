//! [`SpaceStatus`]: how much room there is, and whether sources are held back for want of it.

use serde::Serialize;

use crate::time::Time;
use crate::uid::OperatorUid;

/// How much room there is, and whether sources are held back for want of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpaceStatus {
    /// Whether sources are held back.
    pub held_back: bool,
    /// Since when, by the stream's time.
    pub since: Option<Time>,
    /// Why, for people.
    pub reasons: Vec<String>,
    /// The sources that are.
    pub paused_sources: Vec<OperatorUid>,
    /// Bytes to be kept free on each disk; 0: none.
    pub reserve: u64,
    /// From how many free bytes on they go on.
    pub resume_at: u64,
    /// How often a write found no room since the start.
    pub refusals: u64,
    /// The disks that are written to; object stores are none.
    pub disks: Vec<DiskSpace>,
}

/// The room on the disk of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskSpace {
    /// What lies there: `logs` or `checkpoint`.
    pub name: &'static str,
    /// The folder.
    pub path: String,
    /// Bytes that may still be written; `None` when the disk can't tell.
    pub free: Option<u64>,
    /// Whether that is less than is to be kept free.
    pub is_low: bool,
    /// Why the disk couldn't be asked, if it couldn't.
    pub error: Option<String>,
}
