//! The checkpoints of a location, decoded: what recovery would go on from.

use tidemill_checkpoint::{CheckpointId, CheckpointReader, Error, Manifest, Verification};
use tidemill_storage::Location;

use super::error;
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
