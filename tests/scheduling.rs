//! Catching up after a time without batches: at the pace and in the portions that are set, with nothing lost,
//! doubled or out of order, whatever the clock showed meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod cli_support;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cli_support::{Daemon, Place};
use support::{Collected, Feed, SECOND, builder, clock_at, eventually, run_to};
use tidemill::clock::{Clock, ManualClock};
use tidemill::rdd::BoxError;
use tidemill::source::RateOptions;
use tidemill::{Builder, StreamingContext, Time};

/// Records of each batch, by its second; every run of the program writes to it.
type Counts = Arc<Mutex<BTreeMap<u64, u64>>>;

/// A program that counts the lines of a source of 1,000 a second.
fn counted(builder: Builder, counts: &Counts) -> StreamingContext {
    let context = builder.build().unwrap();
    let lines = context.rate_stream(RateOptions::default());
    let counts = Arc::clone(counts);
    lines.for_each_rdd(move |rdd, time| -> Result<(), BoxError> {
        let count = rdd.count()?;
        let second = time.as_millis() / 1000;
        counts.lock().unwrap().insert(second, count);
        Ok(())
    });
    context
}

#[test]
fn what_has_come_while_it_was_down_is_split_over_batches() {
    let (clock, counts) = (clock_at(100), Counts::default());
    let program = || {
        let limited = builder("memory:split", &clock).catch_up_max_records(4000);
        counted(limited, &counts)
    };
    let context = program();
    context.start().unwrap();
    // The first batch begins the count.
    run_to(&context, &clock, 101);
    run_to(&context, &clock, 102);
    context.stop(true).unwrap();
    drop(context);
    clock.advance(30 * SECOND);
    let context = program();
    context.start().unwrap();
    let left = eventually("it is known to be behind", || context.catch_up());
    // 30,000 lines were missed, and the first batch holds 4,000 of them.
    assert!(left.batches_left >= 5, "{left:?}");
    assert!(left.records_left > 20_000, "{left:?}");
    for second in 133..=145 {
        run_to(&context, &clock, second);
    }
    assert_eq!(context.catch_up(), None);
    context.stop(true).unwrap();
    let counts = counts.lock().unwrap();
    assert_eq!(counts.values().sum::<u64>(), 44_000, "{counts:?}");
    assert!(counts.values().all(|count| *count <= 4000), "{counts:?}");
    // Those that were missed while it was down change nothing, so they are left out.
    assert!(counts.keys().all(|second| *second <= 102 || *second >= 132));
    assert_eq!(counts[&145], 1000, "it has caught up: {counts:?}");
}

#[test]
fn a_reload_changes_the_portions() {
    let (clock, counts) = (clock_at(100), Counts::default());
    let limited = builder("memory:portions", &clock).catch_up_max_records(100);
    let context = counted(limited, &counts);
    context.start().unwrap();
    run_to(&context, &clock, 101);
    run_to(&context, &clock, 102);
    let mut tuning = context.tuning();
    assert_eq!(tuning.catch_up_max_records, Some(100));
    tuning.catch_up_max_records = Some(0);
    let refused = context.tune(&tuning).unwrap_err().to_string();
    assert!(refused.contains("catch_up_max_records is 0"), "{refused}");
    tuning.catch_up_max_records = None;
    context.tune(&tuning).unwrap();
    run_to(&context, &clock, 103);
    context.stop(true).unwrap();
    let counts = counts.lock().unwrap();
    assert_eq!((counts[&102], counts[&103]), (100, 1900), "{counts:?}");
}

/// A program that collects what it is fed, batch by batch.
fn fed(builder: Builder) -> (StreamingContext, Feed, Collected<String>) {
    let context = builder.build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let seen = Collected::new();
    seen.collect(&lines.map(str::to_owned));
    (context, feed, seen)
}

#[test]
fn received_blocks_wait_for_their_turn_over_a_crash_and_a_stop_takes_the_rest() {
    let clock = clock_at(100);
    let program = || fed(builder("memory:blocks", &clock).catch_up_max_records(3));
    let (context, feed, first) = program();
    context.start().unwrap();
    // Acknowledged one by one, each in a block of its own, within one tick.
    let lines: Vec<String> = (0..10).map(|n| format!("line {n}")).collect();
    for line in &lines {
        feed.send(&clock, &[line]);
    }
    assert!(clock.now() < Time::from_millis(101_000), "too slow a feed");
    run_to(&context, &clock, 101);
    context.stop(false).unwrap();
    drop((context, feed));

    let (context, feed, second) = program();
    context.start().unwrap();
    run_to(&context, &clock, 102);
    feed.send(&clock, &["late"]);
    context.stop(true).unwrap();
    drop((context, feed));
    let seen: Vec<Vec<String>> = [first.filled(), second.filled()].concat();
    assert_eq!(seen[0], lines[..3]);
    assert_eq!(seen[1], lines[3..6]);
    let mut rest = lines[6..].to_vec();
    rest.insert(0, "late".to_owned());
    assert_eq!(seen[2], rest);
    assert_eq!(seen.len(), 3);
}

/// A program that counts how often it was called for its one key.
fn ages(builder: Builder) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder.build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let ages = lines
        .count_by_value()
        .update_state_by_key(|_, age: Option<&u64>| Some(age.map_or(0, |age| age + 1)))
        .uid("ages");
    let seen = Collected::new();
    seen.collect(&ages);
    (context, feed, seen)
}

#[test]
fn missed_batches_are_made_up_for_no_faster_than_they_may() {
    let clock = clock_at(100);
    let program = || ages(builder("memory:pace", &clock).catch_up_max_speed(4.0));
    let (context, feed, _) = program();
    context.start().unwrap();
    feed.send(&clock, &["key"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, feed));
    clock.advance(20 * SECOND);

    // Down from 101 to 121: batch 102 is run at once, the next a quarter of a second later.
    let (context, _feed, seen) = program();
    context.start().unwrap();
    assert_eq!(seen.at(102), [("key".to_owned(), 1)]);
    let next = |second: u64| {
        eventually("the next batch is waited for", || {
            (context.next_batch() == Some(Time::from_millis(second * 1000))).then_some(())
        });
    };
    for second in 103..=110 {
        next(second);
        clock.advance(Duration::from_millis(249));
        assert_eq!(seen.seconds().last(), Some(&(second - 1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(seen.at(second), [("key".to_owned(), second - 101)]);
    }
    let behind = eventually("all that was cut is done", || {
        let behind = context.catch_up()?;
        (context.pending_batches() == 0).then_some(behind)
    });
    // It began with twenty to go; 2 s later there are 111 to 123.
    assert_eq!(
        (behind.since, behind.batches_left),
        (Time::from_millis(121_000), 13)
    );
    let (left, told) = (behind.estimated_time_left.unwrap(), behind.to_string());
    assert!(
        left > 0 && behind.estimated_end == Some(clock.now().plus(Duration::from_millis(left)))
    );
    assert!(
        told.starts_with("catching up, 13 batches to go, about "),
        "{told}"
    );

    // As fast as they are processed, from now on.
    let mut tuning = context.tuning();
    tuning.catch_up_max_speed = None;
    context.tune(&tuning).unwrap();
    clock.advance(Duration::from_millis(250));
    run_to(&context, &clock, 125);
    assert_eq!(seen.at(125), [("key".to_owned(), 24)]);
    assert_eq!(seen.seconds(), (102..=125).collect::<Vec<u64>>());
    assert_eq!(context.catch_up(), None);
    context.stop(true).unwrap();
}

#[test]
fn a_speed_that_never_catches_up_is_refused() {
    for speed in [1.0, 0.0, f64::NAN, f64::INFINITY] {
        let refused = builder("memory:slow", &clock_at(1))
            .catch_up_max_speed(speed)
            .build();
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("it must be above 1"), "{refused}");
    }
}

/// A clock that was set back by an hour, and stood still, between two runs.
#[test]
fn a_clock_behind_the_last_batch_repeats_none_and_leaves_none_out() {
    let clock = clock_at(7200);
    let (context, feed, seen) = ages(builder("memory:back", &clock));
    context.start().unwrap();
    feed.send(&clock, &["key"]);
    run_to(&context, &clock, 7203);
    context.stop(false).unwrap();
    drop((context, feed));
    // A batch that no checkpoint holds yet is run again, at its time.
    let mut all: BTreeSet<u64> = seen.seconds().into_iter().collect();
    for _ in 0..2 {
        let clock: ManualClock = clock_at(7200 - 3600);
        let (context, _feed, seen) = ages(builder("memory:back", &clock));
        context.start().unwrap();
        // Nothing is run before the clock is where it was.
        let last = *all.last().unwrap();
        let next = Time::from_millis((last + 1) * 1000);
        assert_eq!(context.next_batch(), Some(next));
        clock.advance(3600 * SECOND - Duration::from_millis(1));
        run_to(&context, &clock, last + 1);
        context.stop(false).unwrap();
        drop(context);
        all.extend(seen.seconds());
    }
    assert_eq!(all, (7201..=7205).collect::<BTreeSet<u64>>());
}

/// A jump of an hour while it runs, as after a suspended machine: what a restart would do.
#[test]
fn an_hour_that_passes_at_once_is_no_flood_unless_state_needs_it() {
    let (clock, counts) = (clock_at(100), Counts::default());
    let context = counted(builder("memory:jump", &clock), &counts);
    context.start().unwrap();
    run_to(&context, &clock, 101);
    run_to(&context, &clock, 102);
    run_to(&context, &clock, 3702);
    context.stop(true).unwrap();
    let batches: Vec<(u64, u64)> = counts.lock().unwrap().clone().into_iter().collect();
    // The batch of 3702 was cut at its time, with all that was due by then.
    let (last, due) = *batches.last().unwrap();
    assert!(batches.len() <= 5, "{batches:?}");
    assert_eq!(last, 3702);
    assert!(due > 3_000_000 && batches.iter().map(|(_, count)| count).sum::<u64>() == 3_601_000);

    let clock = clock_at(100);
    let (context, feed, seen) = ages(builder("memory:jump-state", &clock));
    context.start().unwrap();
    feed.send(&clock, &["key"]);
    run_to(&context, &clock, 101);
    clock.advance(500 * SECOND);
    run_to(&context, &clock, 700);
    assert_eq!(seen.at(700), [("key".to_owned(), 599)]);
    assert_eq!(seen.seconds(), (101..=700).collect::<Vec<u64>>());
    context.stop(true).unwrap();
}

/// Keeps state, so every batch that it missed is made up for; at most twice as fast as they come.
const PIPELINE: &str = r#"name = "late"
batch_interval = "100ms"

[checkpoint]
url = "sled:data/checkpoint"
interval = "1s"

[admin]
listen = "127.0.0.1:0"

[catch_up]
max_speed = 2

[sources.lines]
type = "http"
silent_after = "1s"

[streams.totals]
from = "lines"
ops = [{ op = "count_by_value" }, { op = "update_state_by_key", function = "sum" }]

[sinks.nowhere]
from = "totals"
type = "discard"
"#;

#[test]
fn a_daemon_that_was_down_tells_how_it_catches_up_and_which_source_is_silent() {
    let place = Place::new();
    std::fs::write(place.path("p.toml"), PIPELINE).unwrap();
    let mut daemon = place.start(&[]);
    daemon.feed("a\n");
    let statistics = |daemon: &Daemon| {
        let path = "/api/v1/applications/late/streaming/statistics";
        daemon.get(path).json()
    };
    eventually("its batch is complete", || {
        (statistics(&daemon)["numProcessedRecords"] == 1).then_some(())
    });
    daemon.signal("KILL");
    daemon.wait();
    std::thread::sleep(3 * SECOND);

    let mut daemon = place.start(&[]);
    let behind = eventually("it is behind", || {
        let behind = statistics(&daemon)["catchUp"].clone();
        behind.is_object().then_some(behind)
    });
    assert!(behind["batchesLeft"].as_u64().unwrap() >= 5, "{behind}");
    assert!(
        behind["since"].is_u64() && behind["recordsLeft"].is_u64(),
        "{behind}"
    );
    let status = place.run(&["status", "--admin", &daemon.url()]);
    let status = cli_support::stdout(&status);
    // On a slow machine it may take longer to ask than to catch up.
    let is_over = statistics(&daemon)["catchUp"].is_null();
    assert!(is_over || status.contains("catching up, "), "{status}");
    eventually("it has caught up", || {
        statistics(&daemon)["catchUp"].is_null().then_some(())
    });
    daemon.wait_for_log("caught up");
    assert!(daemon.log().contains("catching up"), "{}", daemon.log());

    let silent = "the source `lines` has been silent since";
    daemon.wait_for_log(silent);
    let ready = daemon.get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    let told = ready.json()["warnings"][0].clone();
    assert!(told.as_str().unwrap().starts_with(silent), "{told}");
    let status = place.run(&["status", "--admin", &daemon.url()]);
    let status = cli_support::stdout(&status);
    assert!(
        status.contains(&format!("WARNING     {silent}")),
        "{status}"
    );
    assert!(
        daemon
            .get("/metrics")
            .body
            .contains("\ntidemill_source_silent{stream=\"lines\"} 1\n")
    );
    daemon.feed("b\n");
    daemon.wait_for_log(&format!("over: {silent}"));
    daemon.stop();
}
