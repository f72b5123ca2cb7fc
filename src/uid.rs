//! [`OperatorUid`]: the name under which an operator is known to checkpoints.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An operator's stable identity. Derived from its place in the graph (`lines.flat_map.count_by_value`)
/// or set by hand with [`DStream::uid`](crate::DStream::uid); state, unfinished batches and output
/// commits are attached by it, so a program may change around an operator that keeps its uid.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
#[schemars(description = "An operator's stable identity.")]
pub struct OperatorUid(Arc<str>);

impl OperatorUid {
    /// A uid of this text.
    ///
    /// ```
    /// use tidemill::OperatorUid;
    ///
    /// assert_eq!(OperatorUid::new("totals"), OperatorUid::new("totals"));
    /// ```
    pub fn new(uid: impl AsRef<str>) -> Self {
        Self(Arc::from(uid.as_ref()))
    }

    /// The uid's text.
    ///
    /// ```
    /// use tidemill::OperatorUid;
    ///
    /// assert_eq!(OperatorUid::new("totals").as_str(), "totals");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
