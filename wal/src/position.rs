//! [`Sequence`], [`Position`] and [`Entry`]: how what is in a log is named and handed out.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 17;

/// The number of an entry: 0 for the first ever, then one by one, over all segments and restarts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an entry is, for [`Wal::read`](crate::Wal::read).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The segment, named by its first sequence number.
    pub segment: Sequence,
    /// Where its frame starts, in bytes from the segment's start.
    pub offset: u64,
    /// Bytes of payload.
    pub len: u32,
    /// The entry's number.
    pub sequence: Sequence,
}

impl Position {
    /// Where the frame ends, in bytes from the segment's start.
    pub fn end(&self) -> u64 {
        self.offset
            .saturating_add(FRAME_HEADER_BYTES as u64)
            .saturating_add(u64::from(self.len))
    }
}

/// What an append put into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub position: Position,
    /// Its number.
    pub sequence: Sequence,
    /// What its writer said it is: below 128.
    pub kind: u8,
    /// What its writer put in. A slice of a larger buffer (1 MiB, or eight times its own size): copy
    /// what is to be kept for long.
    pub payload: Bytes,
}
