//! [`ReceiverStatus`]: how a receiver is doing.

use serde::Serialize;

use crate::time::Time;
use crate::uid::OperatorUid;

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
    /// When it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_time: Option<Time>,
    /// Why it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_message: Option<String>,
}
