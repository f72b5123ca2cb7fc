//! Disks in memory that a whole process shares by name: what `memory:NAME` is to files.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::disk::Disk;
use crate::sim::SimDisk;

static DISKS: LazyLock<Mutex<HashMap<String, SimDisk>>> = LazyLock::new(Mutex::default);

/// The disk in memory of this name, so that a restart inside one process finds it again; a fresh one for
/// the empty name.
pub fn memory_disk(name: &str) -> Arc<dyn Disk> {
    if name.is_empty() {
        return Arc::new(SimDisk::default());
    }
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::new(disks.entry(name.to_owned()).or_default().clone())
}
