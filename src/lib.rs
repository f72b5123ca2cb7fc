//! tidemill: a fault-tolerant, checkpointing micro-batch stream engine.
//!
//! A tide mill keeps the incoming tide in a pond behind a gate and lets it out in measured batches.
//! tidemill does that with a stream: it takes records in, makes them durable, and runs them through a
//! graph of operators in small batches, so that a crash at any instant loses nothing that was
//! acknowledged and repeats nothing that was committed.
//!
//! # A first program
//!
//! Running totals of words. The queue stands for a source, the checkpoint is in memory; with
//! [`socket_text_stream`](StreamingContext::socket_text_stream) and `sled:data/totals` it is a program
//! that can be killed and started again.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! use tidemill::StreamingContext;
//! use tidemill::rdd::BoxError;
//!
//! fn main() -> Result<(), BoxError> {
//!     let context = StreamingContext::builder("totals", Duration::from_millis(20))
//!         .checkpoint("memory:first-program")
//!         .build()?;
//!
//!     // Declare: lines → words → counts in a batch → totals over all batches.
//!     let (lines, queue) = context.queue_stream::<str>();
//!     let words = lines.flat_map::<str>(|line, out| {
//!         line.split_whitespace().for_each(|word| out.emit(word));
//!     });
//!     let totals = words
//!         .count_by_value()
//!         .update_state_by_key(|new: &[u64], total: Option<&u64>| {
//!             Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
//!         })
//!         .uid("totals");
//!
//!     // An output: here each batch's totals go to a channel; `print` and `save_as_text_files` are others.
//!     let (results, batches) = mpsc::channel();
//!     totals.for_each_rdd(move |rdd, _time| -> Result<(), BoxError> {
//!         results.send(rdd.collect()?)?;
//!         Ok(())
//!     });
//!
//!     // Run.
//!     context.start()?;
//!     queue.push_vec(vec!["to be or not to be".to_owned()]);
//!     queue.push_vec(vec!["to do".to_owned()]);
//!     let found = batches
//!         .iter()
//!         .map(HashMap::<String, u64>::from_iter)
//!         .find(|totals| totals.contains_key("do"))
//!         .ok_or("the program ended before its time")?;
//!     assert_eq!(found["to"], 3);
//!     assert_eq!(found["be"], 2);
//!     context.stop(true)?;
//!     Ok(())
//! }
//! ```
//!
//! # The ideas
//!
//! - A [`StreamingContext`] holds a program: declare streams on it, start it, wait for it, stop it.
//!   [`StreamingContext::get_or_create`] goes on from a checkpoint.
//! - A [`DStream`] is an operator of the program, a template that yields one dataset, an
//!   [`Rdd`](rdd::Rdd), for each batch [`Time`]. Nothing runs before the start.
//! - A stream that nothing reads does nothing: a program needs at least one output, such as
//!   [`print`](DStream::print), [`save_as_text_files`](DStream::save_as_text_files),
//!   [`for_each_rdd`](DStream::for_each_rdd) or a [`Sink`](sink::Sink) of one's own.
//! - A [`Receiver`](receiver::Receiver) takes records in as they come, and acknowledges them once they
//!   are durable; a [`DirectSource`](source::DirectSource) names what a batch reads and can read it again.
//! - An [`OperatorUid`] is the name by which a checkpoint finds an operator's state again. It derives
//!   from the operator's place; [`uid`](DStream::uid) sets it, so that a program can change around it.
//! - Text moves as `&str` views into the block that it came in. Closures take and give views; a value
//!   becomes owned where it outlives its batch.
//!
//! # What holds
//!
//! With a checkpoint location on a disk and the receiver log on (the default), a record that was
//! acknowledged ([`store_reliably`](receiver::Store::store_reliably), or 200 to a post) is in exactly one
//! batch. A batch changes state once, in the order of time. Each output says what it
//! [guarantees](sink::Guarantee): written once, or at least once. Without a checkpoint location nothing
//! outlives the process, and streams with state are refused.
//!
//! A closure that panics or fails its task doesn't end the process. The task is tried again, then its
//! job; then [`await_termination`](StreamingContext::await_termination) tells, and the batch is still
//! tried again, because to drop it would be to lose data.
//!
//! # Where things are
//!
//! | module | what lives there |
//! |---|---|
//! | [`time`], [`clock`] | batch times; where the time comes from, a manual clock for tests |
//! | [`rdd`] | datasets: lazy, partitioned, computed in chunks on a CPU pool |
//! | [`dstream`], [`graph`] | operators; the program as a whole, as checkpoints describe it |
//! | [`block`] | received records on their way to a batch |
//! | [`codec`] | how files are compressed |
//! | [`receiver`], [`source`] | how records come in |
//! | [`accumulator`] | totals that closures add to, each batch once |
//! | [`dead_letters`] | records that couldn't be processed |
//! | [`state`] | keyed state, staged by a batch and merged when it is complete |
//! | [`scheduler`] | batches and their jobs; listeners and progress |
//! | [`sink`] | outputs and their guarantees |
//! | `columnar` | Parquet, Arrow and Avro files as outputs (feature `columnar`) |
//! | `telemetry` | a trace of each batch, for a collector (feature `otel`) |
//! | [`pipeline`] | programs made of a TOML file |
//! | [`admin`] | health, metrics, the HTTP API and ingest, on one address |
//! | [`cli`] | the `tidemill` command |
//! | [`failpoints`] | the places where tests kill the process |
//! | [`admin`], [`cli`] | the HTTP side of a running program; the command `tidemill` |
//!
//! The write-ahead log, the checkpoint stores, the disks below them and the configuration are crates of
//! their own: `tidemill-wal`, `tidemill-checkpoint`, `tidemill-storage`, `tidemill-config`.

mod access;
pub mod accumulator;
pub mod admin;
mod backpressure;
pub mod block;
mod broadcast;
pub mod cli;
pub mod clock;
pub mod codec;
#[cfg(feature = "columnar")]
pub mod columnar;
mod context;
pub mod dead_letters;
pub mod dstream;
mod effects;
mod engine;
mod error;
pub mod failpoints;
#[doc(hidden)]
pub mod formats;
pub mod graph;
pub mod guarantee;
mod messagepack;
mod object_file;
pub mod pipeline;
mod problem;
pub mod rdd;
pub mod receiver;
mod recovery;
pub mod scheduler;
mod server;
pub mod sink;
pub mod source;
pub mod state;
#[cfg(feature = "otel")]
pub mod telemetry;
pub mod time;
mod uid;
mod utc;

pub use accumulator::{Accumulator, CollectionAccumulator, DoubleAccumulator, LongAccumulator};
pub use backpressure::{PidSettings, StreamRate};
pub use broadcast::{Broadcast, BroadcastValue};
pub use context::{
    AccumulatorInfo, BatchInput, Builder, ContextState, DurableAfter, InputBlock, LogStatus,
    Rehearsal, Replay, RequeuedBatch, SourceFreshness, SourceLag, StartMode, StateSize, Step,
    StepInfo, StreamingContext, Tuning,
};
pub use dstream::{DStream, Mistake, OnSilence};
pub use engine::{
    CheckpointInfo, CheckpointStatus, DiskSpace, RehearsedBatch, RehearsedOutput, SpaceStatus,
};
pub use error::{Error, ErrorKind, Result};
pub use failpoints::FAILPOINTS;
pub use recovery::{Change, Difference, OperatorPlan, StatePlan, UpgradePlan};
pub use source::SourceInfo;
pub use time::Time;
pub use uid::OperatorUid;

/// Compiles and runs the examples in the README and in the guide.
#[cfg(doctest)]
mod documents {
    macro_rules! documents {
        ($($name:ident: $path:literal;)+) => {
            $(#[doc = include_str!($path)]
            struct $name;)+
        };
    }

    documents! {
        Readme: "../README.md";
        Library: "../docs/library.md";
    }
}
