//! A batch's folder in an object store: decided by one conditional write, then made visible.
//!
//! There is no rename, and a driver that was paused may send any of its requests long after a
//! successor has committed the same batch, from other partitions. A condition on the object itself would not stop it:
//! a name that the successor didn't use is free for ever, and a tag made of an object's bytes (as S3's is)
//! is the same again when the bytes are. So no name that a reader sees is written before it is decided,
//! once and for all drivers, which bytes it gets:
//!
//! ```text
//! .NAME.commit/part-00000.0     a part's bytes, staged: the first free number, or one with the same bytes
//! .NAME.commit/decision         which staged object each part is; created once, the first one wins
//! NAME/part-00000               a copy of the decided object, under the decided name; never replaced
//! NAME/_SUCCESS                 empty: the batch is committed, and what a reader waits for
//! ```
//!
//! Whoever comes second, or next after a crash, completes what was decided instead of what it computed
//! itself. Then all drivers write the same bytes under the same names, in whatever order.
//!
//! Behind `_SUCCESS` the hidden folder is removed, and with it the decision: a late driver can create
//! another. Therefore `_SUCCESS` is looked for again *behind* reading or creating a decision, and before acting
//! on it. A decision goes only when `_SUCCESS` is there; so whoever holds one and then finds no `_SUCCESS`
//! holds the first.
//!
//! A part is in memory while it's written, as many parts at once as there are tasks.

use bytes::Bytes;
use tidemill_storage::{Objects, PutOutcome, failpoint};

use super::decision::{Decision, StagedPart};
use super::part::{FileFormat, Parts};
use super::{SUCCESS, part_name};
use crate::rdd::{BoxError, Element, Executor, Partition, Rdd, TaskError};

/// How the names of hidden folders end.
pub(super) const HIDDEN_SUFFIX: &str = ".commit";

pub(super) struct ObjectFolder<'a> {
    objects: &'a dyn Objects,
    name: String,
}

impl<'a> ObjectFolder<'a> {
    pub(super) fn new(objects: &'a dyn Objects, name: String) -> Self {
        Self { objects, name }
    }

    /// The name of what readers see.
    fn visible(&self, file: &str) -> String {
        format!("{}/{file}", self.name)
    }

    fn hidden_folder(&self) -> String {
        match self.name.rsplit_once('/') {
            Some((parent, name)) => format!("{parent}/.{name}{HIDDEN_SUFFIX}"),
            None => format!(".{}{HIDDEN_SUFFIX}", self.name),
        }
    }

    fn hidden(&self, file: &str) -> String {
        format!("{}/{file}", self.hidden_folder())
    }

    /// Tries whether an object can be written here.
    pub(super) fn check(&self) -> Result<(), BoxError> {
        let probe = match self.name.rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/.tidemill-probe"),
            None => ".tidemill-probe".to_owned(),
        };
        self.objects.put(&probe, Bytes::new())?;
        self.objects.delete(&probe)?;
        Ok(())
    }

    pub(super) fn is_committed(&self) -> Result<bool, BoxError> {
        Ok(self.objects.get(&self.visible(SUCCESS))?.is_some())
    }

    pub(super) fn commit<T: ?Sized + Element>(
        &self,
        rdd: &Rdd<T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<(), BoxError> {
        if !self.is_committed()? {
            let decision = match self.decision()? {
                Some(decision) => Some(decision),
                None => self.decide(rdd, parts)?,
            };
            if !self.is_committed()? {
                let Some(decision) = decision else {
                    return Err(self.vanished("decision"));
                };
                if let Err(error) = self.publish(&decision, rdd.executor())
                    // Another driver may have completed the batch, and removed what was staged.
                    && !self.is_committed()?
                {
                    return Err(error);
                }
            }
        }
        self.tidy();
        failpoint!("sink::after_tidying");
        Ok(())
    }

    fn decision(&self) -> Result<Option<Decision>, BoxError> {
        let name = self.hidden("decision");
        let Some(bytes) = self.objects.get(&name)? else {
            return Ok(None);
        };
        match Decision::decode(&bytes) {
            Ok(decision) => Ok(Some(decision)),
            Err(error) => Err(format!(
                "{name}: {error}. If nobody has read a part of {} yet, delete both folders and the batch \
                 is written anew",
                self.name
            )
            .into()),
        }
    }

    /// Stages the batch and tries to have its bytes decided; answers what was. `None` when another driver's
    /// decision was there, and is gone.
    fn decide<T: ?Sized + Element>(
        &self,
        rdd: &Rdd<T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<Option<Decision>, BoxError> {
        failpoint!("sink::before_staging");
        let staged = rdd.run_partitions(|partition| self.stage_part(&partition, parts))?;
        let decision = Decision { parts: staged };
        failpoint!("sink::before_decision");
        let outcome = self
            .objects
            .put_new(&self.hidden("decision"), decision.encode())?;
        failpoint!("sink::after_decision");
        match outcome {
            PutOutcome::Written => Ok(Some(decision)),
            PutOutcome::Conflict => self.decision(),
        }
    }

    fn stage_part<T: ?Sized + Element>(
        &self,
        partition: &Partition<'_, T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<StagedPart, TaskError> {
        let mut bytes = Vec::new();
        parts.write(partition, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let name = part_name(partition.index(), &parts.extension());
        self.stage(&name, bytes.into()).map_err(TaskError::new)
    }

    /// Puts a part's bytes where nobody will replace them.
    fn stage(&self, name: &str, bytes: Bytes) -> Result<StagedPart, BoxError> {
        let mut number = 0u32;
        loop {
            let object = format!("{name}.{number}");
            match self.objects.put_new(&self.hidden(&object), bytes.clone())? {
                PutOutcome::Written => return Ok(StagedPart::new(object, &bytes)),
                PutOutcome::Conflict => number += 1,
            }
        }
    }

    /// Makes what was decided visible; whatever of it is visible already has the same bytes.
    fn publish(&self, decision: &Decision, executor: &Executor) -> Result<(), BoxError> {
        self.refuse_strangers(decision)?;
        failpoint!("sink::before_publishing");
        executor.run(decision.parts.len(), |index| {
            let Some(part) = decision.parts.get(index) else {
                return Ok(());
            };
            self.publish_part(part).map_err(TaskError::new)
        })?;
        failpoint!("sink::before_commit");
        // Any `_SUCCESS` will do.
        self.objects.put_new(&self.visible(SUCCESS), Bytes::new())?;
        failpoint!("sink::after_commit");
        Ok(())
    }

    fn publish_part(&self, part: &StagedPart) -> Result<(), BoxError> {
        let staged = self.hidden(&part.object);
        let Some(bytes) = self.objects.get(&staged)? else {
            return Err(self.vanished(&part.object));
        };
        part.verify(&bytes)
            .map_err(|error| format!("{staged}: {error}"))?;
        let name = self.visible(part.name());
        match self.objects.put_new(&name, bytes)? {
            PutOutcome::Written => Ok(()),
            PutOutcome::Conflict => Err(self.stranger(&name)),
        }
    }

    /// A reader takes all that is in the folder for the batch.
    fn refuse_strangers(&self, decision: &Decision) -> Result<(), BoxError> {
        for (name, _) in self.objects.list(&self.name)? {
            let file = name.rsplit('/').next().unwrap_or_default();
            let ours = file == SUCCESS || decision.parts.iter().any(|part| part.name() == file);
            if !ours {
                return Err(self.stranger(&name));
            }
        }
        Ok(())
    }

    fn stranger(&self, name: &str) -> BoxError {
        format!(
            "{name} isn't an output of tidemill, but lies where the batch {} goes; move it away",
            self.name
        )
        .into()
    }

    fn vanished(&self, file: &str) -> BoxError {
        format!(
            "{} has vanished before the batch was committed; nothing else may delete there. The batch is \
             tried again",
            self.hidden(file)
        )
        .into()
    }

    /// Removes what was staged, by whomever. The batch is committed: only room is lost when that fails.
    fn tidy(&self) {
        let removed = self.objects.list(&self.hidden_folder()).and_then(|found| {
            found
                .iter()
                .try_for_each(|(name, _)| self.objects.delete(name))
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "a committed output's staged parts could not be removed");
        }
    }
}
