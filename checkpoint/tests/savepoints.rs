//! Savepoints: they stay whatever is written after them, hold nothing else back, and go when they are told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use common::{draft, partition, places};
use tidemill_checkpoint::{CheckpointReader, CheckpointStore, Draft, Error, Manifest};

fn written(time_ms: u64, full: bool, value: &str) -> Draft {
    draft(
        time_ms,
        vec![partition(full, &[("a", Some(value)), (value, Some("1"))])],
    )
}

fn named(draft: Draft, name: &str) -> Draft {
    Draft {
        name: Some(name.to_owned()),
        ..draft
    }
}

/// The values of `a` in a manifest's chunks, oldest first.
fn values(store: &CheckpointStore, manifest: &Manifest) -> Vec<String> {
    let chunks = manifest
        .chunks()
        .map(|chunk| store.read_chunk(chunk).unwrap());
    let chunks: Vec<_> = chunks.collect();
    let entries = chunks.iter().flat_map(tidemill_checkpoint::Chunk::iter);
    let of_a = entries.filter(|(key, _)| *key == b"a");
    of_a.map(|(_, value)| String::from_utf8(value.unwrap().to_vec()).unwrap())
        .collect()
}

#[test]
fn a_savepoint_outlives_retention_and_restarts_and_holds_no_log_back() {
    for place in places() {
        let store = place.open();
        store.write(written(1, true, "one")).unwrap();
        store
            .write(named(written(2, false, "two"), "keep"))
            .unwrap();
        assert_eq!(store.low_water("events"), Some(10));
        for time in 3..12 {
            store.write(written(time, time == 7, "later")).unwrap();
        }
        assert_eq!(store.low_water("events"), Some(100), "{}", place.location);
        assert_eq!(store.oldest_time_ms(), Some(10));
        let names: Vec<_> = store
            .list()
            .unwrap()
            .into_iter()
            .map(|summary| summary.name)
            .collect();
        assert_eq!(names, [None, None, Some("keep".to_owned())]);
        drop(store);

        let store = place.open();
        assert_eq!(store.newest().unwrap().manifest.unwrap().time_ms, 11);
        let savepoint = store.savepoint("keep").unwrap();
        assert_eq!(savepoint.time_ms, 2);
        assert_eq!(values(&store, &savepoint).last().unwrap(), "two");
        // The next one lies upon it.
        store.start_from(&savepoint).unwrap();
        let next = draft(12, vec![partition(false, &[("b", Some("new"))])]);
        let next = store.write(next).unwrap().manifest;
        assert_eq!(values(&store, &next).last().unwrap(), "two");
        let reader = CheckpointReader::open(&place.location).unwrap();
        assert_eq!(reader.savepoint("keep").unwrap().id, savepoint.id);
        assert_eq!(reader.newest_whole().unwrap().manifest.unwrap().time_ms, 12);
        assert!(reader.verify().unwrap().is_whole());
    }
}

#[test]
fn a_savepoint_goes_when_it_is_forgotten_but_not_while_a_restart_needs_it() {
    for place in places() {
        let store = place.open();
        store.write(named(written(1, true, "one"), "old")).unwrap();
        assert!(matches!(store.forget("old"), Err(Error::Savepoint { .. })));
        for time in 2..5 {
            store.write(written(time, true, "later")).unwrap();
        }
        let Err(error) = store.forget("other") else {
            panic!("nothing was forgotten")
        };
        assert!(error.to_string().contains("there are old"), "{error}");
        store.forget("old").unwrap();
        assert!(store.savepoint("old").is_err());
        store.write(written(5, true, "later")).unwrap();
        drop(store);
        let store = place.open();
        assert!(store.savepoint("old").is_err());
        let reader = CheckpointReader::open(&place.location).unwrap();
        let verification = reader.verify().unwrap();
        assert_eq!(verification.checkpoints.len(), 2, "{}", place.location);
        assert!(verification.is_whole() && verification.orphans.is_empty());
    }
}
