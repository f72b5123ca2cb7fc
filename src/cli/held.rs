//! The checkpoints of a location, decoded: what recovery would go on from.

use tidemill_checkpoint::{CheckpointId, CheckpointReader, Error, Manifest, Verification};
use tidemill_storage::Location;

use super::error::Result;
use crate::recovery::{Metadata, Renames};

/// A checkpoint of which every byte verifies.
pub(super) struct Held {
    pub(super) id: CheckpointId,
    pub(super) manifest: Manifest,
    pub(super) metadata: Metadata,
    /// How its operators are called now; the metadata is in these names once they are set.
    pub(super) renames: Renames,
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
}

impl Checkpoints {
    /// Reads and checks everything; nothing when there is no store yet.
    pub(super) fn read(location: &Location) -> Result<Self> {
        let reader = match CheckpointReader::open(location) {
            Err(Error::NoStore { .. }) => return Ok(Self::default()),
            other => other?,
        };
        let mut found = Self {
            verification: reader.verify()?,
            ..Self::default()
        };
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
                Ok(metadata) => found.whole.push(Held {
                    id: verified.id,
                    manifest,
                    metadata,
                    renames: Renames::default(),
                }),
                Err(error) => found.unreadable.push((verified.id, error.to_string())),
            }
        }
        Ok(found)
    }
}
