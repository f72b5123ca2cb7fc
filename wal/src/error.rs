//! What can go wrong with a log.

use std::sync::Arc;

use crate::options::LogKind;
use crate::position::Sequence;

/// The result of an operation on a log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a log failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or store failed a read, or an operation outside of an append.
    #[error(transparent)]
    Storage(#[from] tidemill_storage::Error),

    /// Bytes read back aren't those that were written.
    #[error(
        "{file} is damaged at offset {offset}: {problem}; restore it from a copy, or let \
        `tidemill wal repair` say what would be lost without it"
    )]
    Corrupt {
        /// The segment.
        file: String,
        /// Where in the segment, in bytes from its start.
        offset: u64,
        /// What was found and what was expected.
        problem: String,
    },

    /// A newer program wrote the log. It was left untouched.
    #[error(
        "{file} has format version {found} (offset 8), this program knows up to {known}; use the \
        newer program"
    )]
    NewerVersion {
        /// The segment.
        file: String,
        /// Its version.
        found: u16,
        /// The newest version this program knows.
        known: u16,
    },

    /// The folder holds a log of another kind.
    #[error(
        "{file} belongs to a log of kind {found} (offset 10), not {expected}; check the \
        location"
    )]
    OtherKind {
        /// The segment.
        file: String,
        /// The kind it says.
        found: LogKind,
        /// The kind it was opened as.
        expected: LogKind,
    },

    /// A later owner has written to the log.
    #[error(
        "{file} was written in epoch {found} (offset 16), which is newer than ours, {ours}: \
        another process has taken over, or the checkpoint is older than the log"
    )]
    NewerEpoch {
        /// The segment.
        file: String,
        /// Its epoch.
        found: u64,
        /// The epoch the log was opened with.
        ours: u64,
    },

    /// A later owner has taken the log over: nothing more can be written to it from here.
    #[error(
        "{place} belongs to epoch {found}, ours is {ours}: another process has taken the log over, or \
        the checkpoint is older than the log"
    )]
    Fenced {
        /// What shows it.
        place: String,
        /// The later owner's epoch.
        found: u64,
        /// The epoch the log was opened with.
        ours: u64,
    },

    /// What was asked for has been truncated away.
    #[error("sequence {wanted} is no longer kept, the oldest is {oldest}")]
    NotKept {
        /// What was asked for.
        wanted: Sequence,
        /// The oldest there is.
        oldest: Sequence,
    },

    /// What was asked for was never written here: the log is older than what refers to it.
    #[error(
        "sequence {wanted} is beyond the log, which ends before {next}: the end of the log was \
        lost, or it belongs to something else; put the log's files back where they were, or see with \
        `tidemill fsck` what is missing"
    )]
    BeyondEnd {
        /// What was asked for.
        wanted: Sequence,
        /// The first sequence number not in the log.
        next: Sequence,
    },

    /// A payload is larger than a frame can be.
    #[error("a payload of {bytes} bytes is too large for a frame, which holds at most {limit}")]
    TooLarge {
        /// The payload's bytes.
        bytes: u64,
        /// The most that fits.
        limit: u32,
    },

    /// A kind has its top bit set, which the log needs for itself.
    #[error("kind {kind} is not below 128")]
    BadKind {
        /// What was given.
        kind: u8,
    },

    /// There is no space for the append; nothing of it was kept, and the log goes on.
    #[error("the log is out of space: {reason}")]
    Full {
        /// The storage's words.
        reason: Arc<str>,
    },

    /// Too much waits to be written. Nothing of the append was kept; try again when some of it is.
    #[error("{queued} bytes wait to be written to the log, and {limit} is the most: try again")]
    Busy {
        /// Bytes of payload that wait.
        queued: u64,
        /// The most that may.
        limit: u64,
    },

    /// A write or sync failed; the log takes no more appends. Restart the process: what is durable
    /// is found again, what isn't was never answered.
    #[error("the log takes no more appends after a failed write: {reason}")]
    Poisoned {
        /// The first failure.
        reason: Arc<str>,
    },

    /// The log was closed before the append.
    #[error("the log is closed")]
    Closed,

    /// A record can't be put into bytes.
    #[error("{what} can't be written: {reason}")]
    Encode {
        /// What it is.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// All entries before `known_end` are known to have been synced, and the log ends at `next` already.
    pub(crate) fn before_known(known_end: Sequence, next: Sequence) -> Self {
        Self::BeyondEnd {
            wanted: Sequence(known_end.0.saturating_sub(1)),
            next,
        }
    }

    /// Whether nothing of an append was kept for want of room, so that trying again later may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Busy { .. })
    }

    /// Whether a later owner has taken the log over.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::NewerEpoch { .. })
    }

    /// Whether the storage says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_not_found())
    }

    /// Whether it is about what a segment or record holds, not about reading it.
    pub(crate) fn is_about_contents(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::NewerVersion { .. })
    }
}
