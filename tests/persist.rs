//! Kept streams: a window over one gives the same at every level, with and without room, over restarts.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::mpsc;

use support::{SECOND, builder, clock_at, feed, run_to};
use tidemill::rdd::StorageLevel;

const LEVELS: [StorageLevel; 6] = [
    StorageLevel::NONE,
    StorageLevel::MEMORY_ONLY,
    StorageLevel::MEMORY_ONLY_SER_2,
    StorageLevel::MEMORY_AND_DISK,
    StorageLevel::DISK_ONLY_2,
    StorageLevel::OFF_HEAP,
];

#[test]
fn a_window_over_a_kept_stream_is_the_same_at_every_level() {
    for (number, level) in LEVELS.into_iter().enumerate() {
        for budget in [None, Some(100)] {
            let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let url = format!("memory:persist-{number}-{}", budget.is_some());
            let clock = clock_at(100);
            let (results, windows) = mpsc::channel();
            let start = || {
                let mut builder = builder(&url, &clock)
                    .scratch(first.path())
                    .scratch_replica(second.path());
                if let Some(bytes) = budget {
                    builder = builder.cached_memory(bytes);
                }
                let context = builder.build().unwrap();
                let (feed, fed) = feed();
                let lines = context.receiver_stream(fed);
                let lengths = lines
                    .map(|line| (line.to_owned(), line.len()))
                    .persist_with(level);
                let results = results.clone();
                lengths
                    .window(SECOND * 3, SECOND)
                    .for_each_rdd(move |rdd, time| {
                        let mut all = rdd.collect().unwrap();
                        all.sort();
                        results.send((time.as_millis(), all)).unwrap();
                    });
                context.start().unwrap();
                (context, feed)
            };
            let batch = |second: u64| -> Vec<String> {
                (0..second % 4).map(|n| format!("{second}-{n}")).collect()
            };
            let (mut context, mut lines) = start();
            for second in 101..=108u64 {
                let batch = batch(second);
                if !batch.is_empty() {
                    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
                    lines.send(&clock, &batch);
                }
                run_to(&context, &clock, second);
                // Twice it ends, once without grace.
                if second % 3 == 0 {
                    context.stop(second % 2 == 0).unwrap();
                    (context, lines) = start();
                }
            }
            context.stop(true).unwrap();
            let mut found: Vec<_> = windows.try_iter().collect();
            found.dedup();
            for (time, all) in found {
                let last = time / 1000;
                let mut expected: Vec<_> = (last - 2..=last)
                    .filter(|second| *second > 100)
                    .flat_map(batch)
                    .map(|line| (line.clone(), line.len()))
                    .collect();
                expected.sort();
                assert_eq!(all, expected, "{level}, {budget:?}, at {time}");
            }
            // All files went with their batches and their process.
            for folder in [first, second] {
                let left = std::fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(left, 0, "{level}, {budget:?}");
            }
        }
    }
}

#[test]
fn levels_that_cant_be_are_refused_with_the_line_that_asks_for_them() {
    let context = builder("memory:persist-mistakes", &clock_at(100))
        .build()
        .unwrap();
    let (numbers, _queue) = context.queue_stream::<u64>();
    numbers
        .map(|n| n + 1)
        .persist_with(StorageLevel::DISK_ONLY_2)
        .persist_with(StorageLevel::DISK_ONLY)
        .print();
    let error = context.start().unwrap_err().to_string();
    for part in [
        "tests/persist.rs",
        "scratch_replica",
        "kept at DISK_ONLY_2 already",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
