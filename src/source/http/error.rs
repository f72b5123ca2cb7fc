//! [`IngestError`]: why posted lines weren't taken, and when to try again.

use std::time::Duration;

/// How soon a client may try again when a source isn't open.
const CLOSED_RETRY: Duration = Duration::from_secs(1);

/// How soon when a disk is too full: room is rarely made within a second.
const NO_ROOM_RETRY: Duration = Duration::from_secs(5);

/// Why posted lines weren't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// There is no such source.
    #[error("there is no `http` source `{name}`{}", hint(.nearest.as_deref()))]
    UnknownSource {
        /// The name that was asked for.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// The lines aren't text; none was taken.
    #[error("the body isn't UTF-8 at offset {offset}")]
    NotUtf8 {
        /// Where the first bad byte is.
        offset: usize,
    },
    /// The engine is behind; none of the lines was taken.
    #[error("the stream is behind: try again in {} ms", .retry_after.as_millis())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// A disk is too full; none of the lines was taken.
    #[error("no data is taken in for want of room: {}", .reasons.join("; "))]
    NoRoom {
        /// What is in the way.
        reasons: Vec<String>,
    },
    /// The source takes no lines now, or it stopped before all of them were durable: some may be in the
    /// stream all the same.
    #[error("the source takes no lines: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
    /// A line can't be stored; lines before it may be in the stream.
    #[error("{reason}")]
    BadRecord {
        /// Why.
        reason: String,
    },
    /// Whoever posts may not; nothing of the body was read.
    #[error("{reason}")]
    NotAdmitted {
        /// What would be needed.
        reason: String,
        /// Whether a token was shown that is good for something else.
        is_known: bool,
    },
    /// The body is larger than the source takes.
    #[error("the body is larger than {limit} bytes, the most that this source takes at once")]
    TooLarge {
        /// The source's limit in bytes.
        limit: usize,
    },
    /// The body came too slowly; none of its lines was taken.
    #[error("the body comes too slowly: {reason}")]
    TooSlow {
        /// What was waited for.
        reason: String,
    },
    /// The body didn't come whole; none of its lines was taken.
    #[error("the body didn't come whole: {reason}")]
    Incomplete {
        /// What happened.
        reason: String,
    },
}

impl IngestError {
    /// What it is, in a word; the words are labels of a metric and don't change.
    ///
    /// ```
    /// use tidemill::source::IngestError;
    ///
    /// let busy = IngestError::Busy { retry_after: std::time::Duration::from_secs(1) };
    /// assert_eq!(busy.reason(), "busy");
    /// ```
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownSource { .. } => "unknown_source",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Busy { .. } => "busy",
            Self::NoRoom { .. } => "no_room",
            Self::Closed { .. } => "closed",
            Self::BadRecord { .. } => "bad_record",
            Self::NotAdmitted { .. } => "not_admitted",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow { .. } => "too_slow",
            Self::Incomplete { .. } => "incomplete",
        }
    }

    /// When to try again, where that may help.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tidemill::source::IngestError;
    ///
    /// let busy = IngestError::Busy { retry_after: Duration::from_secs(2) };
    /// assert_eq!(busy.retry_after(), Some(Duration::from_secs(2)));
    /// assert_eq!(IngestError::NotUtf8 { offset: 3 }.retry_after(), None);
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after } => Some(*retry_after),
            Self::Closed { .. } => Some(CLOSED_RETRY),
            Self::NoRoom { .. } => Some(NO_ROOM_RETRY),
            _ => None,
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!(": did you mean `{nearest}`?")
    })
}
