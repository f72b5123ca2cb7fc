//! Operators that change nothing of the records, but where batches of them are kept.

use std::time::Duration;

use super::OpKind;
use super::build::{Built, OpReader};
use super::window::multiple;
use crate::settings::positive;
use crate::value::choice;

choice! {
    /// Where kept batches lie: the original's storage levels.
    pub enum KeepLevel ("storage level") {
        /// Nowhere.
        None = "NONE",
        /// In scratch files.
        DiskOnly = "DISK_ONLY",
        /// In scratch files, twice.
        DiskOnly2 = "DISK_ONLY_2",
        /// In memory, as they are.
        MemoryOnly = "MEMORY_ONLY",
        /// In memory, with a second copy.
        MemoryOnly2 = "MEMORY_ONLY_2",
        /// In memory, as bytes.
        MemoryOnlySer = "MEMORY_ONLY_SER",
        /// In memory, as bytes, with a second copy.
        MemoryOnlySer2 = "MEMORY_ONLY_SER_2",
        /// In memory, and in scratch files where that is short.
        MemoryAndDisk = "MEMORY_AND_DISK",
        /// The same, with a second copy.
        MemoryAndDisk2 = "MEMORY_AND_DISK_2",
        /// In memory as bytes, and in scratch files where that is short.
        MemoryAndDiskSer = "MEMORY_AND_DISK_SER",
        /// The same, with a second copy.
        MemoryAndDiskSer2 = "MEMORY_AND_DISK_SER_2",
        /// As `MEMORY_AND_DISK_SER`.
        OffHeap = "OFF_HEAP",
    }
}

impl KeepLevel {
    /// Whether it keeps a second copy.
    fn is_replicated(self) -> bool {
        self.name().ends_with("_2")
    }
}

pub(super) fn persist(op: &mut OpReader<'_>) -> Built {
    let has_replica = op.has_replica;
    let level = op.section.get_if::<KeepLevel>("level", |level| {
        if level.is_replicated() && !has_replica {
            return Err(format!(
                "{level} keeps a second copy and has no place for it: set `scratch_replica` in [storage], or \
                 use a level without _2"
            ));
        }
        Ok(())
    });
    level.map(|level| OpKind::Persist { level })
}

pub(super) fn checkpoint(op: &mut OpReader<'_>) -> Built {
    let (slide, batch) = (op.slide, op.batch);
    let interval = op
        .section
        .get_if::<Duration>("interval", |interval| match (slide, batch) {
            (Some(slide), Some(batch)) => multiple("interval", *interval, slide, batch),
            _ => positive(interval),
        });
    if op.section.has("interval") && interval.is_none() {
        return None;
    }
    Some(OpKind::Checkpoint { interval })
}
