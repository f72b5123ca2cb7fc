//! [`Error`]: why a context doesn't start, or didn't end well.

use std::fmt;
use std::panic::Location;

use crate::dstream::Mistake;
use crate::recovery::Difference;
use crate::time::Time;
use crate::uid::OperatorUid;

/// The result of an operation on a context.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Change the program or its configuration.
    Configuration,
    /// Stop the other driver first, or use another location.
    OwnedByAnother,
    /// Look at the machine: a disk, a network, a closure. Start again: nothing acknowledged is lost.
    Failed,
}

/// Why a context doesn't start, or didn't end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program can't be run as it is declared.
    #[error("the program can't be started:{}", list(.0))]
    Mistakes(Vec<Mistake>),
    /// Nothing would come of running it.
    #[error(
        "no output operation is declared, so there is nothing to do: print, save, or for_each_rdd \
         at least one stream"
    )]
    NoOutput,
    /// A setting is wrong.
    #[error("{0}")]
    Setting(String),
    /// The context is in the wrong state for this.
    #[error("{0}")]
    WrongState(&'static str),
    /// The location holds another program's checkpoint, or one that this program can't continue.
    #[error(
        "the program changed in ways that can't be reconciled with the checkpoint at {location}, \
         which was left untouched:{}", list(.differences)
    )]
    Incompatible {
        /// The checkpoint location.
        location: String,
        /// What doesn't fit.
        differences: Vec<Difference>,
    },
    /// A live driver owns the location.
    #[error("{0}")]
    OwnedByAnother(String),
    /// An output can't be written.
    #[error("output `{uid}`: {reason}{}", declared_at(*.caller))]
    Output {
        /// The output operation.
        uid: OperatorUid,
        /// What is wrong.
        reason: String,
        /// Where the program declares it.
        caller: Option<&'static Location<'static>>,
    },
    /// The checkpoint store failed.
    #[error(transparent)]
    Checkpoint(#[from] tidemill_checkpoint::Error),
    /// A log failed.
    #[error("{log}: {error}")]
    Log {
        /// Which log, and where.
        log: String,
        /// What is wrong.
        error: Box<tidemill_wal::Error>,
    },
    /// A checkpoint or log holds something that can't be understood.
    #[error("{place}: {reason}")]
    Unreadable {
        /// What it is and where.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] tidemill_storage::Error),
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// A batch failed as often as it may. It's still tried, and taken up again after a restart.
    #[error("the batch at {time} failed: {reason}")]
    Batch {
        /// The batch.
        time: Time,
        /// What is wrong.
        reason: String,
    },
    /// A batch isn't there to be replayed.
    #[error("the batch at {time} can't be replayed: {reason}")]
    NotRetained {
        /// The batch.
        time: Time,
        /// Why not, and which ones can.
        reason: String,
    },
    /// A disk is too full to start on.
    #[error(
        "{place} has {free} bytes free, and a start takes {needed} (a quarter of the reserve that is to \
         be kept free): make room, or set a smaller reserve ([storage] reserve); nothing was changed"
    )]
    NoRoom {
        /// The folder.
        place: String,
        /// Bytes that may still be written there.
        free: u64,
        /// Bytes that a start takes.
        needed: u64,
    },
    /// The engine had to stop. Start it again: nothing acknowledged is lost.
    #[error("the engine stopped: {0}")]
    Fatal(String),
}

fn declared_at(caller: Option<&Location<'_>>) -> String {
    caller.map_or_else(String::new, |caller| format!(" (declared at {caller})"))
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  - {item}")).collect()
}

/// What to do about a log that failed for good.
fn advice(error: &tidemill_wal::Error) -> &'static str {
    match error {
        tidemill_wal::Error::Poisoned { .. } => {
            "; it isn't tried again, since a second sync may succeed without what the first one lost: check \
             the device, then start again; nothing acknowledged is lost"
        }
        _ => "",
    }
}

impl Error {
    /// What the final failure of a log means for the engine.
    pub(crate) fn of_log(error: &tidemill_wal::Error) -> Self {
        match error.is_fenced() {
            true => Self::OwnedByAnother(error.to_string()),
            false => Self::Fatal(format!("{error}{}", advice(error))),
        }
    }

    /// What the caller can do about it.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::ErrorKind;
    ///
    /// // It has no output.
    /// let error = context.start().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Mistakes(_)
            | Self::NoOutput
            | Self::Setting(_)
            | Self::WrongState(_)
            | Self::Incompatible { .. } => ErrorKind::Configuration,
            Self::OwnedByAnother(_)
            | Self::Checkpoint(
                tidemill_checkpoint::Error::Locked { .. }
                | tidemill_checkpoint::Error::Fenced { .. },
            ) => ErrorKind::OwnedByAnother,
            Self::Log { error, .. } if error.is_fenced() => ErrorKind::OwnedByAnother,
            _ => ErrorKind::Failed,
        }
    }
}
