//! The job scheduler's queue: which piece of work is next. Decides, and does nothing itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::BatchInfo;
use crate::dstream::Job;
use crate::time::Time;

#[derive(Default)]
pub(super) struct Queue {
    pub(super) batches: VecDeque<Batch>,
    pub(super) stopping: bool,
    pub(super) wake_between: bool,
}

pub(super) struct Batch {
    pub(super) time: Time,
    pub(super) info: BatchInfo,
    pub(super) stage: Stage,
    /// Failures of its generation and its finish.
    pub(super) failures: u64,
    pub(super) retry_at: Option<Instant>,
}

pub(super) enum Stage {
    Waiting,
    Generating,
    Running(Vec<JobSlot>),
    Finishing,
}

pub(super) struct JobSlot {
    pub(super) job: Arc<Job>,
    pub(super) state: JobState,
    pub(super) retry_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum JobState {
    Ready,
    Running,
    Done,
}

/// A piece of work that a thread has taken.
pub(super) enum Work {
    Generate(Time),
    Run(Time, usize, Arc<Job>),
    Finish(Time),
    BetweenBatches,
}

impl Queue {
    pub(super) fn batch(&mut self, time: Time) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.time == time)
    }

    /// The next piece of work; else how long until one may be due.
    pub(super) fn take(&mut self, in_order: bool) -> Result<Work, Option<Duration>> {
        let now = Instant::now();
        let mut soonest: Option<Instant> = None;
        let eligible = if in_order { 1 } else { usize::MAX };
        // At rest: in order, when the front batch hasn't begun; else when nothing is finishing.
        let at_rest = match in_order {
            true => self
                .batches
                .front()
                .is_none_or(|batch| matches!(batch.stage, Stage::Waiting)),
            false => !self
                .batches
                .iter()
                .any(|batch| matches!(batch.stage, Stage::Finishing)),
        };
        if self.wake_between && at_rest {
            self.wake_between = false;
            return Ok(Work::BetweenBatches);
        }
        for batch in self.batches.iter_mut().take(eligible) {
            if let Some(at) = batch.retry_at.filter(|at| *at > now) {
                soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
                continue;
            }
            match &mut batch.stage {
                Stage::Waiting => {
                    batch.stage = Stage::Generating;
                    return Ok(Work::Generate(batch.time));
                }
                Stage::Running(slots) => {
                    if slots.iter().all(|slot| slot.state == JobState::Done) {
                        batch.stage = Stage::Finishing;
                        return Ok(Work::Finish(batch.time));
                    }
                    for (index, slot) in slots.iter_mut().enumerate() {
                        if slot.state != JobState::Ready {
                            continue;
                        }
                        if let Some(at) = slot.retry_at.filter(|at| *at > now) {
                            soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
                            continue;
                        }
                        slot.state = JobState::Running;
                        return Ok(Work::Run(batch.time, index, Arc::clone(&slot.job)));
                    }
                }
                Stage::Generating | Stage::Finishing => {}
            }
        }
        Err(soonest.map(|at| at.saturating_duration_since(now)))
    }
}
