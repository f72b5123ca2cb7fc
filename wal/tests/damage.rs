//! What a log does with bytes that aren't those it wrote.
//!
//! For every truncation and every flipped bit of a small log, opening and replaying it gives one of:
//! an error that names file and offset; all entries; or, for damage within the last group only,
//! a prefix that holds every entry of the groups before, and a reported torn tail. Never other
//! entries, never a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::*;
use tidemill_storage::SimDisk;
use tidemill_wal::format::header::{HEADER_BYTES, SegmentHeader};
use tidemill_wal::{Error, LogKind, LogReader, Sequence, WalOptions};

/// Three groups of one entry; the last starts at the offset returned.
fn three_groups() -> (SimDisk, String, u64) {
    let disk = SimDisk::new();
    let wal = open(&disk);
    append(&wal, "first");
    append(&wal, "second");
    let last = append(&wal, "third");
    drop(wal);
    let name = segments(&disk).remove(0);
    (disk, name, last.offset)
}

/// Opens and replays; what came of it must be one of what this file's essay says.
fn examine(disk: &SimDisk, damaged_at: u64, last_group: u64) {
    let reader = LogReader::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    let report = reader.verify().unwrap();
    let (wal, recovered) = match try_open(disk, options()) {
        Ok(opened) => opened,
        Err(Error::Corrupt { file, offset, .. }) => {
            assert!(file.starts_with(DIR));
            assert!(offset <= last_group, "{offset}");
            assert_eq!(report.findings.len(), 1);
            assert_eq!(report.findings[0].offset, offset);
            return;
        }
        Err(Error::NewerVersion { .. } | Error::OtherKind { .. } | Error::NewerEpoch { .. }) => {
            assert!(damaged_at < HEADER_BYTES as u64);
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let found = texts(&wal, 0);
    assert!(
        damaged_at >= last_group,
        "damage at {damaged_at} was passed over"
    );
    assert_eq!(found, ["first", "second"]);
    assert_eq!(recovered.torn_tail, report.torn_tail);
    assert!(report.findings.is_empty());
    // What was cut is gone for good, and the log goes on.
    assert_eq!(append(&wal, "new").sequence, Sequence(2));
    drop(wal);
    disk.power_cut();
    let (wal, recovered) = try_open(disk, options()).unwrap();
    assert_eq!(recovered.torn_tail, None);
    assert_eq!(texts(&wal, 0), ["first", "second", "new"]);
}

#[test]
fn every_flipped_bit_is_an_error_or_a_torn_tail() {
    let (disk, name, last_group) = three_groups();
    let good = read(&disk, &name);
    for bit in 0..good.len() * 8 {
        let copy = disk.snapshot();
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        overwrite(&copy, &name, &bytes);
        examine(&copy, bit as u64 / 8, last_group);
    }
}

#[test]
fn every_truncation_is_an_error_or_a_prefix() {
    let (disk, name, last_group) = three_groups();
    let good = read(&disk, &name);
    for len in 0..good.len() {
        let copy = disk.snapshot();
        overwrite(&copy, &name, &good[..len]);
        match try_open(&copy, options()) {
            Ok((wal, recovered)) => {
                // A log that ends early looks as one that was never longer.
                let found = texts(&wal, 0);
                assert_eq!(found, ["first", "second"][..found.len()]);
                assert!(len < last_group as usize || found.len() == 2);
                let whole = recovered.torn_tail.map_or(len, |torn| torn.offset as usize);
                assert!(whole <= len && len >= HEADER_BYTES);
                assert_eq!(read(&copy, &name).len(), whole);
            }
            Err(Error::Corrupt { offset, .. }) => {
                assert!(len < HEADER_BYTES);
                assert_eq!(offset, len as u64);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn garbage_behind_the_last_group_is_cut() {
    let (disk, name, _) = three_groups();
    let good = read(&disk, &name);
    for garbage in [
        vec![0; 1],
        vec![0; 5_000],
        vec![0xff; 700_000],
        good[HEADER_BYTES..].to_vec(),
    ] {
        let copy = disk.snapshot();
        overwrite(&copy, &name, &[&good[..], &garbage[..]].concat());
        match try_open(&copy, options()) {
            Ok((wal, recovered)) => {
                let torn = recovered.torn_tail.unwrap();
                assert_eq!(
                    (torn.offset, torn.bytes),
                    (good.len() as u64, garbage.len() as u64)
                );
                assert_eq!(texts(&wal, 0), ["first", "second", "third"]);
            }
            // Frames that verify but repeat numbers: no crash does that.
            Err(error) => {
                assert_eq!(garbage.len(), good.len() - HEADER_BYTES, "{error}");
                assert!(
                    error
                        .to_string()
                        .contains("sequence 3 was expected, 0 found"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_bad_frame_far_before_a_later_group_is_damage() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    let bad = append(&wal, &"x".repeat(600_000));
    append(&wal, "later");
    drop(wal);
    let name = segments(&disk).remove(0);
    let mut bytes = read(&disk, &name);
    bytes[1_000] ^= 1;
    overwrite(&disk, &name, &bytes);
    let error = try_open(&disk, options()).unwrap_err();
    let Error::Corrupt {
        offset, problem, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*offset, bad.offset);
    assert!(
        problem.contains(&format!("the good frame at offset {}", bad.end())),
        "{problem}"
    );
}

#[test]
fn a_bad_frame_in_an_earlier_segment_is_damage_wherever_it_is() {
    let (disk, name, last_group) = three_groups();
    append(&open(&disk), "fourth");
    let good = read(&disk, &name);
    for byte in HEADER_BYTES..good.len() {
        let copy = disk.snapshot();
        let mut bytes = good.clone();
        bytes[byte] ^= 0x10;
        overwrite(&copy, &name, &bytes);
        let wal = open(&copy);
        let results: Vec<_> = wal.replay(Sequence(0)).unwrap().collect();
        let error = results.last().unwrap().as_ref().unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        let good = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(
            good,
            (byte >= 62) as usize + (byte as u64 >= last_group) as usize
        );
        assert_eq!(texts(&wal, 3), ["fourth"]);
        let reader = LogReader::open(Arc::new(copy), Path::new(DIR)).unwrap();
        assert_eq!(reader.verify().unwrap().findings.len(), 1);
        assert_eq!(
            reader.entries().filter(|entry| entry.is_ok()).count(),
            good + 1
        );
    }
}

#[test]
fn a_missing_or_shortened_segment_is_a_gap() {
    let (disk, name, last_group) = three_groups();
    for text in ["fourth", "fifth"] {
        append(&open(&disk), text);
    }
    let files = segments(&disk);
    let missing = disk.snapshot();
    tidemill_storage::Disk::remove_file(&missing, &Path::new(DIR).join(&files[1])).unwrap();
    let shortened = disk.snapshot();
    overwrite(
        &shortened,
        &name,
        &read(&disk, &name)[..last_group as usize],
    );
    for damaged in [missing, shortened] {
        let wal = open(&damaged);
        let error = wal
            .replay(Sequence(0))
            .unwrap()
            .find_map(Result::err)
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("the segment ends before sequence"),
            "{error}"
        );
        let reader = LogReader::open(Arc::new(damaged), Path::new(DIR)).unwrap();
        assert_eq!(reader.verify().unwrap().findings.len(), 1);
    }
}

#[test]
fn frames_of_another_segment_do_not_verify() {
    let (disk, name, _) = three_groups();
    let good = read(&disk, &name);
    let header = SegmentHeader {
        log_kind: LogKind(1),
        epoch: 0,
        first: Sequence(0),
    };
    overwrite(
        &disk,
        &name,
        &[&header.encode()[..], &good[HEADER_BYTES..]].concat(),
    );
    let (wal, recovered) = try_open(&disk, options()).unwrap();
    assert_eq!(recovered.torn_tail.unwrap().offset, HEADER_BYTES as u64);
    assert!(texts(&wal, 0).is_empty());
}

#[test]
fn a_segment_without_frames_keeps_its_number_and_is_replaced() {
    let disk = SimDisk::new();
    append(&open(&disk), "zero");
    let header = SegmentHeader {
        log_kind: LogKind(1),
        epoch: 1,
        first: Sequence(1),
    };
    let name = format!("{:020}.wal", 1);
    overwrite(&disk, &name, &header.encode());
    overwrite(&disk, &format!("{:020}.wal.new", 1), b"half a head");
    let (wal, recovered) = try_open(
        &disk,
        WalOptions {
            epoch: 9,
            ..options()
        },
    )
    .unwrap();
    assert_eq!(recovered.next_sequence, Sequence(1));
    assert_eq!(segments(&disk).len(), 2);
    append(&wal, "one");
    assert_eq!(texts(&wal, 0), ["zero", "one"]);
    assert_eq!(read(&disk, &name)[16], 9);
}

#[test]
fn a_position_that_is_none_is_an_error() {
    let wal = open(&SimDisk::new());
    let first = append(&wal, "first");
    append(&wal, "second");
    for wrong in [
        tidemill_wal::Position {
            offset: 41,
            ..first
        },
        tidemill_wal::Position {
            offset: u64::MAX,
            ..first
        },
        tidemill_wal::Position { len: 4, ..first },
        tidemill_wal::Position {
            sequence: Sequence(1),
            ..first
        },
    ] {
        assert!(
            matches!(wal.read(wrong), Err(Error::Corrupt { .. })),
            "{wrong:?}"
        );
    }
    let beyond = tidemill_wal::Position {
        sequence: Sequence(2),
        ..first
    };
    assert!(matches!(wal.read(beyond), Err(Error::BeyondEnd { .. })));
}
