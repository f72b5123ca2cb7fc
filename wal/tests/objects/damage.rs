//! What a log does with objects that aren't as they were written.
//!
//! For every truncation of, and every flipped byte in, each object: opening and replaying gives an error
//! that names the object and a place in it, a verification finds it, and the object is left as it is. The
//! only one that may pass is a fence that is in a run as well: it has no entries.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::Objects;
use tidemill_wal::{Error, LogReader, Sequence, WalOptions};

use crate::common::{append, texts};
use crate::support::*;

const ALL: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// A log with a run that holds a fence, slots behind it, a second fence and a last slot.
fn log() -> Arc<dyn Objects> {
    let objects = in_memory();
    let (wal, _) = try_open(&objects, compacting(1)).unwrap();
    append_each(&wal, &ALL[..3]);
    compacted(&objects, 0);
    wal.close().unwrap();
    let wal = open(&objects, 2);
    append_each(&wal, &ALL[3..5]);
    drop(wal);
    let wal = open(&objects, 3);
    append_each(&wal, &ALL[5..]);
    drop(wal);
    let names = names(&*objects);
    let run = format!("run/{:020}-{:020}-1", 0, 3);
    let slots: Vec<_> = [0, 4, 5, 6, 7, 8, 9].map(slot).to_vec();
    assert_eq!(names, [vec!["head".to_owned(), run], slots].concat());
    objects
}

/// Opens and replays.
fn read_all(objects: &Arc<dyn Objects>) -> Result<Vec<String>, Error> {
    let (wal, _) = try_open(objects, options(9))?;
    let entries = wal.replay(Sequence(0))?;
    entries
        .map(|entry| entry.map(|entry| crate::common::text(&entry)))
        .collect()
}

/// What is said about `bytes` in the place of an object.
fn examine(log: &dyn Objects, name: &str, bytes: &Bytes, what: &str) {
    let damaged = copy(log);
    damaged.put(&object(name), bytes.clone()).unwrap();
    let reader = LogReader::open_objects(Arc::clone(&damaged), PREFIX, PLACE);
    let verified = reader.and_then(|reader| reader.verify());
    match read_all(&damaged) {
        Ok(found) => {
            // A fence that is in a run: the one is never read, the other only by a verification.
            let good = read(log, name);
            let index = 24 + good[16] as usize;
            let differs = good.iter().zip(bytes).position(|(one, other)| one != other);
            let in_run = name.starts_with("run/")
                && bytes.len() == good.len()
                && differs.is_some_and(|at| (index..index + 40).contains(&at));
            assert!(in_run || name == slot(0), "{what} was passed over");
            assert_eq!(found, ALL, "{what}");
            assert_eq!(
                verified.unwrap().findings.len(),
                usize::from(in_run),
                "{what}"
            );
        }
        Err(Error::Corrupt { file, offset, .. }) => {
            assert_eq!(file, format!("{PLACE}/{}", object(name)), "{what}");
            // Where it is, or where what is cut off should be.
            assert!(offset <= read(log, name).len() as u64, "{what}: {offset}");
            match verified {
                Ok(report) => {
                    let found = report.findings.iter().any(|found| found.file == file);
                    assert!(found, "{what}: {report:?}");
                }
                // Without a head there is nothing to go by.
                Err(error) => assert_eq!(name, "head", "{what}: {error}"),
            }
            assert_eq!(read(&*damaged, name), bytes, "{what}");
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn every_flipped_byte_is_told_with_its_object_and_place() {
    let log = log();
    for name in names(&*log) {
        let good = read(&*log, &name);
        for byte in 0..good.len() {
            let mut bytes = good.to_vec();
            bytes[byte] ^= 1 << (byte % 8);
            examine(&*log, &name, &bytes.into(), &format!("{name}, byte {byte}"));
        }
    }
}

#[test]
fn every_truncation_is_told_with_its_object_and_place() {
    let log = log();
    for name in names(&*log) {
        let good = read(&*log, &name);
        for len in 0..good.len() {
            examine(
                &*log,
                &name,
                &good.slice(..len),
                &format!("{name}, cut to {len}"),
            );
        }
    }
}

#[test]
fn a_lost_object_is_told() {
    let log = log();
    for name in names(&*log) {
        let damaged = copy(&*log);
        damaged.delete(&object(&name)).unwrap();
        match read_all(&damaged) {
            Ok(found) if name == slot(0) => assert_eq!(found, ALL),
            // The very last one: what is known of the end from elsewhere tells.
            Ok(found) => {
                assert_eq!((name.as_str(), found.len()), (slot(9).as_str(), 6));
                let damaged = copy(&*log);
                damaged.delete(&object(&name)).unwrap();
                let options = WalOptions {
                    known_end: Sequence(7),
                    ..options(9)
                };
                let error = try_open(&damaged, options).unwrap_err();
                assert!(matches!(error, Error::BeyondEnd { .. }), "{error}");
                // So it can be put back.
                damaged.put(&object(&name), read(&*log, &name)).unwrap();
                let wal = try_open(&damaged, self::options(10)).unwrap().0;
                assert_eq!(texts(&wal, 0), ALL);
            }
            Err(Error::Corrupt { file, problem, .. }) => {
                assert_eq!(file, format!("{PLACE}/{}", object(&name)));
                assert!(problem.contains("missing"), "{problem}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn a_slot_moved_to_another_is_found_out() {
    let log = log();
    for (from, to) in [(7, 4), (8, 9), (6, 5), (4, 8)] {
        let bytes = read(&*log, &slot(from));
        let place = format!("slot {from} in the place of {to}");
        examine(&*log, &slot(to), &bytes, &place);
    }
}

#[test]
fn more_bytes_than_were_written_are_damage() {
    let log = log();
    for name in ["head".to_owned(), slot(4), slot(5), slot(9)] {
        let longer = [&read(&*log, &name)[..], b"x"].concat();
        if name == slot(4) {
            // A fence's frames are never read.
            continue;
        }
        examine(&*log, &name, &longer.into(), &format!("{name} and a byte"));
    }
}

#[test]
fn damage_is_not_put_together_with_what_is_good() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    append_each(&wal, &ALL);
    drop(wal);
    let mut bytes = read(&*objects, &slot(2)).to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    objects
        .put(&object(&slot(2)), bytes.clone().into())
        .unwrap();
    let (wal, _) = try_open(&objects, compacting(2)).unwrap();
    append(&wal, "h");
    append(&wal, "i");
    wal.close().unwrap();
    assert_eq!(read(&*objects, &slot(2)), bytes);
    let error = read_all(&objects).unwrap_err();
    assert!(error.to_string().contains(&slot(2)), "{error}");
    assert!(error.to_string().contains("offset 40"), "{error}");
}

#[test]
fn a_newer_format_is_refused_and_left_untouched() {
    let log = log();
    for (name, version, crc, covered) in [
        ("head".to_owned(), 8, 12, None),
        (names(&*log)[1].clone(), 8, 12, None),
        (slot(5), 8, 36, Some(36)),
    ] {
        let good = read(&*log, &name);
        let mut bytes = good.to_vec();
        bytes[version] = 2;
        let mut hasher = crc32fast::Hasher::new();
        match covered {
            Some(len) => hasher.update(&bytes[..len]),
            None => {
                // Of a run, the index only.
                let length = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
                hasher.update(&bytes[..12]);
                hasher.update(&bytes[16..24 + length]);
            }
        }
        bytes[crc..crc + 4].copy_from_slice(&hasher.finalize().to_le_bytes());
        let newer = copy(&*log);
        newer.put(&object(&name), bytes.into()).unwrap();
        let before = copy(&*newer);
        let error = read_all(&newer).unwrap_err();
        assert!(
            matches!(&error, Error::NewerVersion { file, found: 2, known: 1 } if file.ends_with(&name)),
            "{error}"
        );
        for (object, _) in before.list("").unwrap() {
            // The head comes first. A newer program raises its version with any other.
            if name == "head" || !object.ends_with("head") {
                assert_eq!(before.get(&object).unwrap(), newer.get(&object).unwrap());
            }
        }
        assert_eq!(
            before.list("").unwrap().len(),
            newer.list("").unwrap().len()
        );
    }
}

#[test]
fn slots_without_a_head_are_no_new_log() {
    let log = log();
    log.delete(&object("head")).unwrap();
    let before = copy(&*log);
    let error = try_open(&log, options(9)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("head is damaged at offset 0: it is missing"),
        "{error}"
    );
    assert_eq!(before.list("").unwrap(), log.list("").unwrap());
}
