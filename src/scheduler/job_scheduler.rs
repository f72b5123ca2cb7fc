//! [`JobScheduler`]: runs batches' jobs on a few threads of its own; leaf tasks go to the CPU pool.
//!
//! A batch passes through: waiting → generated → running → finishing → gone. A job that fails is tried
//! again with growing waits; after so many failures the batch is reported as failed and still tried
//! again, because dropping it would lose data: it holds back what comes after it until it succeeds or
//! the context stops. A stopped context leaves it unfinished, and the next start takes it up again.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::queue::{Batch, JobSlot, JobState, Queue, Stage, Work};
use super::{BatchFailure, BatchInfo, ListenerBus, OutputOperationInfo, Progress, StreamingEvent};
use crate::clock::Clock;
use crate::dstream::Job;
use crate::rdd::{TaskError, contained};
use crate::time::Time;
use crate::uid::OperatorUid;

/// How jobs are run.
#[derive(Debug, Clone)]
pub(crate) struct SchedulerOptions {
    /// Jobs that run at once.
    pub(crate) concurrent_jobs: usize,
    /// Whether batches run strictly one after the other.
    pub(crate) in_order: bool,
    /// How failures are dealt with at first.
    pub(crate) retries: Retries,
}

/// How often, and when, what failed is tried again.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    /// Failures after which a batch is reported as failed.
    pub(crate) max_failures: u64,
    /// The wait after a first failure; doubled each time.
    pub(crate) delay: Duration,
    /// The longest wait.
    pub(crate) delay_max: Duration,
}

impl Retries {
    fn delay_after(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(20);
        self.delay
            .saturating_mul(2u32.saturating_pow(doublings))
            .min(self.delay_max)
    }
}

/// What the scheduler does with batches, besides running their jobs.
pub(crate) trait BatchHooks: Send + Sync {
    /// Whether this driver may still commit anything.
    fn may_commit(&self) -> Result<(), TaskError>;
    /// The jobs of the batch at `time`.
    fn generate(&self, time: Time) -> Result<Vec<Job>, TaskError>;
    /// All jobs of the batch have succeeded: makes its effect on state real.
    fn finish(&self, time: Time) -> Result<(), TaskError>;
    /// The batch is complete. No batch after it has begun if batches run in order.
    fn completed(&self, batch: &BatchInfo);
    /// A batch has failed as often as it may.
    fn failed(&self, time: Time, reason: &str);
    /// Called between batches: the moment for what needs the engine at rest.
    fn between_batches(&self);
}

pub(crate) struct JobScheduler {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    in_order: bool,
    retries: Mutex<Retries>,
    hooks: Arc<dyn BatchHooks>,
    clock: Arc<dyn Clock>,
    bus: ListenerBus,
    progress: Arc<Progress>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl JobScheduler {
    pub(crate) fn start(
        options: SchedulerOptions,
        hooks: Arc<dyn BatchHooks>,
        clock: Arc<dyn Clock>,
        bus: ListenerBus,
        progress: Arc<Progress>,
    ) -> std::io::Result<Self> {
        let threads = options.concurrent_jobs.max(1);
        let shared = Arc::new(Shared {
            in_order: options.in_order,
            retries: Mutex::new(options.retries),
            hooks,
            clock,
            bus,
            progress,
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let spawn = |n| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("tidemill-job-{n}"))
                .spawn(move || shared.work())
        };
        let threads = (0..threads).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Deals with failures in another way from now on.
    pub(crate) fn set_retries(&self, retries: Retries) {
        let current = self.shared.retries.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = retries;
    }

    /// Hands in an allocated batch; `records` are those of each input of which that is known.
    pub(crate) fn submit(&self, time: Time, records: BTreeMap<OperatorUid, u64>) {
        let info = BatchInfo {
            batch_time: time,
            submission_time: self.shared.clock.now(),
            processing_start_time: None,
            processing_end_time: None,
            num_records: records.values().sum(),
            stream_records: Arc::new(records),
            output_operations: Vec::new(),
        };
        self.shared.progress.submitted(info.clone());
        self.shared
            .bus
            .post(StreamingEvent::BatchSubmitted(info.clone()));
        let mut queue = self.shared.queue();
        let batch = Batch {
            time,
            info,
            stage: Stage::Waiting,
            failures: 0,
            retry_at: None,
        };
        queue.batches.push_back(batch);
        self.shared.changed.notify_all();
    }

    /// Batches that aren't complete.
    pub(crate) fn pending(&self) -> usize {
        self.shared.queue().batches.len()
    }

    /// Waits until at most `batches` are incomplete; `false` when `deadline` came first.
    pub(crate) fn wait_for_pending(&self, batches: usize, deadline: Option<Instant>) -> bool {
        let mut queue = self.shared.queue();
        while queue.batches.len() > batches && !queue.stopping {
            queue = match deadline {
                None => self
                    .shared
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        return false;
                    };
                    let waited = self.shared.changed.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        queue.batches.len() <= batches
    }

    /// Has [`BatchHooks::between_batches`] called as soon as no batch is in the middle of taking effect.
    pub(crate) fn wake_between(&self) {
        self.shared.queue().wake_between = true;
        self.shared.changed.notify_all();
    }

    /// Stops after the work at hand; batches that aren't complete stay so.
    pub(crate) fn stop(&self) {
        self.shared.queue().stopping = true;
        self.shared.changed.notify_all();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a job thread panicked");
            }
        }
    }
}

impl Shared {
    fn work(&self) {
        while let Some(work) = self.next() {
            match work {
                Work::Generate(time) => self.generate(time),
                Work::Run(time, index, job) => self.run(time, index, &job),
                Work::Finish(time) => self.finish(time),
                Work::BetweenBatches => self.hooks.between_batches(),
            }
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Work> {
        let mut queue = self.queue();
        loop {
            if queue.stopping {
                return None;
            }
            match queue.take(self.in_order) {
                Ok(work) => return Some(work),
                Err(None) => {
                    queue = self
                        .changed
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Err(Some(delay)) => {
                    let waited = self.changed.wait_timeout(queue, delay);
                    queue = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn generate(&self, time: Time) {
        let generated = contained(|| self.hooks.generate(time));
        let mut queue = self.queue();
        let Some(batch) = queue.batch(time) else {
            return;
        };
        match generated {
            Ok(jobs) => {
                let info_of = |(id, job): (usize, &Job)| OutputOperationInfo {
                    id,
                    uid: job.output.uid.clone(),
                    name: job.output.kind.to_owned(),
                    start_time: None,
                    end_time: None,
                    failures: 0,
                    failure_reason: None,
                    next_try: None,
                };
                batch.info.output_operations = jobs.iter().enumerate().map(info_of).collect();
                batch.info.processing_start_time = Some(self.clock.now());
                let slot = |job| JobSlot {
                    job: Arc::new(job),
                    state: JobState::Ready,
                    retry_at: None,
                };
                batch.stage = Stage::Running(jobs.into_iter().map(slot).collect());
                self.progress.started(batch.info.clone());
                self.bus
                    .post(StreamingEvent::BatchStarted(batch.info.clone()));
            }
            Err(error) => {
                batch.stage = Stage::Waiting;
                self.batch_failed(queue, time, &format!("its jobs can't be made: {error}"));
            }
        }
    }

    fn run(&self, time: Time, index: usize, job: &Job) {
        let started = self.clock.now();
        self.tell_output(
            time,
            index,
            |output| (output.start_time, output.next_try) = (Some(started), None),
            true,
        );
        let result = {
            let span =
                tracing::debug_span!("job", time = time.as_millis(), output = %job.output.uid);
            let _in_span = span.enter();
            contained(|| {
                self.hooks.may_commit()?;
                (job.work)()
            })
        };
        let ended = self.clock.now();
        let failures = self.tell_output(
            time,
            index,
            |output| match &result {
                Ok(()) => output.end_time = Some(ended),
                Err(error) => {
                    output.failures += 1;
                    output.failure_reason = Some(error.to_string());
                    output.next_try = Some(ended.plus(self.delay_after(output.failures)));
                }
            },
            false,
        );
        let mut queue = self.queue();
        let Some(Batch {
            stage: Stage::Running(slots),
            ..
        }) = queue.batch(time)
        else {
            return;
        };
        let Some(slot) = slots.get_mut(index) else {
            return;
        };
        let Err(error) = result else {
            slot.state = JobState::Done;
            return;
        };
        slot.state = JobState::Ready;
        slot.retry_at = Some(Instant::now() + self.delay_after(failures));
        drop(queue);
        let reason = format!("`{}` failed: {error}", job.output.uid);
        self.report(time, failures, &reason);
    }

    fn finish(&self, time: Time) {
        let finished = contained(|| self.hooks.finish(time));
        if let Err(error) = finished {
            let mut queue = self.queue();
            if let Some(batch) = queue.batch(time) {
                // The jobs are done and stay so; only the finish is tried again.
                batch.stage = Stage::Running(Vec::new());
            }
            self.batch_failed(queue, time, &format!("it can't take effect: {error}"));
            return;
        }
        let ended = self.clock.now();
        let info = self.queue().batch(time).map(|batch| {
            batch.info.processing_end_time = Some(ended);
            batch.info.clone()
        });
        let Some(info) = info else { return };
        // The batch is still in the queue, so that nothing after it begins before this.
        self.hooks.completed(&info);
        self.queue().batches.retain(|batch| batch.time != time);
        self.progress.completed(info.clone());
        self.bus.post(StreamingEvent::BatchCompleted(info));
    }

    /// Notes a failure outside of any job and sets when the batch is tried again.
    fn batch_failed(&self, mut queue: MutexGuard<'_, Queue>, time: Time, reason: &str) {
        let Some(batch) = queue.batch(time) else {
            return;
        };
        batch.failures += 1;
        let failures = batch.failures;
        batch.retry_at = Some(Instant::now() + self.delay_after(failures));
        drop(queue);
        self.report(time, failures, reason);
    }

    fn report(&self, time: Time, failures: u64, reason: &str) {
        let retry_in = self.delay_after(failures);
        if failures < self.retries().max_failures {
            tracing::warn!(
                batch = time.as_millis(),
                failures,
                ?retry_in,
                "batch: {reason}"
            );
            return;
        }
        tracing::error!(
            batch = time.as_millis(),
            failures,
            ?retry_in,
            "the batch failed and is tried on: {reason}"
        );
        let failure = BatchFailure {
            reason: reason.to_owned(),
            tries: failures,
            next_try: self.clock.now().plus(retry_in),
        };
        self.progress.failed(time, failure);
        self.bus
            .post(StreamingEvent::BatchFailed(time, reason.to_owned()));
        self.hooks.failed(time, reason);
    }

    fn retries(&self) -> Retries {
        let retries = self.retries.lock();
        retries.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn delay_after(&self, failures: u64) -> Duration {
        self.retries().delay_after(failures)
    }

    /// Changes what is known of an output operation and tells it; returns its failures so far.
    fn tell_output(
        &self,
        time: Time,
        index: usize,
        change: impl FnOnce(&mut OutputOperationInfo),
        starts: bool,
    ) -> u64 {
        let mut queue = self.queue();
        let Some(batch) = queue.batch(time) else {
            return 0;
        };
        let Some(output) = batch.info.output_operations.get_mut(index) else {
            return 0;
        };
        change(output);
        let output = output.clone();
        let failures = output.failures;
        self.progress.started(batch.info.clone());
        drop(queue);
        self.bus.post(match starts {
            true => StreamingEvent::OutputOperationStarted(time, output),
            false => StreamingEvent::OutputOperationCompleted(time, output),
        });
        failures
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
