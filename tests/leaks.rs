//! Contexts that are gone leave nothing behind: no thread of theirs, and so none of what threads hold. (A store
//! `memory:NAME` stays for the process, with a thread: it is what outlives a context.)

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use support::{SECOND, builder, clock_at, eventually, feed};
use tidemill::StreamingContext;

/// Contexts of each test.
const CONTEXTS: u32 = 50;

/// One test at a time: they count the threads of the process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine's threads in this process, by their names.
fn threads() -> BTreeMap<String, usize> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        // One that ends just now has no name any more.
        let Ok(name) = fs::read_to_string(task.unwrap().path().join("comm")) else {
            continue;
        };
        if name.starts_with("tidemill-") {
            *threads.entry(name.trim().to_owned()).or_default() += 1;
        }
    }
    threads
}

/// Waits until no thread of the engine is left.
fn wait_until_gone(what: &str) {
    for _ in 0..60_000 {
        if threads().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{what}: threads were left: {:?}", threads());
}

/// A program with all that holds on to its operators: a receiver, a queue, a window, state and outputs.
fn declare(url: &str) -> (StreamingContext, support::Feed) {
    let clock = clock_at(100);
    let context = builder(url, &clock).build().unwrap();
    let (feed, fed) = feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let (queued, queue) = context.queue_stream::<u64>();
    queue.push(context.parallelize(vec![1, 2, 3]));
    let counts = lines
        .window(SECOND * 3, SECOND)
        .count_by_value()
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .uid("totals");
    counts.for_each_rdd(|rdd, _| rdd.count().map(drop));
    queued
        .map(|n| n + 1)
        .cache()
        .for_each_rdd(|rdd, _| rdd.count().map(drop));
    (context, feed)
}

#[test]
fn contexts_that_never_started_leave_no_threads() {
    let _alone = alone();
    for number in 0..CONTEXTS {
        let (context, _feed) = declare(&format!("file:/nowhere/{number}"));
        eventually("its pool is there", || {
            threads().contains_key("tidemill-task-0").then_some(())
        });
        drop(context);
    }
    wait_until_gone("contexts that never started");
}

#[test]
fn contexts_that_were_stopped_leave_no_threads() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..CONTEXTS {
        let (context, _feed) = declare(&format!("file:{}/{number}", folder.path().display()));
        context.start().unwrap();
        context.stop(number % 2 == 0).unwrap();
    }
    wait_until_gone("contexts that were stopped");
}

#[test]
fn contexts_that_are_dropped_while_they_run_leave_no_threads() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..CONTEXTS {
        let url = format!("file:{}/{}", folder.path().display(), number / 2);
        let (context, _feed) = declare(&url);
        // The second of each two finds its place free.
        context.start().unwrap();
        eventually("it runs", || context.next_batch());
        drop(context);
    }
    wait_until_gone("contexts that were dropped");
}
