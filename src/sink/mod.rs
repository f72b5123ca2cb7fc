//! Sinks: where batches are committed to, and what each of them guarantees.
//!
//! Invariant (R4): a batch is committed under its identity, (application, output operation, batch time).
//! A sink that is asked to commit an identity again must leave what the first commit wrote.

mod console;
mod discard;
mod text_files;
#[cfg(test)]
mod text_files_tests;
mod text_form;

use std::fmt;

use serde::Serialize;

pub use console::Console;
pub use discard::Discard;
pub use text_files::TextFiles;
pub use text_form::TextForm;

use crate::rdd::{BoxError, Element, Rdd};
use crate::time::Time;
use crate::uid::OperatorUid;

/// Names one commit for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchIdentity {
    /// The application's name.
    pub application: String,
    /// The output operation.
    pub output: OperatorUid,
    /// The batch.
    pub time: Time,
}

/// How often a batch's output can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Guarantee {
    /// Committed in a transaction together with the batch's identity.
    Transactional,
    /// Written under a name made of the identity: the second time changes nothing.
    Idempotent,
    /// Seen again when a batch is run again.
    AtLeastOnce,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transactional => "exactly once (transactional)",
            Self::Idempotent => "exactly once (idempotent)",
            Self::AtLeastOnce => "at least once",
        })
    }
}

/// Takes batches.
pub trait Sink<T: ?Sized + Element>: Send + Sync + 'static {
    /// The operation's name in graphs and uids.
    fn kind(&self) -> &'static str;

    /// What it guarantees.
    fn guarantee(&self) -> Guarantee;

    /// Finds out before the start whether it can be written at all.
    ///
    /// # Errors
    /// Says what is wrong and what to do.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Writes a batch whole, or leaves nothing to be seen. Called again for the same identity after a
    /// failure or a restart.
    ///
    /// # Errors
    /// The batch is tried again.
    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError>;
}
