//! Every request of a short history, in turn, goes wrong in every way. What was acknowledged is found again
//! with its number; the log goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use tidemill_storage::{ErrorKind, FaultyObjects, ObjectFault, Objects, RequestKind};
use tidemill_wal::{Error, LogReader, Sequence};

use crate::common::{append, payload, text, texts};
use crate::support::*;

#[derive(Debug, Clone, Copy)]
enum Fault {
    FailBefore,
    FailAfter,
    Conflict,
}

impl Fault {
    fn plan(self) -> ObjectFault {
        match self {
            Self::FailBefore => ObjectFault::FailBefore(ErrorKind::Io),
            Self::FailAfter => ObjectFault::FailAfter(ErrorKind::Io),
            Self::Conflict => ObjectFault::ConflictAfter,
        }
    }
}

/// Four lives; request `number` goes wrong, and all behind it if `for_ever`. Whether it was made.
fn lives(number: u64, fault: Fault, for_ever: bool) -> bool {
    let store = in_memory();
    let hit = Arc::new(AtomicBool::new(false));
    let plan = {
        let hit = Arc::clone(&hit);
        move |request: &tidemill_storage::ObjectRequest| {
            let is_hit = request.number == number || (for_ever && request.number > number);
            hit.fetch_or(is_hit, Ordering::SeqCst);
            match is_hit {
                true => fault.plan(),
                false => ObjectFault::None,
            }
        }
    };
    let faulty: Arc<dyn Objects> = Arc::new(FaultyObjects::new(Arc::clone(&store), plan));
    let mut acknowledged = BTreeMap::new();
    for life in 1..5 {
        let Ok((wal, _)) = try_open(&faulty, compacting(life)) else {
            continue;
        };
        for entry in 0..4 {
            let name = format!("{life}/{entry}");
            match wal.append(1, payload(&name)).wait() {
                Ok(position) => drop(acknowledged.insert(position.sequence.0, name)),
                Err(error) => assert!(matches!(error, Error::Poisoned { .. }), "{error}"),
            }
        }
        let _ = wal.truncate_before(Sequence(life * 2));
        let _ = wal.close();
    }
    let place = format!("{fault:?} at {number}, for ever: {for_ever}");
    let (wal, recovered) = try_open(&store, compacting(9)).unwrap();
    let oldest = recovered.oldest_sequence;
    assert!(oldest <= Sequence(8), "{place}");
    let found: BTreeMap<_, _> = wal
        .replay(oldest)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| (entry.sequence.0, text(&entry)))
        .collect();
    for (sequence, name) in acknowledged.range(oldest.0..) {
        assert_eq!(found.get(sequence), Some(name), "{place}: {found:?}");
    }
    let numbers: Vec<u64> = found.keys().copied().collect();
    let dense: Vec<u64> = (oldest.0..recovered.next_sequence.0).collect();
    assert_eq!(numbers, dense, "{place}");
    append(&wal, "goes on");
    wal.close().unwrap();
    let reader = LogReader::open_objects(store, PREFIX, PLACE).unwrap();
    assert_eq!(reader.verify().unwrap().findings, [], "{place}");
    if !hit.load(Ordering::SeqCst) {
        assert_eq!(acknowledged.len(), 16);
    }
    hit.load(Ordering::SeqCst)
}

fn at_each(fault: Fault) {
    for for_ever in [false, true] {
        // A store that answers "taken" to everything, for ever, is none.
        if for_ever && matches!(fault, Fault::Conflict) {
            continue;
        }
        let made = (0..)
            .take_while(|number| lives(*number, fault, for_ever))
            .count();
        println!("{fault:?} at each of {made} requests, for ever: {for_ever}");
        assert!(made > 60, "{made}");
    }
}

#[test]
fn any_request_may_fail_without_having_been_done() {
    at_each(Fault::FailBefore);
}

#[test]
fn any_request_may_fail_though_it_was_done() {
    at_each(Fault::FailAfter);
}

#[test]
fn any_write_may_be_told_to_be_in_conflict_with_itself() {
    at_each(Fault::Conflict);
}

#[test]
fn an_unknown_end_poisons_and_the_restart_finds_the_group_whole_or_not_at_all() {
    for (done, expected) in [(false, vec!["good"]), (true, vec!["good", "unknown"])] {
        let (faulty, objects) = faulty();
        let wal = open(&objects, 1);
        append(&wal, "good");
        faulty.set_plan(move |request| match (request.kind, done) {
            (RequestKind::PutNew, true) => ObjectFault::FailAfter(ErrorKind::Io),
            (RequestKind::PutNew, false) => ObjectFault::FailBefore(ErrorKind::Io),
            _ => ObjectFault::None,
        });
        let before = faulty.requests();
        for name in ["unknown", "later"] {
            let error = wal.append(1, payload(name)).wait().unwrap_err();
            assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        }
        let puts = |of: &BTreeMap<RequestKind, u64>| of[&RequestKind::PutNew];
        assert_eq!(puts(&faulty.requests()) - puts(&before), 1, "tried again");
        assert_eq!(texts(&wal, 0), ["good"]);
        assert!(wal.close().is_err());
        faulty.set_plan(|_| ObjectFault::None);
        assert_eq!(texts(&open(&objects, 2), 0), expected);
    }
}

#[test]
fn deletes_that_failed_are_tried_again_by_the_next_truncation() {
    let (faulty, objects) = faulty();
    let wal = open(&objects, 1);
    append_each(&wal, &["a", "b", "c", "d"]);
    faulty.set_plan(|request| match request.kind {
        RequestKind::Delete => ObjectFault::FailBefore(ErrorKind::Io),
        _ => ObjectFault::None,
    });
    let truncated = wal.truncate_before(Sequence(2)).unwrap();
    assert_eq!(
        (truncated.segments, truncated.oldest_sequence),
        (2, Sequence(2))
    );
    assert!(read_len(&*objects, &slot(1)) > 0);
    faulty.set_plan(|_| ObjectFault::None);
    wal.truncate_before(Sequence(3)).unwrap();
    assert_eq!(names(&*objects), ["head", &slot(0), &slot(4)]);
}

#[test]
fn a_run_that_the_head_names_though_the_change_failed_stays() {
    let (faulty, objects) = faulty();
    let head_fails = |request: &tidemill_storage::ObjectRequest| match request.kind {
        RequestKind::PutIf => ObjectFault::FailAfter(ErrorKind::Io),
        _ => ObjectFault::None,
    };
    let (wal, _) = try_open(&objects, compacting(1)).unwrap();
    faulty.set_plan(head_fails);
    append_each(&wal, &["a", "b", "c"]);
    eventually("the head names a run", || {
        faulty.requests().get(&RequestKind::PutIf) == Some(&1)
    });
    // The second try has read what it puts together when the log's beginning moves into it.
    let (at_put, putting) = mpsc::channel();
    let (go_on, went_on) = mpsc::channel::<()>();
    let went_on = Mutex::new(went_on);
    faulty.set_plan(move |request| {
        if request.kind == RequestKind::PutNew && request.name.contains("/run/") {
            at_put.send(()).unwrap();
            let _ = went_on.lock().unwrap().recv();
        }
        ObjectFault::None
    });
    append(&wal, "d");
    putting.recv().unwrap();
    wal.truncate_before(Sequence(1)).unwrap();
    drop(go_on);
    assert!(wal.close().is_ok());
    faulty.set_plan(|_| ObjectFault::None);
    assert_eq!(texts(&open(&objects, 2), 1), ["b", "c", "d"]);
}
