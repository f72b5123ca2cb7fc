//! What a log does when nothing is broken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::*;
use tidemill_storage::{Disk, Fault, LocalDisk, OperationKind, RemoteObjects, SimDisk};
use tidemill_wal::{Error, LogKind, LogReader, Sequence, Wal, WalOptions};

#[test]
fn what_is_appended_is_read_back_by_position_and_in_order() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    assert_eq!(wal.next_sequence(), Sequence(0));
    assert!(texts(&wal, 0).is_empty());
    let large = Bytes::from(vec![b'x'; 100_000]);
    let parts = vec![
        Bytes::from_static(b"head"),
        Bytes::new(),
        large.clone(),
        large.slice(..9),
    ];
    let whole: Vec<u8> = parts.concat();
    let first = wal.append(0, vec![]).wait().unwrap();
    let second = wal.append(127, parts).wait().unwrap();
    assert_eq!(
        (first.sequence, first.len, first.offset),
        (Sequence(0), 0, 40)
    );
    assert_eq!((second.sequence, second.offset), (Sequence(1), 57));
    let entry = wal.read(second).unwrap();
    assert_eq!((entry.kind, entry.sequence), (127, Sequence(1)));
    assert_eq!(entry.payload, whole);
    assert!(wal.read(first).unwrap().payload.is_empty());
    let entries: Vec<_> = wal
        .replay(Sequence(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1], entry);
    let status = wal.status();
    assert_eq!((status.appends, status.syncs, status.segments), (2, 2, 1));
    assert_eq!(status.bytes, second.end());
    assert_eq!(status.synced_bytes, second.end() - 40);
    assert_eq!(status.sync_latency.count(), 2);
    assert!(status.last_sync_ms.is_some() && status.poisoned.is_none());
}

#[test]
fn a_large_payload_is_hashed_the_same_by_its_appender() {
    // Around the size from which on the appender computes the checksum.
    let disk = SimDisk::new();
    let wal = open(&disk);
    for len in [(16 << 10) - 1, 16 << 10, (16 << 10) + 1, 300 << 10] {
        let position = wal
            .append(1, vec![Bytes::from(vec![7; len])])
            .wait()
            .unwrap();
        assert_eq!(wal.read(position).unwrap().payload.len(), len);
    }
    assert_eq!(
        wal.replay(Sequence(0)).unwrap().map(Result::unwrap).count(),
        4
    );
}

#[test]
fn numbers_go_on_over_restarts_and_each_restart_has_its_segment() {
    let disk = SimDisk::new();
    for run in 0..3 {
        let (wal, recovered) = try_open(
            &disk,
            WalOptions {
                epoch: run,
                ..options()
            },
        )
        .unwrap();
        assert_eq!(recovered.next_sequence, Sequence(run * 2));
        assert_eq!(recovered.torn_tail, None);
        append(&wal, &format!("{run} a"));
        append(&wal, &format!("{run} b"));
        wal.close().unwrap();
        assert!(matches!(wal.append(1, vec![]).wait(), Err(Error::Closed)));
    }
    // A run without appends leaves nothing.
    open_closed(&disk, 3);
    assert_eq!(segments(&disk).len(), 3);
    let wal = try_open(
        &disk,
        WalOptions {
            epoch: 3,
            ..options()
        },
    )
    .unwrap()
    .0;
    assert_eq!(texts(&wal, 0), ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]);
    assert_eq!(texts(&wal, 3), ["1 b", "2 a", "2 b"]);
    assert!(texts(&wal, 6).is_empty());
    assert!(matches!(
        wal.replay(Sequence(7)),
        Err(Error::BeyondEnd { .. })
    ));
    let all: Vec<_> = wal
        .replay(Sequence(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let reader = LogReader::open(Arc::new(disk), Path::new(DIR)).unwrap();
    for entry in &all {
        assert_eq!(&reader.read(entry.position).unwrap(), entry);
        // Nothing begins there.
        let mut wrong = entry.position;
        wrong.offset += 1;
        assert!(matches!(reader.read(wrong), Err(Error::Corrupt { .. })));
        wrong = entry.position;
        wrong.segment = Sequence(wrong.segment.0 + 7);
        assert!(matches!(reader.read(wrong), Err(Error::NotKept { .. })));
    }
    let epochs: Vec<u64> = reader
        .headers()
        .map(|header| header.unwrap().epoch)
        .collect();
    assert_eq!(epochs, [0, 1, 2]);
}

fn open_closed(disk: &SimDisk, epoch: u64) {
    try_open(disk, WalOptions { epoch, ..options() })
        .unwrap()
        .0
        .close()
        .unwrap();
}

#[test]
fn segments_end_by_size() {
    let disk = SimDisk::new();
    let (wal, _) = try_open(
        &disk,
        WalOptions {
            segment_bytes: 100,
            ..options()
        },
    )
    .unwrap();
    for number in 0..6 {
        append(&wal, &format!("entry {number}")); // 24 bytes
    }
    let big = append(&wal, &"x".repeat(500));
    assert_eq!(big.offset, 40);
    append(&wal, "after");
    let starts = [0, 2, 4, 6, 7].map(|first| format!("{first:020}.wal"));
    assert_eq!(segments(&disk), starts);
    assert_eq!(texts(&wal, 0).len(), 8);
}

#[test]
fn segments_end_by_age() {
    let disk = SimDisk::new();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    let options = WalOptions {
        segment_age: Duration::from_millis(10),
        ..options()
    };
    let (wal, _) = Wal::open_with_clock(
        Arc::new(disk.clone()),
        Path::new(DIR),
        options,
        Arc::new(move || clock.load(Ordering::Relaxed)),
    )
    .unwrap();
    append(&wal, "a");
    now.store(1_009, Ordering::Relaxed);
    append(&wal, "b");
    now.store(500, Ordering::Relaxed); // a clock set back
    append(&wal, "c");
    now.store(1_010, Ordering::Relaxed);
    append(&wal, "d");
    assert_eq!(wal.status().last_sync_ms, Some(1_010));
    assert_eq!(
        segments(&disk),
        [0, 3].map(|first| format!("{first:020}.wal"))
    );
}

#[test]
fn truncation_takes_whole_old_segments_and_never_the_newest() {
    let disk = SimDisk::new();
    let (wal, _) = try_open(
        &disk,
        WalOptions {
            segment_bytes: 100,
            ..options()
        },
    )
    .unwrap();
    let positions: Vec<_> = (0..6)
        .map(|number| append(&wal, &format!("entry {number}")))
        .collect();
    assert_eq!(wal.truncate_before(Sequence(1)).unwrap().segments, 0);
    let truncated = wal.truncate_before(Sequence(3)).unwrap();
    assert_eq!(
        (truncated.segments, truncated.oldest_sequence),
        (1, Sequence(2))
    );
    assert!(matches!(
        wal.replay(Sequence(1)),
        Err(Error::NotKept {
            oldest: Sequence(2),
            ..
        })
    ));
    assert!(matches!(wal.read(positions[0]), Err(Error::NotKept { .. })));
    assert_eq!(texts(&wal, 2).len(), 4);
    assert_eq!(wal.truncate_before(Sequence(1_000)).unwrap().segments, 1);
    drop(wal);
    // Also when nothing has been appended since the opening: numbering must go on.
    let wal = open(&disk);
    assert_eq!(wal.truncate_before(Sequence(1_000)).unwrap().segments, 0);
    drop(wal);
    disk.power_cut();
    let (wal, recovered) = try_open(&disk, options()).unwrap();
    assert_eq!(recovered.oldest_sequence, Sequence(4));
    assert_eq!(append(&wal, "next").sequence, Sequence(6));
}

#[test]
fn a_segment_that_was_left_can_be_truncated_away_and_numbering_goes_on() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    assert!(!wal.roll(0).unwrap(), "there is nothing to leave");
    for number in 0..3 {
        append(&wal, &format!("entry {number}"));
    }
    assert_eq!(wal.truncate_before(Sequence(3)).unwrap().segments, 0);
    let bytes = wal.status().bytes;
    assert!(!wal.roll(bytes + 1).unwrap(), "it isn't that large");
    assert!(wal.roll(bytes).unwrap());
    assert!(!wal.roll(0).unwrap(), "there is nothing to leave now");
    assert_eq!(texts(&wal, 1), ["entry 1", "entry 2"]);
    assert!(texts(&wal, 3).is_empty());
    // Some of it is still needed.
    assert_eq!(wal.truncate_before(Sequence(2)).unwrap().segments, 0);
    let truncated = wal.truncate_before(Sequence(3)).unwrap();
    assert_eq!(
        (truncated.segments, truncated.oldest_sequence),
        (1, Sequence(3))
    );
    assert_eq!(segments(&disk), [format!("{:020}.wal", 3)]);
    assert_eq!(wal.status().bytes, 40);
    // It takes entries when there are some, and before that the next owner goes on from its number.
    let crashed = disk.snapshot();
    crashed.power_cut();
    assert_eq!(append(&wal, "next").sequence, Sequence(3));
    assert_eq!(segments(&disk).len(), 1);
    let (wal, recovered) = try_open(&crashed, options()).unwrap();
    assert_eq!(
        (recovered.oldest_sequence, recovered.next_sequence),
        (Sequence(3), Sequence(3))
    );
    assert!(!wal.roll(0).unwrap());
    assert_eq!(append(&wal, "next").sequence, Sequence(3));
    assert_eq!(texts(&wal, 3), ["next"]);
}

#[test]
fn a_segment_of_the_owner_before_can_be_left_without_an_append() {
    let disk = SimDisk::new();
    append(&open(&disk), "before");
    let wal = open(&disk);
    assert!(wal.roll(0).unwrap());
    assert_eq!(wal.truncate_before(Sequence(1)).unwrap().segments, 1);
    wal.close().unwrap();
    assert!(matches!(wal.roll(0), Err(Error::Closed)));
    drop(wal);
    disk.power_cut();
    assert_eq!(append(&open(&disk), "after").sequence, Sequence(1));
}

#[test]
fn a_segment_is_left_between_groups_while_appends_queue_up() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    let mut appends = Vec::new();
    for round in 0..50 {
        appends.extend((0..5).map(|n| wal.append(1, payload(&format!("{round}/{n}")))));
        let next = wal.clone();
        let roll = std::thread::spawn(move || next.roll(0).unwrap());
        appends.extend((5..10).map(|n| wal.append(1, payload(&format!("{round}/{n}")))));
        roll.join().unwrap();
    }
    for (number, append) in appends.into_iter().enumerate() {
        assert_eq!(append.wait().unwrap().sequence, Sequence(number as u64));
    }
    assert_eq!(texts(&wal, 0).len(), 500);
    assert!(segments(&disk).len() > 1);
    wal.close().unwrap();
    drop(wal);
    disk.power_cut();
    assert_eq!(texts(&open(&disk), 0).len(), 500);
}

#[test]
fn a_closed_or_poisoned_log_leaves_no_segment_and_a_full_disk_changes_nothing() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    append(&wal, "good");
    disk.set_faults(|op| (op.kind == OperationKind::Create).then_some(Fault::Errno(28)));
    let refused = wal.roll(0).unwrap_err();
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    assert_eq!(append(&wal, "goes on").segment, Sequence(0));
    // What a failed sync left of a segment isn't known: nothing may go on behind it.
    disk.set_faults(|op| (op.kind == OperationKind::SyncDir).then_some(Fault::Errno(5)));
    for _ in 0..2 {
        let failed = wal.roll(0).unwrap_err();
        assert!(matches!(failed, Error::Poisoned { .. }), "{failed}");
    }
    assert!(wal.append(1, payload("bad")).wait().is_err());
    drop(wal);
    disk.clear_faults();
    disk.power_cut();
    let wal = open(&disk);
    assert_eq!(texts(&wal, 0), ["good", "goes on"]);
    wal.close().unwrap();
    assert!(matches!(wal.roll(0), Err(Error::Closed)));
}

#[test]
fn in_an_object_store_there_is_no_segment_to_leave() {
    let objects = Arc::new(RemoteObjects::in_memory().unwrap());
    let (wal, _) = Wal::open_objects(objects, "log", "memory:test", options()).unwrap();
    append(&wal, "a");
    let segments = wal.status().segments;
    assert!(!wal.roll(0).unwrap());
    assert_eq!(wal.status().segments, segments);
}

#[test]
fn a_replay_under_way_keeps_its_segments() {
    let disk = SimDisk::new();
    let (wal, _) = try_open(
        &disk,
        WalOptions {
            segment_bytes: 60,
            ..options()
        },
    )
    .unwrap();
    for number in 0..6 {
        append(&wal, &format!("entry {number}"));
    }
    let mut replay = wal.replay(Sequence(1)).unwrap();
    assert_eq!(wal.truncate_before(Sequence(5)).unwrap().segments, 1);
    for number in 1..4 {
        let entry = replay.next().unwrap().unwrap();
        assert_eq!(text(&entry), format!("entry {number}"));
    }
    // What it has passed may go.
    let truncated = wal.truncate_before(Sequence(5)).unwrap();
    assert_eq!(truncated.oldest_sequence, Sequence(3));
    let rest: Vec<_> = replay.map(|entry| text(&entry.unwrap())).collect();
    assert_eq!(rest, ["entry 4", "entry 5"]);
    assert_eq!(wal.truncate_before(Sequence(5)).unwrap().segments, 2);
}

#[test]
fn an_open_log_refuses_what_it_cannot_hold_without_using_a_number() {
    let wal = open(&SimDisk::new());
    assert!(matches!(
        wal.append(128, vec![]).wait(),
        Err(Error::BadKind { kind: 128 })
    ));
    let gigabyte = Bytes::from(vec![0; 1 << 20]);
    let parts = vec![gigabyte; 1_025];
    assert!(matches!(
        wal.append(1, parts).wait(),
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(append(&wal, "fits").sequence, Sequence(0));
}

#[test]
fn another_kind_or_an_older_epoch_is_refused() {
    let disk = SimDisk::new();
    append(
        &try_open(&disk, WalOptions::new(LogKind(1), 5)).unwrap().0,
        "x",
    );
    let other = try_open(&disk, WalOptions::new(LogKind(2), 5)).unwrap_err();
    assert!(matches!(other, Error::OtherKind { .. }), "{other}");
    let older = try_open(&disk, WalOptions::new(LogKind(1), 4)).unwrap_err();
    assert!(
        matches!(
            older,
            Error::NewerEpoch {
                found: 5,
                ours: 4,
                ..
            }
        ),
        "{older}"
    );
    assert!(older.to_string().contains("/log/00000000000000000000.wal"));
}

#[test]
fn the_last_handle_writes_what_was_appended() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    let appends: Vec<_> = (0..100)
        .map(|n| wal.append(1, payload(&n.to_string())))
        .collect();
    drop(wal);
    assert!(appends.into_iter().all(|append| append.wait().is_ok()));
    assert_eq!(texts(&open(&disk), 0).len(), 100);
}

#[test]
fn many_threads_append_and_each_entry_is_where_its_answer_says() {
    let dir = tempfile::tempdir().unwrap();
    let options = WalOptions {
        segment_bytes: 20_000,
        max_group_bytes: 600,
        ..options()
    };
    let (wal, _) = Wal::open(Arc::new(LocalDisk), dir.path(), options.clone()).unwrap();
    let thread = |thread: u64| {
        let wal = wal.clone();
        std::thread::spawn(move || {
            let mut last = None;
            for number in 0..25 {
                let text = format!("{thread}/{number}");
                let append = wal.append(1, payload(&text));
                let sequence = append.sequence();
                let position = append.wait().unwrap();
                assert_eq!(position.sequence, sequence);
                assert!(last < Some(sequence));
                last = Some(sequence);
                assert_eq!(wal.read(position).unwrap().payload, text.as_bytes());
            }
        })
    };
    let threads: Vec<_> = (0..64).map(thread).collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let status = wal.status();
    assert_eq!(status.appends, 1_600);
    assert!(status.syncs < 1_600, "groups of one: {}", status.syncs);
    wal.close().unwrap();
    let (wal, _) = Wal::open(Arc::new(LocalDisk), dir.path(), options).unwrap();
    let mut seen = [0; 64];
    for (number, entry) in wal.replay(Sequence(0)).unwrap().enumerate() {
        let entry = entry.unwrap();
        assert_eq!(entry.sequence, Sequence(number as u64));
        let text = text(&entry);
        let (thread, number) = text.split_once('/').unwrap();
        let thread: usize = thread.parse().unwrap();
        assert_eq!(number.parse::<usize>().unwrap(), seen[thread]);
        seen[thread] += 1;
    }
    assert_eq!(seen, [25; 64]);
}

#[test]
fn answers_come_in_sequence_order_to_async_callers() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let wal = open(&SimDisk::new());
        let mut appends: Vec<_> = (0..50)
            .map(|n| wal.append(1, payload(&n.to_string())))
            .collect();
        let last = appends.pop().unwrap();
        last.await.unwrap();
        for append in appends {
            // All before the last have been answered: no waiting.
            assert!(futures_now(append).unwrap().is_ok());
        }
        // Waiting on a worker thread blocks it, but doesn't panic.
        wal.append(1, vec![]).wait().unwrap();
    });
}

fn futures_now<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(&mut future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_reader_sees_all_and_touches_nothing() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    append(&wal, "a");
    append(&wal, "b");
    drop(wal);
    let name = segments(&disk).remove(0);
    let mut bytes = read(&disk, &name);
    bytes.truncate(bytes.len() - 1);
    overwrite(&disk, &name, &bytes);
    let operations = disk.snapshot();
    operations.set_faults(|op| op.kind.changes_something().then(|| panic!("{op:?}")));
    let reader = LogReader::open(Arc::new(operations), Path::new(DIR)).unwrap();
    let entries: Vec<_> = reader
        .entries()
        .map(|entry| text(&entry.unwrap()))
        .collect();
    assert_eq!(entries, ["a"]);
    let report = reader.verify().unwrap();
    assert_eq!((report.segments, report.entries), (1, 1));
    assert_eq!(report.torn_tail.unwrap().offset, 58);
    assert!(report.findings.is_empty());
    assert_eq!(disk.read(&Path::new(DIR).join(&name)).unwrap(), bytes);
}
