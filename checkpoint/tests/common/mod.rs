//! What the tests share: places to store at, and a naive model of what a store holds.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tidemill_checkpoint::{
    CheckpointStore, ChunkBuilder, Draft, Holder, Location, Manifest, PartitionChanges,
    SeriesChanges, StoreOptions,
};

/// A series' partitions as plain maps.
pub type Model = Vec<BTreeMap<Vec<u8>, Vec<u8>>>;

/// A location, and what keeps it alive.
pub struct Place {
    pub location: Location,
    pub folder: Option<TempDir>,
}

/// One fresh place of every kind that needs no service.
pub fn places() -> Vec<Place> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let memory = Location::Memory(format!("test-{}-{count}", std::process::id()));
    vec![
        sled(),
        file(),
        Place {
            location: memory,
            folder: None,
        },
    ]
}

pub fn sled() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place {
        location: Location::Sled(folder.path().join("checkpoint")),
        folder: Some(folder),
    }
}

pub fn file() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place {
        location: Location::File(folder.path().join("checkpoint")),
        folder: Some(folder),
    }
}

pub fn options() -> StoreOptions {
    let mut options = StoreOptions::new(Holder::current("test", 1));
    options.retain = 2;
    options
}

impl Place {
    pub fn open(&self) -> CheckpointStore {
        CheckpointStore::open(&self.location, options()).unwrap()
    }
}

/// A partition's changes from pairs; `None` is a tombstone.
pub fn partition(full: bool, entries: &[(&str, Option<&str>)]) -> PartitionChanges {
    let mut builder = ChunkBuilder::new();
    for (key, value) in entries {
        builder.push(key.as_bytes(), value.map(str::as_bytes));
    }
    PartitionChanges { full, builder }
}

/// A draft with one series `counts`.
pub fn draft(time_ms: u64, partitions: Vec<PartitionChanges>) -> Draft {
    let series = SeriesChanges {
        name: "counts".to_owned(),
        format: 1,
        partitions,
    };
    Draft {
        time_ms,
        created_ms: time_ms + 1,
        metadata: format!("at {time_ms}").into(),
        low_water: [("events".to_owned(), time_ms * 10)].into(),
        series: vec![series],
        unchanged: Vec::new(),
        name: None,
    }
}

/// What a manifest's series holds, by applying its chunks in order.
pub fn restore(store: &CheckpointStore, manifest: &Manifest, series: &str) -> Model {
    let series = manifest.series(series).expect("the series is there");
    let mut model = Model::new();
    for chain in &series.partitions {
        let mut map = BTreeMap::new();
        for reference in chain.chunks() {
            for (key, value) in &store.read_chunk(reference).unwrap() {
                match value {
                    Some(value) => map.insert(key.to_vec(), value.to_vec()),
                    None => map.remove(key),
                };
            }
        }
        model.push(map);
    }
    model
}

/// The newest checkpoint's time and its series `counts` as text: `a=1 b=2`.
pub fn newest(store: &CheckpointStore) -> Option<(u64, String)> {
    let manifest = store.newest().unwrap().manifest?;
    assert_eq!(manifest.metadata, format!("at {}", manifest.time_ms));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let entries: Vec<String> = restore(store, &manifest, "counts")
        .iter()
        .flatten()
        .map(|(key, value)| format!("{}={}", text(key), text(value)))
        .collect();
    Some((manifest.time_ms, entries.join(" ")))
}
