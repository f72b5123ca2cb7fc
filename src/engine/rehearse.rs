//! Batches that are run to see how they go: their outputs are counted instead of committed.

use std::sync::Arc;

use serde::Serialize;
use tidemill_wal::Wal;

use super::Engine;
use crate::dead_letters::DeadLetterOffice;
use crate::dstream::{Job, Preview, PreviewSlot, Shown};
use crate::effects::at_batch;
use crate::error::{Error, Result};
use crate::rdd::{TaskError, contained};
use crate::scheduler::BatchHooks;
use crate::time::{Time, millis};
use crate::uid::OperatorUid;

/// How a batch went in a [rehearsal](crate::StreamingContext::rehearse) or a
/// [replay](crate::StreamingContext::replay).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RehearsedBatch {
    /// The batch.
    pub batch_time: Time,
    /// Whether it had been fixed before: the restart would take it up with the contents that it has.
    pub was_unfinished: bool,
    /// Records in its blocks and plans, as far as that is known before they are read.
    pub records: u64,
    /// Milliseconds for all of it.
    pub millis: u64,
    /// Its outputs, in the order of their declaration, and the dead letters if there are any.
    pub outputs: Vec<RehearsedOutput>,
    /// Why it failed, where that is more than the failure of an output.
    pub error: Option<String>,
}

/// What an output would have been given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RehearsedOutput {
    /// The output.
    pub uid: OperatorUid,
    /// Its kind: `save_as_text_files`, `print`, `dead_letters`, ...
    pub kind: String,
    /// Records that it would have been given.
    pub rows: u64,
    /// The first of them as text, shortened (all of them, whole, in a replay); none where the output can't show
    /// its elements, as `for_each_rdd` can't.
    pub first: Vec<String>,
    /// Milliseconds to compute them. What they have in common with an output before them is computed there.
    pub millis: u64,
    /// Why they couldn't be computed.
    pub error: Option<String>,
}

impl RehearsedBatch {
    /// Whether a restart would have completed it, as far as that isn't up to where outputs write.
    ///
    /// ```
    /// # fn show(rehearsal: &tidemill::Rehearsal) {
    /// let failed = rehearsal.batches.iter().find(|batch| !batch.succeeded());
    /// # }
    /// ```
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.outputs.iter().all(|output| output.error.is_none())
    }
}

impl Engine {
    /// Fixes and runs the next batch.
    pub(crate) fn rehearse_next(&self, time: Time) -> RehearsedBatch {
        match self.allocate_next(time, false) {
            Ok(Some(records)) => self.rehearse(time, false, records.values().sum(), Shown::FEW),
            Ok(None) => failed(time, "there is no room for its place in the log".to_owned()),
            Err(error) => failed(time, error.to_string()),
        }
    }

    /// Runs a batch that had been fixed before.
    pub(crate) fn rehearse_unfinished(&self, time: Time, shown: Shown) -> RehearsedBatch {
        let allocation = self.intake.tracker.allocation(time).unwrap_or_default();
        self.rehearse(time, true, allocation.records().values().sum(), shown)
    }

    fn rehearse(
        &self,
        time: Time,
        was_unfinished: bool,
        records: u64,
        shown: Shown,
    ) -> RehearsedBatch {
        let started = self.clock.now();
        let mut batch = RehearsedBatch {
            was_unfinished,
            records,
            ..failed(time, String::new())
        };
        batch.error = self.run_previews(time, shown, &mut batch.outputs).err();
        if batch.succeeded() {
            let finished = contained(|| self.finish(time));
            batch.error = finished
                .err()
                .map(|error| format!("it can't take effect: {error}"));
            batch.outputs.extend(self.letters_held_back(time, shown));
            let nodes = self.registry.nodes();
            nodes.iter().for_each(|node| node.clear_metadata(time));
        }
        batch.millis = millis(self.clock.now().since(started));
        batch
    }

    fn run_previews(
        &self,
        time: Time,
        shown: Shown,
        outputs: &mut Vec<RehearsedOutput>,
    ) -> Result<(), String> {
        self.registry.effects.begin(time);
        let jobs = contained(|| at_batch(Some(time), || self.previews(time, shown)));
        let jobs = jobs.map_err(|error| format!("its jobs can't be made: {error}"))?;
        for (job, slot) in jobs {
            let started = self.clock.now();
            let done = contained(|| (job.work)());
            let Preview { rows, first } = slot.take().unwrap_or_default();
            outputs.push(RehearsedOutput {
                uid: job.output.uid.clone(),
                kind: job.output.kind.to_owned(),
                rows,
                first,
                millis: millis(self.clock.now().since(started)),
                error: done.err().map(|error| error.to_string()),
            });
        }
        Ok(())
    }

    fn previews(
        &self,
        time: Time,
        shown: Shown,
    ) -> Result<Vec<(Job, Arc<PreviewSlot>)>, TaskError> {
        let mut jobs = Vec::new();
        for output in self.registry.outputs() {
            let slot = PreviewSlot::new(shown);
            if let Some(job) = output.preview(time, &slot)? {
                jobs.push((self.with_effects(job, time), slot));
            }
        }
        Ok(jobs)
    }

    fn letters_held_back(&self, time: Time, shown: Shown) -> Option<RehearsedOutput> {
        let letters = self.registry.dead_letters.held_back(time);
        let mut preview = Preview::default();
        for letter in &letters {
            preview.add(shown, || letter.to_line().ok());
        }
        (preview.rows > 0).then(|| RehearsedOutput {
            uid: DeadLetterOffice::uid(),
            kind: "dead_letters".to_owned(),
            rows: preview.rows,
            first: preview.first,
            millis: 0,
            error: None,
        })
    }

    /// Closes both logs.
    pub(crate) fn close_logs(&self) -> Result<()> {
        let close = |log: &Wal, name: &str| {
            log.close().map_err(|error| Error::Log {
                log: name.to_owned(),
                error: Box::new(error),
            })
        };
        let closed = close(self.intake.tracker.log(), "the driver's log");
        let blocks = self.intake.store.log();
        closed.and(blocks.map_or(Ok(()), |log| close(log, "the block log")))
    }
}

/// A batch that failed before anything of it was run.
fn failed(time: Time, reason: String) -> RehearsedBatch {
    RehearsedBatch {
        batch_time: time,
        was_unfinished: false,
        records: 0,
        millis: 0,
        outputs: Vec::new(),
        error: Some(reason),
    }
}
