//! What a log does when nothing is broken.

use std::sync::Arc;

use tidemill_storage::RequestKind;
use tidemill_wal::{Error, LogKind, LogReader, Sequence, WalOptions};

use crate::common::{append, text, texts};
use crate::support::*;

#[test]
fn each_group_is_an_object_and_each_opening_leaves_a_fence() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    assert_eq!(names(&*objects), ["head", &slot(0)]);
    let first = append(&wal, "a");
    let second = append(&wal, "b");
    assert_eq!(names(&*objects), ["head", &slot(0), &slot(1), &slot(2)]);
    assert_eq!(wal.read(first).unwrap().payload, "a");
    assert_eq!(wal.read(second).unwrap().payload, "b");
    assert_eq!(texts(&wal, 0), ["a", "b"]);
    wal.close().unwrap();
    let (wal, recovered) = try_open(&objects, options(2)).unwrap();
    assert_eq!(recovered.next_sequence, Sequence(2));
    assert_eq!(recovered.oldest_sequence, Sequence(0));
    assert_eq!(read_len(&*objects, &slot(3)), 40);
    append(&wal, "c");
    assert_eq!(texts(&wal, 0), ["a", "b", "c"]);
    assert_eq!(texts(&wal, 1), ["b", "c"]);
    assert_eq!(wal.read(second).unwrap().payload, "b");
    let status = wal.status();
    assert_eq!((status.appends, status.syncs), (1, 1));
}

#[test]
fn an_empty_log_can_change_hands_many_times() {
    let objects = in_memory();
    for epoch in 1..5 {
        let (wal, recovered) = try_open(&objects, options(epoch)).unwrap();
        assert_eq!(recovered.next_sequence, Sequence(0));
        assert!(texts(&wal, 0).is_empty());
    }
    let wal = open(&objects, 9);
    append(&wal, "first");
    drop(wal);
    assert_eq!(texts(&open(&objects, 10), 0), ["first"]);
}

#[test]
fn opening_and_replay_list_nothing_and_read_each_object_once() {
    let (faulty, objects) = faulty();
    let wal = open(&objects, 1);
    for number in 0..20 {
        append(&wal, &format!("entry {number}"));
    }
    wal.close().unwrap();
    let before = faulty.requests();
    let wal = open(&objects, 2);
    let opened = faulty.requests();
    let made = |kind,
                from: &std::collections::BTreeMap<_, u64>,
                to: &std::collections::BTreeMap<_, u64>| {
        to.get(&kind).copied().unwrap_or(0) - from.get(&kind).copied().unwrap_or(0)
    };
    assert_eq!(made(RequestKind::List, &before, &opened), 0);
    // 21 headers, the last slot whole, and those behind the end.
    let headers = made(RequestKind::GetRange, &before, &opened);
    assert!((22..=22 + 16 + 3).contains(&headers), "{headers}");
    // The head: read, replaced; read before the slots and behind the fence.
    assert_eq!(made(RequestKind::GetVersioned, &before, &opened), 3);
    assert_eq!(made(RequestKind::PutIf, &before, &opened), 1);
    assert_eq!(made(RequestKind::PutNew, &before, &opened), 1);
    assert_eq!(texts(&wal, 0).len(), 20);
    let replayed = faulty.requests();
    // The fence in slot 0 has no entries, and is given way to by slot 1.
    assert_eq!(made(RequestKind::GetRange, &opened, &replayed), 20);
    assert_eq!(made(RequestKind::List, &opened, &replayed), 0);
    assert_eq!(made(RequestKind::Get, &opened, &replayed), 0);
}

#[test]
fn truncation_moves_the_beginning_and_leaves_the_fences() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    append_each(&wal, &["a", "b", "c"]);
    drop(wal);
    let wal = open(&objects, 2);
    append_each(&wal, &["d", "e"]);
    let truncated = wal.truncate_before(Sequence(4)).unwrap();
    assert_eq!(
        (truncated.segments, truncated.oldest_sequence),
        (4, Sequence(4))
    );
    assert_eq!(
        names(&*objects),
        ["head", &slot(0), &slot(4), &slot(6)],
        "two fences and the last group"
    );
    assert!(matches!(
        wal.replay(Sequence(3)),
        Err(Error::NotKept { .. })
    ));
    assert_eq!(texts(&wal, 4), ["e"]);
    assert_eq!(wal.truncate_before(Sequence(99)).unwrap().segments, 0);
    drop(wal);
    let (wal, recovered) = try_open(&objects, options(3)).unwrap();
    assert_eq!(recovered.oldest_sequence, Sequence(4));
    assert_eq!(append(&wal, "f").sequence, Sequence(5));
    assert_eq!(wal.truncate_before(Sequence(5)).unwrap().segments, 1);
    drop(wal);
    assert_eq!(texts(&open(&objects, 4), 5), ["f"]);
}

#[test]
fn what_a_crash_left_is_swept_by_the_next_truncation() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    append_each(&wal, &["a", "b", "c"]);
    let kept = copy(&*objects);
    wal.truncate_before(Sequence(2)).unwrap();
    drop(wal);
    // Its deletes never arrived.
    for name in [slot(1), slot(2)] {
        objects.put(&object(&name), read(&*kept, &name)).unwrap();
    }
    let left = object(&format!("run/{:020}-{:020}-0", 1, 2));
    objects
        .put(&left, "a run that no head names".into())
        .unwrap();
    let wal = open(&objects, 2);
    assert_eq!(texts(&wal, 2), ["c"]);
    append(&wal, "d");
    wal.truncate_before(Sequence(3)).unwrap();
    assert_eq!(names(&*objects), ["head", &slot(0), &slot(4), &slot(5)]);
}

#[test]
fn small_segments_are_put_together_and_nothing_reads_differently() {
    let objects = in_memory();
    let (wal, _) = try_open(&objects, compacting(1)).unwrap();
    let positions: Vec<_> = (0..23)
        .map(|number| append(&wal, &format!("entry {number}")))
        .collect();
    compacted(&objects, 4);
    let all: Vec<String> = (0..23).map(|number| format!("entry {number}")).collect();
    let check = |wal: &tidemill_wal::Wal| {
        assert_eq!(texts(wal, 0), all);
        assert_eq!(texts(wal, 7), all[7..]);
        for (position, expected) in positions.iter().zip(&all) {
            assert_eq!(text(&wal.read(*position).unwrap()), *expected);
        }
    };
    check(&wal);
    drop(wal);
    assert!(names(&*objects).iter().any(|name| name.starts_with("run/")));
    // The fence is in a run and still there.
    assert_eq!(read_len(&*objects, &slot(0)), 40);
    let (faulty, counted) = {
        let faulty = tidemill_storage::FaultyObjects::counting(Arc::clone(&objects));
        (
            faulty.clone(),
            Arc::new(faulty) as Arc<dyn tidemill_storage::Objects>,
        )
    };
    let wal = open(&counted, 2);
    assert_eq!(faulty.requests().get(&RequestKind::List), None);
    check(&wal);
    let reader = LogReader::open_objects(Arc::clone(&objects), PREFIX, PLACE).unwrap();
    let report = reader.verify().unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.entries, 23);
    for (position, expected) in positions.iter().zip(&all) {
        assert_eq!(text(&reader.read(*position).unwrap()), *expected);
    }
    // In the middle of a run, then behind it.
    assert_eq!(wal.truncate_before(Sequence(2)).unwrap().segments, 2);
    assert_eq!(texts(&wal, 2), all[2..]);
    assert!(matches!(wal.read(positions[1]), Err(Error::NotKept { .. })));
    let reader = LogReader::open_objects(Arc::clone(&objects), PREFIX, PLACE).unwrap();
    assert_eq!(text(&reader.read(positions[2]).unwrap()), all[2]);
    let gone = reader.read(positions[1]);
    assert!(matches!(gone, Err(Error::NotKept { .. })), "{gone:?}");
    drop(wal);
    let wal = open(&objects, 3);
    assert_eq!(texts(&wal, 2), all[2..]);
    wal.truncate_before(Sequence(22)).unwrap();
    let runs = names(&*objects)
        .iter()
        .filter(|name| name.starts_with("run/"))
        .count();
    assert!(runs <= 1, "the one that holds the last entry: {runs}");
    assert_eq!(texts(&wal, 22), all[22..]);
}

#[test]
fn runs_are_put_together_in_turn() {
    let objects = in_memory();
    let (wal, _) = try_open(&objects, compacting(1)).unwrap();
    for number in 0..300 {
        append(&wal, &format!("entry {number}"));
    }
    let runs = || {
        names(&*objects)
            .iter()
            .filter(|name| name.starts_with("run/"))
            .count()
    };
    eventually("few runs", || runs() <= 12);
    wal.close().unwrap();
    assert_eq!(texts(&open(&objects, 2), 0).len(), 300);
}

#[test]
fn a_replay_under_way_keeps_its_segments_and_survives_compaction() {
    let objects = in_memory();
    let (wal, _) = try_open(&objects, compacting(1)).unwrap();
    append_each(&wal, &["a", "b"]);
    let mut replay = wal.replay(Sequence(0)).unwrap();
    assert_eq!(text(&replay.next().unwrap().unwrap()), "a");
    append_each(&wal, &["c", "d", "e", "f"]);
    compacted(&objects, 3);
    assert_eq!(wal.truncate_before(Sequence(5)).unwrap().segments, 0);
    assert_eq!(text(&replay.next().unwrap().unwrap()), "b");
    assert!(replay.next().is_none());
    drop(replay);
    assert_eq!(wal.truncate_before(Sequence(5)).unwrap().segments, 5);
    assert_eq!(texts(&wal, 5), ["f"]);
}

#[test]
fn a_reader_follows_what_the_owner_moves() {
    let objects = in_memory();
    let wal = open(&objects, 1);
    append_each(&wal, &["a", "b", "c", "d", "e", "f"]);
    let reader = LogReader::open_objects(Arc::clone(&objects), PREFIX, PLACE).unwrap();
    drop(wal);
    let (wal, _) = try_open(&objects, compacting(2)).unwrap();
    append_each(&wal, &["g", "h", "i"]);
    compacted(&objects, 3);
    // It was listed as slots, of which none is there any more.
    let mut entries = reader.entries();
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.unwrap();
        let (place, offset) = entries.place(entry.position);
        assert!(place.starts_with("memory:test/log/run/"), "{place}");
        assert!(offset > entry.position.offset);
        found.push(text(&entry));
    }
    assert_eq!(found, ["a", "b", "c", "d", "e", "f"]);
    wal.close().unwrap();
    let missing = LogReader::open_objects(objects, "elsewhere", PLACE).unwrap_err();
    assert!(
        missing.to_string().contains("memory:test/elsewhere"),
        "{missing}"
    );
}

#[test]
fn two_logs_share_a_store() {
    let objects = in_memory();
    let open = |prefix, kind| {
        let options = WalOptions::new(LogKind(kind), 1);
        tidemill_wal::Wal::open_objects(Arc::clone(&objects), prefix, PLACE, options)
    };
    let (one, _) = open("one", 1).unwrap();
    let (other, _) = open("other", 2).unwrap();
    append(&one, "1");
    append(&other, "2");
    assert_eq!(texts(&one, 0), ["1"]);
    assert_eq!(texts(&other, 0), ["2"]);
    let error = open("one", 2).unwrap_err();
    assert!(matches!(error, Error::OtherKind { .. }), "{error}");
    assert!(
        error.to_string().starts_with("memory:test/one/head"),
        "{error}"
    );
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    use tidemill_storage::{Gate, ObjectFault};
    let (faulty, objects) = faulty();
    let options = WalOptions {
        max_queued_bytes: 10,
        ..options(1)
    };
    let (wal, _) = try_open(&objects, options).unwrap();
    let gate = Gate::default();
    let held = gate.clone();
    faulty.set_plan(move |request| match request.kind {
        RequestKind::PutNew => ObjectFault::StallBefore(held.clone()),
        _ => ObjectFault::None,
    });
    let first = wal.append(1, crate::common::payload("on its way"));
    gate.await_arrival();
    let second = wal.append(1, crate::common::payload("12345678"));
    let busy = wal
        .append(1, crate::common::payload("123"))
        .wait()
        .unwrap_err();
    assert!(
        matches!(
            busy,
            Error::Busy {
                queued: 8,
                limit: 10
            }
        ),
        "{busy}"
    );
    assert!(busy.is_retryable());
    let third = wal.append(1, crate::common::payload("12"));
    gate.open();
    for append in [first, second, third] {
        append.wait().unwrap();
    }
    // What finds nothing waiting may always.
    append(&wal, "larger than the limit alone");
    assert_eq!(texts(&wal, 0).len(), 4);
}
