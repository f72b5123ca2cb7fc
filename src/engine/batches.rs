//! What the job generator and the job scheduler ask of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_storage::failpoint;

use super::{Engine, Trouble};
use crate::block::{Allocation, TrackerError, Writer};
use crate::dstream::Job;
use crate::effects::at_batch;
use crate::error::{Error, ErrorKind};
use crate::rdd::TaskError;
use crate::scheduler::{BatchAllocation, BatchHooks, BatchInfo, GenerateBatch, StreamingEvent};
use crate::time::Time;
use crate::uid::OperatorUid;

/// How long the job generator waits for room before it looks whether it's to end.
const ROOM_POLL: Duration = Duration::from_millis(100);

/// The plans of a batch by stream, and their records where those are known.
#[derive(Default)]
struct Plans {
    plans: BTreeMap<OperatorUid, Vec<u8>>,
    records: BTreeMap<OperatorUid, u64>,
}

impl Engine {
    /// What direct sources want to read for the batch at `time`, and how many records that is where they
    /// know.
    fn plans(&self, time: Time) -> Plans {
        let previous = self.intake.tracker.last_allocated();
        let mut plans = Plans::default();
        // What isn't planned now is still there when there is room.
        if self.intake.gate.shut().is_some() {
            return plans;
        }
        for input in &self.direct {
            let uid = input.node.core().uid();
            let most = self.backpressure.most_records(&uid);
            if let Some(planned) = input.plan(time, previous, most) {
                if let Some(records) = planned.records {
                    plans.records.insert(uid.clone(), records);
                }
                plans.plans.insert(uid, planned.plan);
            }
        }
        plans
    }

    /// Allocates; when the log has no room, waits for it. `None` when the end came first.
    fn allocate(
        &self,
        time: Time,
        plans: &BTreeMap<OperatorUid, Vec<u8>>,
        most: &dyn Fn(&OperatorUid) -> Option<u64>,
    ) -> Result<Option<Allocation>, TrackerError> {
        let gate = &self.intake.gate;
        let mut refusals = 0;
        loop {
            match self.intake.tracker.allocate(time, plans.clone(), most) {
                Ok(allocation) => {
                    gate.accepted(&Writer::DriverLog);
                    return Ok(Some(allocation));
                }
                Err(error) if error.is_full() => {
                    gate.refused(Writer::DriverLog, &error);
                    refusals += 1;
                    if !gate.wait(refusals) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fixes what the batch at `time` holds (R3), and says how many records of each input that is. `None` when
    /// there was no room, and the end came first. The last batch takes all that was received.
    pub(super) fn allocate_next(
        &self,
        time: Time,
        is_last: bool,
    ) -> Result<Option<BTreeMap<OperatorUid, u64>>, Error> {
        let Plans { plans, mut records } = self.plans(time);
        let most = |stream: &OperatorUid| match is_last {
            true => None,
            false => self.backpressure.most_received(stream),
        };
        let allocation = self
            .allocate(time, &plans, &most)
            .map_err(|error| error.into_fatal())?;
        let Some(allocation) = allocation else {
            return Ok(None);
        };
        for input in &self.direct {
            if let Some(plan) = allocation.plans.get(&input.node.core().uid()) {
                input
                    .source
                    .accept(plan)
                    .map_err(|error| Error::Fatal(error.to_string()))?;
            }
        }
        records.extend(allocation.records());
        Ok(Some(records))
    }

    /// How many whole batches are needed for records that wait and that no batch may take at once.
    fn batches_left_over(&self) -> u64 {
        let received = self.receivers.iter().map(|uid| {
            let most = self.backpressure.most_received(uid);
            most.map(|most| self.intake.tracker.waiting_records(uid) / most.max(1))
        });
        let planned = self.direct.iter().map(|input| {
            let most = self.backpressure.most_records(&input.node.core().uid())?;
            Some(input.source.waiting().records? / most.max(1))
        });
        // Inputs are worked off side by side.
        received.chain(planned).flatten().max().unwrap_or_default()
    }

    /// A job that says whether its output found room.
    fn told_of_room(&self, job: Job) -> Job {
        let gate = Arc::clone(&self.intake.gate);
        let writer = Writer::Output(job.output.uid.clone());
        let work = job.work;
        Job {
            work: Box::new(move || {
                let done = work();
                match &done {
                    Ok(()) => gate.accepted(&writer),
                    Err(error) if is_full(error) => gate.refused(writer.clone(), error),
                    Err(_) => {}
                }
                done
            }),
            ..job
        }
    }
}

/// Whether what failed found no room: the storage's own error is somewhere below it.
pub(super) fn is_full(error: &TaskError) -> bool {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = below {
        if let Some(storage) = error.downcast_ref::<tidemill_storage::Error>() {
            return storage.is_full();
        }
        below = error.source();
    }
    false
}

impl GenerateBatch for Engine {
    fn generate_batch(&self, time: Time, is_last: bool) -> Result<(), Error> {
        if let Err(error) = self.prove_ownership()
            && error.kind() == ErrorKind::OwnedByAnother
        {
            return Err(error);
        }
        let start_time = self.clock.now();
        let Some(records) = self.allocate_next(time, is_last)? else {
            tracing::warn!(
                batch = time.as_millis(),
                "no room for it; left for the next start"
            );
            return Ok(());
        };
        self.bus
            .post(StreamingEvent::BatchAllocated(BatchAllocation {
                batch_time: time,
                epoch: self.checkpointer.store().epoch().0,
                start_time,
                end_time: self.clock.now(),
            }));
        failpoint!("engine::before_submit");
        if let Some(scheduler) = self.scheduler() {
            scheduler.submit(time, records);
        }
        Ok(())
    }

    fn unfinished(&self) -> u64 {
        let pending = self.scheduler().map_or(0, |scheduler| scheduler.pending());
        (pending as u64).saturating_add(self.batches_left_over())
    }

    fn last_filled(&self) -> Option<Time> {
        self.intake.tracker.last_filled()
    }

    fn wait_for_pending(&self, batches: usize) -> bool {
        let until = Instant::now() + ROOM_POLL;
        self.scheduler()
            .is_none_or(|scheduler| scheduler.wait_for_pending(batches, Some(until)))
    }

    fn fatal(&self, error: Error) {
        self.troubles.fatal(error);
    }
}

impl BatchHooks for Engine {
    fn may_commit(&self) -> Result<(), TaskError> {
        self.prove_ownership().map_err(TaskError::new)
    }

    fn generate(&self, time: Time) -> Result<Vec<Job>, TaskError> {
        self.registry.effects.begin(time);
        at_batch(Some(time), || self.jobs(time))
    }

    fn finish(&self, time: Time) -> Result<(), TaskError> {
        at_batch(Some(time), || self.take_effect(time))
    }

    fn completed(&self, batch: &BatchInfo) {
        let time = batch.batch_time;
        self.backpressure.batch_completed(batch);
        self.registry
            .nodes()
            .iter()
            .for_each(|node| node.clear_metadata(time));
        self.release_memory(time);
    }

    fn failed(&self, time: Time, reason: &str) {
        let error = Error::Batch {
            time,
            reason: reason.to_owned(),
        };
        (self.troubles.0)(Trouble::Batch(error));
    }

    fn between_batches(&self) {
        let boundary = self.boundary();
        if self.checkpointer.is_requested() {
            self.cut_checkpoint(&boundary);
        }
    }
}

impl Engine {
    fn jobs(&self, time: Time) -> Result<Vec<Job>, TaskError> {
        let application = &self.registry.application;
        let jobs = self
            .registry
            .outputs()
            .into_iter()
            .map(|output| output.job(application, time));
        let jobs = jobs.filter_map(Result::transpose);
        jobs.map(|job| Ok(self.with_effects(self.told_of_room(job?), time)))
            .collect()
    }

    fn take_effect(&self, time: Time) -> Result<(), TaskError> {
        let nodes = self.registry.nodes();
        let stateful = || nodes.iter().filter(|node| node.core().state.is_some());
        // A sink that had committed this batch before didn't compute it: state must all the same.
        stateful().try_for_each(|node| node.prepare(time))?;
        self.complete_effects(time)?;
        self.commit_dead_letters(time)?;
        failpoint!("engine::before_state_merge");
        let mut boundary = self.boundary();
        boundary.is_taking_effect = true;
        for state in stateful().filter_map(|node| node.core().state.as_ref()) {
            state
                .merge(time, &self.registry.executor)
                .map_err(TaskError::new)?;
        }
        let mut left = self.registry.effects.close(time);
        self.registry.accumulators.take_in(&mut left);
        self.registry.dead_letters.take_in(&mut left);
        boundary.is_taking_effect = false;
        boundary.complete(time, &self.intake.tracker.allocated_times());
        self.registry
            .effects
            .complete_through(boundary.complete_through);
        self.registry
            .set_complete_through(boundary.complete_through);
        failpoint!("engine::after_state_merge");
        if self.checkpointer.is_due(boundary.complete_through) {
            self.cut_checkpoint(&boundary);
        }
        Ok(())
    }
}
