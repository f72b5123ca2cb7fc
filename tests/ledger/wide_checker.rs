//! The checks of the wide pipeline are checked: each kind of violation, made by hand, is found.

use std::collections::BTreeMap;
use std::path::Path;

use super::http::Answer;
use super::output::Outputs;
use super::records::{Ledger, Record, count_common};
use super::wide::Beside;
use super::workload::{Pipeline, Places, Store};

const RUN: u64 = 5;

type Folders = BTreeMap<u64, BTreeMap<String, u64>>;

/// What a pipeline wrote: of ten records the last was put aside at 200, and counted at 400, once mended.
struct Written {
    counts: Folders,
    totals: Folders,
    windows: Folders,
    letters: BTreeMap<u64, Vec<u32>>,
}

fn record(number: u32) -> Record {
    Record { client: 0, number }
}

fn words(numbers: std::ops::Range<u32>) -> BTreeMap<String, u64> {
    let own = numbers.clone().map(|number| (record(number).word(RUN), 1));
    own.chain(count_common(numbers.map(record))).collect()
}

fn right() -> Written {
    let mut late = words(9..10);
    late.insert("the".to_owned(), 10);
    late.insert("mill".to_owned(), 4);
    Written {
        counts: [(200, words(0..9)), (400, words(9..10))].into(),
        totals: [(200, words(0..9)), (400, late)].into(),
        windows: [(400, words(0..10))].into(),
        letters: [(200, vec![9])].into(),
    }
}

fn put(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("part-00000"), text).unwrap();
    std::fs::write(folder.join("_SUCCESS"), "").unwrap();
}

fn write(written: &Written, root: &Path) {
    for (name, folders) in [
        ("out", &written.counts),
        ("totals", &written.totals),
        ("windows", &written.windows),
    ] {
        for (time, words) in folders {
            let lines = words
                .iter()
                .map(|(word, count)| format!("({word},{count})\n"));
            let folder = root.join(name).join(format!("counts-{time}.txt"));
            put(&folder, &lines.collect::<String>());
        }
    }
    for (time, numbers) in &written.letters {
        let letter = |number: &u32| {
            let line = record(*number).line(RUN);
            let line = line.trim_end();
            let letter = serde_json::json!({
                "batchTime": time, "operator": "good.map", "error": "no match", "record": line,
                "source": "lines", "block": "0-0", "offset": 0, "sourceText": line,
            });
            format!("{letter}\n")
        };
        let folder = root.join("letters").join(format!("letters-{time}.jsonl"));
        put(&folder, &numbers.iter().map(letter).collect::<String>());
    }
}

fn verdict(change: impl FnOnce(&mut Written)) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    let mut written = right();
    change(&mut written);
    write(&written, root.path());
    let (mut beside, mut counts) = places(root.path());
    counts.check_final()?;
    beside.check_final()?;
    let ledger = Ledger::new(RUN);
    ledger.add_clients(1);
    let (numbers, _) = ledger.send(0, 10);
    let answer = Answer {
        status: 200,
        body: r#"{"records":10}"#.to_owned(),
        keeps_alive: true,
    };
    ledger.settle(0, numbers, &answer);
    beside.check(&counts, &ledger)
}

fn places(root: &Path) -> (Beside, Outputs) {
    let places = Places {
        root: root.to_owned(),
        pipeline: Pipeline::Wide,
        store: Store::File,
        bucket: None,
    };
    (
        Beside::new(&places, RUN),
        Outputs::new(places.outputs(), RUN),
    )
}

fn expect(wanted: &str, change: impl FnOnce(&mut Written)) {
    let found = verdict(change).expect_err(wanted);
    assert!(found.contains(wanted), "{wanted}: {found}");
}

fn add_to(folders: &mut Folders, time: u64, word: &str) {
    let words = folders.get_mut(&time).unwrap();
    *words.get_mut(word).unwrap() += 1;
}

#[test]
fn totals_and_windows_are_sums_of_the_batches() {
    assert_eq!(verdict(|_| ()), Ok(()));
    expect("totals at 400: `the`", |all| {
        add_to(&mut all.totals, 400, "the");
    });
    expect("totals at 400: `gate`", |all| {
        let words = all.totals.get_mut(&400).unwrap();
        words.insert("gate".to_owned(), 2);
    });
    expect("totals: of 2 batches 1 have none", |all| {
        all.totals.remove(&200);
    });
    expect("windows at 400: `mill`", |all| {
        add_to(&mut all.windows, 400, "mill");
    });
    expect("windows: of 1 batches 1 have none", |all| {
        all.windows.clear();
    });
}

#[test]
fn a_key_is_forgotten_behind_its_time_out() {
    // It was touched at 400. A batch later than a second after that, it is gone, unless it comes just then.
    for (time, total) in [(1400, 11), (1600, 11), (1800, 1)] {
        let later = |total| {
            move |all: &mut Written| {
                for empty in (600..time).step_by(200) {
                    all.counts.insert(empty, BTreeMap::new());
                    all.totals.insert(empty, BTreeMap::new());
                }
                all.counts.insert(time, [("the".to_owned(), 1)].into());
                all.totals.insert(time, [("the".to_owned(), total)].into());
                for window in (800..=time).step_by(400) {
                    let in_it: &[u64] = if window == time { &[1] } else { &[] };
                    let new = in_it.iter().map(|count| ("the".to_owned(), *count));
                    all.windows.insert(window, new.collect());
                }
                all.windows.insert(800, words(0..10));
            }
        };
        assert_eq!(verdict(later(total)), Ok(()), "{time}");
        expect("`the`", later(12 - total));
    }
}

#[test]
fn letters_are_of_records_that_failed_each_once() {
    expect("never became a letter", |all| all.letters.clear());
    expect("has another there", |all| {
        all.letters.insert(200, vec![9, 9]);
    });
    expect("had been counted", |all| {
        all.letters.insert(400, vec![9]);
    });
    expect("is understood", |all| {
        all.letters.insert(200, vec![8, 9]);
    });
    expect("never sent", |all| {
        all.letters.insert(200, vec![9, 19]);
    });
    // Put back into a program that isn't mended, it is there a second time, later.
    let before = |all: &mut Written| {
        all.letters.insert(0, vec![9]);
    };
    assert_eq!(verdict(before), Ok(()));

    let root = tempfile::tempdir().unwrap();
    write(&right(), root.path());
    let (mut beside, _) = places(root.path());
    assert_eq!(beside.refresh(), Ok(()));
    put(&root.path().join("letters/letters-200.jsonl"), "");
    let changed = beside.refresh().unwrap_err();
    assert!(changed.contains("have changed"), "{changed}");
}
