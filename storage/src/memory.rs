//! Disks in memory that a whole process shares by name: what `memory:NAME` is to files.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::sim::SimDisk;

static DISKS: LazyLock<Mutex<HashMap<String, SimDisk>>> = LazyLock::new(Mutex::default);

/// The disk in memory of this name, so that a restart inside one process finds it again, and a test can
/// have it fail; a fresh one for the empty name.
pub fn memory_disk(name: &str) -> SimDisk {
    if name.is_empty() {
        return SimDisk::default();
    }
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    disks.entry(name.to_owned()).or_default().clone()
}
