//! Repair: for every truncation and every flipped byte of every segment, the log is whole again, every
//! entry that isn't reported lost is where it was with what it was, and the damaged bytes are kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use common::*;
use tidemill_storage::{Disk, Fault, SimDisk};
use tidemill_wal::repair::{Action, Examined, Plan, Policy, QuarantineReport, carry_out, examine};
use tidemill_wal::{Entry, Error, LogKind, LogReader, Position, Sequence};

const HOLE: u8 = 9;

/// Three segments; the last has three groups, of which the last starts at the offset given.
struct Log {
    disk: SimDisk,
    entries: Vec<(Position, String)>,
    last_group: u64,
}

fn log() -> Log {
    let disk = SimDisk::new();
    let mut entries = Vec::new();
    for texts in [&["a", "bb", "ccc"][..], &["dddd"], &["e", "ff", "g"]] {
        let wal = open(&disk);
        for text in texts {
            entries.push((append(&wal, text), (*text).to_owned()));
        }
    }
    let last_group = entries.last().unwrap().0.offset;
    Log {
        disk,
        entries,
        last_group,
    }
}

fn look(disk: &SimDisk) -> Result<Examined, Error> {
    examine(disk, Path::new(DIR), LogKind(1), &mut |_| {})
}

fn policy(cut_from: Option<u64>, known_end: u64) -> Policy {
    Policy {
        log_kind: LogKind(1),
        hole_kind: HOLE,
        cut_from: cut_from.map(Sequence),
        known_end: Sequence(known_end),
        noted: BTreeMap::new(),
    }
}

fn do_it(disk: &SimDisk, plan: &Plan, name: &str) -> Result<(), Error> {
    let report = QuarantineReport { name, json: b"{}" };
    carry_out(disk, Path::new(DIR), plan, report).map(drop)
}

/// Each single damage of each segment: what it is called, the file and its new bytes.
fn damages(disk: &SimDisk) -> Vec<(String, String, Vec<u8>)> {
    let mut all = Vec::new();
    for name in segments(disk) {
        let good = read(disk, &name);
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            all.push((format!("{name}: byte {at} flipped"), name.clone(), flipped));
            let cut = good[..at].to_vec();
            all.push((format!("{name}: cut to {at}"), name.clone(), cut));
        }
    }
    all
}

/// What the plan says is lost.
fn lost(plan: &Plan) -> BTreeSet<u64> {
    plan.losses
        .iter()
        .flat_map(|loss| loss.entries.start.0..loss.entries.end.0)
        .collect()
}

fn is_sound(disk: &SimDisk) -> bool {
    let reader = LogReader::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    let report = reader.verify().unwrap();
    report.findings.is_empty()
}

#[test]
fn holes_stand_for_what_is_lost_and_all_else_stays_where_it_was() {
    let log = log();
    let end = log.entries.len() as u64;
    for (what, name, bytes) in damages(&log.disk) {
        let disk = log.disk.snapshot();
        overwrite(&disk, &name, &bytes);
        let mut policy = policy(None, end);
        policy.noted = log
            .entries
            .iter()
            .map(|(position, _)| (position.sequence, *position))
            .collect();
        let plan = Plan::new(&look(&disk).unwrap(), policy.clone()).unwrap();
        assert!(!plan.is_whole(), "{what}");
        let lost = lost(&plan);
        // A flip costs one entry at most, and none where it hit a header whose frames prove it.
        assert!(what.contains("cut") || lost.len() <= 1, "{what}: {lost:?}");
        do_it(&disk, &plan, "1").unwrap();
        disk.power_cut();
        assert!(is_sound(&disk), "{what}");
        assert_eq!(
            read(&disk, &format!("quarantine-1/{name}")),
            bytes,
            "{what}"
        );
        let mut handed = Vec::new();
        let mut each = |entry: Entry| handed.push(entry);
        let examined = examine(&disk, Path::new(DIR), LogKind(1), &mut each).unwrap();
        assert!(Plan::new(&examined, policy).unwrap().is_whole());
        let wal = open(&disk);
        let replayed = wal.replay(Sequence(0)).unwrap().map(Result::unwrap);
        assert_eq!(replayed.collect::<Vec<_>>(), handed, "{what}");
        assert_eq!(wal.next_sequence(), Sequence(end), "{what}");
        for (position, text) in &log.entries {
            let entry = wal.read(*position).unwrap();
            let is_lost = lost.contains(&position.sequence.0);
            assert_eq!(entry.kind == HOLE, is_lost, "{what}: {position:?}");
            assert!(is_lost || common::text(&entry) == *text, "{what}");
        }
        let kinds = wal
            .replay(Sequence(0))
            .unwrap()
            .map(|entry| entry.unwrap().kind);
        assert_eq!(
            kinds.filter(|kind| *kind == HOLE).count(),
            lost.len(),
            "{what}"
        );
    }
}

/// Entries that depend on one another: what is kept is what was there, up to a cut.
#[test]
fn a_log_is_cut_where_a_needed_entry_is_lost() {
    let log = log();
    let count = log.entries.len() as u64;
    for needed in [0, 2, 3, 5, count] {
        for (what, name, bytes) in damages(&log.disk) {
            let what = format!("{what}, needed from {needed}");
            let disk = log.disk.snapshot();
            overwrite(&disk, &name, &bytes);
            let policy = policy(Some(needed), needed);
            let plan = Plan::new(&look(&disk).unwrap(), policy.clone()).unwrap();
            let lost = lost(&plan);
            do_it(&disk, &plan, "1").unwrap();
            assert!(is_sound(&disk), "{what}");
            let again = Plan::new(&look(&disk).unwrap(), policy).unwrap();
            assert!(again.is_whole(), "{what}: {:?}", again.losses);
            let mut options = options();
            options.known_end = Sequence(needed);
            let (wal, recovered) = try_open(&disk, options).unwrap();
            let next = wal.next_sequence().0;
            assert!(next >= needed, "{what}");
            if let Some(cut) = plan.cut_at {
                assert_eq!(next, cut.0, "{what}");
                assert!((cut.0..count).all(|entry| lost.contains(&entry) || entry >= count));
            } else if !plan.has_torn_tail && needed < count && !name.ends_with("4.wal") {
                assert_eq!(next, count, "{what}");
            }
            assert_eq!(recovered.torn_tail.is_some(), plan.has_torn_tail, "{what}");
            // From what is needed on there is no hole: all that is left can be relied on.
            for entry in wal.replay(Sequence(needed)).unwrap() {
                let entry = entry.unwrap();
                let (position, text) = &log.entries[entry.sequence.0 as usize];
                assert_eq!(
                    (entry.position, &common::text(&entry)),
                    (*position, text),
                    "{what}"
                );
            }
            assert_eq!(append(&wal, "new").sequence.0, next);
        }
    }
}

#[test]
fn a_torn_end_is_left_to_the_next_opening_unless_it_was_known_to_be_durable() {
    let log = log();
    let name = segments(&log.disk).pop().unwrap();
    let mut bytes = read(&log.disk, &name);
    bytes[log.last_group as usize + 3] ^= 1;
    overwrite(&log.disk, &name, &bytes);
    let count = log.entries.len() as u64;
    let plan =
        |known_end| Plan::new(&look(&log.disk).unwrap(), policy(Some(0), known_end)).unwrap();
    assert!(plan(count - 1).is_whole() && plan(count - 1).has_torn_tail);
    assert!(!plan(count).is_whole() && !plan(count).has_torn_tail);
    // So it is with opening: what is known to have been synced isn't cut off.
    let mut known = options();
    known.known_end = Sequence(count);
    let error = try_open(&log.disk, known.clone()).unwrap_err();
    let Error::Corrupt {
        offset, problem, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(*offset, log.last_group);
    assert!(problem.contains("known to have been synced"), "{problem}");
    // And with looking.
    let told = |known_end| {
        let reader = LogReader::open(Arc::new(log.disk.clone()), Path::new(DIR)).unwrap();
        reader.knowing(Sequence(known_end)).verify().unwrap()
    };
    let (known_less, known_all) = (told(count - 1), told(count));
    assert!(known_less.findings.is_empty() && known_less.torn_tail.is_some());
    assert!(known_all.torn_tail.is_none());
    assert_eq!(known_all.findings.len(), 1, "{known_all:?}");
    assert_eq!(known_all.findings[0].problem, error.to_string());
    assert_eq!(read(&log.disk, &name), bytes);
    overwrite(&log.disk, &name, &bytes[..log.last_group as usize]);
    let error = try_open(&log.disk, known).unwrap_err();
    assert!(matches!(error, Error::BeyondEnd { .. }), "{error}");
    assert!(told(count - 1).findings.is_empty());
    assert_eq!(told(count).findings[0].problem, error.to_string());
    assert_eq!(told(count).findings[0].offset, log.last_group);
    assert!(open(&log.disk).next_sequence() == Sequence(count - 1));
}

#[test]
fn a_missing_segment_is_made_of_holes() {
    let log = log();
    let name = segments(&log.disk).remove(1);
    log.disk.remove_file(&Path::new(DIR).join(name)).unwrap();
    let plan = Plan::new(&look(&log.disk).unwrap(), policy(None, 0)).unwrap();
    assert_eq!(lost(&plan), BTreeSet::from([3]));
    do_it(&log.disk, &plan, "1").unwrap();
    let texts = texts(&open(&log.disk), 0);
    assert_eq!(texts, ["a", "bb", "ccc", "", "e", "ff", "g"]);
}

/// The disk fails at each operation of a repair; then it is run again.
#[test]
fn a_repair_that_was_interrupted_can_be_run_again() {
    let log = log();
    let name = segments(&log.disk).remove(0);
    let mut bytes = read(&log.disk, &name);
    bytes[60] ^= 1;
    overwrite(&log.disk, &name, &bytes);
    for cut_from in [None, Some(0)] {
        let repaired = log.disk.snapshot();
        let plan = Plan::new(&look(&repaired).unwrap(), policy(cut_from, 0)).unwrap();
        do_it(&repaired, &plan, "1").unwrap();
        let meant = texts(&open(&repaired), 0);
        let mut interrupted = 0;
        loop {
            let disk = log.disk.snapshot();
            let plan = Plan::new(&look(&disk).unwrap(), policy(cut_from, 0)).unwrap();
            let allowed = disk.operations() + interrupted;
            disk.set_faults(move |operation| {
                (operation.number >= allowed).then_some(Fault::Errno(5))
            });
            let done = do_it(&disk, &plan, "1");
            disk.clear_faults();
            disk.power_cut();
            let plan = Plan::new(&look(&disk).unwrap(), policy(cut_from, 0)).unwrap();
            do_it(&disk, &plan, "2").unwrap();
            assert_eq!(
                texts(&open(&disk), 0),
                meant,
                "stopped at operation {interrupted}"
            );
            let kept = ["quarantine-1", "quarantine-2"].iter().any(|folder| {
                let path = Path::new(DIR).join(folder).join(&name);
                disk.read(&path).is_ok_and(|kept| kept == bytes)
            });
            assert!(kept, "the damaged bytes are gone");
            if done.is_ok() {
                break;
            }
            interrupted += 1;
        }
        assert!(interrupted > 8, "{interrupted}");
    }
}

#[test]
fn what_is_not_ours_or_has_changed_is_left_alone() {
    let log = log();
    let name = segments(&log.disk).remove(0);
    let good = read(&log.disk, &name);
    let mut newer = good.clone();
    newer[8] = 2;
    let crc = crc32fast::hash(&newer[..36]);
    newer[36..40].copy_from_slice(&crc.to_le_bytes());
    overwrite(&log.disk, &name, &newer);
    let error = look(&log.disk).unwrap_err();
    assert!(matches!(error, Error::NewerVersion { .. }), "{error}");
    overwrite(&log.disk, &name, &good);
    let error = examine(&log.disk, Path::new(DIR), LogKind(2), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::OtherKind { .. }), "{error}");

    let mut bytes = good.clone();
    bytes[60] ^= 1;
    overwrite(&log.disk, &name, &bytes);
    let plan = Plan::new(&look(&log.disk).unwrap(), policy(None, 0)).unwrap();
    assert!(
        plan.segments
            .iter()
            .any(|segment| segment.action == Action::Keep)
    );
    overwrite(&log.disk, &name, &good);
    let error = do_it(&log.disk, &plan, "1").unwrap_err();
    assert!(
        error.to_string().contains("something writes to the log"),
        "{error}"
    );
    assert_eq!(read(&log.disk, &name), good);
}
