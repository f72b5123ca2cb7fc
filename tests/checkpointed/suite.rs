//! The programs of the original's CheckpointSuite: each ends behind some batch and goes on from its checkpoint.
//! Here each ends behind every batch in turn, at once and gracefully.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use tidemill::clock::ManualClock;
use tidemill::rdd::Data;
use tidemill::{DStream, StreamingContext};

use crate::support::{Collected, Feed, SECOND, builder, clock_at, eventually, feed, pairs, run_to};

/// Runs lines through `program`, a batch a second, and returns what each batch yielded. It ends behind the
/// batch of number `ends` and starts anew; a batch that is run again replaces what it yielded.
fn run<T: Data + Ord>(
    name: &str,
    batches: &[&[&str]],
    (ends, gracefully): (usize, bool),
    program: impl Fn(&DStream<str>) -> DStream<T>,
) -> Vec<Vec<T>> {
    let url = format!("memory:suite-{name}-{ends}-{gracefully}");
    let clock = clock_at(100);
    let seen = Collected::new();
    let start = || -> (StreamingContext, Feed) {
        let context = builder(&url, &clock)
            .checkpoint_interval(SECOND * 2)
            .build()
            .unwrap();
        let (feed, fed) = feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        seen.collect(&program(&lines));
        context.start().unwrap();
        (context, feed)
    };
    let (mut context, mut feed) = start();
    for (number, batch) in batches.iter().enumerate() {
        if !batch.is_empty() {
            feed.send(&clock, batch);
        }
        run_to(&context, &clock, 101 + number as u64);
        if number == ends {
            context.stop(gracefully).unwrap();
            drop((context, feed));
            (context, feed) = start();
        }
    }
    context.stop(false).unwrap();
    drop((context, feed));
    let seconds = 101..101 + batches.len() as u64;
    seconds.map(|second| seen.at(second)).collect()
}

/// Holds a program against its table, whenever it ends.
fn check<T: Data + Ord + std::fmt::Debug>(
    name: &str,
    batches: &[&[&str]],
    expected: &[Vec<T>],
    program: impl Fn(&DStream<str>) -> DStream<T>,
) {
    for ends in 0..batches.len() {
        for gracefully in [false, true] {
            let yielded = run(name, batches, (ends, gracefully), &program);
            assert_eq!(yielded, expected, "{name}, ended behind batch {ends}");
        }
    }
}

fn ones(lines: &DStream<str>) -> DStream<(String, u64)> {
    lines.map(|line| (line.to_owned(), 1))
}

const WORDS: [&[&str]; 6] = [
    &["a", "a", "b"],
    &["", ""],
    &[],
    &["a", "a", "b"],
    &["", ""],
    &[],
];

fn word_counts() -> Vec<Vec<(String, u64)>> {
    let half = [pairs(&[("a", 2), ("b", 1)]), pairs(&[("", 2)]), Vec::new()];
    [half.clone(), half].concat()
}

const TEN: [&[&str]; 10] = [&["a"]; 10];

#[test]
fn counts_by_key_go_on() {
    check("counts", &WORDS, &word_counts(), |lines| {
        ones(lines).reduce_by_key(|a, b| a + b)
    });
}

#[test]
fn an_invertible_window_goes_on() {
    let expected: Vec<_> = (1..=10).map(|n: u64| pairs(&[("a", n.min(4))])).collect();
    check("inverse", &TEN, &expected, |lines| {
        let sums = ones(lines).reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            SECOND * 4,
            SECOND,
            |_| true,
        );
        sums.checkpoint(SECOND * 2)
    });
}

#[test]
fn a_running_total_goes_on() {
    let expected: Vec<_> = (1..=10).map(|n| pairs(&[("a", n)])).collect();
    check("totals", &TEN, &expected, |lines| {
        let totals = crate::running_totals(lines).checkpoint(SECOND * 2);
        totals.map(|(word, total)| (word.clone(), *total))
    });
}

/// The original overflowed its stack where both were saved in the same batch, again and again.
#[test]
fn a_state_upon_a_saved_state_goes_on() {
    let expected: Vec<_> = (1..=10u64)
        .map(|n| pairs(&[("a", n * (n + 1) / 2)]))
        .collect();
    check("upon", &TEN, &expected, |lines| {
        let totals = crate::running_totals(lines).checkpoint(SECOND * 2);
        let again = totals.update_state_by_key(|new: &[u64], held: Option<&u64>| {
            Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
        });
        again.checkpoint(SECOND * 2)
    });
}

/// What is in the folders that begin with `stem`, by the second of their batch, parts put together.
fn written(folder: &Path, stem: &str) -> BTreeMap<u64, Vec<String>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(rest) = name.strip_prefix(stem) else {
            continue;
        };
        let ms: u64 = rest.trim_end_matches(".result").parse().unwrap();
        assert!(path.join("_SUCCESS").exists(), "{name}");
        let parts = std::fs::read_dir(&path)
            .unwrap()
            .map(|part| part.unwrap().path());
        let parts = parts.filter(|part| part.to_str().unwrap().contains("part-"));
        let mut lines: Vec<String> = parts
            .flat_map(|part| {
                let text = std::fs::read_to_string(part).unwrap();
                text.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        lines.sort();
        found.insert(ms / 1000, lines);
    }
    found
}

/// An output of files beside the one that is looked at; and one that a function of datasets writes itself,
/// which finds its folder there when the batch is run again.
#[test]
fn outputs_of_files_go_on() {
    for (ends, gracefully) in (0..WORDS.len()).flat_map(|ends| [(ends, false), (ends, true)]) {
        let folder = tempfile::tempdir().unwrap();
        let prefix = |name: &str| folder.path().join(name).display().to_string();
        let yielded = run("files", &WORDS, (ends, gracefully), |lines| {
            let counts = ones(lines).reduce_by_key(|a, b| a + b);
            counts.save_as_text_files(prefix("text"), Some("result"));
            counts.save_as_object_files(prefix("objects/counts"), Some("result"));
            let own = prefix("own");
            counts.transform(move |rdd, time| {
                let lines: Vec<String> = rdd
                    .collect()
                    .unwrap()
                    .iter()
                    .map(|(word, n)| format!("{word} {n}"))
                    .collect();
                let to = Path::new(&format!("{own}-{}", time.as_millis())).to_owned();
                std::fs::create_dir_all(&to).unwrap();
                std::fs::write(to.join("part-00000"), lines.join("\n")).unwrap();
                std::fs::write(to.join("_SUCCESS"), "").unwrap();
                rdd.clone()
            })
        });
        assert_eq!(yielded, word_counts());
        let text = |by: &dyn Fn(&(String, u64)) -> String| -> BTreeMap<u64, Vec<String>> {
            let batches = (101..).zip(word_counts());
            batches
                .map(|(second, counts)| (second, counts.iter().map(by).collect()))
                .collect()
        };
        let expected = text(&|(word, n)| format!("({word},{n})"));
        assert_eq!(
            written(folder.path(), "text-"),
            expected,
            "ended behind {ends}"
        );
        let expected = text(&|(word, n)| format!("{word} {n}"));
        assert_eq!(
            written(folder.path(), "own-"),
            expected,
            "ended behind {ends}"
        );
        let context = StreamingContext::builder("read", SECOND).build().unwrap();
        let mut all: Vec<(String, u64)> = context
            .object_file::<(String, u64)>(folder.path().join("objects"))
            .unwrap()
            .collect()
            .unwrap();
        all.sort();
        let mut expected = word_counts().concat();
        expected.sort();
        assert_eq!(all, expected, "ended behind {ends}");
    }
}

/// Files that came before the end, while nothing ran and after: each in the window once. The third batch is
/// under way when the program ends.
#[test]
fn a_window_over_a_watched_folder_goes_on() {
    static BLOCKS: AtomicBool = AtomicBool::new(true);
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock_at(100));
    let seen = Collected::new();
    let put = |number: u64| {
        let hidden = folder.path().join(format!(".{number}"));
        std::fs::write(&hidden, format!("{number}\n")).unwrap();
        std::fs::rename(hidden, folder.path().join(number.to_string())).unwrap();
    };
    let start = |clock: &ManualClock| {
        let context = builder("memory:suite-files", clock).build().unwrap();
        let numbers = context.text_file_stream(folder.path()).map(|line| {
            let number: u64 = line.parse().unwrap();
            while number == 3 && BLOCKS.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            number
        });
        seen.collect(&numbers.reduce_by_window(|a, b| a + b, SECOND * 30, SECOND));
        context.start().unwrap();
        context
    };
    let context = start(&clock);
    for number in 1..=2 {
        put(number);
        run_to(&context, &clock, 100 + number);
    }
    put(3);
    clock.advance(SECOND);
    eventually("the third batch is fixed", || {
        (context.pending_batches() > 0).then_some(())
    });
    // It dies: what blocks is let go once nothing can be committed any more.
    let dying = std::thread::spawn(move || drop(context));
    std::thread::sleep(std::time::Duration::from_millis(20));
    BLOCKS.store(false, Ordering::SeqCst);
    dying.join().unwrap();
    (4..=6).for_each(put);
    clock.advance(SECOND * 3);
    let context = start(&clock);
    for number in 7..=9 {
        put(number);
        run_to(&context, &clock, 100 + number);
    }
    context.stop(false).unwrap();
    // What came while nothing ran is in the first batch that could see it.
    assert_eq!(
        (seen.at(101), seen.at(102), seen.at(103)),
        (vec![1], vec![3], vec![6])
    );
    assert_eq!(
        (seen.at(107), seen.at(108), seen.at(109)),
        (vec![28], vec![36], vec![45])
    );
}

static READ: AtomicUsize = AtomicUsize::new(0);

/// A total that counts how often one is read from a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
struct Total(u64);

impl From<u64> for Total {
    fn from(total: u64) -> Self {
        READ.fetch_add(1, Ordering::SeqCst);
        Self(total)
    }
}

impl From<Total> for u64 {
    fn from(total: Total) -> Self {
        total.0
    }
}

/// However many outputs read it.
#[test]
fn a_restart_reads_a_state_once() {
    let start = |clock: &ManualClock| {
        let context = builder("memory:suite-once", clock).build().unwrap();
        let (feed, fed) = feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let totals = ones(&lines).update_state_by_key(|new: &[u64], held: Option<&Total>| {
            Some(Total(held.map_or(0, |held| held.0) + new.len() as u64))
        });
        let seen = Collected::new();
        seen.collect(&totals.map_values(|total| total.0));
        totals.for_each_rdd(|rdd, _| rdd.count().map(drop));
        totals.for_each_rdd(|rdd, _| rdd.count().map(drop));
        context.start().unwrap();
        (context, feed, seen)
    };
    let clock = clock_at(100);
    let (context, lines, _) = start(&clock);
    lines.send(&clock, &["a", "b", "c"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, lines));
    assert_eq!(READ.load(Ordering::SeqCst), 0);
    let (context, lines, seen) = start(&clock);
    lines.send(&clock, &["a"]);
    run_to(&context, &clock, 102);
    assert_eq!(seen.at(102), pairs(&[("a", 2), ("b", 1), ("c", 1)]));
    assert_eq!(READ.load(Ordering::SeqCst), 3);
    context.stop(false).unwrap();
}
