//! Packs as files: `pack/ID` while its manifest counts, `pack/ID.spent` once only its chunks do.
//!
//! Retiring a manifest is a rename, so what is listed tells what counts. Like a delete it is not synced: an
//! old checkpoint that a power cut brings back does no harm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{Disk, DiskObjects, LocalDisk, Objects, PutOutcome, failpoint};

use super::{Folder, Name};
use crate::envelope;
use crate::error::{Error, Result};
use crate::id::CheckpointId;
use crate::pack::{Contents, Part};

const SPENT: &str = ".spent";
/// Most heads are shorter.
const FIRST_READ: usize = 4096;

/// The folder of packs.
#[derive(Debug)]
pub(super) struct PackFiles {
    files: DiskObjects,
    location: PathBuf,
}

/// A pack's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub bytes: u64,
    pub is_spent: bool,
}

impl PackFiles {
    pub(super) fn new(location: &Path) -> Self {
        Self {
            files: DiskObjects::new(Arc::new(LocalDisk), location),
            location: location.to_owned(),
        }
    }

    /// The file of a pack, below the location.
    fn name(id: CheckpointId, is_spent: bool) -> String {
        let suffix = if is_spent { SPENT } else { "" };
        format!("{}{suffix}", Name::Pack(id))
    }

    pub(super) fn path(&self, id: CheckpointId, is_spent: bool) -> PathBuf {
        self.location.join(Self::name(id, is_spent))
    }

    pub(super) fn list(&self) -> Result<BTreeMap<CheckpointId, Listed>> {
        let mut found = BTreeMap::new();
        // `ID` comes before `ID.spent`: where a power cut left both names, the pack counts whole.
        for (name, bytes) in self.files.list(Folder::Packs.as_str())? {
            let (stem, is_spent) = match name.strip_suffix(SPENT) {
                Some(stem) => (stem, true),
                None => (name.as_str(), false),
            };
            if let Some(Name::Pack(id)) = Name::parse(stem) {
                found.entry(id).or_insert(Listed { bytes, is_spent });
            }
        }
        Ok(found)
    }

    pub(super) fn create(&self, id: CheckpointId, pack: Bytes) -> Result<PutOutcome> {
        Ok(self.files.put_new(&Self::name(id, false), pack)?)
    }

    /// Reads a pack's head, sealed and opened; `None` when the pack is gone.
    pub(super) fn head(
        &self,
        id: CheckpointId,
        listed: Listed,
    ) -> Result<Option<(Bytes, Contents)>> {
        let name = Self::name(id, listed.is_spent);
        let place = self.path(id, listed.is_spent).display().to_string();
        let Some(mut head) = self.files.get_range(&name, 0, FIRST_READ)? else {
            return Ok(None);
        };
        let total = envelope::total_bytes(&head)
            .filter(|total| *total <= listed.bytes)
            .and_then(|total| usize::try_from(total).ok());
        let Some(total) = total else {
            let what = format!("its {} bytes end within its head", listed.bytes);
            return Err(Error::damaged(place, what));
        };
        if total > head.len() {
            match self.files.get_range(&name, 0, total)? {
                Some(longer) => head = longer,
                None => return Ok(None),
            }
        }
        let head = head.slice(..total.min(head.len()));
        let contents = Contents::decode(&place, id, &head)?;
        Ok(Some((head, contents)))
    }

    /// Reads a part; `None` when the pack is gone. It may have been spent just now.
    pub(super) fn part(
        &self,
        id: CheckpointId,
        is_spent: bool,
        part: Part,
    ) -> Result<Option<Bytes>> {
        let damaged = |what| Error::damaged(self.path(id, is_spent).display().to_string(), what);
        let length = usize::try_from(part.bytes)
            .map_err(|_| damaged(format!("it names {} bytes", part.bytes)))?;
        let read = |is_spent| {
            let name = Self::name(id, is_spent);
            self.files.get_range(&name, part.offset, length)
        };
        let Some(bytes) = (match read(is_spent)? {
            None => read(!is_spent)?,
            found => found,
        }) else {
            return Ok(None);
        };
        if bytes.len() < length {
            return Err(damaged(format!(
                "{length} bytes should lie at offset {}, {} do",
                part.offset,
                bytes.len()
            )));
        }
        Ok(Some(bytes))
    }

    pub(super) fn spend(&self, id: CheckpointId) -> Result<()> {
        match LocalDisk.rename(&self.path(id, false), &self.path(id, true)) {
            Err(error) if error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }

    pub(super) fn delete(&self, id: CheckpointId) -> Result<()> {
        failpoint!("checkpoint::before_pack_delete");
        for is_spent in [false, true] {
            self.files.delete(&Self::name(id, is_spent))?;
        }
        failpoint!("checkpoint::after_pack_delete");
        Ok(())
    }
}
