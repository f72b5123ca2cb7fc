//! What a store promises, asked of every kind of location.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use common::{draft, newest, options, partition, places};
use tidemill_checkpoint::{
    CheckpointId, CheckpointReader, CheckpointStore, Draft, Epoch, Error, Location,
};

#[test]
fn a_fresh_location_has_no_checkpoint_and_epochs_count_up() {
    for place in places() {
        let first = place.open();
        assert_eq!(first.epoch(), Epoch(1));
        assert_eq!(newest(&first), None);
        assert!(first.list().unwrap().is_empty());
        drop(first);
        assert_eq!(place.open().epoch(), Epoch(2));
        assert_eq!(place.open().epoch(), Epoch(3));
    }
}

#[test]
fn an_epoch_that_wrote_a_checkpoint_never_comes_again_though_claims_are_lost() {
    let place = common::file();
    for _ in 0..3 {
        drop(place.open());
    }
    let fourth = place.open();
    fourth
        .write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
        .unwrap();
    drop(fourth);
    let Location::File(path) = &place.location else {
        unreachable!()
    };
    std::fs::remove_dir_all(path.join("epoch")).unwrap();
    let next = place.open();
    assert_eq!(next.epoch(), Epoch(5));
    assert_eq!(newest(&next), Some((1, "a=1".to_owned())));
}

#[test]
fn what_was_written_is_found_again() {
    for place in places() {
        let store = place.open();
        store
            .write(draft(
                1,
                vec![partition(true, &[("a", Some("1")), ("b", Some("1"))])],
            ))
            .unwrap();
        store
            .write(draft(
                2,
                vec![partition(false, &[("a", None), ("c", Some("2"))])],
            ))
            .unwrap();
        assert_eq!(newest(&store), Some((2, "b=1 c=2".to_owned())));
        drop(store);

        let store = place.open();
        assert_eq!(newest(&store), Some((2, "b=1 c=2".to_owned())));
        let written = store
            .write(draft(3, vec![partition(false, &[("d", Some("3"))])]))
            .unwrap();
        assert_eq!(written.manifest.epoch, Epoch(2));
        drop(store);
        // Without asking for the newest first, deltas lie upon it all the same.
        let store = place.open();
        store
            .write(draft(4, vec![partition(false, &[("e", Some("4"))])]))
            .unwrap();
        assert_eq!(newest(&store), Some((4, "b=1 c=2 d=3 e=4".to_owned())));
    }
}

#[test]
fn a_second_driver_is_refused_and_told_who_has_it() {
    for place in places() {
        let store = place.open();
        let error = CheckpointStore::open(&place.location, options()).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(
                error,
                Error::Locked {
                    holder: Some(_),
                    ..
                }
            ),
            "{text}"
        );
        assert!(text.contains("in use by `test` (process "), "{text}");
        store
            .write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
            .unwrap();
        drop(store);
        place.open();
    }
}

#[test]
fn old_checkpoints_and_their_chunks_go() {
    for place in places() {
        let store = place.open();
        for time in 1..=30 {
            let value = "x".repeat(time as usize);
            let full = time % 7 == 0;
            let changes = partition(full, &[(&format!("k{}", time % 5), Some(&value))]);
            store.write(draft(time, vec![changes])).unwrap();
            let kept: Vec<_> = store
                .list()
                .unwrap()
                .iter()
                .map(|summary| summary.time_ms)
                .collect();
            assert_eq!(kept, (1..=time).rev().take(2).collect::<Vec<_>>());
            let expected = (time > 1).then(|| time - 1);
            assert_eq!(store.oldest_time_ms(), expected);
            assert_eq!(store.low_water("events"), expected.map(|time| time * 10));
            assert_eq!(store.low_water("no such log"), None);
        }
        let verification = CheckpointReader::open(&place.location)
            .unwrap()
            .verify()
            .unwrap();
        assert_eq!(verification.checkpoints.len(), 2);
        assert!(verification.is_whole(), "{verification:?}");
        assert!(verification.orphans.is_empty(), "{verification:?}");
    }
}

#[test]
fn series_are_kept_dropped_or_refused() {
    for place in places() {
        let store = place.open();
        let mut first = draft(1, vec![partition(true, &[("a", Some("1"))])]);
        first.series[0].name = "kept".to_owned();
        let mut dropped = first.series[0].clone();
        dropped.name = "dropped".to_owned();
        first.series.push(dropped);
        store.write(first).unwrap();

        let unchanged = || Draft {
            unchanged: vec!["kept".to_owned()],
            ..Draft::default()
        };
        let written = store.write(unchanged()).unwrap();
        assert_eq!(written.chunks, 0);
        let names = |manifest: &tidemill_checkpoint::Manifest| {
            manifest
                .series
                .iter()
                .map(|series| series.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&written.manifest), ["kept"]);

        let mut more = draft(3, vec![partition(false, &[]), partition(false, &[])]);
        more.series[0].name = "kept".to_owned();
        let failed = store.write(more).unwrap_err();
        assert!(
            failed.to_string().contains("it has 2 partitions, had 1"),
            "{failed}"
        );
        let mut other = draft(3, vec![partition(false, &[])]);
        (other.series[0].name, other.series[0].format) = ("kept".to_owned(), 2);
        assert!(store.write(other).is_err());
        let unknown = Draft {
            unchanged: vec!["dropped".to_owned()],
            ..Draft::default()
        };
        assert!(
            store
                .write(unknown)
                .unwrap_err()
                .to_string()
                .contains("hasn't got it")
        );
        // A refused draft leaves the store as it was.
        assert_eq!(names(&store.write(unchanged()).unwrap().manifest), ["kept"]);
    }
}

#[test]
fn a_reader_looks_on_while_a_driver_is_live() {
    for place in places() {
        if let Some(path) = place.location.local_path() {
            let error = CheckpointReader::open(&place.location).unwrap_err();
            assert!(matches!(error, Error::NoStore { .. }), "{error}");
            assert!(!path.exists(), "a reader creates nothing");
        }
        let store = place.open();
        let large = "v".repeat(200_000);
        for time in 1..=3 {
            let changes = partition(true, &[("a", Some("1")), ("large", Some(&large))]);
            let written = store.write(draft(time, vec![changes])).unwrap();
            assert!(written.bytes > 200_000 && written.chunks == 1);

            let reader = CheckpointReader::open(&place.location).unwrap();
            let list = reader.list().unwrap();
            assert_eq!(list, store.list().unwrap());
            assert_eq!(list[0].time_ms, time);
            assert_eq!(list[0].series[0].entries, 2);
            assert!(list[0].new_bytes > 200_000);
            let manifest = reader.manifest(list[0].id).unwrap();
            assert_eq!(manifest, written.manifest);
            for reference in manifest.chunks() {
                assert_eq!(reader.read_chunk(reference).unwrap().len(), 2);
            }
            assert!(reader.verify().unwrap().is_whole());
            let error = reader.manifest(CheckpointId(99)).unwrap_err();
            assert!(matches!(error, Error::NoCheckpoint { .. }), "{error}");
        }
    }
}

#[test]
fn chunks_are_read_from_many_threads() {
    for place in places() {
        let store = place.open();
        let partitions = (0..8)
            .map(|_| partition(true, &[("a", Some("1"))]))
            .collect();
        let manifest = store.write(draft(1, partitions)).unwrap().manifest;
        std::thread::scope(|scope| {
            for reference in manifest.chunks() {
                let store = &store;
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(store.read_chunk(reference).unwrap().len(), 1);
                    }
                });
            }
        });
    }
}

#[test]
fn an_unnamed_store_in_memory_is_fresh_each_time() {
    let location = Location::Memory(String::new());
    let one = CheckpointStore::open(&location, options()).unwrap();
    let two = CheckpointStore::open(&location, options()).unwrap();
    one.write(draft(1, Vec::new())).unwrap();
    assert!(two.newest().unwrap().manifest.is_none());
}
