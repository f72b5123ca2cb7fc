//! Scheduling: batches are cut on time, their jobs run, and what they changed takes effect in order.
//!
//! Invariant (R5): a batch is complete when all of its outputs are committed; batches of a program with
//! state start one after the other, each when the one before has taken effect.

mod catch_up;
mod delays;
mod job_generator;
mod job_scheduler;
mod listener;
mod missed;
mod overdue;
mod progress;
mod queue;

pub use catch_up::CatchUp;
pub use delays::DelayHistograms;
pub use listener::{
    BatchAllocation, BatchInfo, CheckpointWrite, ListenerBus, OutputOperationInfo, StreamingEvent,
    StreamingListener,
};
pub use progress::{BatchFailure, Progress, Statistics};

pub(crate) use catch_up::CatchUpSettings;
pub(crate) use delays::DELAY_BOUNDS;
pub(crate) use job_generator::{GenerateBatch, JobGenerator};
pub(crate) use job_scheduler::{BatchHooks, JobScheduler, Retries, SchedulerOptions};
pub(crate) use missed::{Catchup, tick_to_run};
pub(crate) use progress::RETAINED_BATCHES;
