//! The checkpoints of a location, decoded: what recovery would go on from.

use std::collections::BTreeMap;

use tidemill_checkpoint::{CheckpointId, CheckpointReader, Error, Manifest, Verification};
use tidemill_config::Pipeline;
use tidemill_storage::Location;

use super::error;
use super::load;
use super::location::{self, WhichLog};
use crate::block::{Event, TrackerSnapshot};
use crate::recovery::{Metadata, Renames};
use crate::time::Time;

/// A checkpoint of which every byte verifies.
pub(super) struct Held {
    pub(super) id: CheckpointId,
    pub(super) manifest: Manifest,
    /// In the program's names.
    pub(super) metadata: Metadata,
}

/// All checkpoints of a location.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// Those that can be used, newest first.
    pub(super) whole: Vec<Held>,
    /// What is wrong with the others.
    pub(super) verification: Verification,
    /// Checkpoints that are as they were written, and whose contents this release can't read.
    pub(super) unreadable: Vec<(CheckpointId, String)>,
    /// How the program calls what is older than it.
    renames: Renames,
}

impl Checkpoints {
    /// Reads and checks everything, told in the program's names; nothing when there is no store yet. `on_read` is told how
    /// many bytes more have been read.
    pub(super) fn read(
        location: &Location,
        renames: Renames,
        on_read: impl FnMut(u64),
    ) -> error::Result<Self> {
        let mut found = Self {
            renames,
            ..Self::default()
        };
        let reader = match CheckpointReader::open(location) {
            Err(Error::NoStore { .. }) => return Ok(found),
            other => other?,
        };
        found.verification = reader.verify_with(on_read)?;
        for verified in &found.verification.checkpoints {
            if !verified.findings.is_empty() {
                continue;
            }
            let manifest = match reader.manifest(verified.id) {
                // Retired by a live driver since.
                Err(Error::NoCheckpoint { .. }) => continue,
                other => other?,
            };
            let place = format!("checkpoint {} at {location}", verified.id);
            match Metadata::decode(&manifest.metadata, &place) {
                Ok(mut metadata) => {
                    found.renames.apply(&mut metadata);
                    found.whole.push(Held {
                        id: verified.id,
                        manifest,
                        metadata,
                    });
                }
                Err(error) => found.unreadable.push((verified.id, error.to_string())),
            }
        }
        Ok(found)
    }

    /// As [`Checkpoints::read`], those of a pipeline. One that can't be built can't say how it calls what is older: then
    /// it is told as it was written.
    pub(super) fn of_pipeline(
        pipeline: &Pipeline,
        on_read: impl FnMut(u64),
    ) -> error::Result<Self> {
        let location = location::checkpoint(&pipeline.checkpoint.url.to_string(), &[])?;
        let renames = match load::program(pipeline) {
            Ok(program) => program.renames(),
            Err(error) => {
                tracing::warn!(%error, "the pipeline can't be built: renames aren't followed");
                Renames::default()
            }
        };
        Self::read(&location, renames, on_read)
    }

    /// How far the driver's log is known to have been durable: a start goes on from there. `None` when no checkpoint can
    /// be gone on from.
    pub(super) fn end_of_driver(&self) -> Option<u64> {
        let newest = self.whole.first()?;
        Some(newest.metadata.tracker.replay_from)
    }

    /// How far a log is known to have been durable, given the driver's events, which name blocks. `None` when no
    /// checkpoint can be gone on from.
    pub(super) fn end_of(&self, which: WhichLog, events: &BTreeMap<u64, Event>) -> Option<u64> {
        match which {
            WhichLog::Driver => self.end_of_driver(),
            WhichLog::Blocks => {
                let tracker = self.tracker_behind(events, u64::MAX)?;
                Some(tracker.end_of_blocks())
            }
        }
    }

    /// The newest checkpoint's tracker behind these events of the driver's log, as far as they fit.
    pub(super) fn tracker_behind(
        &self,
        events: &BTreeMap<u64, Event>,
        before: u64,
    ) -> Option<TrackerSnapshot> {
        let newest = self.whole.first()?;
        let mut tracker = newest.metadata.tracker.clone();
        let from = tracker.replay_from;
        for (sequence, event) in events.range(from.min(before)..before) {
            // What doesn't fit together is for `fsck` to tell; here it only ends what is known.
            let through = newest.metadata.complete_through;
            if let Err(reason) = self.apply(&mut tracker, *sequence, event, through) {
                tracing::warn!(sequence, reason, "an event can't be applied");
                break;
            }
        }
        Some(tracker)
    }

    /// Applies an event of the driver's log to the tracker of a checkpoint.
    pub(super) fn apply(
        &self,
        tracker: &mut TrackerSnapshot,
        sequence: u64,
        event: &Event,
        complete_through: Time,
    ) -> Result<(), String> {
        tracker.apply(
            sequence,
            self.renames.event(event.clone()),
            complete_through,
        )
    }
}
