//! Damaged checkpoints, failing disks, growing logs: nothing acknowledged is lost, and people are told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Feed, SECOND, builder, clock_at, eventually, pairs, run_to, totals};
use tidemill::clock::ManualClock;
use tidemill::{ErrorKind, StreamingContext};
use tidemill_storage::{Fault, OperationKind, memory_disk};

/// Runs `seconds` batches, each with a line `a`, and waits until each one's checkpoint is durable.
fn run_batches(
    context: &StreamingContext,
    feed: &Feed,
    clock: &ManualClock,
    seconds: std::ops::Range<u64>,
) {
    for second in seconds {
        feed.send(clock, &["a"]);
        run_to(context, clock, second);
        let checkpoint = context.checkpoint_now(Duration::from_secs(60)).unwrap();
        assert!(checkpoint.time.as_millis() >= second * 1000);
    }
}

#[test]
fn both_stores_on_disk_carry_a_program_over_restarts() {
    for store in ["sled", "file"] {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{store}:{}", folder.path().join("checkpoint").display());
        let clock = clock_at(100);
        for start in [100, 110, 120] {
            let (context, feed, seen) = totals(builder(&url, &clock));
            context.start().unwrap();
            // The batches that were missed meanwhile.
            run_to(&context, &clock, start + 1);
            run_batches(&context, &feed, &clock, start + 2..start + 5);
            assert_eq!(
                seen.last(),
                Some(pairs(&[("a", (start - 100) / 10 * 3 + 3)])),
                "{store}"
            );
            context.stop(start == 110).unwrap();
            clock.advance(SECOND * 6);
        }
    }
}

#[test]
fn a_damaged_newest_checkpoint_costs_time_and_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let url = format!("file:{}", checkpoint.display());
    let clock = clock_at(100);
    let (context, feed, _) = totals(builder(&url, &clock));
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 101..106);
    context.stop(false).unwrap();
    drop((context, feed));

    let newest = newest_file(&checkpoint.join("manifest"));
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).unwrap();

    let (context, feed, seen) = totals(builder(&url, &clock));
    context.start().unwrap();
    let status = context.checkpoint_status().unwrap();
    assert_eq!(status.skipped_at_recovery.len(), 1, "{status:?}");
    run_batches(&context, &feed, &clock, 107..108);
    assert_eq!(seen.last(), Some(pairs(&[("a", 6)])));
    context.stop(true).unwrap();
}

fn newest_file(folder: &Path) -> std::path::PathBuf {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    names.filter(|path| path.is_file()).max().unwrap()
}

#[test]
fn logs_are_cut_behind_the_older_checkpoint() {
    let clock = clock_at(100);
    let (context, feed, _) = totals(builder("memory:cut-logs", &clock).segment_bytes(512));
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 101..140);
    for log in context.logs() {
        let status = log.status;
        assert!(status.appends > 30, "{}: {status:?}", log.name);
        assert!(
            status.segments < 12,
            "{} keeps what no checkpoint needs: {status:?}",
            log.name
        );
    }
    context.stop(true).unwrap();
}

#[test]
fn a_failed_sync_stops_the_engine_and_the_next_start_recovers() {
    let clock = clock_at(100);
    let url = "memory:failed-sync";
    let (context, feed, _) = totals(builder(url, &clock));
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 101..103);
    feed.send(&clock, &["b"]);

    let disk = memory_disk("failed-sync/wal");
    let failing = Arc::new(AtomicBool::new(true));
    let armed = Arc::clone(&failing);
    disk.set_faults(move |operation| {
        let fails = operation.kind == OperationKind::SyncFile && armed.load(Ordering::SeqCst);
        // EIO.
        fails.then_some(Fault::Errno(5))
    });
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("log"), "{error}");
    failing.store(false, Ordering::SeqCst);
    context.stop(false).unwrap();
    drop((context, feed));
    disk.power_cut();
    disk.clear_faults();

    let (context, feed, seen) = totals(builder(url, &clock));
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 105..106);
    assert_eq!(seen.last(), Some(pairs(&[("a", 3), ("b", 1)])));
    context.stop(true).unwrap();
}

#[test]
fn a_full_disk_holds_the_engine_up_and_loses_nothing() {
    let clock = clock_at(100);
    let (context, feed, seen) = totals(builder("memory:full-disk", &clock));
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 101..102);
    let disk = memory_disk("full-disk/wal");
    // ENOSPC.
    disk.set_faults(|operation| {
        (operation.kind == OperationKind::Append).then_some(Fault::Errno(28))
    });
    let (waiting, clock_of_feed) = (feed.clone(), clock.clone());
    let sender = std::thread::spawn(move || waiting.send(&clock_of_feed, &["b"]));
    eventually("an append was refused", || {
        (disk.operations() > 0).then_some(())
    });
    std::thread::sleep(Duration::from_millis(50));
    assert!(
        !sender.is_finished(),
        "nothing is acknowledged while there is no room"
    );
    disk.clear_faults();
    sender.join().unwrap();
    eventually("the line is counted", || {
        clock.advance(SECOND / 10);
        (seen.last()? == pairs(&[("a", 1), ("b", 1)])).then_some(())
    });
    context.stop(true).unwrap();
}

#[test]
fn without_the_receiver_log_only_what_was_in_memory_is_gone() {
    let clock = clock_at(100);
    let without_log = || builder("memory:no-log", &clock).receiver_write_ahead_log(false);
    let (context, feed, seen) = totals(without_log());
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 101..104);
    assert_eq!(seen.last(), Some(pairs(&[("a", 3)])));
    feed.send(&clock, &["lost"]);
    context.stop(false).unwrap();
    drop((context, feed));
    let (context, feed, seen) = totals(without_log());
    context.start().unwrap();
    run_batches(&context, &feed, &clock, 106..107);
    assert_eq!(seen.last(), Some(pairs(&[("a", 4)])));
    context.stop(true).unwrap();
}

#[test]
fn outputs_of_a_batch_run_side_by_side_where_allowed() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("test", SECOND)
        .clock(clock.clone())
        .concurrent_jobs(2)
        .build()
        .unwrap();
    let (numbers, queue) = context.queue_stream::<u64>();
    // Each waits for the other: one alone would never end.
    let meeting = Arc::new(std::sync::Barrier::new(2));
    for _ in 0..2 {
        let meeting = Arc::clone(&meeting);
        numbers.for_each_rdd(move |_, _| {
            meeting.wait();
        });
    }
    queue.push_vec(vec![1, 2, 3]);
    context.start().unwrap();
    run_to(&context, &clock, 101);
    let batch = context.progress().last_completed().unwrap();
    assert_eq!(batch.output_operations.len(), 2);
    context.stop(false).unwrap();
}
