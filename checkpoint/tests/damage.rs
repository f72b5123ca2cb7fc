//! Every byte flipped, every file cut: the checkpoint before is used, or an error says what is wrong.
//! Never wrong data, and never a fresh start over what was there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{draft, newest, partition};
use tidemill_checkpoint::{CheckpointReader, CheckpointStore, Error, Start};
use tidemill_storage::Location;

/// Two checkpoints of full partitions, so that they share no chunk.
fn two(place: &common::Place, size: usize) {
    let store = place.open();
    let padding = "p".repeat(size);
    for time in 1..=2_u64 {
        let value = time.to_string();
        let entries = [("a", Some(value.as_str())), ("pad", Some(padding.as_str()))];
        store
            .write(draft(time, vec![partition(true, &entries)]))
            .unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

fn path_of(place: &common::Place) -> PathBuf {
    place.location.local_path().unwrap().to_owned()
}

/// The newest checkpoint's time, after asserting that what it holds is what was written.
fn usable(store: &CheckpointStore) -> Result<(u64, usize), Error> {
    let found = store.newest()?;
    let time = found.manifest.expect("there were checkpoints").time_ms;
    let text = newest(store).unwrap().1;
    assert!(text.starts_with(&format!("a={time} pad=p")), "{text}");
    Ok((time, found.skipped.len()))
}

#[test]
fn any_damage_to_the_newest_means_the_one_before() {
    let place = common::file();
    two(&place, 10);
    for folder in ["manifest", "chunk"] {
        let newest_file = files(&path_of(&place).join(folder)).pop().unwrap();
        let good = fs::read(&newest_file).unwrap();
        let damaged: Vec<Vec<u8>> = (0..good.len())
            .map(|at| {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << (at % 8);
                bytes
            })
            .chain((0..good.len()).map(|at| good[..at].to_vec()))
            .collect();
        for bytes in damaged {
            fs::write(&newest_file, &bytes).unwrap();
            assert_eq!(usable(&place.open()).unwrap(), (1, 1));
        }
        fs::remove_file(&newest_file).unwrap();
        assert_eq!(usable(&place.open()).unwrap().0, 1);
        fs::write(&newest_file, &good).unwrap();
        assert_eq!(usable(&place.open()).unwrap(), (2, 0));
    }
}

#[test]
fn a_damaged_checkpoint_does_not_push_out_a_whole_one() {
    let place = common::file();
    two(&place, 10);
    let newest_chunk = files(&path_of(&place).join("chunk")).pop().unwrap();
    fs::write(&newest_chunk, b"nonsense").unwrap();
    let store = place.open();
    assert_eq!(usable(&store).unwrap(), (1, 1));
    let entries = [("a", Some("3")), ("pad", Some("p"))];
    store
        .write(draft(3, vec![partition(false, &entries)]))
        .unwrap();
    let kept: Vec<_> = store
        .list()
        .unwrap()
        .iter()
        .map(|summary| summary.time_ms)
        .collect();
    assert_eq!(kept, [3, 1]);
    drop(store);
    assert_eq!(usable(&place.open()).unwrap(), (3, 0));
    let verification = CheckpointReader::open(&place.location)
        .unwrap()
        .verify()
        .unwrap();
    assert!(verification.newest_is_whole() && !verification.is_whole());
    assert_eq!(
        verification.start,
        Start::From(verification.checkpoints[0].id)
    );
    let finding = &verification.checkpoints[1].findings[0];
    assert_eq!(finding.place, newest_chunk.display().to_string());
    assert!(finding.problem.contains("is damaged: "), "{finding:?}");
}

#[test]
fn nothing_whole_is_an_error_and_no_fresh_start() {
    let place = common::file();
    two(&place, 10);
    for file in files(&path_of(&place).join("manifest")) {
        fs::write(file, b"nonsense").unwrap();
    }
    let store = place.open();
    let error = store.newest().unwrap_err();
    assert!(
        matches!(error, Error::NoneVerifies { count: 2, .. }),
        "{error}"
    );
    let reader = CheckpointReader::open(&place.location).unwrap();
    assert_eq!(reader.verify().unwrap().start, Start::Refused);
    let listing = reader.listing().unwrap();
    assert_eq!((listing.checkpoints.len(), listing.damaged.len()), (0, 2));
    let failed = store
        .write(draft(3, vec![partition(true, &[("a", Some("3"))])]))
        .unwrap_err();
    assert!(
        matches!(failed.error, Error::NoneVerifies { .. }),
        "{failed}"
    );
}

#[test]
fn a_newer_format_is_refused_and_left_untouched() {
    let place = common::file();
    two(&place, 10);
    let file = files(&path_of(&place).join("manifest")).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 2;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..]);
    bytes[12..16].copy_from_slice(&hasher.finalize().to_le_bytes());
    fs::write(&file, &bytes).unwrap();
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
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(files(&path_of(&place).join("epoch")), claims);
}

#[test]
fn large_chunks_of_a_sled_store_are_files_and_checked() {
    let place = common::sled();
    two(&place, 100_000);
    let chunks = files(&path_of(&place).join("chunk"));
    assert_eq!(chunks.len(), 2);
    let mut bytes = fs::read(&chunks[1]).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&chunks[1], bytes).unwrap();
    assert_eq!(usable(&place.open()).unwrap(), (1, 1));
}

/// Every object of a location that several drivers share: claims, manifests, fences and chunks.
#[test]
fn every_flip_and_cut_of_every_object_is_harmless_or_told() {
    let location = Location::Memory(format!("every-damage-{}", std::process::id()));
    let objects = tidemill_storage::open_objects(&location).unwrap();
    let open = || CheckpointStore::open_objects(objects.clone(), "shared", common::options());
    // Two drivers: a checkpoint of each, with the second one's fence in between.
    for time in 1..=2_u64 {
        let value = time.to_string();
        let entries = [("a", Some(value.as_str())), ("pad", Some("p"))];
        let full = vec![partition(true, &entries)];
        open().unwrap().write(draft(time, full)).unwrap();
    }
    let pristine: Vec<(String, Vec<u8>)> = objects
        .list("")
        .unwrap()
        .into_iter()
        .map(|(name, _)| {
            let bytes = objects.get(&name).unwrap().unwrap().to_vec();
            (name, bytes)
        })
        .collect();
    let restore = || {
        for (name, _) in objects.list("").unwrap() {
            objects.delete(&name).unwrap();
        }
        for (name, bytes) in &pristine {
            objects.put(name, bytes.clone().into()).unwrap();
        }
    };
    let is_fence = |bytes: &[u8]| bytes.starts_with(b"tidefenc");
    assert!(pristine.iter().any(|(_, bytes)| is_fence(bytes)));
    for (name, good) in &pristine {
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            for (what, bytes) in [("flipped", flipped), ("cut", good[..at].to_vec())] {
                restore();
                objects.put(name, bytes.into()).unwrap();
                let what = format!("{name}, {what} at {at}");
                let verified = CheckpointReader::open(&location).unwrap().verify().unwrap();
                let mut findings = verified.checkpoints.iter().flat_map(|one| &one.findings);
                let is_claim = name.starts_with("epoch/");
                assert!(
                    findings.any(|finding| finding.place.ends_with(name.as_str()))
                        || (is_claim && verified.claims.len() == 1),
                    "{what}"
                );
                // What is used is whole and the newest there is; what is damaged has been told.
                let store = open().unwrap();
                assert_eq!(store.epoch().0, 3, "{what}");
                let (time, skipped) = usable(&store).unwrap();
                let is_newest =
                    name.starts_with("manifest/") && !is_fence(good) || name.starts_with("chunk/");
                let hits_newest = is_newest && name == newest_of(&pristine, name);
                let expected = match (is_claim, hits_newest) {
                    (true, _) => (2, 0),
                    (_, true) => (1, 1),
                    // Below the newest whole one nobody looks.
                    (_, false) => (2, 0),
                };
                assert_eq!((time, skipped), expected, "{what}");
            }
        }
    }
}

/// The last object of the same kind.
fn newest_of<'a>(objects: &'a [(String, Vec<u8>)], name: &str) -> &'a str {
    let kind = name.split('/').next().unwrap();
    let mut of_kind = objects
        .iter()
        .filter(|(other, bytes)| other.starts_with(kind) && !bytes.starts_with(b"tidefenc"));
    &of_kind.next_back().unwrap().0
}
