//! tidemill: a fault-tolerant, checkpointing micro-batch stream engine.

pub mod block;
pub mod clock;
mod context;
pub mod dstream;
mod engine;
mod error;
pub mod graph;
pub mod pipeline;
pub mod rdd;
pub mod receiver;
mod recovery;
pub mod scheduler;
pub mod sink;
pub mod source;
pub mod state;
pub mod time;

pub use context::{
    Builder, ContextState, LogStatus, SourceInfo, StartMode, StateSize, StreamingContext,
};
pub use dstream::{DStream, Mistake, OperatorUid};
pub use engine::{CheckpointInfo, CheckpointStatus};
pub use error::{Error, ErrorKind, Result};
pub use recovery::Difference;
pub use time::Time;
