//! [`SourceInfo`]: what a program's inputs are, and when they may forget what they gave.

use serde::Serialize;

use crate::uid::OperatorUid;

/// An input of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceInfo {
    /// Counts the program's inputs, from 0, in the order of their declaration.
    pub stream_id: usize,
    /// The operator.
    pub uid: OperatorUid,
    /// Where it reads from.
    pub location: String,
    /// Whether it takes data in as it comes (a receiver), rather than naming what each batch reads.
    pub is_receiver: bool,
    /// Whether what it took in can be read again after a restart.
    pub is_replayable: bool,
    /// When it may forget what it gave.
    pub acknowledged: Acknowledged,
}

/// When a source may forget what it gave: the loss window that it declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Acknowledged {
    /// It needn't remember, or be told: it is read again where that is needed.
    Replayable,
    /// When the log that holds its records is synced. What was acknowledged isn't lost.
    AfterSync,
    /// When the object that holds its records is put. What was acknowledged isn't lost.
    AfterPut,
    /// When its records are in memory: until their batch is complete, a crash loses them.
    InMemory,
    /// Never: it isn't told, and what isn't durable at a crash is lost.
    Never,
}

impl Acknowledged {
    /// Whether a crash may lose records of such a source.
    ///
    /// ```
    /// use tidemill::guarantee::Acknowledged;
    ///
    /// assert!(Acknowledged::Never.can_lose());
    /// assert!(!Acknowledged::AfterSync.can_lose());
    /// ```
    pub fn can_lose(self) -> bool {
        matches!(self, Self::InMemory | Self::Never)
    }
}
