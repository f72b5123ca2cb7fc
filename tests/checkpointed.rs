//! `checkpoint`: a stream's datasets are read back after a restart, and not made again where they were saved.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "checkpointed/suite.rs"]
mod suite;
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use support::{Feed, SECOND, builder, clock_at, feed, run_to};
use tidemill::clock::ManualClock;
use tidemill::{DStream, StreamingContext};

/// Time of a window, and what it holds.
type Window = (u64, BTreeMap<String, u64>);

/// Words of the batch at a second.
fn batch(second: u64) -> Vec<String> {
    (0..second % 4)
        .map(|n| format!("word {}", (second + n) % 3))
        .collect()
}

/// How often each word has come up to and with a second.
fn totals(through: u64) -> BTreeMap<String, u64> {
    let mut totals = BTreeMap::new();
    for word in (101..=through).flat_map(batch) {
        *totals.entry(word).or_default() += 1;
    }
    totals
}

fn running_totals(lines: &DStream<str>) -> DStream<(String, u64)> {
    let counts = lines.count_by_value();
    counts.update_state_by_key(|new: &[u64], total: Option<&u64>| {
        Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
    })
}

/// The sum of each word's totals over the last three batches: it needs each of them.
fn start(
    url: &str,
    clock: &ManualClock,
    interval: Duration,
    results: &mpsc::Sender<Window>,
) -> (StreamingContext, Feed) {
    // Batches behind the last checkpoint run again, each upon the state and the datasets before it.
    let context = builder(url, clock)
        .checkpoint_interval(interval * 2)
        .build()
        .unwrap();
    let (feed, fed) = feed();
    let lines = context.receiver_stream(fed);
    let saved = running_totals(&lines).uid("totals").checkpoint(interval);
    let sums = saved.reduce_by_key_and_window(|a, b| a + b, SECOND * 3, SECOND);
    let results = results.clone();
    sums.for_each_rdd(move |rdd, time| {
        let sums = rdd.collect().unwrap().into_iter().collect();
        results.send((time.as_millis() / 1000, sums)).unwrap();
    });
    context.start().unwrap();
    (context, feed)
}

fn send(lines: &Feed, clock: &ManualClock, second: u64) {
    let batch = batch(second);
    if !batch.is_empty() {
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        lines.send(clock, &batch);
    }
}

#[test]
fn a_window_over_a_state_is_right_over_restarts_at_any_batch() {
    for (number, interval) in [SECOND, SECOND * 4].into_iter().enumerate() {
        // It ends behind this batch, gracefully or not, and behind the next but one.
        for ends in 102..=108u64 {
            let url = format!("memory:checkpointed-{number}-{ends}");
            let clock = clock_at(100);
            let (results, windows) = mpsc::channel();
            let (mut context, mut lines) = start(&url, &clock, interval, &results);
            for second in 101..=112 {
                send(&lines, &clock, second);
                run_to(&context, &clock, second);
                if second == ends || second == ends + 2 {
                    context.stop(ends % 2 == 0).unwrap();
                    (context, lines) = start(&url, &clock, interval, &results);
                }
            }
            context.stop(true).unwrap();
            let found: Vec<Window> = windows.try_iter().collect();
            assert_eq!(found.iter().map(|(time, _)| *time).max(), Some(112));
            for (time, sums) in found {
                let mut expected = BTreeMap::new();
                for (word, total) in (time - 2..=time).flat_map(totals) {
                    *expected.entry(word).or_default() += total;
                }
                assert_eq!(
                    sums, expected,
                    "interval {interval:?}, ended at {ends}, window at {time}"
                );
            }
        }
    }
}

/// What was saved isn't computed again; what wasn't is.
#[test]
fn saved_datasets_are_read_back_and_the_rest_is_made_again() {
    for (number, (interval, again)) in [(SECOND, 0), (SECOND * 60, 2)].into_iter().enumerate() {
        let url = format!("memory:checkpointed-lineage-{number}");
        let clock = clock_at(100);
        let computed = Arc::new(AtomicUsize::new(0));
        let (results, windows) = mpsc::channel();
        let start = || {
            let context = builder(&url, &clock).build().unwrap();
            let (feed, fed) = feed();
            let (counted, results) = (Arc::clone(&computed), results.clone());
            let lines = context.receiver_stream(fed).map(move |line| {
                counted.fetch_add(1, Ordering::SeqCst);
                line.to_owned()
            });
            let saved = lines.checkpoint(interval);
            saved
                .window(SECOND * 3, SECOND)
                .for_each_rdd(move |rdd, time| {
                    let mut all = rdd.collect().unwrap();
                    all.sort();
                    results.send((time.as_millis() / 1000, all)).unwrap();
                });
            context.start().unwrap();
            (context, feed)
        };
        let (context, lines) = start();
        for second in 101..=104u64 {
            lines.send(&clock, &[&format!("line {second}")]);
            run_to(&context, &clock, second);
        }
        context.stop(true).unwrap();
        assert_eq!(computed.swap(0, Ordering::SeqCst), 4);
        // The window at 105 reads the batches at 103 and 104 as well.
        let (context, lines) = start();
        lines.send(&clock, &["line 105"]);
        run_to(&context, &clock, 105);
        context.stop(true).unwrap();
        let last = windows.try_iter().last().unwrap();
        assert_eq!(
            last,
            (
                105,
                vec!["line 103".into(), "line 104".into(), "line 105".into()]
            )
        );
        assert_eq!(
            computed.load(Ordering::SeqCst),
            1 + again,
            "interval {interval:?}"
        );
    }
}

#[test]
fn mistakes_are_refused_with_the_line() {
    let refused = |declare: &dyn Fn(&StreamingContext)| {
        let context = StreamingContext::builder("test", SECOND)
            .checkpoint("memory:checkpointed-mistakes")
            .clock(clock_at(100))
            .build()
            .unwrap();
        declare(&context);
        let error = context.start().unwrap_err().to_string();
        assert!(error.contains("tests/checkpointed.rs"), "{error}");
        error
    };
    for interval in [Duration::ZERO, Duration::from_millis(1500)] {
        let error = refused(&|context| {
            let (lines, _queue) = context.queue_stream::<str>();
            lines.checkpoint(interval).print();
        });
        assert!(error.contains("multiple of the stream's slide"), "{error}");
    }
    let error = refused(&|context| {
        let (lines, _queue) = context.queue_stream::<str>();
        running_totals(&lines).window(SECOND * 2, SECOND).print();
    });
    assert!(error.contains("`checkpoint` between them"), "{error}");
    // A state behind the one that is saved is one again.
    let error = refused(&|context| {
        let (lines, _queue) = context.queue_stream::<str>();
        let saved = running_totals(&lines).checkpoint(None);
        let counts = saved.map(|(word, _)| word.clone()).count_by_value();
        let again =
            counts.update_state_by_key(|new: &[u64], _: Option<&u64>| Some(new.len() as u64));
        again.window(SECOND * 2, SECOND).print();
    });
    assert!(error.contains("`checkpoint` between them"), "{error}");
    let context = StreamingContext::builder("test", SECOND).build().unwrap();
    let (lines, _queue) = context.queue_stream::<str>();
    lines.checkpoint(None).print();
    let error = context.start().unwrap_err().to_string();
    assert!(error.contains("needs a checkpoint location"), "{error}");
}
