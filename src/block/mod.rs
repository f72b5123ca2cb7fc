//! Blocks: how received records are held, made durable and assigned to batches.
//!
//! Invariant (R1 to R3): a block's data is durable before its addition is logged; the addition is durable
//! before the block can be allocated and before its source is acknowledged; an allocation is durable
//! before its batch computes.

mod at_risk;
mod backlog;
mod data;
mod events;
mod gate;
mod generator;
mod id;
mod in_flight;
mod pusher;
mod rate_limit;
mod rdd;
mod record;
mod store;
mod tracker;
#[cfg(test)]
mod tracker_suite_tests;
#[cfg(test)]
mod tracker_tests;
mod waiting;

use std::sync::Arc;

pub use data::{Block, Encoding};
pub use events::{BatchAllocationEvent, BatchCleanupEvent, BlockAdditionEvent, Event};
pub use id::{BlockId, BlockInfo};
pub use record::Record;

pub(crate) use backlog::Backlog;
pub(crate) use gate::{Gate, Writer};
pub(crate) use generator::{BlockGenerator, GeneratorOptions, StoreError};
pub(crate) use pusher::{OnFatal, block_generator};
pub(crate) use rate_limit::TokenBucket;
pub(crate) use rdd::block_rdd;
pub(crate) use store::{BLOCK_ENTRY, BlockStore, BlockStoreError, block_in};
pub(crate) use tracker::{Allocation, Tracker, TrackerError, TrackerSnapshot, Withdrawn};

/// The kind of an entry, in either log, that stands for one that was lost to damage and that somebody
/// decided to go on without (`tidemill wal repair`).
pub(crate) const GIVEN_UP: u8 = 126;

/// Where received data goes: its store and its tracker, and whether any may come.
pub(crate) struct Intake {
    pub(crate) gate: Arc<Gate>,
    pub(crate) tracker: Tracker,
    pub(crate) store: Arc<BlockStore>,
}
