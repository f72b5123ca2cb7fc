//! Repair of a log in an object store: for each truncation, each flipped byte and the loss of each object,
//! the log is whole again, every entry that isn't reported lost is where it was with what it was, and the
//! damaged bytes are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{ErrorKind, FaultyObjects, ObjectFault, Objects};
use tidemill_wal::repair::{
    Examined, ObjectLog, Plan, Policy, QuarantineReport, Quarantined, examine_objects,
};
use tidemill_wal::{Entry, Error, LogKind, LogReader, Position, Sequence};

use crate::common::{append, text};
use crate::support::*;

const ALL: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const HOLE: u8 = 9;

struct Log {
    objects: Arc<dyn Objects>,
    positions: Vec<Position>,
}

/// A run that holds a fence, slots behind it, a second fence and two slots.
fn log() -> Log {
    let objects = in_memory();
    let mut positions = Vec::new();
    let (wal, _) = try_open(&objects, compacting(1)).unwrap();
    positions.extend(ALL[..3].iter().map(|text| append(&wal, text)));
    compacted(&objects, 0);
    wal.close().unwrap();
    for (epoch, texts) in [(2, &ALL[3..5]), (3, &ALL[5..])] {
        let wal = open(&objects, epoch);
        positions.extend(texts.iter().map(|text| append(&wal, text)));
    }
    Log { objects, positions }
}

fn look(
    objects: &Arc<dyn Objects>,
    each: &mut dyn FnMut(Entry),
) -> Result<(ObjectLog, Examined), Error> {
    let objects = Arc::clone(objects);
    Ok(examine_objects(objects, PREFIX, PLACE, LogKind(1), each)?.expect("there is a log"))
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

fn plan(objects: &Arc<dyn Objects>, policy: Policy) -> Result<(ObjectLog, Plan), Error> {
    let (log, examined) = look(objects, &mut |_| {})?;
    Ok((log, Plan::new(&examined, policy)?))
}

fn carry_out(log: &ObjectLog, plan: &Plan, name: &str) -> Result<Quarantined, Error> {
    log.carry_out(plan, QuarantineReport { name, json: b"{}" })
}

fn lost(plan: &Plan) -> BTreeSet<u64> {
    let losses = plan.losses.iter();
    losses
        .flat_map(|loss| loss.entries.start.0..loss.entries.end.0)
        .collect()
}

/// Each single damage: what it is called, the object, and its bytes then (`None`: gone).
fn damages(objects: &dyn Objects) -> Vec<(String, String, Option<Bytes>)> {
    let mut all = Vec::new();
    for name in names(objects) {
        let good = read(objects, &name);
        all.push((format!("{name} is gone"), name.clone(), None));
        for at in 0..good.len() {
            let mut flipped = good.to_vec();
            flipped[at] ^= 1 << (at % 8);
            let what = format!("{name}: byte {at} flipped");
            all.push((what, name.clone(), Some(flipped.into())));
            let what = format!("{name}: cut to {at}");
            all.push((what, name.clone(), Some(good.slice(..at))));
        }
        // What is behind a run is never read.
        if !name.starts_with("run/") {
            let longer = [&good[..], b"x"].concat();
            all.push((format!("{name}: longer"), name, Some(longer.into())));
        }
    }
    all
}

fn damaged(log: &Log, name: &str, bytes: &Option<Bytes>) -> Arc<dyn Objects> {
    let objects = copy(&*log.objects);
    match bytes {
        Some(bytes) => objects.put(&object(name), bytes.clone()).unwrap(),
        None => objects.delete(&object(name)).unwrap(),
    }
    objects
}

/// What an opening reads after a verification without findings.
fn contents(objects: &Arc<dyn Objects>, epoch: u64, what: &str) -> Vec<Entry> {
    let reader = LogReader::open_objects(Arc::clone(objects), PREFIX, PLACE).unwrap();
    let report = reader.verify().unwrap();
    assert!(report.findings.is_empty(), "{what}: {report:?}");
    let (wal, _) = try_open(objects, options(epoch)).unwrap();
    let entries = wal.replay(Sequence(0)).unwrap();
    let entries: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
    let next = append(&wal, "new");
    assert_eq!(next.sequence.0, entries.len() as u64, "{what}");
    assert_eq!(text(&wal.read(next).unwrap()), "new", "{what}");
    entries
}

/// A fence in a slot that a run covers is there for stopped owners alone: nobody reads it.
fn is_read(name: &str) -> bool {
    name != slot(0)
}

#[test]
fn holes_stand_for_what_is_lost_and_all_else_stays_where_it_was() {
    let log = log();
    for (what, name, bytes) in damages(&*log.objects) {
        let objects = damaged(&log, &name, &bytes);
        let mut policy = policy(None, ALL.len() as u64);
        let noted = log.positions.iter();
        policy.noted = noted
            .map(|position| (position.sequence, *position))
            .collect();
        let (found, plan) = plan(&objects, policy.clone()).unwrap();
        assert_eq!(plan.is_whole(), !is_read(&name), "{what}");
        if plan.is_whole() {
            continue;
        }
        let lost = lost(&plan);
        let is_run = name.starts_with("run/");
        let most = match &bytes {
            _ if name == "head" => 0,
            None if is_run => 3,
            Some(bytes) if is_run && bytes.len() < read(&*log.objects, &name).len() => 3,
            _ => 1,
        };
        assert!(lost.len() <= most, "{what}: {lost:?}");
        let done = carry_out(&found, &plan, "1").unwrap();
        assert_eq!(done.folder, format!("{PLACE}/{PREFIX}/quarantine-1"));
        let kept = objects
            .get(&object(&format!("quarantine-1/{name}")))
            .unwrap();
        assert_eq!(kept, bytes, "{what}");
        let (_, again) = self::plan(&objects, policy).unwrap();
        assert!(again.is_whole(), "{what}: {:?}", again.losses);
        let entries = contents(&objects, 9, &what);
        assert_eq!(entries.len(), ALL.len(), "{what}");
        for (entry, (position, meant)) in entries.iter().zip(log.positions.iter().zip(ALL)) {
            let is_lost = lost.contains(&position.sequence.0);
            assert_eq!(entry.kind == HOLE, is_lost, "{what}: {position:?}");
            assert!(is_lost || text(entry) == meant, "{what}");
            // Even of a lost one: whoever noted it is told that it was given up. (The slot of a lost end
            // can't be told from one that never was.)
            let is_lost_end = name == slot(9) && bytes.is_none();
            let is_placed = entry.position == *position || (is_lost_end && is_lost);
            assert!(is_placed, "{what}: {position:?}, {:?}", entry.position);
        }
    }
}

#[test]
fn a_log_is_cut_where_a_needed_entry_is_lost() {
    let log = log();
    let count = ALL.len() as u64;
    for needed in [2, count] {
        for (what, name, bytes) in damages(&*log.objects) {
            let what = format!("{what}, needed from {needed}");
            let objects = damaged(&log, &name, &bytes);
            let policy = policy(Some(needed), needed);
            let (found, plan) = plan(&objects, policy.clone()).unwrap();
            if plan.is_whole() {
                // The end can be gone without a trace: only a checkpoint knows of it.
                let is_end = name == slot(9) && bytes.is_none() && needed < count;
                assert!(!is_read(&name) || is_end, "{what}");
                continue;
            }
            let lost = lost(&plan);
            carry_out(&found, &plan, "1").unwrap();
            let (_, again) = self::plan(&objects, policy).unwrap();
            assert!(again.is_whole(), "{what}: {:?}", again.losses);
            let entries = contents(&objects, 9, &what);
            let end = entries.len() as u64;
            assert!(end >= needed, "{what}");
            if let Some(cut) = plan.cut_at {
                assert_eq!(end, cut.0, "{what}");
                let all_told = (cut.0..count).all(|entry| lost.contains(&entry));
                assert!(name == slot(9) || all_told, "{what}: {:?}", plan.losses);
            } else if name != slot(9) {
                assert_eq!(end, count, "{what}");
            }
            for entry in entries.iter().skip(needed as usize) {
                let number = entry.sequence.0 as usize;
                assert_eq!(text(entry), ALL[number], "{what}");
                assert_eq!(entry.position, log.positions[number], "{what}");
            }
        }
    }
}

/// Several slots in a row, of which one is an opening's end mark for looking: only a list finds them.
#[test]
fn a_wide_gap_is_found_and_filled() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    append_each(&wal, &ALL);
    drop(wal);
    for number in 2..6 {
        objects.delete(&object(&slot(number))).unwrap();
    }
    let (found, plan) = plan(&objects, policy(None, 0)).unwrap();
    assert_eq!(lost(&plan), BTreeSet::from([1, 2, 3, 4]));
    carry_out(&found, &plan, "1").unwrap();
    let texts: Vec<_> = contents(&objects, 2, "gap").iter().map(text).collect();
    assert_eq!(texts, ["a", "", "", "", "", "f", "g"]);
    // None of the lost slots has become free for an owner that was stopped before it took one.
    for number in 2..6 {
        assert_eq!(read_len(&*objects, &slot(number)), 40);
    }
}

/// An owner that was overlooked can't write, truncate or undo anything.
#[test]
fn an_owner_that_was_overlooked_is_kept_out() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    append_each(&wal, &ALL);
    objects.put(&object(&slot(4)), "nonsense".into()).unwrap();
    let (found, plan) = plan(&objects, policy(Some(0), 0)).unwrap();
    assert_eq!(plan.cut_at, Some(Sequence(3)));
    carry_out(&found, &plan, "1").unwrap();
    let late = wal.append(1, crate::common::payload("late")).wait();
    assert!(matches!(late, Err(Error::Poisoned { .. })), "{late:?}");
    let late = wal.truncate_before(Sequence(3));
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
    let texts: Vec<_> = contents(&objects, 2, "cut").iter().map(text).collect();
    assert_eq!(texts, ["a", "b", "c"]);
}

/// It has written since it was looked at, or is still writing.
#[test]
fn a_log_that_changes_is_left_as_it_is() {
    let log = log();
    let objects = damaged(&log, &slot(4), &Some("nonsense".into()));
    let (found, plan) = plan(&objects, policy(None, 0)).unwrap();
    objects.put(&object(&slot(4)), "other".into()).unwrap();
    let error = carry_out(&found, &plan, "1").unwrap_err();
    assert!(error.to_string().contains("it has changed"), "{error}");
    let head = read(&*objects, "head");
    let (found, plan) = self::plan(&objects, policy(None, 0)).unwrap();
    let other = [&head[..], b"x"].concat();
    objects.put(&object("head"), other.into()).unwrap();
    let error = carry_out(&found, &plan, "2").unwrap_err();
    assert!(error.to_string().contains("it has changed"), "{error}");
}

/// The store fails at each request of a repair, before or behind it, as it does when the repair is killed
/// there; then it is run again.
#[test]
fn a_repair_that_was_interrupted_can_be_run_again() {
    let log = log();
    let run = names(&*log.objects).remove(1);
    let mut cut_short = 0;
    for (name, cut_from) in [(run, None), (slot(5), Some(0)), ("head".to_owned(), None)] {
        for number in 0.. {
            let mut is_over = false;
            for fails_after in [false, true] {
                let what = format!("{name}, request {number}, after: {fails_after}");
                let mut bytes = read(&*log.objects, &name).to_vec();
                let at = bytes.len() - 1;
                bytes[at] ^= 1;
                let bytes = Bytes::from(bytes);
                let store = damaged(&log, &name, &Some(bytes.clone()));
                let (faulty, objects) = {
                    let faulty = FaultyObjects::counting(Arc::clone(&store));
                    (faulty.clone(), Arc::new(faulty) as Arc<dyn Objects>)
                };
                let (found, plan) = plan(&objects, policy(cut_from, 7)).unwrap();
                let looked: u64 = faulty.requests().values().sum();
                faulty.set_plan(move |request| match request.number >= looked + number {
                    true if fails_after => ObjectFault::FailAfter(ErrorKind::Io),
                    true => ObjectFault::FailBefore(ErrorKind::Io),
                    false => ObjectFault::None,
                });
                let first = carry_out(&found, &plan, "1");
                is_over = faulty.requests().values().sum::<u64>() < looked + number;
                cut_short += u64::from(first.is_err());
                let (found, plan) = self::plan(&store, policy(cut_from, 7)).unwrap();
                if !plan.is_whole() {
                    carry_out(&found, &plan, "2").unwrap();
                }
                let kept = ["1", "2"].map(|repair| {
                    let copy = object(&format!("quarantine-{repair}/{name}"));
                    store.get(&copy).unwrap()
                });
                assert!(kept.contains(&Some(bytes)), "{what}");
                let end = match cut_from {
                    Some(_) => 3,
                    None => 7,
                };
                assert_eq!(contents(&store, 9, &what).len(), end, "{what}");
            }
            if is_over {
                break;
            }
        }
    }
    assert!(cut_short > 20, "{cut_short}");
}

#[test]
fn what_is_not_ours_to_repair_is_left_alone() {
    let log = log();
    let objects = Arc::clone(&log.objects);
    let other = examine_objects(Arc::clone(&objects), PREFIX, PLACE, LogKind(2), &mut |_| {});
    assert!(matches!(other, Err(Error::OtherKind { .. })), "{other:?}");
    let nothing = examine_objects(objects, "elsewhere", PLACE, LogKind(1), &mut |_| {});
    assert!(nothing.unwrap().is_none());
}
