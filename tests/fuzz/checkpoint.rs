//! A whole checkpoint store, one of whose objects holds anything.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_checkpoint::{
    CheckpointStore, ChunkBuilder, Draft, Error, Holder, Manifest, PartitionChanges, SeriesChanges,
    StoreOptions, formats,
};
use tidemill_storage::{DiskObjects, Objects, SimDisk};

use crate::repair;
use crate::run::{Outcome, Target};

const ROOT: &str = "/store";

fn objects(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(DiskObjects::new(Arc::new(disk.clone()), ROOT))
}

fn open(disk: &SimDisk) -> tidemill_checkpoint::Result<CheckpointStore> {
    let options = StoreOptions::new(Holder::current("fuzz", 1));
    CheckpointStore::open_objects(objects(disk), "mem", options)
}

fn draft(time_ms: u64) -> Draft {
    let mut builder = ChunkBuilder::new();
    builder.push(b"key", Some(&time_ms.to_le_bytes()));
    let partitions = vec![PartitionChanges {
        full: true,
        builder,
    }];
    let series = SeriesChanges {
        name: "counts".to_owned(),
        format: 1,
        partitions,
    };
    Draft {
        time_ms,
        created_ms: time_ms,
        metadata: Bytes::from_static(b"opaque"),
        low_water: [("driver".to_owned(), time_ms)].into(),
        series: vec![series],
        unchanged: Vec::new(),
        name: None,
    }
}

/// Two checkpoints, and the names of all objects.
fn two_checkpoints() -> (SimDisk, Vec<String>) {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    store.write(draft(10)).unwrap();
    store.write(draft(20)).unwrap();
    drop(store);
    let names = objects(&disk).list("").unwrap();
    (disk, names.into_iter().map(|(name, _)| name).collect())
}

/// The newest whole checkpoint, with what it holds read back.
fn newest(disk: &SimDisk) -> tidemill_checkpoint::Result<(Manifest, Vec<Vec<u8>>)> {
    let store = open(disk)?;
    let manifest = store.newest()?.manifest.expect("there are checkpoints");
    let mut values = Vec::new();
    for reference in manifest.chunks() {
        let chunk = store.read_chunk(reference).unwrap();
        values.extend(chunk.iter().map(|(_, value)| value.unwrap().to_vec()));
    }
    Ok((manifest, values))
}

/// Whatever one object holds, the newest checkpoint that is whole is found, or the way out is told.
#[test]
fn checkpoint_store() {
    let (disk, names) = two_checkpoints();
    let seeds: Vec<Vec<u8>> = names
        .iter()
        .map(|name| objects(&disk).get(name).unwrap().unwrap().to_vec())
        .collect();
    let target = Target {
        name: "checkpoint_store",
        seeds,
        words: &["tidemani", "tidefenc", "tidechnk", "tideclam"],
        repair: repair::record,
        cases: 1_500,
    };
    target.run(|case| {
        let mut told: Vec<Outcome> = Vec::new();
        for name in &names {
            let disk = disk.snapshot();
            let objects = objects(&disk);
            objects.put(name, Bytes::copy_from_slice(case)).unwrap();
            told.push(match newest(&disk) {
                Ok((manifest, values)) => {
                    // What was never written is only taken when it is a manifest with a right checksum.
                    let written = values == [manifest.time_ms.to_le_bytes()];
                    let id = manifest.id.0;
                    let forged = || formats::decode_manifest("", id, &case.to_vec().into()).is_ok();
                    assert!(written || forged(), "{name}: {manifest:?} {values:?}");
                    format!("{id} {written}")
                }
                Err(error @ (Error::NewerFormat { .. } | Error::NoneVerifies { .. })) => {
                    assert!(error.to_string().contains("mem"), "{error}");
                    let kept = objects.get(name).unwrap().unwrap();
                    assert!(kept == case, "what was refused was touched");
                    "refused".to_owned()
                }
                Err(error) => panic!("{name}: {error}"),
            });
        }
        told.join(" ")
    });
}
