//! What the tasks of a batch leave beside its outputs: gathered as they go, whole before the batch takes
//! effect.

use super::Engine;
use super::batches::is_full;
use crate::block::Writer;
use crate::dead_letters::DeadLetterOffice;
use crate::dstream::Job;
use crate::effects::{at_batch, collected};
use crate::rdd::TaskError;
use crate::time::Time;

impl Engine {
    /// A job whose work leaves what it adds to the batch, if it succeeds.
    pub(super) fn with_effects(&self, job: Job, time: Time) -> Job {
        let (work, output) = (job.work, job.output.uid.clone());
        let batch = self.registry.effects.batch(time);
        Job {
            work: Box::new(move || {
                at_batch(Some(time), || {
                    let Some(batch) = &batch else {
                        return work();
                    };
                    let (done, left) = collected(&work);
                    if done.is_ok() {
                        batch.keep_output(&output, left);
                    }
                    done
                })
            }),
            ..job
        }
    }

    /// Has all computed that outputs didn't: a sink that had committed the batch before a restart, or one
    /// that looks only at the beginning, and what later windows will read. So what is left is that of the
    /// batch's data, whatever happened to it.
    pub(super) fn complete_effects(&self, time: Time) -> Result<(), TaskError> {
        if self.registry.effects.batch(time).is_none() {
            return Ok(());
        }
        let nodes = self.registry.nodes();
        let outputs = self.registry.outputs();
        let read_later = nodes
            .iter()
            .filter(|node| !node.core().looks_back.is_zero())
            .flat_map(|node| node.core().parents.iter().copied());
        let mut wanted: Vec<usize> = outputs
            .iter()
            .map(|output| output.parent)
            .chain(read_later)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
            .into_iter()
            .filter_map(|id| nodes.get(id))
            // Whatever isn't of the batch's datasets was added, if at all, when its output was made.
            .try_for_each(|node| collected(|| node.complete(time)).0)
    }

    /// Commits the records that the batch put aside, under its identity.
    pub(super) fn commit_dead_letters(&self, time: Time) -> Result<(), TaskError> {
        let Some(batch) = self.registry.effects.batch(time) else {
            return Ok(());
        };
        let letters = DeadLetterOffice::letters(time, &batch);
        if letters.is_empty() {
            return Ok(());
        }
        self.prove_ownership().map_err(TaskError::new)?;
        let registry = &self.registry;
        let (gate, writer) = (&self.intake.gate, Writer::Output(DeadLetterOffice::uid()));
        let committed = registry
            .dead_letters
            .commit(&registry.application, time, &letters, &registry.executor)
            .map_err(TaskError::Failed);
        match &committed {
            Ok(()) => gate.accepted(&writer),
            Err(error) if is_full(error) => gate.refused(writer, error),
            Err(_) => {}
        }
        committed
    }
}
