//! Savepoints: checkpoints with a name, which stay until they are forgotten by it.
//!
//! Invariant: a savepoint holds no log back. What it needs besides the chunks that it names, whoever cuts it
//! puts in; so it is worth as much years later.

use std::sync::Arc;

use tidemill_storage::failpoint;

use super::CheckpointStore;
use crate::backend::Name;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::retention;

impl Error {
    pub(crate) fn no_savepoint(location: &str, name: &str, known: &[String]) -> Self {
        Self::Savepoint {
            location: location.to_owned(),
            name: name.to_owned(),
            why: match known {
                [] => "there is no such savepoint, nor any other".to_owned(),
                known => format!("there is no such savepoint; there are {}", known.join(", ")),
            },
        }
    }
}

impl CheckpointStore {
    /// The savepoint of this name.
    ///
    /// # Errors
    /// [`Error::Savepoint`] when there is none.
    pub fn savepoint(&self, name: &str) -> Result<Manifest> {
        let slots = self.lock_slots();
        let mut all = retention::savepoints(&slots);
        let found = all.find(|manifest| manifest.name.as_deref() == Some(name));
        found.map(|found| Manifest::clone(found)).ok_or_else(|| {
            let names = retention::savepoints(&slots).filter_map(|found| found.name.clone());
            Error::no_savepoint(&self.location, name, &names.collect::<Vec<_>>())
        })
    }

    /// Lays the next checkpoint upon this one instead of the newest, once it has been read whole. Call it
    /// before the first [`write`](CheckpointStore::write).
    ///
    /// # Errors
    /// When a chunk that it names isn't there as it was written.
    pub fn start_from(&self, manifest: &Manifest) -> Result<()> {
        self.check_chunks(manifest)?;
        self.lock_writer().base = Some(Some(Arc::new(manifest.clone())));
        Ok(())
    }

    /// Gives up the savepoint of this name. What only it named goes after the next write.
    ///
    /// # Errors
    /// [`Error::Savepoint`] when there is none, or when it is among the newest checkpoints, which a restart
    /// needs.
    pub fn forget(&self, name: &str) -> Result<()> {
        // No write at the same time: its deltas may lie upon this one.
        let _writer = self.lock_writer();
        let savepoint = self.savepoint(name)?;
        let is_current = {
            let slots = self.lock_slots();
            let mut newest = retention::whole(&slots).take(self.retain());
            newest.any(|manifest| manifest.id == savepoint.id)
        };
        if is_current {
            return Err(Error::Savepoint {
                location: self.location.clone(),
                name: name.to_owned(),
                why: format!(
                    "it is among the newest {} checkpoints, which a restart needs; forget it when newer ones \
                     have been cut",
                    self.retain()
                ),
            });
        }
        self.prove_ownership()?;
        failpoint!("checkpoint::before_manifest_delete");
        self.backend.delete(Name::Manifest(savepoint.id))?;
        failpoint!("checkpoint::after_manifest_delete");
        self.lock_slots().remove(&savepoint.id);
        Ok(())
    }

    pub(super) fn is_left_behind(&self, manifest: &Manifest) -> bool {
        retention::is_left_behind(&self.lock_slots(), manifest, self.retain())
    }
}
