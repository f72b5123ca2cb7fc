//! An owner that is stopped at any of its requests, while a successor takes over, writes, truncates and
//! puts slots together; then it goes on. It can't acknowledge, truncate or compact anything any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tidemill_storage::{FaultyObjects, Gate, ObjectFault, Objects};
use tidemill_wal::{Error, LogReader, Sequence, Wal};

use crate::common::{append, payload, text, texts};
use crate::support::*;

/// What an owner was told.
#[derive(Debug, Default)]
struct Told {
    /// What was acknowledged, by its number.
    acknowledged: BTreeMap<u64, String>,
    /// What was answered to that was begun after the successor had opened the log.
    late: Vec<(String, Result<(), Error>)>,
}

/// The life that is stopped somewhere. `succeeded` is set once a successor has opened the log.
fn live(objects: &Arc<dyn Objects>, succeeded: &AtomicBool) -> Told {
    let mut told = Told::default();
    let late = succeeded.load(Ordering::SeqCst);
    let wal = match try_open(objects, compacting(2)) {
        Ok((wal, _)) => wal,
        Err(error) => {
            // Only because of the successor.
            assert!(error.is_fenced(), "{error}");
            return told;
        }
    };
    assert!(!late);
    for number in 0..14 {
        let late = succeeded.load(Ordering::SeqCst);
        let name = format!("first {number}");
        let answer = match number {
            7 => wal.truncate_before(Sequence(4)).map(drop),
            _ => wal.append(1, payload(&name)).wait().map(|position| {
                told.acknowledged.insert(position.sequence.0, name.clone());
            }),
        };
        if late {
            told.late.push((name, answer));
        }
    }
    let _ = wal.close();
    told
}

fn contents(wal: &Wal, from: Sequence) -> BTreeMap<u64, String> {
    let entries = wal.replay(from).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.sequence.0, text(&entry)))
        .collect()
}

/// Whether there was a request to stop at.
fn stopped_at(number: u64, after: bool) -> bool {
    let store = in_memory();
    append_each(&open(&store, 1), &["zeroth a", "zeroth b"]);
    let (gate, arrived) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let plan = {
        let (gate, arrived) = (gate.clone(), Arc::clone(&arrived));
        move |request: &tidemill_storage::ObjectRequest| {
            if request.number != number {
                return ObjectFault::None;
            }
            arrived.store(true, Ordering::SeqCst);
            match after {
                true => ObjectFault::StallAfter(gate.clone()),
                false => ObjectFault::StallBefore(gate.clone()),
            }
        }
    };
    let faulty: Arc<dyn Objects> = Arc::new(FaultyObjects::new(Arc::clone(&store), plan));
    let succeeded = Arc::new(AtomicBool::new(false));
    let first = {
        let succeeded = Arc::clone(&succeeded);
        thread::spawn(move || live(&faulty, &succeeded))
    };
    while !arrived.load(Ordering::SeqCst) && !first.is_finished() {
        thread::sleep(Duration::from_micros(100));
    }
    let is_stopped = arrived.load(Ordering::SeqCst);
    if is_stopped {
        gate.await_arrival();
    }
    let (second, recovered) = try_open(&store, compacting(3)).unwrap();
    succeeded.store(true, Ordering::SeqCst);
    let mut expected = contents(&second, recovered.oldest_sequence);
    for number in 0..9 {
        let name = format!("second {number}");
        expected.insert(append(&second, &name).sequence.0, name);
    }
    let begin = Sequence(recovered.next_sequence.0 + 3);
    let found = expected.clone();
    let oldest = second.truncate_before(begin).unwrap().oldest_sequence;
    expected.retain(|sequence, _| *sequence >= oldest.0);
    gate.open();
    let told = first.join().unwrap();
    let place = format!("request {number}, after it: {after}");
    for (name, answer) in &told.late {
        assert!(
            matches!(
                answer,
                Err(Error::Fenced {
                    found: 3,
                    ours: 2,
                    ..
                })
            ),
            "{place}: {name}: {answer:?}"
        );
    }
    for (sequence, name) in &told.acknowledged {
        // Truncated away before the successor came, or in what it found.
        let kept = *sequence < recovered.oldest_sequence.0 || found.get(sequence) == Some(name);
        assert!(
            kept,
            "{place}: {name} was acknowledged as {sequence}: {found:?}"
        );
    }
    let name = "second, when the first had gone on".to_owned();
    expected.insert(append(&second, &name).sequence.0, name);
    assert_eq!(contents(&second, oldest), expected, "{place}");
    second.close().unwrap();
    let reader = LogReader::open_objects(Arc::clone(&store), PREFIX, PLACE).unwrap();
    assert_eq!(reader.verify().unwrap().findings, [], "{place}");
    let (third, recovered) = try_open(&store, compacting(4)).unwrap();
    assert_eq!(recovered.oldest_sequence, oldest);
    assert_eq!(contents(&third, oldest), expected, "{place}");
    is_stopped
}

#[test]
fn an_owner_stopped_before_any_request_is_fenced() {
    let stops = (0..)
        .take_while(|number| stopped_at(*number, false))
        .count();
    println!("stopped before each of {stops} requests");
    assert!(stops > 30, "{stops}");
}

#[test]
fn an_owner_stopped_behind_any_request_is_fenced() {
    let stops = (0..).take_while(|number| stopped_at(*number, true)).count();
    println!("stopped behind each of {stops} requests");
    assert!(stops > 30, "{stops}");
}

#[test]
fn a_fenced_owner_is_told_so_at_once() {
    let objects = in_memory();
    let (first, _) = try_open(&objects, compacting(1)).unwrap();
    append_each(&first, &["a", "b", "c"]);
    let second = open(&objects, 2);
    // Truncating and appending, in either order; what is told first is told from then on.
    let error = first.truncate_before(Sequence(2)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Fenced {
                found: 2,
                ours: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("memory:test/log/head"),
        "{error}"
    );
    let appends: Vec<_> = (0..3).map(|_| first.append(1, payload("late"))).collect();
    for append in appends {
        let error = append.wait().unwrap_err();
        assert!(matches!(error, Error::Fenced { .. }), "{error}");
    }
    assert!(
        first
            .status()
            .poisoned
            .unwrap()
            .contains("epoch 2, ours is 1")
    );
    assert!(matches!(first.close(), Err(Error::Fenced { .. })));
    let third = open(&objects, 3);
    let appends: Vec<_> = (0..3).map(|_| second.append(1, payload("late"))).collect();
    for append in appends {
        let error = append.wait().unwrap_err();
        assert!(matches!(error, Error::Fenced { found: 3, .. }), "{error}");
    }
    assert_eq!(texts(&third, 0), ["a", "b", "c"]);
}

#[test]
fn an_epoch_is_nobody_elses() {
    let objects = in_memory();
    let first = open(&objects, 5);
    append(&first, "a");
    for epoch in [4, 5] {
        let error = try_open(&objects, options(epoch)).unwrap_err();
        assert!(matches!(error, Error::Fenced { found: 5, .. }), "{error}");
    }
    append(&first, "b");
    assert_eq!(texts(&first, 0), ["a", "b"]);
}

/// Slots that a later owner has put together and deleted look free, and behind a fence, which stays, they
/// look like the end of the log.
#[test]
fn a_hole_that_a_later_owner_made_is_not_the_end() {
    let store = in_memory();
    append_each(&open(&store, 1), &["a", "b"]);
    append_each(
        &open(&store, 2),
        &["c", "d", "e", "f", "g", "h", "i", "j", "k"],
    );
    let gate = Gate::default();
    let plan = {
        let gate = gate.clone();
        move |request: &tidemill_storage::ObjectRequest| match request.name >= object(&slot(4)) {
            true => ObjectFault::StallBefore(gate.clone()),
            false => ObjectFault::None,
        }
    };
    let faulty: Arc<dyn Objects> = Arc::new(FaultyObjects::new(Arc::clone(&store), plan));
    let stopped = thread::spawn(move || {
        let (wal, _) = try_open(&faulty, options(3))?;
        wal.append(1, payload("lost")).wait()
    });
    gate.await_arrival();
    let (later, _) = try_open(&store, compacting(4)).unwrap();
    append_each(&later, &["l", "m"]);
    compacted(&store, 3);
    gate.open();
    let error = stopped.join().unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Fenced {
                found: 4,
                ours: 3,
                ..
            }
        ),
        "{error}"
    );
    append(&later, "n");
    assert_eq!(texts(&later, 0).concat(), "abcdefghijklmn");
    later.close().unwrap();
    assert_eq!(texts(&open(&store, 5), 0).concat(), "abcdefghijklmn");
}
