//! Stopping: at once, or gracefully: receivers first, then every received block, then a last checkpoint. Receivers
//! have a deadline of their own, and share the whole's with the batches.
//! Nothing acknowledged is lost either way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::steps::Step;
use super::{ContextState, Owner, Running, StreamingContext};
use crate::error::Result;

/// How long clients are given to take their answers when all is stored.
const ANSWERING: Duration = Duration::from_secs(2);

impl StreamingContext {
    /// Stops. Gracefully: receivers end, everything received is processed, a last checkpoint is written;
    /// when that takes longer than the stop time-out, what is left is done after the next start. Not
    /// gracefully: the work at hand is finished and the rest left. Stopping again changes nothing.
    ///
    /// # Errors
    /// When the last checkpoint couldn't be written; the one before it and the log are whole.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// // All that was received is processed.
    /// context.stop(true)?;
    /// // Again, it changes nothing.
    /// context.stop(false)?;
    /// assert!(context.start().is_err());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn stop(&self, gracefully: bool) -> Result<()> {
        let running = {
            let mut life = self.life();
            match life.state {
                ContextState::Stopped | ContextState::Stopping => return Ok(()),
                ContextState::Initialized | ContextState::Starting => {
                    life.state = ContextState::Stopped;
                    self.0.changed.notify_all();
                    return Ok(());
                }
                ContextState::Active => {
                    life.state = ContextState::Stopping;
                    life.running.take()
                }
            }
        };
        let result = running.map_or(Ok(()), |running| self.wind_down(running, gracefully));
        self.0.steps.end();
        let mut life = self.life();
        life.state = ContextState::Stopped;
        life.engine = None;
        self.0.changed.notify_all();
        result
    }

    fn wind_down(&self, mut running: Running, gracefully: bool) -> Result<()> {
        let began = Instant::now();
        let (deadline, receivers_deadline) = {
            let settings = self.settings();
            let deadline = began + settings.stop_timeout;
            (deadline, deadline.min(began + settings.stop_receivers))
        };
        let runtime = self.runtime()?;
        tracing::info!(gracefully, "stopping");
        running.take_no_more(match gracefully {
            true => receivers_deadline,
            false => began,
        });
        if gracefully {
            let limit = Some(receivers_deadline);
            self.0.steps.enter(Step::Receivers, None, limit);
            let mut have_ended = true;
            for receiver in std::mem::take(&mut running.receivers) {
                have_ended &= receiver.finish(&runtime, receivers_deadline);
            }
            if !have_ended {
                tracing::warn!(
                    "receivers didn't end in time; what they still store is processed after the next start"
                );
            }
            // Posts that were answered just now still have to reach their clients.
            let answering = self.ingest().drained();
            let limit = ANSWERING.min(deadline.saturating_duration_since(Instant::now()));
            let _ = runtime.block_on(async { tokio::time::timeout(limit, answering).await });
        }
        let is_broken = self.life().is_broken;
        if gracefully && !is_broken && !self.drain(&running, deadline) {
            tracing::warn!("the stop took too long; what is left is done after the next start");
        }
        self.0.steps.enter(Step::Finishing, None, None);
        running.end_threads();
        if gracefully && !is_broken {
            self.0.steps.enter(Step::LastCheckpoint, None, None);
        }
        let last = match gracefully && !is_broken {
            true => running.engine.write_checkpoint_now().map(|last| {
                let complete_through = last.time.as_millis();
                tracing::info!(
                    checkpoint = last.id,
                    complete_through,
                    "the last checkpoint is durable"
                );
            }),
            false => Ok(()),
        };
        let closed = running.engine.close_logs();
        tracing::info!("stopped");
        match is_broken {
            // The logs refuse after a failure, which has been told.
            true => Ok(()),
            false => last.and(closed),
        }
    }

    /// Cuts the last batch and waits for all that are waiting; whether they were done in time.
    fn drain(&self, running: &Running, deadline: Instant) -> bool {
        let steps = &self.0.steps;
        steps.enter(Step::Draining, None, Some(deadline));
        if running.engine.intake.tracker.has_unallocated() {
            running.generator.drain();
        }
        running.generator.stop();
        let waiting = self.progress().active().len();
        steps.enter(Step::Draining, Some(waiting as u64), Some(deadline));
        if let Some(step) = self.step().filter(|_| waiting > 0) {
            tracing::info!("{step}");
        }
        running.scheduler.wait_for_pending(0, Some(deadline))
    }
}

impl Running {
    /// Cancels receivers; whoever waits for room gives up at `deadline`.
    fn take_no_more(&self, deadline: Instant) {
        self.engine.intake.gate.wait_no_longer_than(deadline);
        self.receivers
            .iter()
            .for_each(super::RunningReceiver::cancel);
    }

    /// Ends the threads that batches need, once they have finished the work at hand.
    fn end_threads(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.stop();
        }
        self.generator.stop();
        self.scheduler.stop();
        self.engine.checkpointer.stop();
        self.engine.space.stop();
    }

    /// Stops, not gracefully, where nobody can be told how it went.
    fn abandon(mut self) {
        tracing::warn!("the context was dropped while it ran, and stops");
        self.take_no_more(Instant::now());
        self.end_threads();
        if let Err(error) = self.engine.close_logs() {
            tracing::warn!(%error, "a log of a context that was dropped");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.is_owned {
            return;
        }
        let running = self.life().running.take();
        let registry = Arc::clone(&self.registry);
        let end = move || {
            running.into_iter().for_each(Running::abandon);
            registry.clear();
        };
        // A thread of the engine that drops the last handle can't wait for its own end.
        let current = std::thread::current();
        let is_ours = current
            .name()
            .is_some_and(|name| name.starts_with("tidemill-"));
        if !is_ours {
            end();
        } else if let Err(error) = std::thread::Builder::new()
            .name("tidemill-stop".to_owned())
            .spawn(end)
        {
            tracing::error!(%error, "no thread to stop a context that was dropped");
        }
    }
}
