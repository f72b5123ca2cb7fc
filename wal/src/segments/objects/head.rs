//! [`Head`]: the one object of a log that changes, and only on condition.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::names::{RunName, Slot};
use crate::error::Result;
use crate::format::sealed::{self, RecordKind};
use crate::options::LogKind;
use crate::position::Sequence;

/// The head's format.
pub const HEAD: RecordKind = RecordKind {
    magic: *b"TIDEHEAD",
    version: 1,
    name: "a log's head",
};

/// Whose the log is, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The owner's epoch.
    pub(super) epoch: u64,
    /// Tells apart two owners that were given the same epoch: bytes that are the same would count as the
    /// same write.
    pub(super) owner: u64,
    /// The first slot that is part of the log.
    pub(super) oldest_slot: u64,
    /// The number of the first entry from there on.
    pub(super) oldest_sequence: Sequence,
    /// Objects that hold several slots, in slot order.
    #[serde(default)]
    pub(super) runs: Vec<RunRef>,
}

/// A run, as the head names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunRef {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) epoch: u64,
    /// Bytes of its index, behind which the slots' bytes begin.
    pub(super) index: u64,
    /// Its bytes.
    pub(super) bytes: u64,
}

impl RunRef {
    pub(super) fn name(&self) -> RunName {
        RunName {
            first: Slot(self.first),
            last: Slot(self.last),
            epoch: self.epoch,
        }
    }
}

impl Head {
    /// The head of a log in which nothing has been written.
    pub(super) fn fresh(epoch: u64, owner: u64) -> Self {
        Self {
            epoch,
            owner,
            oldest_slot: 0,
            oldest_sequence: Sequence(0),
            runs: Vec::new(),
        }
    }

    pub(super) fn encode(&self, log_kind: LogKind) -> Result<Bytes> {
        sealed::seal(HEAD, log_kind, self)
    }

    pub(super) fn decode(place: &str, bytes: &[u8]) -> Result<(LogKind, Self)> {
        sealed::open(HEAD, place, bytes)
    }
}
