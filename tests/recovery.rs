//! Programs that stop and go on: what was acknowledged is processed once, state and windows come out as
//! if nothing had happened, and a program that changed keeps what it can.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "recovery/life.rs"]
mod life;
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use support::{Collected, Feed, SECOND, builder, clock_at, eventually, pairs, run_to};
use tidemill::clock::ManualClock;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::{ContextState, DStream, Error, ErrorKind, StreamingContext, Time};

fn words(lines: &DStream<str>) -> DStream<str> {
    lines.flat_map(|line, out| line.split_whitespace().for_each(|word| out.emit(word)))
}

fn add(new: &[u64], total: Option<&u64>) -> Option<u64> {
    Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
}

/// A running total of words.
fn totals(url: &str, clock: &ManualClock) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder(url, clock).build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let totals = words(&lines)
        .count_by_value()
        .update_state_by_key(add)
        .uid("totals");
    let seen = Collected::new();
    seen.collect(&totals);
    (context, feed, seen)
}

#[test]
fn running_totals_go_on_after_a_stop_at_once() {
    let (url, clock) = ("memory:totals", clock_at(100));
    let (context, feed, seen) = totals(url, &clock);
    context.start().unwrap();
    feed.send(&clock, &["a b a"]);
    run_to(&context, &clock, 101);
    assert_eq!(seen.at(101), pairs(&[("a", 2), ("b", 1)]));
    // Acknowledged, and in no batch when the engine stops.
    feed.send(&clock, &["b c"]);
    context.stop(false).unwrap();
    drop((context, feed));

    let (context, feed, seen) = totals(url, &clock);
    context.start().unwrap();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), pairs(&[("a", 2), ("b", 2), ("c", 1)]));
    feed.send(&clock, &["c"]);
    run_to(&context, &clock, 104);
    assert_eq!(seen.at(104), pairs(&[("a", 2), ("b", 2), ("c", 2)]));
    context.stop(true).unwrap();
    assert_eq!(context.state(), ContextState::Stopped);
}

#[test]
fn a_graceful_stop_processes_all_that_was_received() {
    let (url, clock) = ("memory:graceful", clock_at(100));
    let (context, feed, seen) = totals(url, &clock);
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    context.stop(true).unwrap();
    assert_eq!(seen.last(), Some(pairs(&[("a", 1)])));
    drop((context, feed));
    let (context, _feed, seen) = totals(url, &clock);
    context.start().unwrap();
    run_to(&context, &clock, 105);
    assert_eq!(seen.last(), Some(pairs(&[("a", 1)])));
    context.stop(false).unwrap();
}

#[test]
fn state_sees_every_missed_batch_and_stateless_programs_skip_them() {
    let clock = clock_at(100);
    let calls = Arc::new(AtomicUsize::new(0));
    let program = || {
        let context = builder("memory:missed-state", &clock).build().unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let calls = Arc::clone(&calls);
        let counted = lines
            .count_by_value()
            .update_state_by_key(move |new, age: Option<&u64>| {
                calls.fetch_add(1, Ordering::SeqCst);
                Some(age.map_or(0, |age| age + 1) + 100 * new.len() as u64)
            });
        let seen = Collected::new();
        seen.collect(&counted);
        (context, feed, seen)
    };
    let (context, feed, _) = program();
    context.start().unwrap();
    feed.send(&clock, &["key"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, feed));
    clock.advance(9 * SECOND);
    let (context, _feed, seen) = program();
    context.start().unwrap();
    run_to(&context, &clock, 111);
    // Born in batch 101, ten batches old at 111.
    assert_eq!(seen.at(111), pairs(&[("key", 110)]));
    context.stop(false).unwrap();

    let program = || {
        let context = builder("memory:missed-stateless", &clock).build().unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let seen = Collected::new();
        seen.collect(&lines.count());
        (context, feed, seen)
    };
    let (context, feed, _) = program();
    context.start().unwrap();
    run_to(&context, &clock, 112);
    feed.send(&clock, &["x", "y"]);
    context.stop(false).unwrap();
    drop((context, feed));
    clock.advance(3600 * SECOND);
    let (context, _feed, seen) = program();
    context.start().unwrap();
    run_to(&context, &clock, 3713);
    // The batch that was unfinished, if any, and those that hold or follow the waiting data: no storm.
    let total: u64 = seen.filled().iter().flatten().sum();
    assert_eq!(total, 2);
    assert!(seen.seconds().len() <= 4, "{:?}", seen.seconds());
    context.stop(false).unwrap();
}

#[test]
fn windows_come_out_as_if_there_had_been_no_down_time() {
    for inverse in [false, true] {
        let (url, clock) = (format!("memory:windows-{inverse}"), clock_at(100));
        let program = || {
            let context = builder(&url, &clock).build().unwrap();
            let (feed, fed) = support::feed();
            let lines = context.receiver_stream_with("lines", fed, Default::default());
            let counts = words(&lines).count_by_value();
            let (length, slide) = (6 * SECOND, 2 * SECOND);
            let windowed = match inverse {
                false => counts.reduce_by_key_and_window(|a, b| a + b, length, slide),
                true => counts.reduce_by_key_and_window_inverse(
                    |a, b| a + b,
                    |a, b| a - b,
                    length,
                    slide,
                    |(_, count)| *count > 0,
                ),
            };
            let seen = Collected::new();
            seen.collect(&windowed);
            (context, feed, seen)
        };
        let (context, feed, seen) = program();
        context.start().unwrap();
        feed.send(&clock, &["a"]);
        run_to(&context, &clock, 101);
        feed.send(&clock, &["b a"]);
        run_to(&context, &clock, 102);
        assert_eq!(seen.at(102), pairs(&[("a", 2), ("b", 1)]));
        feed.send(&clock, &["c"]);
        run_to(&context, &clock, 103);
        context.stop(false).unwrap();
        drop((context, feed));

        clock.advance(60 * SECOND);
        let (context, feed, after) = program();
        context.start().unwrap();
        run_to(&context, &clock, 164);
        assert_eq!(
            after.at(104),
            pairs(&[("a", 2), ("b", 1), ("c", 1)]),
            "inverse: {inverse}"
        );
        assert_eq!(
            after.at(106),
            pairs(&[("a", 2), ("b", 1), ("c", 1)]),
            "inverse: {inverse}"
        );
        assert_eq!(after.at(108), pairs(&[("c", 1)]), "inverse: {inverse}");
        assert!(
            after.seconds().len() < 12,
            "no storm of empty windows: {:?}",
            after.seconds()
        );
        feed.send(&clock, &["d"]);
        run_to(&context, &clock, 166);
        assert_eq!(after.at(166), pairs(&[("d", 1)]));
        context.stop(false).unwrap();
    }
}

#[test]
fn one_live_context_owns_a_location() {
    let (url, clock) = ("memory:owned", clock_at(100));
    let (first, _feed, _) = totals(url, &clock);
    first.start().unwrap();
    let (second, _feed, _) = totals(url, &clock);
    let error = second.start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OwnedByAnother);
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    first.stop(false).unwrap();
    drop(first);
    let (third, _feed, _) = totals(url, &clock);
    third.start().unwrap();
    third.stop(false).unwrap();
}

#[test]
fn a_changed_program_keeps_state_by_uid_and_names_what_it_would_lose() {
    let (url, clock) = ("memory:changed", clock_at(100));
    let (context, feed, _) = totals(url, &clock);
    context.start().unwrap();
    feed.send(&clock, &["a b a"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, feed));

    // Without the stateful operator: refused, and the checkpoint stays.
    let context = builder(url, &clock).build().unwrap();
    let (_feed, fed) = support::feed();
    context
        .receiver_stream_with("lines", fed, Default::default())
        .count()
        .print();
    let error = context.start().unwrap_err();
    let Error::Incompatible { differences, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].subject, "totals");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    drop(context);

    // With a filter before it and another output: its state is kept.
    let context = builder(url, &clock).build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let counts = words(&lines).filter(|word| word != "b").count_by_value();
    let kept = counts.update_state_by_key(add).uid("totals");
    let seen = Collected::new();
    seen.collect(&kept.map(|(word, count)| (word.clone(), *count)));
    context.start().unwrap();
    feed.send(&clock, &["a b"]);
    run_to(&context, &clock, 104);
    assert_eq!(seen.at(104), pairs(&[("a", 3), ("b", 1)]));
    context.stop(false).unwrap();
}

#[test]
fn a_failing_output_is_tried_again_with_the_same_state_and_blocks() {
    let (url, clock) = ("memory:failing", clock_at(100));
    let context = builder(url, &clock).max_failures(1).build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let totals = lines.count_by_value().update_state_by_key(add);
    let failures = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&failures);
    totals.for_each_rdd(move |rdd, _| {
        let total = rdd.collect().unwrap();
        if !total.is_empty() && counter.fetch_add(1, Ordering::SeqCst) < 3 {
            panic!("not yet");
        }
    });
    let seen = Collected::new();
    seen.collect(&totals);
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err();
    assert!(error.to_string().contains("not yet"), "{error}");
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), pairs(&[("a", 1)]));
    assert_eq!(failures.load(Ordering::SeqCst), 3 + 2 + 1);
    context.stop(true).unwrap();
}

/// Stores so many records side by side, each waiting for its own answer.
struct Many {
    records: u64,
    is_done: Arc<AtomicBool>,
}

impl Receiver for Many {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let one = |n: u64| {
            let store = &store;
            async move {
                // So that they are in many blocks.
                tokio::time::sleep(Duration::from_millis(n)).await;
                let record = format!("{} {n}", n % 3);
                store.store_reliably([record.as_str()]).await
            }
        };
        for stored in join_all((0..self.records).map(one)).await {
            stored?;
        }
        self.is_done.store(true, Ordering::SeqCst);
        store.stopped().await;
        Ok(())
    }
}

/// What each run of a batch gave an output, as text.
type Runs = Arc<Mutex<BTreeMap<(Time, &'static str), Vec<String>>>>;

#[test]
fn a_batch_that_is_run_again_after_a_restart_has_its_records_in_the_same_order() {
    let (url, clock) = ("memory:in-order", clock_at(100));
    let seen = Runs::default();
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |time: Time, all: String| {
            let mut seen = seen.lock().unwrap();
            seen.entry((time, name)).or_default().push(all);
        }
    };
    let program = |records: u64, is_broken: bool| {
        let context = builder(url, &clock).max_failures(1).build().unwrap();
        let is_done = Arc::new(AtomicBool::new(records == 0));
        let many = Many {
            records,
            is_done: Arc::clone(&is_done),
        };
        let lines = context.receiver_stream_with("lines", many, Default::default());
        let pairs = lines.map(|line: &str| {
            let (key, value) = line.split_once(' ').unwrap_or_default();
            (key.to_owned(), value.to_owned())
        });
        let (of_lines, of_groups) = (note("lines"), note("groups"));
        lines.for_each_rdd(move |rdd, time| -> Result<(), BoxError> {
            of_lines(time, format!("{:?}", rdd.collect()?));
            Ok(())
        });
        pairs.group_by_key().for_each_rdd(move |rdd, time| {
            let mut groups = rdd.collect()?;
            // Keys lie as they came into their tables; the order of their values is what has to stay.
            groups.sort_by(|a, b| a.0.cmp(&b.0));
            let is_empty = groups.is_empty();
            of_groups(time, format!("{groups:?}"));
            match is_broken && !is_empty {
                true => Err(BoxError::from("not in this life")),
                false => Ok(()),
            }
        });
        context.start().unwrap();
        eventually("all are stored", || {
            clock.advance(Duration::from_millis(1));
            is_done.load(Ordering::SeqCst).then_some(())
        });
        context
    };
    let context = program(90, true);
    clock.advance(SECOND * 2);
    assert!(context.await_termination().is_err());
    context.stop(false).unwrap();
    drop(context);
    let context = program(0, false);
    run_to(&context, &clock, 105);
    context.stop(true).unwrap();
    let seen = seen.lock().unwrap();
    for (batch, runs) in seen.iter() {
        assert!(
            runs.iter().all(|run| run == &runs[0]),
            "{batch:?}: {runs:#?}"
        );
    }
    for name in ["lines", "groups"] {
        let is_one = |((_, of), runs): &(&(Time, &str), &Vec<String>)| {
            *of == name && runs.len() > 1 && runs[0].len() > 100
        };
        assert!(
            seen.iter().any(|run| is_one(&run)),
            "{name}: no batch was run again: {seen:?}"
        );
    }
}

#[test]
fn a_program_that_cannot_run_is_refused_with_the_line_of_each_mistake() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("test", SECOND)
        .clock(clock.clone())
        .build()
        .unwrap();
    let (lines, _queue) = context.queue_stream::<str>();
    lines.window(Duration::from_millis(1500), SECOND).print();
    lines.count_by_value().update_state_by_key(add).print();
    let text = context.start().unwrap_err().to_string();
    assert!(
        text.contains("tests/recovery.rs:") && text.contains("1.5s"),
        "{text}"
    );
    assert!(text.contains("needs a checkpoint location"), "{text}");

    let context = StreamingContext::builder("test", SECOND).build().unwrap();
    let _ = context.queue_stream::<str>();
    assert!(matches!(context.start().unwrap_err(), Error::NoOutput));
}

#[test]
fn starting_twice_is_harmless_and_starting_after_the_end_is_not_possible() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("test", SECOND)
        .clock(clock)
        .build()
        .unwrap();
    let (lines, _queue) = context.queue_stream::<str>();
    lines.count().for_each_rdd(|_, _| ());
    context.start().unwrap();
    context.start().unwrap();
    assert!(
        !context
            .await_termination_or_timeout(Duration::from_millis(1))
            .unwrap()
    );
    context.stop(false).unwrap();
    context.await_termination().unwrap();
    assert!(matches!(context.start().unwrap_err(), Error::WrongState(_)));
}

#[test]
fn a_checkpoint_can_be_had_at_any_time() {
    let (url, clock) = ("memory:on-demand", clock_at(100));
    let (context, feed, _) = totals(url, &clock);
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    let first = context.checkpoint_now(Duration::from_secs(60)).unwrap();
    run_to(&context, &clock, 101);
    let second = context.checkpoint_now(Duration::from_secs(60)).unwrap();
    assert!(second.id > first.id && second.time > first.time);
    eventually("it is the newest", || {
        let newest = context.checkpoint_status()?.newest?;
        (newest.id >= second.id).then_some(())
    });
    context.stop(false).unwrap();
}

#[test]
fn a_stop_ends_even_while_a_stuck_batch_holds_up_the_missed_ones() {
    let (url, clock) = ("memory:stuck", clock_at(100));
    let program = |is_stuck: bool| {
        let context = builder(url, &clock)
            .stop_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let totals = lines
            .count_by_value()
            .update_state_by_key(add)
            .uid("totals");
        totals.for_each_rdd(move |_, _| if is_stuck { Err("stuck") } else { Ok(()) });
        let seen = Collected::new();
        seen.collect(&totals);
        (context, feed, seen)
    };
    let (context, feed, _) = program(true);
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    clock.advance(60 * SECOND);
    eventually("batches wait behind the stuck one", || {
        (context.pending_batches() > 5).then_some(())
    });
    context.stop(true).unwrap();
    drop((context, feed));

    let (context, _feed, seen) = program(false);
    context.start().unwrap();
    run_to(&context, &clock, 161);
    assert_eq!(seen.at(161), pairs(&[("a", 1)]));
    context.stop(false).unwrap();
}

#[test]
fn a_vanished_watch_folder_is_told_and_picked_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let (watched, away) = (folder.path().join("in"), folder.path().join("away"));
    std::fs::create_dir(&watched).unwrap();
    let clock = clock_at(100);
    let context = builder("memory:vanished", &clock).build().unwrap();
    let lines = context.text_file_stream(&watched).map(str::to_owned);
    let seen = Collected::new();
    seen.collect(&lines);
    context.start().unwrap();
    run_to(&context, &clock, 101);
    assert!(context.obstacles().is_empty());
    std::fs::rename(&watched, &away).unwrap();
    run_to(&context, &clock, 102);
    let obstacles = context.obstacles();
    assert!(
        obstacles.len() == 1 && obstacles[0].contains("in"),
        "{obstacles:?}"
    );
    std::fs::write(away.join("late.txt"), "one\ntwo\n").unwrap();
    std::fs::rename(&away, &watched).unwrap();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), ["one", "two"]);
    assert!(context.obstacles().is_empty());
    context.stop(false).unwrap();
}
