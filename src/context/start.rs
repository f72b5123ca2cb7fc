//! Starting: recovery, then batches, then receivers, in this order.

use std::sync::Arc;

use tidemill_storage::failpoint;

use super::inputs::StartReceivers;
use super::recover::Recovered;
use super::steps::Step;
use super::watch::Watch;
use super::{ContextState, Running, StartMode, StreamingContext};
use crate::dead_letters::DeadLetterOffice;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::graph::{longest_echo, resolve_remember, validate};
use crate::scheduler::{Catchup, JobGenerator, JobScheduler, SchedulerOptions, StreamingEvent};
use crate::time::Time;

impl StreamingContext {
    /// Starts: goes on from the checkpoint, if there is one, then takes data in and runs batches.
    /// Starting an active context again warns and changes nothing.
    ///
    /// # Errors
    /// When the program is wrong, another driver owns the checkpoint location, the checkpoint can't be
    /// reconciled with the program, or the storage fails. Nothing runs then.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// context.start()?;
    /// // A second time changes nothing.
    /// context.start()?;
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn start(&self) -> Result<()> {
        self.start_with(StartMode::GetOrCreate)
    }

    /// As [`StreamingContext::start`], with a say in what to do about a checkpoint that is there.
    ///
    /// # Errors
    /// As [`StreamingContext::start`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::StartMode;
    ///
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// // On from a checkpoint; anew where there is none.
    /// context.start_with(StartMode::GetOrCreate)?;
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn start_with(&self, mode: StartMode) -> Result<()> {
        {
            let mut life = self.life();
            match life.state {
                ContextState::Initialized => life.state = ContextState::Starting,
                ContextState::Starting | ContextState::Active => {
                    tracing::warn!("the context has been started already");
                    return Ok(());
                }
                ContextState::Stopping | ContextState::Stopped => {
                    return Err(Error::WrongState(
                        "the context has been stopped and can't be started again; make a new one",
                    ));
                }
            }
        }
        let started = self.run(mode);
        self.0.steps.end();
        let mut life = self.life();
        match started {
            Ok(running) => {
                life.started = Some(running.engine.clock.now());
                life.engine = Some(Arc::clone(&running.engine));
                life.running = Some(running);
                life.state = ContextState::Active;
                Ok(())
            }
            Err(error) => {
                life.state = ContextState::Stopped;
                self.0.changed.notify_all();
                Err(error)
            }
        }
    }

    fn run(&self, mode: StartMode) -> Result<Running> {
        let settings = self.settings().clone();
        let registry = Arc::clone(&self.0.registry);
        registry.seal();
        validate(&registry, settings.checkpoint.is_some())?;
        resolve_remember(&registry, settings.remember);
        for output in registry.outputs() {
            let check = output.check();
            check.map_err(|error| Error::Output {
                uid: output.uid.clone(),
                reason: error.to_string(),
                caller: Some(output.caller),
            })?;
        }
        registry
            .dead_letters
            .check()
            .map_err(|error| Error::Output {
                uid: DeadLetterOffice::uid(),
                reason: error.to_string(),
                caller: None,
            })?;
        let runtime = self.runtime()?;
        self.0.progress.retain(settings.retained_batches);
        let parts = self.recover(&settings, mode)?;
        registry.executor.cache().clear_leftovers();
        let Recovered {
            engine,
            unfinished,
            is_new,
            is_rewound,
        } = parts;
        let bus = self.0.bus.clone();

        // R7, R9: the first checkpoint of this epoch is durable before anything new is taken in.
        self.0.steps.enter(Step::FirstCheckpoint, None, None);
        failpoint!("recovery::before_first_checkpoint");
        engine.write_checkpoint_now()?;
        if is_rewound {
            // A second one, so that none of the life that was left is fallen back to (R8).
            engine.write_checkpoint_now()?;
        }
        failpoint!("recovery::after_first_checkpoint");

        let system = |error| Error::System {
            what: "start the engine's threads",
            error,
        };
        let options = SchedulerOptions {
            concurrent_jobs: settings.concurrent_jobs,
            in_order: engine.identity.graph.has_state(),
            retries: settings.retries(),
        };
        let scheduler = JobScheduler::start(
            options,
            engine.clone(),
            Arc::clone(&engine.clock),
            bus.clone(),
            Arc::clone(&self.0.progress),
        );
        let scheduler = Arc::new(scheduler.map_err(system)?);
        let _ = engine.scheduler.set(Arc::downgrade(&scheduler));
        engine.checkpointer.start(&engine).map_err(system)?;
        engine.space.start().map_err(system)?;
        for time in &unfinished {
            let allocation = engine.intake.tracker.allocation(*time).unwrap_or_default();
            scheduler.submit(*time, allocation.records());
        }
        let first = first_time(&engine, is_new);
        let generator = JobGenerator::start(
            first,
            settings.batch_interval,
            catchup(&engine),
            settings.catch_up.max_speed,
            Arc::clone(&engine.clock),
            engine.clone(),
        );
        let generator = generator.map_err(system)?;
        let watch = Watch::start(self, Arc::clone(&engine.clock)).map_err(system)?;
        bus.post(StreamingEvent::StreamingStarted(engine.clock.now()));
        let troubles = engine.troubles.clone();
        let with = StartReceivers {
            settings: &settings,
            backpressure: &engine.backpressure,
            epoch: engine.checkpointer.store().epoch().0,
            clock: Arc::clone(&engine.clock),
            intake: Arc::clone(&engine.intake),
            bus,
            on_fatal: Arc::new(move |error| troubles.fatal(error)),
            runtime,
        };
        let mut inputs = self.inputs();
        let receivers = inputs
            .receivers
            .iter_mut()
            .filter_map(|receiver| receiver.start(&with))
            .collect();
        Ok(Running {
            engine,
            generator,
            scheduler,
            receivers,
            watch: Some(watch),
        })
    }
}

/// The first batch time: the one after the last, or the next tick of the clock, and never before the first start.
pub(super) fn first_time(engine: &Engine, is_new: bool) -> Time {
    let interval = engine.identity.batch_interval;
    match engine.intake.tracker.last_allocated() {
        Some(last) if !is_new => last.next_multiple(interval),
        _ => {
            let complete = engine.boundary().complete_through;
            complete.max(engine.clock.now()).next_multiple(interval)
        }
    }
}

/// Which missed ticks matter to this program.
pub(super) fn catchup(engine: &Engine) -> Catchup {
    let nodes = engine.registry.nodes();
    let mut states = nodes.iter().filter_map(|node| node.core().state.as_ref());
    if states.any(|state| state.window().is_none()) {
        Catchup::EveryBatch
    } else if engine.identity.graph.has_windows() {
        Catchup::Windows(longest_echo(&engine.registry))
    } else {
        Catchup::Nothing
    }
}
