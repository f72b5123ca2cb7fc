//! [`Shared`]: what a log's writer, handles and replays have in common.

use std::sync::{Arc, Mutex};

use crate::catalog::Catalog;
use crate::queue::Queue;
use crate::segments::Segments;
use crate::status::LatencyHistogram;

/// What writer, handles and replays share.
pub(crate) struct Shared {
    pub(crate) segments: Arc<dyn Segments>,
    pub(crate) queue: Queue,
    pub(crate) catalog: Mutex<Catalog>,
    pub(crate) counts: Mutex<Counts>,
}

/// What has happened since the log was opened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) appends: u64,
    pub(crate) syncs: u64,
    pub(crate) synced_bytes: u64,
    pub(crate) last_sync_ms: Option<u64>,
    pub(crate) latency: LatencyHistogram,
}
