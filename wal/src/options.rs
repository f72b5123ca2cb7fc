//! [`WalOptions`]: how a log is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::position::Sequence;

/// What a log is for, so that one isn't opened as another. The log gives the numbers no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogKind(pub u16);

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a log is opened.
#[derive(Debug, Clone)]
pub struct WalOptions {
    /// What the log is for.
    pub log_kind: LogKind,
    /// The owner's epoch: no lower than that of anyone who wrote to the log before; in an object store,
    /// higher than theirs, and nobody else's.
    pub epoch: u64,
    /// A segment that would grow beyond this many bytes is left for a new one (a single group may be
    /// larger). In an object store, where each group is a segment: how large they get when they are put
    /// together.
    pub segment_bytes: u64,
    /// A segment older than this is left for a new one at the next append.
    pub segment_age: Duration,
    /// Bytes of payload after which a group is written though more is waiting.
    pub max_group_bytes: usize,
    /// Bytes of payload that may wait to be written; an append beyond that is answered with
    /// [`Error::Busy`](crate::Error::Busy).
    pub max_queued_bytes: usize,
    /// In an object store: how many small segments in a row are put together into one object. Below 2
    /// they never are.
    pub compact_segments: usize,
    /// In an object store: below how many bytes a segment counts as small.
    pub small_segment_bytes: u64,
    /// All entries before this one are known, from a second place, to have been durable: a log that ends
    /// before it is damaged, however much its end looks torn. Nothing is cut off then.
    pub known_end: Sequence,
}

impl WalOptions {
    /// The usual sizes: segments of 64 MiB and 10 minutes, groups of 8 MiB, 256 MiB that may wait; in an
    /// object store 64 segments below 1 MiB are put together.
    pub fn new(log_kind: LogKind, epoch: u64) -> Self {
        Self {
            log_kind,
            epoch,
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(600),
            max_group_bytes: 8 << 20,
            max_queued_bytes: 256 << 20,
            compact_segments: 64,
            small_segment_bytes: 1 << 20,
            known_end: Sequence(0),
        }
    }
}

/// What tells the time, in milliseconds since the Unix epoch: for the age of segments and
/// [`WalStatus::last_sync_ms`](crate::WalStatus::last_sync_ms), never for correctness.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a log reads it"
)]
pub(crate) fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
