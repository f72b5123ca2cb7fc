//! [`Shared`]: what a log's writer, handles and replays have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog::Catalog;
use crate::error::Error;
use crate::orders::Orders;
use crate::poison::Poison;
use crate::queue::Queue;
use crate::segments::Segments;
use crate::status::LatencyHistogram;

/// What writer, handles and replays share.
pub(crate) struct Shared {
    pub(crate) segments: Arc<dyn Segments>,
    pub(crate) queue: Queue,
    pub(crate) catalog: Mutex<Catalog>,
    pub(crate) counts: Mutex<Counts>,
    /// For a home that puts small segments together.
    pub(crate) compaction: Option<Orders>,
}

impl Shared {
    pub(crate) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// If `error` says that a later owner has taken over, nobody's append is taken any more.
    pub(crate) fn heed(&self, error: &Error) {
        if let Some(poison) = Poison::of_fence(error) {
            self.queue.poison(&poison);
        }
    }
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
