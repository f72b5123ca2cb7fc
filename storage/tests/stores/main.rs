//! One contract for every home of objects: disks, the store in memory, and real servers that speak the
//! protocols of S3, Google and Azure, with and without a faulty network before them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use tidemill_storage::{Disk, DiskObjects, LocalDisk, Objects, RemoteObjects, SimDisk};

mod contract;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
#[path = "../../../tests/support/object_servers/mod.rs"]
mod object_servers;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod remote;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod wire;

#[test]
fn a_local_folder_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("not/yet");
    contract::holds(Arc::new(DiskObjects::new(Arc::new(LocalDisk), root)), 60);
}

#[test]
fn a_simulated_folder_conforms_and_keeps_everything_over_a_power_cut() {
    let disk = SimDisk::new();
    let objects = Arc::new(DiskObjects::new(Arc::new(disk.clone()), "/root"));
    contract::holds(objects.clone(), 60);
    let before = objects.list("").unwrap();
    assert!(!before.is_empty());
    disk.power_cut();
    // Deletions may come back; nothing else may differ.
    let after = objects.list("").unwrap();
    assert!(before.iter().all(|object| after.contains(object)));
    disk.create_new(std::path::Path::new("/root/a/.left.1-1.tmp"))
        .unwrap();
    let listed = objects.list("a").unwrap();
    assert!(listed.iter().all(|(name, _)| !name.contains("left")));
    assert_eq!(objects.sweep().unwrap(), 1);
}

#[test]
fn a_store_in_memory_conforms() {
    contract::holds(Arc::new(RemoteObjects::in_memory().unwrap()), 1100);
}

#[test]
fn a_remote_store_can_be_called_from_a_tokio_worker() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        contract::holds(Arc::new(RemoteObjects::in_memory().unwrap()), 10);
    });
}
