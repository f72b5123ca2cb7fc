//! What a store costs where every request counts: reads of a restore, requests of a checkpoint.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use std::sync::Arc;

use common::{draft, options, partition, restore};
use tidemill_checkpoint::CheckpointStore;
use tidemill_storage::{DiskObjects, FaultyObjects, Objects, RequestKind, SimDisk};

fn open(disk: &SimDisk) -> (CheckpointStore, FaultyObjects) {
    let objects: Arc<dyn Objects> = Arc::new(DiskObjects::new(Arc::new(disk.clone()), "/store"));
    let counting = FaultyObjects::counting(objects);
    let shared = Arc::new(counting.clone());
    let store = CheckpointStore::open_objects(shared, "sim:/store", options()).unwrap();
    (store, counting)
}

fn gets(counting: &FaultyObjects) -> u64 {
    let requests = counting.requests();
    requests.get(&RequestKind::Get).copied().unwrap_or(0)
}

#[test]
fn a_restore_reads_each_chunk_of_a_remote_store_once() {
    const PARTITIONS: u64 = 7;
    let disk = SimDisk::new();
    let (store, _) = open(&disk);
    let full = (0..PARTITIONS).map(|_| partition(true, &[("a", Some("1"))]));
    store.write(draft(1, full.collect())).unwrap();
    drop(store);

    let (store, counting) = open(&disk);
    let before = gets(&counting);
    let manifest = store.newest().unwrap().manifest.unwrap();
    let checked = gets(&counting);
    assert_eq!(
        checked - before,
        PARTITIONS,
        "manifests were read at the start"
    );
    let model = restore(&store, &manifest, "counts");
    assert_eq!(model.len() as u64, PARTITIONS);
    assert_eq!(gets(&counting), checked, "nothing is transferred again");
    // Nothing is kept for a second time.
    assert_eq!(restore(&store, &manifest, "counts"), model);
    assert_eq!(gets(&counting), checked + PARTITIONS);
}
