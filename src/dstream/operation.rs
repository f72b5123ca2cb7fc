//! [`OutputOperation`] and [`Job`]: an output of the graph, and its work for one batch.

use std::panic::Location;
use std::sync::Arc;

use super::preview::PreviewSlot;
use crate::rdd::{BoxError, TaskError, contained};
use crate::sink::{BatchIdentity, Guarantee};
use crate::time::Time;
use crate::uid::OperatorUid;

/// A job's work: may be run again after a failure.
pub(crate) type Work = Box<dyn Fn() -> Result<(), TaskError> + Send + Sync>;

/// One output operation's work for one batch.
pub(crate) struct Job {
    pub(crate) output: Arc<OutputOperation>,
    pub(crate) work: Work,
}

pub(super) type Generate = dyn Fn(&BatchIdentity) -> Result<Option<Work>, TaskError> + Send + Sync;
pub(super) type GeneratePreview =
    dyn Fn(Time, &Arc<PreviewSlot>) -> Result<Option<Work>, TaskError> + Send + Sync;
pub(super) type Check = dyn Fn() -> Result<(), BoxError> + Send + Sync;

/// An output operation.
pub(crate) struct OutputOperation {
    pub(crate) uid: OperatorUid,
    pub(crate) kind: &'static str,
    pub(crate) parent: usize,
    pub(crate) guarantee: Guarantee,
    pub(crate) caller: &'static Location<'static>,
    pub(super) check: Box<Check>,
    pub(super) generate: Box<Generate>,
    pub(super) preview: Box<GeneratePreview>,
}

impl OutputOperation {
    /// Finds out before the start whether the output can be written at all.
    pub(crate) fn check(&self) -> Result<(), BoxError> {
        contained(|| (self.check)().map_err(TaskError::Failed)).map_err(Into::into)
    }

    /// The job for the batch at `time`, when the stream has a dataset then.
    pub(crate) fn job(
        self: &Arc<Self>,
        application: &str,
        time: Time,
    ) -> Result<Option<Job>, TaskError> {
        let identity = BatchIdentity {
            application: application.to_owned(),
            output: self.uid.clone(),
            time,
        };
        Ok((self.generate)(&identity)?.map(|work| self.with(work)))
    }

    /// As [`job`](Self::job), but nothing is committed: what would be is put into `slot`.
    pub(crate) fn preview(
        self: &Arc<Self>,
        time: Time,
        slot: &Arc<PreviewSlot>,
    ) -> Result<Option<Job>, TaskError> {
        Ok((self.preview)(time, slot)?.map(|work| self.with(work)))
    }

    fn with(self: &Arc<Self>, work: Work) -> Job {
        Job {
            output: Arc::clone(self),
            work,
        }
    }
}
