//! Keyed state: partitioned in-memory maps, changed batch by batch.
//!
//! Invariant: what a batch changes is *staged* beside the state and merged into it only when all of the
//! batch's work has succeeded, so a batch that fails or is run again sees the state it saw the first
//! time. What is merged is also noted as *pending* for the next checkpoint: its cost follows the keys
//! that changed, not the keys that are held.

mod after;
mod bytes;
mod changes;
mod cold;
mod datasets;
mod due;
mod encode;
mod erased;
mod group;
mod handle;
mod keyed;
mod map;
mod mark;
mod memory;
mod merge;
mod migration;
mod partition;
mod pending;
mod restore;
mod shelf;
mod shelves;
mod spec;
mod update;
mod window;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use tidemill_checkpoint::{PartitionChanges, Series};

use crate::rdd::{BoxError, Data, Executor, JobError, Key, Stop, TaskError};
use crate::time::Time;

pub use handle::State;
pub use spec::{MapFunction, Plain, StateSpec, Timed};

pub(crate) use after::after_batch;
pub(crate) use datasets::Datasets;
pub(crate) use keyed::KeyedState;
pub(crate) use map::map_with_state;
pub(crate) use mark::Touched;
pub(crate) use memory::StateMemory;
pub(crate) use migration::{FIRST_VERSION, Migrations, Part};
pub(crate) use restore::{ChunkSource, Written};
pub(crate) use update::update_state;
pub(crate) use window::{Inverse, Method, Span, Suffixes, WindowState, windowed};

/// A key of a state: hashed, compared and written to checkpoints.
pub trait StateKey: Key + Serialize + DeserializeOwned {}
impl<K: Key + Serialize + DeserializeOwned> StateKey for K {}

/// A value of a state. Equality tells which keys a batch changed.
pub trait StateValue: Data + PartialEq + Serialize + DeserializeOwned {}
impl<S: Data + PartialEq + Serialize + DeserializeOwned> StateValue for S {}

/// Version of how keys and values are written: MessagePack, structs as maps with field names.
pub(crate) const STATE_FORMAT: u32 = 1;

/// Refuses what a checkpoint holds in another format than `reads`. `whose` begins the message: "the state
/// `x` is".
pub(crate) fn check_format(series: &Series, reads: u32, whose: &str) -> Result<(), String> {
    match series.format == reads {
        true => Ok(()),
        false => Err(format!(
            "{whose} written in format {}; this release reads format {reads}",
            series.format
        )),
    }
}

/// What changed since the last checkpoint, yet to be encoded: done on the checkpoint's thread.
pub(crate) type PendingChanges =
    Box<dyn FnOnce() -> Result<Vec<PartitionChanges>, BoxError> + Send>;

/// A state whose types are not known.
pub(crate) trait AnyState: Send + Sync {
    /// The Rust types of key and value, for messages.
    fn type_names(&self) -> (&'static str, &'static str);
    /// Whether it holds a stream's datasets, so that what reads them needn't look behind it.
    fn saves_datasets(&self) -> bool {
        false
    }
    /// Keys held.
    fn keys(&self) -> u64;
    /// Bytes held by keys and values, without what they point to.
    fn bytes(&self) -> u64;
    /// Bytes of the scratch files of what has no room in memory.
    fn spilled_bytes(&self) -> u64 {
        0
    }
    /// Makes what the batch at `time` staged part of the state.
    fn merge(&self, time: Time, executor: &Executor) -> Result<(), JobError>;
    /// Takes what is to go into the next checkpoint.
    fn take_changes(&self) -> PendingChanges;
    /// Fills the empty state from a checkpoint, through the migrations where it holds an older version.
    fn restore(&self, written: &Written<'_>, executor: &Executor) -> Result<(), BoxError>;
    /// The version of its types and how older ones become it; `None` when it has but one version.
    fn migrations(&self) -> Option<&Migrations> {
        None
    }
    /// How many partitions it has, where that can change.
    fn partitions(&self) -> Option<usize> {
        None
    }
    /// Fills the empty state with what the program starts from; `first` is the time of the first batch.
    fn initialize(&self, first: Time, executor: &Executor) -> Result<(), BoxError>;
    /// How long after a batch its effect is gone without a trace: a window's length. `None`: never.
    fn window(&self) -> Option<Duration> {
        None
    }
    /// Whether what it holds is all there: a window that no checkpoint held is made of earlier batches,
    /// when the first batch runs.
    fn has_begun(&self) -> bool {
        true
    }
    /// Limits the memory of the empty state to its share, one of `states`.
    fn limit_memory(&self, _memory: &StateMemory, _states: usize) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Nothing ends a work of our own early but an error.
fn finished<R>(worked: Result<R, Stop>) -> Result<R, TaskError> {
    worked.map_err(|stop| match stop {
        Stop::Failed(error) => error,
        Stop::Enough => TaskError::new("work on a state ended before it was done"),
    })
}

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod map_suite_tests;
