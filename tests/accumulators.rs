//! Accumulators count each batch once, whatever became of its work; broadcast values are there after a restart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;
#[path = "accumulators/windows.rs"]
mod windows;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use support::cases::cases;
use support::model::{batches, check_context, plans};
use support::{Collected, Feed, SECOND, builder, clock_at, run_to};
use tidemill::accumulator::Accumulable;
use tidemill::clock::ManualClock;
use tidemill::rdd::BoxError;
use tidemill::{
    Broadcast, CollectionAccumulator, ErrorKind, LongAccumulator, StreamingContext, Time,
};

fn lines_of(context: &StreamingContext) -> (tidemill::DStream<str>, Feed) {
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    (lines, feed)
}

/// What a program of the property test adds to.
#[derive(Clone)]
struct Totals {
    lines: LongAccumulator,
    combined: LongAccumulator,
    seen: CollectionAccumulator<String>,
    jobs: LongAccumulator,
    batches: LongAccumulator,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(16)))]

    /// Two outputs and a window compute the same dataset, one output looks only at its beginning, one had
    /// committed before a kill and doesn't compute it any more, and tasks and jobs fail the first time.
    #[test]
    fn each_batch_counts_once(batches in batches(), plan in plans()) {
        let handles: RefCell<Option<Totals>> = RefCell::default();
        let folder = tempfile::tempdir().unwrap();
        let failed: Arc<Mutex<HashSet<(&'static str, String)>>> = Arc::default();
        let program = |context: &StreamingContext, lines: &tidemill::DStream<str>| {
            let totals = Totals {
                lines: context.long_accumulator("lines"),
                combined: context.long_accumulator("combined"),
                seen: context.collection_accumulator("seen"),
                jobs: context.long_accumulator("jobs"),
                batches: context.long_accumulator("batches"),
            };
            *handles.borrow_mut() = Some(totals.clone());
            let (to, fails) = (totals.clone(), Arc::clone(&failed));
            let counted = lines.map(move |line| {
                to.lines.add(1);
                to.seen.add(line.to_owned());
                assert!(!fails.lock().unwrap().insert(("task", line.to_owned())), "the first time");
                line.to_owned()
            });
            let to = totals.batches.clone();
            let counted = counted.transform(move |rdd, _| {
                to.add(1);
                rdd.clone()
            });
            counted.save_as_text_files(folder.path().join("out").display().to_string(), None);
            counted.for_each_rdd(|rdd, _| rdd.take(1).map(drop));
            let (to, fails) = (totals.jobs.clone(), Arc::clone(&failed));
            counted.for_each_rdd(move |rdd, time| -> Result<(), BoxError> {
                to.add(rdd.count()? as i64);
                match fails.lock().unwrap().insert(("job", time.to_string())) {
                    true => Err("the first time".into()),
                    false => Ok(()),
                }
            });
            let to = totals.combined.clone();
            let lengths = counted.map(|line| (line.len() % 2, 1i64));
            lengths
                .combine_by_key(|one| *one, |sum, one| *sum += one, |a, b| *a += b)
                .for_each_rdd(move |rdd, _| {
                    let to = to.clone();
                    rdd.for_each(move |(_, n)| to.add(*n))
                });
            counted.map(|_| 1u64).window(2 * SECOND, SECOND).reduce(|a, b| a + b)
        };
        let size = |n: usize| batches.get(n).map_or(0, Vec::len) as u64;
        check_context(&batches, &plan, program, |n| {
            let sum = size(n) + n.checked_sub(1).map_or(0, size);
            Some((sum > 0).then_some(sum).into_iter().collect())
        })?;
        let totals = handles.borrow().clone().unwrap();
        let mut all: Vec<String> = batches.concat();
        all.sort();
        let mut seen = totals.seen.value();
        seen.sort();
        prop_assert_eq!(seen, all.clone());
        let expected = all.len() as i64;
        let got = [&totals.lines, &totals.jobs, &totals.combined].map(LongAccumulator::value);
        prop_assert_eq!(got, [expected; 3]);
        prop_assert_eq!(totals.lines.count(), expected as u64);
        // Ticks without data may be left out by a restart, never counted twice.
        prop_assert!(totals.batches.value() <= batches.len() as i64 + 1);
    }
}

/// A total of one's own type.
#[derive(Default, Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
struct Longest(usize);

impl Accumulable for Longest {
    type Input = usize;
    type Value = usize;
    fn add(&mut self, input: usize) {
        self.0 = self.0.max(input);
    }
    fn merge(&mut self, other: Self) {
        self.add(other.0);
    }
    fn value(&self) -> usize {
        self.0
    }
}

#[test]
fn values_go_on_by_name_and_those_that_are_not_declared_stay() {
    let (url, clock) = ("memory:accumulators-by-name", clock_at(100));
    let program = |declares_longest: bool| {
        let context = builder(url, &clock).build().unwrap();
        let (lines, feed) = lines_of(&context);
        let bytes = context.double_accumulator("bytes");
        let longest = declares_longest.then(|| context.accumulator("longest", Longest(2)));
        let (to, also) = (bytes.clone(), longest.clone());
        lines
            .map(move |line| {
                to.add(line.len() as f64);
                also.iter().for_each(|longest| longest.add(line.len()));
            })
            .for_each_rdd(|rdd, _| rdd.count().map(drop));
        context.start().unwrap();
        (context, feed, bytes, longest)
    };
    let (context, feed, bytes, longest) = program(true);
    assert_eq!(longest.as_ref().unwrap().value(), 2);
    feed.send(&clock, &["abcde", "x"]);
    run_to(&context, &clock, 101);
    assert_eq!((bytes.value(), longest.unwrap().value()), (6.0, 5));
    context.stop(true).unwrap();
    drop((context, feed));

    let (context, feed, bytes, _) = program(false);
    assert_eq!((bytes.sum(), bytes.count(), bytes.avg()), (6.0, 2, 3.0));
    feed.send(&clock, &["abcdefg"]);
    run_to(&context, &clock, 103);
    assert_eq!(bytes.value(), 13.0);
    context.stop(true).unwrap();
    drop((context, feed));

    let (context, _feed, bytes, longest) = program(true);
    assert_eq!((bytes.value(), longest.unwrap().value()), (13.0, 5));
    let shown: Vec<_> = context.accumulators().into_iter().collect();
    assert_eq!(shown[0].name, "bytes");
    assert_eq!(shown[1].value, serde_json::json!(5));
    context.stop(false).unwrap();
}

#[test]
fn what_can_not_be_known_by_name_is_refused() {
    let context = builder("memory:accumulators-refused", &clock_at(100))
        .build()
        .unwrap();
    let (lines, _feed) = lines_of(&context);
    lines.print();
    context.long_accumulator("twice");
    context.long_accumulator("twice");
    context.long_accumulator("");
    let error = context.start().unwrap_err().to_string();
    assert!(error.contains("tests/accumulators.rs"), "{error}");
    assert!(
        error.contains("`twice`") && error.contains("another accumulator of this name"),
        "{error}"
    );
    assert!(error.contains("needs a name"), "{error}");
}

#[test]
fn a_value_of_another_type_is_refused_and_stays() {
    let (url, clock) = ("memory:accumulators-type", clock_at(100));
    let start = |is_text: bool| {
        let context = builder(url, &clock).build().unwrap();
        let (lines, feed) = lines_of(&context);
        let mut text = None;
        if is_text {
            let seen = context.collection_accumulator::<String>("seen");
            text = Some(seen.clone());
            lines
                .map(move |line| seen.add(line.to_owned()))
                .for_each_rdd(|rdd, _| rdd.count().map(drop));
        } else {
            let seen = context.long_accumulator("seen");
            lines
                .map(move |_| seen.add(1))
                .for_each_rdd(|rdd, _| rdd.count().map(drop));
        }
        (context.start(), context, feed, text)
    };
    let (started, context, feed, _) = start(true);
    started.unwrap();
    feed.send(&clock, &["a", "b"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, feed));
    let (started, ..) = start(false);
    let error = started.unwrap_err();
    assert!(error.to_string().contains("`seen`"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    let (started, context, _feed, text) = start(true);
    started.unwrap();
    assert_eq!(text.unwrap().value(), ["a", "b"]);
    context.stop(false).unwrap();
}

#[test]
fn what_is_added_outside_of_batches_counts_at_once_and_is_kept() {
    let (url, clock) = ("memory:accumulators-outside", clock_at(100));
    let program = || {
        let context = builder(url, &clock).build().unwrap();
        let (lines, feed) = lines_of(&context);
        lines.print();
        let total = context.long_accumulator("total");
        context.start().unwrap();
        (context, feed, total)
    };
    let (context, feed, total) = program();
    total.add(7);
    assert_eq!(total.value(), 7);
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, _feed, total) = program();
    assert_eq!(total.value(), 7);
    context.stop(false).unwrap();
}

/// A table that counts how often it was made.
fn broadcasting(
    url: &str,
    clock: &ManualClock,
    made: &Arc<AtomicUsize>,
) -> (
    StreamingContext,
    Feed,
    Broadcast<usize>,
    Collected<(String, usize)>,
) {
    let context = builder(url, clock).build().unwrap();
    let (lines, feed) = lines_of(&context);
    let made = Arc::clone(made);
    let table = context.broadcast("table", move || made.fetch_add(1, Ordering::SeqCst));
    let read = table.clone();
    let seen = Collected::new();
    seen.collect(&lines.map(move |line| (line.to_owned(), *read.value())));
    context.start().unwrap();
    (context, feed, table, seen)
}

#[test]
fn a_broadcast_value_is_made_once_a_process_when_it_is_read() {
    let (url, clock) = ("memory:broadcast", clock_at(100));
    let made = Arc::new(AtomicUsize::new(0));
    let (context, feed, table, seen) = broadcasting(url, &clock, &made);
    run_to(&context, &clock, 101);
    assert_eq!(made.load(Ordering::SeqCst), 0);
    feed.send(&clock, &["a", "b"]);
    run_to(&context, &clock, 102);
    let pair = |text: &str, n| (text.to_owned(), n);
    assert_eq!(seen.at(102), [pair("a", 0), pair("b", 0)]);
    table.refresh();
    feed.send(&clock, &["c"]);
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), [pair("c", 1)]);
    feed.send(&clock, &["d"]);
    context.stop(false).unwrap();
    drop((context, feed));

    let (context, _feed, _table, seen) = broadcasting(url, &clock, &made);
    run_to(&context, &clock, 105);
    assert_eq!(seen.filled(), [[pair("d", 2)]]);
    context.stop(false).unwrap();
}

#[test]
fn a_batch_that_is_tried_again_reads_the_value_that_it_read_before() {
    let clock = clock_at(100);
    let context = builder("memory:broadcast-again", &clock).build().unwrap();
    let (lines, feed) = lines_of(&context);
    let made = AtomicUsize::new(0);
    let table = context.broadcast("table", move || made.fetch_add(1, Ordering::SeqCst));
    let seen: Arc<Mutex<Vec<(u64, usize)>>> = Arc::default();
    let (read, to) = (table.clone(), Arc::clone(&seen));
    let tries = AtomicU64::new(0);
    lines.map(move |_| *read.value()).for_each_rdd(
        move |rdd, time: Time| -> Result<(), BoxError> {
            let values = rdd.collect()?;
            to.lock()
                .unwrap()
                .extend(values.iter().map(|value| (time.as_millis() / 1000, *value)));
            if !values.is_empty() && tries.fetch_add(1, Ordering::SeqCst) == 0 {
                table.unpersist();
                return Err("after the refresh".into());
            }
            Ok(())
        },
    );
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    run_to(&context, &clock, 101);
    feed.send(&clock, &["b"]);
    run_to(&context, &clock, 102);
    assert_eq!(*seen.lock().unwrap(), [(101, 0), (101, 0), (102, 1)]);
    context.stop(false).unwrap();
}
