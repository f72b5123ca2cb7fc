//! What can go wrong with a store, each with the place and the way out.

use tidemill_storage::Holder;

use crate::id::{CheckpointId, Epoch};

/// The result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A live driver owns the location.
    #[error("checkpoint location {location} is in use by {}; stop it first, or use another location",
        holder.as_ref().map_or_else(|| "another driver".to_owned(), |holder| holder.to_string()))]
    Locked {
        /// The location.
        location: String,
        /// Who has it, where known.
        holder: Option<Box<Holder>>,
    },
    /// A later driver has taken the location over. This one must stop at once.
    #[error(
        "checkpoint location {location} was taken over: this driver has epoch {epoch}, epoch \
        {found} exists; nothing was published, stop this driver"
    )]
    Fenced {
        /// The location.
        location: String,
        /// This driver's epoch.
        epoch: Epoch,
        /// The highest epoch found.
        found: Epoch,
    },
    /// Something that was written reads back differently.
    #[error(
        "{place} is damaged: {what} (`tidemill checkpoint verify` says what a start goes on from)"
    )]
    Damaged {
        /// The file, object or database entry.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// Something that a manifest names isn't there.
    #[error(
        "{place} is missing, though a checkpoint names it; restore it from a copy (`tidemill checkpoint \
        verify` says what a start goes on from)"
    )]
    Missing {
        /// The file, object or database entry.
        place: String,
    },
    /// Intact, but of a format that this program doesn't know. It is left untouched.
    #[error(
        "{place} is {what} of format {found}, this program knows formats up to {known}; run the \
        newer program that wrote it, or choose another location"
    )]
    NewerFormat {
        /// The file, object or database entry.
        place: String,
        /// The kind of record.
        what: &'static str,
        /// Its format version.
        found: u16,
        /// The newest version known here.
        known: u16,
    },
    /// A savepoint can't be had, made or forgotten.
    #[error("the savepoint `{name}` at {location}: {why}")]
    Savepoint {
        /// The location.
        location: String,
        /// The name.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// There are checkpoints, and not one is whole.
    #[error(
        "none of the {count} checkpoints at {location} is whole; the newest, {newest}: {source}. \
        Restore the location from a copy, or choose another to start afresh"
    )]
    NoneVerifies {
        /// The location.
        location: String,
        /// How many there are.
        count: usize,
        /// The newest one.
        newest: CheckpointId,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Checkpoints were published here, and none is to be found.
    #[error(
        "the checkpoints at {location} are gone, though some were published; restore the location \
        from a copy, or choose another to start afresh"
    )]
    Vanished {
        /// The location.
        location: String,
    },
    /// There is no store at the location.
    #[error(
        "there is no checkpoint store at {location}; check the location, or start a driver on it"
    )]
    NoStore {
        /// The location.
        location: String,
    },
    /// There is no such checkpoint.
    #[error("{location} has no checkpoint {id}; `tidemill checkpoint list` shows those it has")]
    NoCheckpoint {
        /// The location.
        location: String,
        /// The one asked for.
        id: CheckpointId,
    },
    /// What was handed in doesn't fit to the checkpoint before it.
    #[error("series `{series}` can't be checkpointed: {why}")]
    Draft {
        /// The series.
        series: String,
        /// What doesn't fit.
        why: String,
    },
    /// A name in the store is taken by something that this driver didn't write.
    #[error(
        "{place} exists already with other contents; something else writes to this location, make \
        sure that it has one owner"
    )]
    Taken {
        /// The object or database entry.
        place: String,
    },
    /// The copy of a live driver's database never came out whole.
    #[error(
        "{location} changed during each of {tries} attempts to copy its index; try again when its \
        driver writes less"
    )]
    Busy {
        /// The location.
        location: String,
        /// How often it was tried.
        tries: u32,
    },
    /// A record couldn't be encoded.
    #[error("{what} can't be encoded: {why}")]
    Encode {
        /// The kind of record.
        what: &'static str,
        /// The encoder's words.
        why: String,
    },
    /// The disk or object store failed.
    #[error(transparent)]
    Storage(#[from] tidemill_storage::Error),
    /// The embedded database failed.
    #[error("the database at {place}: {source}")]
    Sled {
        /// Its folder.
        place: String,
        /// Its own words.
        source: Box<sled::Error>,
    },
}

impl Error {
    pub(crate) fn damaged(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged {
            place: place.into(),
            what: what.into(),
        }
    }

    /// Whether it says that something stored is not as it was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Missing { .. })
    }
}
