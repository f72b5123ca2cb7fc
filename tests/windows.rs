//! Windows: the tables of the original's suite in our own words, any associative function against a naive
//! model through kills, and what a restart needs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use support::cases::cases;
use support::model::{Batches, batches, check, plans};
use support::{Collected, Feed, SECOND, builder, clock_at, pairs, run_to};
use tidemill::clock::ManualClock;
use tidemill::rdd::Data;
use tidemill::{Builder, DStream, StreamingContext};

type Pairs = Vec<(String, i64)>;

/// Runs batches a second apart through a program without a checkpoint location; what each second that
/// yields anything yields, sorted.
fn table<I: Data, T: Data + Ord>(
    batches: &[Vec<I>],
    program: impl Fn(&DStream<I>) -> DStream<T>,
) -> Vec<Vec<T>> {
    let clock = clock_at(100);
    let context = StreamingContext::builder("test", SECOND)
        .clock(clock.clone())
        .parallelism(2)
        .build()
        .unwrap();
    let (stream, queue) = context.queue_stream::<I>();
    let seen = Collected::new();
    seen.collect(&program(&stream));
    batches
        .iter()
        .for_each(|batch| queue.push_vec(batch.clone()));
    context.start().unwrap();
    for second in 0..batches.len() as u64 {
        run_to(&context, &clock, 101 + second);
    }
    context.stop(false).unwrap();
    let seconds = seen.seconds().into_iter();
    seconds.map(|second| seen.at(second)).collect()
}

/// `"a1 b2"` for `[("a", 1), ("b", 2)]`.
fn row(text: &str) -> Pairs {
    let pairs = text.split_whitespace();
    let pair = |pair: &str| (pair[..1].to_owned(), pair[1..].parse().unwrap());
    pairs.map(pair).collect()
}

fn rows(text: &str) -> Vec<Pairs> {
    text.split('|').map(row).collect()
}

/// What a window of `length` every `slide` seconds sums up to, in each of the ways there are.
fn sums(input: &str, length: u32, slide: u32, way: &str) -> Vec<Pairs> {
    let (length, slide) = (SECOND * length, SECOND * slide);
    table(&rows(input), |stream| match way {
        "naive" => stream.reduce_by_key_and_window(|a, b| a + b, length, slide),
        "inverse" => stream.reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            length,
            slide,
            |_| true,
        ),
        _ => stream.reduce_by_key_and_window_inverse_with(
            |a, b| a + b,
            |a, b| a - b,
            length,
            slide,
            |(_, sum)| *sum != 0,
            3,
        ),
    })
}

#[test]
fn plain_windows_hold_the_batches_of_their_length() {
    let input: Vec<Vec<i32>> = (0..6).map(|n| vec![n]).collect();
    let window =
        |length: u32, slide: u32| table(&input, |s| s.window(SECOND * length, SECOND * slide));
    let overlapping: Vec<Vec<i32>> = [vec![0]]
        .into_iter()
        .chain((0..5).map(|n| vec![n, n + 1]))
        .collect();
    assert_eq!(window(2, 1), overlapping);
    assert_eq!(window(2, 2), [[0, 1], [2, 3], [4, 5]]);
    assert_eq!(
        window(4, 2),
        [vec![0, 1], vec![0, 1, 2, 3], vec![2, 3, 4, 5]]
    );
    assert_eq!(window(2, 3), [[1, 2], [4, 5]]);
}

#[test]
fn small_tables_of_reduced_windows() {
    for way in ["naive", "inverse", "filtered"] {
        assert_eq!(sums("a1 a3", 2, 1, way), rows("a4"), "{way}");
        assert_eq!(sums("a1|a1", 2, 1, way), rows("a1|a2"), "{way}");
        assert_eq!(sums("a1|a1 b1", 2, 1, way), rows("a1|a2 b1"), "{way}");
    }
    assert_eq!(sums("a1|a1||", 2, 1, "naive"), rows("a1|a2|a1|"));
    assert_eq!(sums("a1|a1||", 2, 1, "filtered"), rows("a1|a2|a1|"));
    assert_eq!(sums("a1|a1||", 2, 1, "inverse"), rows("a1|a2|a1|a0"));
}

#[test]
fn a_slide_of_several_batches() {
    for way in ["naive", "inverse", "filtered"] {
        let input = "a1|a2|a3|a4|a5|a6||";
        assert_eq!(sums(input, 4, 2, way), rows("a3|a10|a18|a11"), "{way}");
        // Longer than the window: the batches between belong to none.
        assert_eq!(sums(input, 2, 3, way), rows("a5|a11"), "{way}");
        // Neither divides the other.
        assert_eq!(sums(input, 3, 2, way), rows("a3|a9|a15|a6"), "{way}");
    }
}

const BIG: &str = "a1|a1 b1|a1 b1 c1|a1 b1|a1||a1|a1 b1|a1 b1 c1|a1 b1|a1|";
const BIG_SUMS: &str = "a1|a2 b1|a2 b2 c1|a2 b2 c1|a2 b1|a1|a1|a2 b1|a2 b2 c1|a2 b2 c1|a2 b1|a1";

#[test]
fn keys_come_and_go_and_come_again() {
    assert_eq!(sums(BIG, 2, 1, "naive"), rows(BIG_SUMS));
    assert_eq!(sums(BIG, 2, 1, "filtered"), rows(BIG_SUMS));
    // Without a filter a key stays with what is left of it.
    let unfiltered = "a1|a2 b1|a2 b2 c1|a2 b2 c1|a2 b1 c0|a1 b0 c0|a1 b0 c0|a2 b1 c0|a2 b2 c1|a2 b2 c1|a2 b1 c0|a1 b0 c0";
    assert_eq!(sums(BIG, 2, 1, "inverse"), rows(unfiltered));
}

#[test]
fn grouped_windows() {
    let groups = table(&rows(BIG), |s| {
        s.group_by_key_and_window_with(SECOND * 2, SECOND, 3)
            .map_values(|values| values.iter().sum::<i64>())
    });
    assert_eq!(groups, rows(BIG_SUMS));
}

#[test]
fn counts_of_windows() {
    let input = [vec![1], vec![1], vec![1, 2], vec![0], vec![], vec![]];
    let counts = table(&input, |s| s.count_by_window(SECOND * 2, SECOND));
    assert_eq!(counts, [[1], [2], [3], [3], [1], [0]]);
    let by_value = table(&rows("a1|b1 b1|a1 b1"), |s| {
        s.map(|(key, _)| key.clone())
            .count_by_value_and_window(SECOND * 2, SECOND)
            .map_values(|n| *n as i64)
    });
    assert_eq!(by_value, rows("a1|a1 b2|a1 b3"));
}

#[test]
fn a_window_of_single_elements() {
    let input = [vec![3], vec![], vec![5, 4], vec![], vec![], vec![1]];
    let (length, slide) = (SECOND * 2, SECOND);
    let highest = table(&input, |s| {
        s.reduce_by_window(|a, b| *a.max(b), length, slide)
    });
    assert_eq!(
        highest,
        [vec![3], vec![3], vec![5], vec![5], vec![], vec![1]]
    );
    let sums = table(&input, |s| {
        s.reduce_by_window_inverse(|a, b| a + b, |a, b| a - b, length, slide)
    });
    assert_eq!(sums, [[3], [3], [9], [9], [0], [1]]);
}

#[test]
fn what_the_filter_drops_begins_anew() {
    // A sum above 3 is dropped. What leaves later is taken from what came since, as in the original; of a
    // key that isn't there nothing is taken.
    let program = |s: &DStream<(String, i64)>| {
        s.reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            SECOND * 2,
            SECOND,
            |(_, sum)| *sum <= 3,
        )
    };
    let shown = table(&rows("a2|a2||a1||"), program);
    assert_eq!(shown, rows("a2|||a1|a1|a0"));
}

#[test]
fn windows_of_windows() {
    // The sums of 2 s, every 2 s; the greatest of the last two.
    let program = |s: &DStream<(String, i64)>| {
        s.reduce_by_key_and_window(|a, b| a + b, SECOND * 2, SECOND * 2)
            .reduce_by_key_and_window(|a, b| *a.max(b), SECOND * 4, SECOND * 2)
    };
    let shown = table(&rows("a1|a2|a3|a4|||b1|"), program);
    assert_eq!(shown, rows("a3|a7|a7|b1"));
    let program = |s: &DStream<(String, i64)>| {
        s.reduce_by_key_and_window(|a, b| a + b, SECOND, SECOND)
            .count_by_window(SECOND * 4, SECOND * 4)
    };
    assert_eq!(table(&rows("a1|a2 b1||a1"), program), [[4]]);
}

fn words(lines: &DStream<str>) -> DStream<(String, Letters)> {
    lines
        .flat_map::<str>(|line, out| line.split_whitespace().for_each(|word| out.emit(word)))
        .count_by_value()
        .transform(|rdd, time| {
            let second = time.as_millis() / 1000 % 100;
            rdd.map_values(move |count| Letters(format!("{second}x{count} ")))
        })
}

/// Texts behind each other: an associative function that shows the order in which batches are combined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
struct Letters(String);

fn join(a: &Letters, b: &Letters) -> Letters {
    Letters(format!("{}{}", a.0, b.0))
}

/// An affine map: `x` to `x * scale + shift`, in the ring of 64-bit integers. Later ones come after.
type Affine = (u64, u64);

fn then(first: &Affine, second: &Affine) -> Affine {
    let scale = first.0.wrapping_mul(second.0);
    let shift = first.1.wrapping_mul(second.0).wrapping_add(second.1);
    (scale, shift)
}

fn counts_of(batch: &[String]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let words = batch.iter().flat_map(|line| line.split_whitespace());
    words.for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
    counts
}

/// Each key's values over the window that ends with a batch, combined one after the other.
fn model<V>(
    batches: &Batches,
    (length, slide): (usize, usize),
    value: impl Fn(usize, u64) -> V,
    f: impl Fn(&V, &V) -> V,
) -> impl Fn(usize) -> Option<Vec<(String, V)>> {
    move |number| {
        let mut sums: BTreeMap<String, V> = BTreeMap::new();
        let first = (number + 1).saturating_sub(length);
        for (at, batch) in batches.iter().enumerate().take(number + 1).skip(first) {
            for (word, count) in counts_of(batch) {
                let value = value(at, count);
                let sum = match sums.remove(&word) {
                    Some(sum) => f(&sum, &value),
                    None => value,
                };
                sums.insert(word, sum);
            }
        }
        let is_due = (number + 1).is_multiple_of(slide);
        is_due.then(|| sums.into_iter().collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(16)))]

    #[test]
    fn any_associative_function(batches in batches(), plan in plans(), length in 1usize..7, slide in 1usize..5) {
        let seconds = |n: usize| SECOND * n as u32;
        let text = |at: usize, count: u64| Letters(format!("{}x{count} ", at + 1));
        check(&batches, &plan,
            |lines| words(lines).reduce_by_key_and_window_with(join, seconds(length), seconds(slide), 3),
            model(&batches, (length, slide), text, join))?;
        let affine = |at: usize, count: u64| (count * 2 + 1, at as u64);
        check(&batches, &plan,
            |lines| words(lines)
                .map_values(|text| {
                    let (second, count) = text.0.trim().split_once('x').unwrap();
                    let (second, count): (u64, u64) = (second.parse().unwrap(), count.parse().unwrap());
                    (count * 2 + 1, second - 1)
                })
                .reduce_by_key_and_window(then, seconds(length), seconds(slide)),
            model(&batches, (length, slide), affine, then))?;
        check(&batches, &plan,
            |lines| words(lines).map(|(_, text)| text.clone()).reduce(|a, _| a.clone())
                .map(|text| Letters(text.0.split('x').next().unwrap().to_owned() + " "))
                .reduce_by_window(join, seconds(length), seconds(slide)),
            |number| {
                let first = (number + 1).saturating_sub(length);
                let filled = (first..=number).filter(|at| !counts_of(&batches[*at]).is_empty());
                let text: String = filled.map(|at| format!("{} ", at + 1)).collect();
                let is_due = (number + 1).is_multiple_of(slide);
                is_due.then(|| Some(Letters(text)).filter(|text| !text.0.is_empty()).into_iter().collect())
            })?;
    }
}

/// A program over lines, at `url`.
fn started<T: Data + Ord>(
    url: &str,
    clock: &ManualClock,
    partitions: usize,
    program: impl Fn(&DStream<str>) -> DStream<T>,
) -> (StreamingContext, Feed, Collected<T>) {
    start(builder(url, clock).default_partitions(partitions), program)
}

fn start<T: Data + Ord>(
    builder: Builder,
    program: impl Fn(&DStream<str>) -> DStream<T>,
) -> (StreamingContext, Feed, Collected<T>) {
    let context = builder.build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let seen = Collected::new();
    seen.collect(&program(&lines));
    context.start().unwrap();
    (context, feed, seen)
}

fn counted(lines: &DStream<str>, inverse: bool) -> DStream<(String, u64)> {
    let counts = lines.count_by_value();
    let (length, slide) = (SECOND * 20, SECOND);
    match inverse {
        false => counts.reduce_by_key_and_window(|a, b| a + b, length, slide),
        true => counts.reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            length,
            slide,
            |(_, count)| *count > 0,
        ),
    }
}

/// There is no log of received blocks: after a restart no batch of before could be read again.
#[test]
fn a_restart_has_the_window_without_its_batches() {
    for inverse in [false, true] {
        let (url, clock) = (format!("memory:kept-{inverse}"), clock_at(100));
        let program = |lines: &DStream<str>| counted(lines, inverse);
        let at = |partitions: usize| {
            let builder = builder(&url, &clock).default_partitions(partitions);
            start(builder.receiver_write_ahead_log(false), program)
        };
        let (context, feed, _) = at(2);
        for second in 101..112 {
            feed.send(&clock, &["a", "b"]);
            run_to(&context, &clock, second);
        }
        context.checkpoint_now(SECOND * 60).unwrap();
        context.stop(false).unwrap();
        drop((context, feed));
        // In other partitions, so that keys move.
        for (partitions, second) in [(5, 112), (3, 113), (3, 114)] {
            let (context, feed, seen) = at(partitions);
            feed.send(&clock, &["a"]);
            run_to(&context, &clock, second);
            assert_eq!(
                seen.at(second),
                pairs(&[("a", second - 100), ("b", 11)]),
                "inverse: {inverse}"
            );
            context.checkpoint_now(SECOND * 60).unwrap();
            context.stop(false).unwrap();
        }
    }
}

#[test]
fn a_window_that_no_checkpoint_held_is_made_of_the_batches_that_are_kept() {
    for inverse in [false, true] {
        let (url, clock) = (format!("memory:new-window-{inverse}"), clock_at(100));
        // A plain window keeps its batches: so did all windows before they were state.
        let before = |lines: &DStream<str>| lines.window(SECOND * 20, SECOND).count();
        let (context, feed, _) = started(&url, &clock, 2, before);
        for second in 101..106 {
            feed.send(&clock, &["a"]);
            run_to(&context, &clock, second);
        }
        context.stop(false).unwrap();
        drop((context, feed));
        let (context, feed, seen) = started(&url, &clock, 2, |lines| counted(lines, inverse));
        feed.send(&clock, &["a", "b"]);
        run_to(&context, &clock, 106);
        assert_eq!(seen.at(106), pairs(&[("a", 6), ("b", 1)]));
        run_to(&context, &clock, 107);
        assert_eq!(seen.at(107), pairs(&[("a", 6), ("b", 1)]));
        context.stop(false).unwrap();
    }
}

#[test]
fn another_length_goes_on_with_the_parts_that_fit_and_is_else_refused() {
    let clock = clock_at(100);
    let of = |length: u32, slide: u32| {
        move |lines: &DStream<str>| {
            lines
                .count_by_value()
                .reduce_by_key_and_window(|a, b| a + b, SECOND * length, SECOND * slide)
                .uid("window")
        }
    };
    let url = "memory:another-length";
    let (context, feed, _) = started(url, &clock, 2, of(4, 2));
    for second in 101..107 {
        feed.send(&clock, &["a"]);
        run_to(&context, &clock, second);
    }
    context.stop(false).unwrap();
    drop((context, feed));
    let context = builder(url, &clock).build().unwrap();
    let (_feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    of(3, 1)(&lines).print();
    let error = context.start().unwrap_err().to_string();
    assert!(
        error.contains("`window`") && error.contains("parts of 2000 ms"),
        "{error}"
    );
    drop(context);
    let (context, _feed, seen) = started(url, &clock, 2, of(2, 2));
    run_to(&context, &clock, 108);
    assert_eq!(seen.at(108), pairs(&[]));
    context.stop(false).unwrap();
}

#[test]
fn a_function_that_fails_leaves_the_window_as_it_was() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    let clock = clock_at(100);
    let calls = Arc::new(AtomicU64::new(0));
    let context = builder("memory:failing-window", &clock).build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let counting = Arc::clone(&calls);
    let sums = lines.count_by_value().reduce_by_key_and_window_inverse(
        |a, b| a + b,
        move |a, b| {
            let call = counting.fetch_add(1, Ordering::SeqCst);
            assert!(!(3..12).contains(&call), "not yet");
            a - b
        },
        SECOND * 2,
        SECOND,
        |(_, count)| *count > 0,
    );
    let seen = Collected::new();
    seen.collect(&sums);
    context.start().unwrap();
    for second in 101..108 {
        let lines: Vec<&str> = ["a", "b", "c", "d"]
            .into_iter()
            .take(second as usize % 3 + 2)
            .collect();
        feed.send(&clock, &lines);
        run_to(&context, &clock, second);
    }
    let count = |second: u64| second % 3 + 2;
    for second in 102..108 {
        let expected: Vec<(String, u64)> = (0..4u64)
            .map(|n| {
                let key = ["a", "b", "c", "d"][n as usize].to_owned();
                let batches = [second - 1, second];
                let is_in = batches.iter().filter(|second| count(**second) > n);
                (key, is_in.count() as u64)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(seen.at(second), expected, "at {second}");
    }
    assert!(calls.load(Ordering::SeqCst) > 12);
    context.stop(false).unwrap();
}

#[test]
fn lengths_and_slides_that_make_no_sense_are_refused_with_the_line() {
    let context = StreamingContext::builder("test", SECOND).build().unwrap();
    let (stream, _queue) = context.queue_stream::<(String, i64)>();
    let half = Duration::from_millis(1500);
    stream
        .reduce_by_key_and_window(|a, b| a + b, half, SECOND)
        .print();
    stream
        .map(|(_, n)| *n)
        .reduce_by_window(|a, b| a + b, SECOND, Duration::ZERO)
        .print();
    stream
        .window(SECOND * 2, SECOND * 2)
        .reduce_by_key_and_window(|a, b| a + b, SECOND * 3, SECOND * 2)
        .print();
    let error = context.start().unwrap_err().to_string();
    for part in [
        "length is 1.5s",
        "slide is 0ns",
        "length is 3s",
        "multiple of the slide",
        "2s",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(error.matches("tests/windows.rs:").count(), 3, "{error}");
}

/// Keys, the length of each value, and the window's panes: 200 MB of partial results.
const WIDE: (u64, usize, u32) = (2_000, 1_000, 100);

/// What the process takes of the machine's memory, in MB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() / 1000
}

/// Fills a window and says what the process takes then.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "the test below runs it, each time in a process of its own"]
fn a_wide_window() {
    let (keys, length, panes) = WIDE;
    let folder = tempfile::tempdir().unwrap();
    let clock = clock_at(1000);
    let url = format!("file:{}", folder.path().join("checkpoint").display());
    let mut builder = builder(&url, &clock);
    if let Ok(bytes) = std::env::var("WIDE_WINDOW_MEMORY") {
        builder = builder.state_memory(bytes.parse().unwrap());
    }
    let context = builder.default_partitions(8).build().unwrap();
    let (pairs, queue) = context.queue_stream::<(u64, String)>();
    let seen = Collected::new();
    let widest = pairs.reduce_by_key_and_window(|a, b| a.max(b).clone(), SECOND * panes, SECOND);
    seen.collect(&widest.map(|(key, text)| (*key, text[..8].to_owned())));
    context.start().unwrap();
    let batches = u64::from(panes) + 5;
    for batch in 1..=batches {
        let text =
            |key| format!("{:08}{}", batch * 7919 % 1000, "x".repeat(length)) + &format!("{key}");
        let all = (0..keys).map(|key| (key, text(key))).collect();
        queue.push(context.parallelize(all));
        run_to(&context, &clock, 1000 + batch);
    }
    let first = batches - u64::from(panes) + 1;
    let highest = (first..=batches)
        .map(|batch| batch * 7919 % 1000)
        .max()
        .unwrap();
    let expected: Vec<_> = (0..keys)
        .map(|key| (key, format!("{highest:08}")))
        .collect();
    assert_eq!(seen.at(1000 + batches), expected);
    println!("resident: {} MB", resident());
    context.stop(false).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "a measurement"]
fn a_window_larger_than_its_memory_does_not_fill_the_machines() {
    let run = |memory: Option<&str>| -> u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_wide_window", "--ignored", "--nocapture"]);
        child.env_remove("WIDE_WINDOW_MEMORY");
        child.envs(memory.map(|bytes| ("WIDE_WINDOW_MEMORY", bytes)));
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        let megabytes = said.split("resident: ").nth(1).unwrap();
        megabytes.split(' ').next().unwrap().parse().unwrap()
    };
    let (free, limited) = (run(None), run(Some("32000000")));
    println!("{free} MB without a limit, {limited} MB with one of 32 MB");
    assert!(
        limited * 3 < free * 2,
        "{limited} MB with a limit, {free} MB without"
    );
}
