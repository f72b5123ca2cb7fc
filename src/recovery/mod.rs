//! Recovery: what a checkpoint holds of the engine, whether a program can go on from it, and how it does.
//!
//! Order (R9): the newest checkpoint that verifies; is the program still the one it belongs to, or one
//! that can go on from it; its state by uid; the driver's log from its position on; the batches that
//! were allocated and aren't complete. Nothing is written before the comparison has been passed.

mod history;
mod metadata;
mod plan;
mod rename;
mod replay;

pub use plan::{Change, Difference, OperatorPlan, StatePlan, UpgradePlan};

pub(crate) use history::History;
pub(crate) use metadata::{BLOCK_LOG, DRIVER_LOG, Metadata};
pub(crate) use plan::{Permits, Program, StateOffer, held_states, waiting_without_input};
pub(crate) use rename::Renames;
pub(crate) use replay::{replay_driver_log, replay_entries};
