//! Checkpoints and savepoints of a running program: what there is, and more on demand.

use std::sync::mpsc::channel;
use std::time::Duration;

use tidemill_wal::LatencyHistogram;

use super::StreamingContext;
use crate::engine::{CheckpointInfo, CheckpointStatus};
use crate::error::{Error, Result};

impl StreamingContext {
    /// How checkpoints are doing, while it is active.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.checkpoint_status().is_some());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint_status(&self) -> Option<CheckpointStatus> {
        self.engine().map(|engine| engine.checkpointer.shown())
    }

    /// How long this driver's checkpoints took from the cut until they were durable.
    pub(crate) fn checkpoint_durations(&self) -> Option<LatencyHistogram> {
        self.engine().map(|engine| engine.checkpointer.durations())
    }

    /// The checkpoints that this driver wrote of late, newest first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// let cut = context.checkpoint_now(Duration::from_secs(60))?;
    /// assert_eq!(context.checkpoint_history()[0].id, cut.id);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint_history(&self) -> Vec<CheckpointInfo> {
        self.engine()
            .map(|engine| engine.checkpointer.history())
            .unwrap_or_default()
    }

    /// Cuts a checkpoint at the next boundary between batches and waits until it's durable.
    ///
    /// # Errors
    /// When the context isn't active, the checkpoint can't be written, or `limit` has passed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// let cut = context.checkpoint_now(Duration::from_secs(60))?;
    /// assert_eq!(context.checkpoint_history()[0].id, cut.id);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint_now(&self, limit: Duration) -> Result<CheckpointInfo> {
        self.cut(None, limit)
    }

    /// Makes a savepoint at the next boundary between batches and waits until it's durable: a checkpoint with a
    /// name, which stays until it is [forgotten](StreamingContext::forget_savepoint), holds no log back and can
    /// be [gone back to](crate::Builder::from_savepoint). Spark has nothing of the kind.
    ///
    /// # Errors
    /// When the name isn't 1 to 64 letters, digits, `-`, `_` or `.` behind the first, or is taken; otherwise as
    /// [`StreamingContext::checkpoint_now`].
    ///
    /// ```
    /// # fn upgrade(context: &tidemill::StreamingContext) -> tidemill::Result<()> {
    /// context.create_savepoint("before-v2", std::time::Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_savepoint(&self, name: &str, limit: Duration) -> Result<CheckpointInfo> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_hidden = name.starts_with('.');
        if name.is_empty() || is_hidden || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(Error::Setting(format!(
                "a savepoint can't be called `{name}`: a name is 1 to 64 letters, digits, `-`, `_` or `.`, which \
                 can't be the first"
            )));
        }
        let engine = self.engine();
        if let Some(engine) = engine
            && engine.checkpointer.store().savepoint(name).is_ok()
        {
            let taken = tidemill_checkpoint::Error::Savepoint {
                location: engine.checkpointer.shown().location,
                name: name.to_owned(),
                why: "it is there already: forget it, or choose another name".to_owned(),
            };
            return Err(taken.into());
        }
        self.cut(Some(name.to_owned()), limit)
    }

    /// Gives a savepoint up: what only it held goes with the next checkpoint.
    ///
    /// # Errors
    /// When the context isn't active, there is no such savepoint, or it is among the newest checkpoints.
    ///
    /// ```
    /// # fn tidy(context: &tidemill::StreamingContext) -> tidemill::Result<()> {
    /// context.forget_savepoint("before-v2")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget_savepoint(&self, name: &str) -> Result<()> {
        let engine = self
            .engine()
            .ok_or(Error::WrongState("the context isn't active"))?;
        Ok(engine.checkpointer.store().forget(name)?)
    }

    fn cut(&self, name: Option<String>, limit: Duration) -> Result<CheckpointInfo> {
        let engine = self
            .engine()
            .ok_or(Error::WrongState("the context isn't active"))?;
        let (answer, answered) = channel();
        engine.checkpointer.request(answer, name);
        if let Some(scheduler) = engine.scheduler() {
            scheduler.wake_between();
        }
        match answered.recv_timeout(limit) {
            Ok(result) => result.map_err(Error::Fatal),
            Err(_) => Err(Error::WrongState(
                "no checkpoint became durable in time; it is still wanted",
            )),
        }
    }
}
