//! The database of a sled location is only an index: whatever becomes of its files, every checkpoint is
//! still there. And locations whose database held the checkpoints themselves (format 1) go on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, helpers included"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{draft, newest, partition};
use tidemill_checkpoint::{CheckpointReader, CheckpointStore, Error};

/// Two checkpoints of full partitions in small chunks, so that they share none.
fn two(place: &common::Place) {
    let store = place.open();
    for time in 1..=2_u64 {
        let value = time.to_string();
        let entries = [("a", Some(value.as_str())), ("b", Some("b"))];
        store
            .write(draft(time, vec![partition(true, &entries)]))
            .unwrap();
    }
}

fn path_of(place: &common::Place) -> PathBuf {
    place.location.local_path().unwrap().to_owned()
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Makes a folder's files those of `wanted`.
fn restore(folder: &Path, wanted: &BTreeMap<PathBuf, Vec<u8>>) {
    for stray in files(folder)
        .keys()
        .filter(|path| !wanted.contains_key(*path))
    {
        fs::remove_file(stray).unwrap();
    }
    for (path, bytes) in wanted {
        fs::write(path, bytes).unwrap();
    }
}

/// What may happen to a file: cut, changed here and there, filled with rubbish, or gone.
fn damages(good: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let used = good
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let mut all = vec![
        ("gone".to_owned(), None),
        ("empty".to_owned(), Some(Vec::new())),
        ("zeroed".to_owned(), Some(vec![0; good.len()])),
        ("rubbish".to_owned(), Some(vec![0xa5; good.len()])),
        ("longer".to_owned(), Some([good, &[7; 700]].concat())),
    ];
    let step = (used / 40).max(1);
    for at in (0..used).step_by(step) {
        all.push((format!("cut at {at}"), Some(good[..at].to_vec())));
        let mut flipped = good.to_vec();
        flipped[at] ^= 1 << (at % 8);
        all.push((format!("flipped at {at}"), Some(flipped)));
        let mut torn = good.to_vec();
        let end = (at + 512).min(torn.len());
        torn[at..end].fill(0);
        all.push((format!("sector lost at {at}"), Some(torn)));
    }
    all
}

#[test]
fn no_damage_to_any_file_of_the_index_costs_a_checkpoint() {
    let place = common::sled();
    two(&place);
    let index = path_of(&place).join("index");
    let good = files(&index);
    assert!(good.len() >= 2, "{:?}", good.keys());
    let (mut rebuilt, mut cases) = (0, 0);
    for (path, bytes) in &good {
        for (what, damaged) in damages(bytes) {
            restore(&index, &good);
            match damaged {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            let store = place.open();
            let said = format!("{} {what}: {:?}", path.display(), store.notices());
            assert_eq!(newest(&store), Some((2, "a=2 b=b".to_owned())), "{said}");
            assert_eq!(store.list().unwrap().len(), 2, "{said}");
            cases += 1;
            if !store.notices().is_empty() {
                rebuilt += 1;
                assert!(store.notices()[0].contains("made anew"), "{said}");
                assert!(path_of(&place).join("index.aside").is_dir(), "{said}");
            }
            drop(store);
            let again = place.open();
            assert!(
                again.notices().is_empty(),
                "{said}, then {:?}",
                again.notices()
            );
        }
    }
    println!("{cases} damages, {rebuilt} of them told and cured by a new index");
    assert!(rebuilt > 0, "no damage was noticed");
    let entries = [("a", Some("3"))];
    place
        .open()
        .write(draft(3, vec![partition(false, &entries)]))
        .unwrap();
    assert_eq!(newest(&place.open()), Some((3, "a=3 b=b".to_owned())));
}

#[test]
fn a_lost_index_is_made_anew_and_lost_packs_are_no_fresh_start() {
    let place = common::sled();
    two(&place);
    fs::remove_dir_all(path_of(&place).join("index")).unwrap();
    assert_eq!(newest(&place.open()), Some((2, "a=2 b=b".to_owned())));
    fs::remove_dir_all(path_of(&place).join("pack")).unwrap();
    let error = place.open().newest().unwrap_err();
    assert!(matches!(error, Error::Vanished { .. }), "{error}");
}

#[test]
fn any_damage_to_the_newest_pack_means_the_checkpoint_before() {
    let place = common::sled();
    two(&place);
    let index = path_of(&place).join("index");
    let (packs, indexed) = (files(&path_of(&place).join("pack")), files(&index));
    let (path, good) = packs.last_key_value().unwrap();
    let head = 24 + u64::from_le_bytes(good[16..24].try_into().unwrap()) as usize;
    let cuts = (0..good.len()).map(|at| (at, good[..at].to_vec()));
    let flips = (0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        (at, bytes)
    });
    let longer = (good.len(), [&good[..], b"x"].concat());
    for (at, bytes) in cuts.chain(flips).chain([longer]) {
        fs::write(path, &bytes).unwrap();
        // With the index as it was, and with one that has to be made from the packs.
        for known in [&indexed, &BTreeMap::new()] {
            restore(&index, known);
            let store = place.open();
            let found = store.newest().unwrap();
            let time = found.manifest.unwrap().time_ms;
            // The index knows what a damaged head would say.
            let harmless = !known.is_empty() && at < head && bytes.len() == good.len();
            assert_eq!(time, if harmless { 2 } else { 1 }, "byte {at}");
            assert_eq!(newest(&store), Some((time, format!("a={time} b=b"))));
            if let Some((_, error)) = found.skipped.first() {
                let error = error.to_string();
                assert!(error.contains(&path.display().to_string()), "{error}");
            }
        }
        let reader = CheckpointReader::open(&place.location).unwrap();
        let verified = reader.verify().unwrap();
        assert!(!verified.newest_is_whole(), "byte {at}");
        assert!(verified.checkpoints[1].findings.is_empty());
    }
    fs::write(path, good).unwrap();
    assert_eq!(newest(&place.open()), Some((2, "a=2 b=b".to_owned())));
}

#[test]
fn a_pack_of_a_newer_format_is_refused_and_left_untouched() {
    let place = common::sled();
    two(&place);
    let pack = path_of(&place).join("pack/00000000000000000002");
    let mut bytes = fs::read(&pack).unwrap();
    let head = 24 + u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    bytes[8] = 2;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..head]);
    bytes[12..16].copy_from_slice(&hasher.finalize().to_le_bytes());
    fs::write(&pack, &bytes).unwrap();
    fs::remove_dir_all(path_of(&place).join("index")).unwrap();
    let claims = files(&path_of(&place).join("epoch"));
    let error = CheckpointStore::open(&place.location, common::options()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fs::read(&pack).unwrap(), bytes);
    assert_eq!(files(&path_of(&place).join("epoch")), claims);
}

/// Many partitions in one pack, of which few stay needed: what is needed moves on, the pack goes.
#[test]
fn the_files_hold_little_more_than_what_is_needed() {
    let place = common::sled();
    let store = place.open();
    let value = "v".repeat(2000);
    let everything: Vec<_> = (0..40)
        .map(|_| partition(true, &[("k", Some(&value))]))
        .collect();
    store.write(draft(1, everything)).unwrap();
    for time in 2..=60_u64 {
        // One partition is written anew each time; the last ones never are.
        let changes = (0..40).map(|number| {
            let turn = number == time % 36;
            let entry = [("k", Some(value.as_str()))];
            partition(turn, if turn { &entry } else { &[] })
        });
        store.write(draft(time, changes.collect())).unwrap();
    }
    let reader = CheckpointReader::open(&place.location).unwrap();
    let needed = reader.list().unwrap()[0].bytes;
    let kept: usize = files(&path_of(&place).join("pack"))
        .values()
        .map(Vec::len)
        .sum();
    assert!(
        (kept as u64) < 4 * needed,
        "{kept} bytes are kept for {needed}"
    );
    assert!(reader.verify().unwrap().is_whole());
    drop(store);
    let (time, text) = newest(&place.open()).unwrap();
    assert_eq!((time, text.matches(&value).count()), (60, 40));
}

/// Packs are renamed, emptied and removed while a reader holds on to what it once listed.
#[test]
fn a_reader_that_stays_open_finds_what_its_owner_has_moved() {
    let place = common::sled();
    let store = place.open();
    let value = "v".repeat(3000);
    let all = |only: Option<u64>| {
        let partitions = (0..8_u64).map(|number| {
            let written = only.is_none_or(|only| only == number);
            let entry = [("k", Some(value.as_str()))];
            partition(written, if written { &entry } else { &[] })
        });
        partitions.collect::<Vec<_>>()
    };
    store.write(draft(1, all(None))).unwrap();
    let reader = CheckpointReader::open(&place.location).unwrap();
    assert_eq!(reader.list().unwrap().len(), 1);
    for time in 2..=20 {
        store.write(draft(time, all(Some(time % 7)))).unwrap();
        // The reader asks for a checkpoint that it has never listed, with chunks that have moved.
        let newest = store.list().unwrap()[0].id;
        let manifest = reader.manifest(newest).unwrap();
        for reference in manifest.chunks() {
            reader.read_chunk(reference).unwrap();
        }
    }
    let first = tidemill_checkpoint::CheckpointId(1);
    let error = reader.manifest(first).unwrap_err();
    assert!(matches!(error, Error::NoCheckpoint { .. }), "{error}");
    assert!(reader.verify().unwrap().is_whole());
}

/// A location as the program before packs left it.
fn format_1() -> common::Place {
    let place = common::sled();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sled-v1");
    for folder in ["chunk", "epoch", "index"] {
        let to = path_of(&place).join(folder);
        fs::create_dir_all(&to).unwrap();
        for (path, bytes) in files(&from.join(folder)) {
            fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
    fs::write(path_of(&place).join("published"), "").unwrap();
    // The zeros behind what sled wrote aren't kept with the sources.
    let database = fs::OpenOptions::new()
        .write(true)
        .open(path_of(&place).join("index/db"));
    database.unwrap().set_len(524_287).unwrap();
    place
}

fn in_format_1() -> (u64, String) {
    let (large, five) = ("l".repeat(70_000), "5".repeat(5000));
    (4, format!("a=4 c={five} d=3 large={large}"))
}

#[test]
fn a_location_of_format_1_is_read_as_it_is_and_sealed_by_its_next_owner() {
    let place = format_1();
    let before = files(&path_of(&place).join("index"));
    let listed = |reader: &CheckpointReader| -> Vec<u64> {
        let list = reader.list().unwrap();
        list.iter().map(|summary| summary.time_ms).collect()
    };
    let reader = CheckpointReader::open(&place.location).unwrap();
    assert_eq!(listed(&reader), [4, 3]);
    assert!(reader.verify().unwrap().is_whole());
    assert_eq!(
        files(&path_of(&place).join("index")),
        before,
        "a reader changed it"
    );

    let store = place.open();
    assert_eq!(newest(&store), Some(in_format_1()));
    assert!(store.notices().is_empty(), "{:?}", store.notices());
    let reader = CheckpointReader::open(&place.location).unwrap();
    assert_eq!(listed(&reader), [4, 3]);
    assert!(reader.verify().unwrap().is_whole());
    let changes = || vec![partition(false, &[("e", Some("5"))]), partition(false, &[])];
    store.write(draft(5, changes())).unwrap();
    drop(store);
    let store = place.open();
    let (time, text) = newest(&store).unwrap();
    assert_eq!((time, text.contains("e=5")), (5, true));
}

#[test]
fn damage_to_a_database_of_format_1_gives_an_older_checkpoint_or_an_error() {
    let good = files(&path_of(&format_1()).join("index"));
    let database = good
        .iter()
        .find(|(path, _)| path.ends_with("db"))
        .unwrap()
        .1;
    let used = database.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut whole, mut older, mut refused) = (0, 0, 0);
    for at in (0..used).step_by(used / 60) {
        let place = format_1();
        let mut bytes = database.clone();
        bytes[at] ^= 0x10;
        fs::write(path_of(&place).join("index/db"), &bytes).unwrap();
        let opened = CheckpointStore::open(&place.location, common::options());
        match opened.and_then(|store| Ok((store.newest()?, store))) {
            Err(_) => refused += 1,
            Ok((found, store)) => {
                let time = found.manifest.unwrap().time_ms;
                // sled ends its log at a damaged entry and says nothing.
                let (four, five) = (in_format_1().1, "5".repeat(5000));
                let expected = match time {
                    4 => four,
                    3 => four.replace("a=4", "a=2"),
                    _ => four
                        .replace("a=4", "a=2 b=1")
                        .replace(&format!("c={five} d=3 "), ""),
                };
                assert_eq!(newest(&store), Some((time, expected)), "byte {at}");
                whole += u32::from(time == 4);
                older += u32::from(time < 4);
            }
        }
    }
    println!(
        "of single flips: {whole} did no harm, {older} cost a checkpoint, {refused} were refused"
    );
    assert!(older + refused > 0, "no flip was noticed");
}
