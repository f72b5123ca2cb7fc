//! [`Poison`]: why a log takes no more appends.

use std::sync::Arc;

use crate::error::Error;

/// What ended a log, and is told to whoever appends from then on.
#[derive(Debug, Clone)]
pub(crate) enum Poison {
    /// A write or sync failed: what is durable is unknown.
    Failed(Arc<str>),
    /// A later owner has taken over.
    Fenced {
        place: Arc<str>,
        found: u64,
        ours: u64,
    },
}

impl Poison {
    /// From an error that says that a later owner has taken over.
    pub(crate) fn of_fence(error: &Error) -> Option<Self> {
        match error {
            Error::Fenced { place, found, ours } => Some(Self::Fenced {
                place: Arc::from(place.as_str()),
                found: *found,
                ours: *ours,
            }),
            _ => None,
        }
    }

    /// What an append is answered with.
    pub(crate) fn error(&self) -> Error {
        match self {
            Self::Failed(reason) => Error::Poisoned {
                reason: Arc::clone(reason),
            },
            Self::Fenced { place, found, ours } => Error::Fenced {
                place: place.to_string(),
                found: *found,
                ours: *ours,
            },
        }
    }
}

impl From<&str> for Poison {
    fn from(reason: &str) -> Self {
        Self::Failed(Arc::from(reason))
    }
}
