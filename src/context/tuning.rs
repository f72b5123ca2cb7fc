//! [`Tuning`]: what can change while a context runs.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use super::builder::is_no_rate;
use super::{ContextState, StreamingContext};
use crate::backpressure::{BackpressureSettings, PidSettings};
use crate::engine::Reserve;
use crate::error::{Error, Result};
use crate::scheduler::CatchUpSettings;
use crate::uid::OperatorUid;

/// The settings of a context that can change while it runs; the [builder](super::Builder) says what each means.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tuning {
    /// Batch time between checkpoints; the batch interval at least.
    pub checkpoint_interval: Duration,
    /// Whole checkpoints that are kept, 2 at least.
    pub checkpoint_retain: usize,
    /// Bytes to be kept free on the disks of logs and checkpoints; 0: none.
    pub disk_reserve: u64,
    /// Records a second that each receiver may store, by its uid; `None`: no limit. Receivers that aren't named
    /// keep theirs.
    pub max_rates: BTreeMap<OperatorUid, Option<f64>>,
    /// Records a second and input until back-pressure has estimated a rate.
    pub backpressure_initial_rate: Option<f64>,
    /// How rates are estimated.
    pub backpressure_pid: PidSettings,
    /// How long a receiver may be down before the context isn't ready.
    pub receiver_unready_after: Duration,
    /// Batch intervals after which it is told that a batch takes long; 0: never.
    pub overdue_after: u64,
    /// Records of an input that a batch takes at most; `None`: any number.
    pub catch_up_max_records: Option<u64>,
    /// How many times as fast as they come missed batches are made up for at most; `None`: as fast as they are
    /// processed.
    pub catch_up_max_speed: Option<f64>,
    /// How often a task or a job is tried before its failure is reported.
    pub max_failures: usize,
    /// The wait after a job's first failure, doubled each time.
    pub retry_delay: Duration,
    /// The longest wait between a job's failures.
    pub retry_delay_max: Duration,
    /// How many records of a batch may become dead letters.
    pub max_dead_letters: u64,
    /// Completed batches of which figures are kept.
    pub retained_batches: usize,
    /// How long a graceful stop may take.
    pub stop_timeout: Duration,
    /// How much of it receivers may take.
    pub stop_receivers: Duration,
    /// The text of the program, kept in checkpoints for people.
    pub program_text: Option<String>,
}

impl StreamingContext {
    /// What can change while it runs, as it is now.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.tuning().max_dead_letters, 10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tuning(&self) -> Tuning {
        let inputs = self.inputs();
        let limits = inputs.receivers.iter().filter_map(|input| input.limit());
        let max_rates = limits.map(|(uid, limit)| (uid, limit.max_rate())).collect();
        drop(inputs);
        let settings = self.settings();
        Tuning {
            checkpoint_interval: settings.checkpoint_interval(),
            checkpoint_retain: settings.retain,
            disk_reserve: settings.reserve,
            max_rates,
            backpressure_initial_rate: settings.backpressure.initial_rate,
            backpressure_pid: settings.backpressure.pid.clone(),
            receiver_unready_after: settings.receiver.unready_after,
            overdue_after: settings.overdue_after,
            catch_up_max_records: settings.catch_up.max_records,
            catch_up_max_speed: settings.catch_up.max_speed,
            max_failures: settings.max_failures,
            retry_delay: settings.retry_delay,
            retry_delay_max: settings.retry_delay_max,
            max_dead_letters: settings.max_dead_letters,
            retained_batches: settings.retained_batches,
            stop_timeout: settings.stop_timeout,
            stop_receivers: settings.stop_receivers,
            program_text: settings.program.clone(),
        }
    }

    /// Goes on with other settings, from now on: what is under way, as a wait between two tries, ends as it
    /// began. Records are neither lost nor taken twice by it. All of it or, with an error, nothing. (Spark:
    /// a restart.)
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// let mut tuning = context.tuning();
    /// tuning.stop_timeout = Duration::from_secs(5);
    /// context.tune(&tuning)?;
    /// assert_eq!(context.tuning().stop_timeout, Duration::from_secs(5));
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the context isn't active, a value makes no sense, or there is no such receiver.
    pub fn tune(&self, tuning: &Tuning) -> Result<()> {
        // Held to the end, so that no stop begins in between.
        let life = self.life();
        let running = match (&life.state, &life.running) {
            (ContextState::Active, Some(running)) => running,
            _ => {
                return Err(Error::WrongState(
                    "settings can change only while the context is active",
                ));
            }
        };
        let inputs = self.inputs();
        let limits: BTreeMap<_, _> = inputs
            .receivers
            .iter()
            .filter_map(|input| input.limit())
            .collect();
        if let Some(mistake) = tuning.mistake(|uid| limits.contains_key(uid)) {
            return Err(Error::Setting(mistake));
        }
        let engine = &running.engine;
        let mut settings = self.settings();
        settings.checkpoint_interval = Some(tuning.checkpoint_interval);
        settings.retain = tuning.checkpoint_retain;
        settings.reserve = tuning.disk_reserve;
        settings.backpressure.initial_rate = tuning.backpressure_initial_rate;
        settings.backpressure.pid = tuning.backpressure_pid.clone();
        settings.catch_up = tuning.catch_up();
        settings.receiver.unready_after = tuning.receiver_unready_after;
        settings.overdue_after = tuning.overdue_after;
        settings.max_failures = tuning.max_failures;
        settings.retry_delay = tuning.retry_delay;
        settings.retry_delay_max = tuning.retry_delay_max;
        settings.max_dead_letters = tuning.max_dead_letters;
        settings.retained_batches = tuning.retained_batches;
        settings.stop_timeout = tuning.stop_timeout;
        settings.stop_receivers = tuning.stop_receivers;
        settings.program = tuning.program_text.clone();

        let mut program = engine
            .program
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        program.clone_from(&settings.program);
        drop(program);
        let interval = settings.checkpoint_interval();
        engine.checkpointer.tune(interval, settings.retain);
        engine.space.set_reserve(Reserve(settings.reserve));
        let backpressure = &settings.backpressure;
        engine
            .backpressure
            .tune(backpressure.initial_rate, &backpressure.pid);
        engine
            .backpressure
            .limit_batches(settings.catch_up.max_records);
        running.generator.set_max_speed(settings.catch_up.max_speed);
        running.scheduler.set_retries(settings.retries());
        engine
            .registry
            .executor
            .set_max_failures(settings.max_failures);
        self.0.progress.retain(settings.retained_batches);
        engine.registry.effects.allow(settings.max_dead_letters);
        for (uid, max_rate) in &tuning.max_rates {
            if let Some(limit) = limits.get(uid) {
                limit.set_max_rate(*max_rate);
            }
        }
        Ok(())
    }
}

impl Tuning {
    fn catch_up(&self) -> CatchUpSettings {
        CatchUpSettings {
            max_records: self.catch_up_max_records,
            max_speed: self.catch_up_max_speed,
        }
    }

    /// What is wrong with it, if anything.
    fn mistake(&self, is_receiver: impl Fn(&OperatorUid) -> bool) -> Option<String> {
        for (uid, max_rate) in &self.max_rates {
            if !is_receiver(uid) {
                return Some(format!("max_rates: there is no receiver `{uid}`"));
            }
            if max_rate.is_some_and(is_no_rate) {
                return Some(format!(
                    "max_rates: that of `{uid}` must be a positive number of records a second"
                ));
            }
        }
        let backpressure = BackpressureSettings {
            enabled: true,
            initial_rate: self.backpressure_initial_rate,
            pid: self.backpressure_pid.clone(),
        };
        backpressure.mistake().or_else(|| self.catch_up().mistake())
    }
}
