//! [`CheckpointStatus`]: how checkpoints are doing, for people and scripts.

use std::time::Duration;

use serde::Serialize;
use tidemill_checkpoint::Summary;

use crate::time::Time;

/// A checkpoint that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointInfo {
    /// Its number.
    pub id: u64,
    /// Every batch up to this time is in it.
    pub time: Time,
    /// When it was cut.
    pub created: Time,
    /// The epoch of the driver that wrote it.
    pub epoch: u64,
    /// Bytes that it names.
    pub bytes: u64,
    /// Bytes that were written for it.
    pub new_bytes: u64,
    /// Milliseconds from the cut until it was durable; 0 when an earlier driver wrote it.
    pub duration: u64,
    /// Its name, if it is a savepoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl CheckpointInfo {
    pub(super) fn of(summary: &Summary, duration: u64) -> Self {
        Self {
            id: summary.id.0,
            time: Time::from_millis(summary.time_ms),
            created: Time::from_millis(summary.created_ms),
            epoch: summary.epoch.0,
            bytes: summary.bytes,
            new_bytes: summary.new_bytes,
            duration,
            name: summary.name.clone(),
        }
    }
}

/// How checkpoints are doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointStatus {
    /// Where they are.
    pub location: String,
    /// The store: `sled`, `file`, `memory`, ...
    pub store: String,
    /// This driver's epoch.
    pub epoch: u64,
    /// Milliseconds of batch time from one to the next.
    pub interval: u64,
    /// The newest one.
    pub newest: Option<CheckpointInfo>,
    /// Whether the newest was read back whole: true for what recovery started from, and for what this
    /// driver wrote.
    pub verified: bool,
    /// When the one that is being written was cut.
    pub in_flight: Option<Time>,
    /// How many were written by this driver.
    pub written: u64,
    /// How many writes failed.
    pub failures: u64,
    /// Why the last write failed, if it did.
    pub last_error: Option<String>,
    /// When the last write failed.
    pub last_error_time: Option<Time>,
    /// Checkpoints that recovery had to pass over because they were damaged.
    pub skipped_at_recovery: Vec<String>,
    /// What the start found and put right itself: an index that was damaged and made anew, say.
    pub notices: Vec<String>,
    /// The savepoints that are kept, newest first.
    pub savepoints: Vec<CheckpointInfo>,
}

/// The shortest age at which a checkpoint can be stale.
const STALE_AFTER: Duration = Duration::from_secs(3);

impl CheckpointStatus {
    /// Whether the newest is older at `now` than it should ever get: than three intervals, and than three
    /// seconds. A crash would cost a longer replay, and logs grow: writing fails or hangs, or batches don't get
    /// on.
    ///
    /// ```
    /// # fn alarm(context: &tidemill::StreamingContext, now: tidemill::Time) {
    /// if context.checkpoint_status().is_some_and(|status| status.is_stale(now)) {
    ///     eprintln!("no checkpoint of late");
    /// }
    /// # }
    /// ```
    pub fn is_stale(&self, now: Time) -> bool {
        let limit = STALE_AFTER.max(Duration::from_millis(self.interval) * 3);
        let created = self.newest.as_ref().map(|newest| newest.created);
        created.is_none_or(|created| now.since(created) > limit)
    }
}
