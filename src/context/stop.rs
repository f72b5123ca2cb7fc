//! Stopping: at once, or gracefully: receivers first, then every received block, then a last checkpoint.
//! Nothing acknowledged is lost either way.

use std::time::{Duration, Instant};

use super::{ContextState, Running, StreamingContext};
use crate::error::{Error, Result};

/// How long clients are given to take their answers when all is stored.
const ANSWERING: Duration = Duration::from_secs(2);

impl StreamingContext {
    /// Stops. Gracefully: receivers end, everything received is processed, a last checkpoint is written;
    /// when that takes longer than the stop time-out, what is left is done after the next start. Not
    /// gracefully: the work at hand is finished and the rest left. Stopping again changes nothing.
    ///
    /// # Errors
    /// When the last checkpoint couldn't be written; the one before it and the log are whole.
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
        let mut life = self.life();
        life.state = ContextState::Stopped;
        life.engine = None;
        self.0.changed.notify_all();
        result
    }

    fn wind_down(&self, running: Running, gracefully: bool) -> Result<()> {
        let Running {
            engine,
            generator,
            scheduler,
            receivers,
        } = running;
        let deadline = Instant::now() + self.settings().stop_timeout;
        let runtime = self.runtime()?;
        tracing::info!(gracefully, "stopping");
        engine.intake.gate.wait_no_longer_than(match gracefully {
            true => deadline,
            false => Instant::now(),
        });
        receivers.iter().for_each(super::RunningReceiver::cancel);
        let mut drained = gracefully;
        if gracefully {
            for receiver in receivers {
                drained &= receiver.finish(&runtime, deadline);
            }
            // Posts that were answered just now still have to reach their clients.
            let answering = self.ingest().drained();
            let limit = ANSWERING.min(deadline.saturating_duration_since(Instant::now()));
            let _ = runtime.block_on(async { tokio::time::timeout(limit, answering).await });
        }
        let is_broken = self.life().is_broken;
        if drained && !is_broken {
            if engine.intake.tracker.has_unallocated() {
                generator.drain();
            }
            generator.stop();
            drained = scheduler.wait_for_pending(0, Some(deadline));
        }
        generator.stop();
        if gracefully && !drained {
            tracing::warn!("the stop took too long; what is left is done after the next start");
        }
        scheduler.stop();
        engine.checkpointer.stop();
        engine.space.stop();
        let last = match gracefully && !is_broken {
            true => engine.write_checkpoint_now().map(|_| ()),
            false => Ok(()),
        };
        let close = |log: &tidemill_wal::Wal, name: &str| {
            log.close().map_err(|error| Error::Log {
                log: name.to_owned(),
                error: Box::new(error),
            })
        };
        let closed = close(engine.intake.tracker.log(), "the driver's log");
        let blocks = engine
            .intake
            .store
            .log()
            .map_or(Ok(()), |log| close(log, "the block log"));
        tracing::info!("stopped");
        match is_broken {
            // The logs refuse after a failure, which has been told.
            true => Ok(()),
            false => last.and(closed).and(blocks),
        }
    }
}
