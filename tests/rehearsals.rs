//! Rehearsals: the next batches on a fork of the checkpoint. What they say is what a restart then does, and
//! nothing that a restart reads or an output holds is changed by them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "support/files.rs"]
mod files;
mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use files::bytes_of;
use support::{Collected, Feed, builder, clock_at, pairs, run_to, wait_for_checkpoint};
use tidemill::clock::ManualClock;
use tidemill::rdd::{BoxError, ErrorPolicy};
use tidemill::{Builder, Change, Error, RehearsedBatch, StreamingContext};

const SECOND: Duration = Duration::from_secs(1);

struct Program {
    context: StreamingContext,
    feed: Feed,
    seen: Collected<(String, u64)>,
    is_broken: Arc<AtomicBool>,
}

/// Running totals of words, written to `out`; the other output fails while it `is_broken`.
fn totals(builder: Builder, out: &Path) -> Program {
    let context = builder.build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let totals = lines
        .count_by_value()
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .uid("totals");
    let (seen, is_broken) = (Collected::new(), Arc::new(AtomicBool::new(false)));
    seen.collect(&totals);
    totals.save_as_text_files(out.join("totals").to_str().unwrap(), Some("txt"));
    let broken = Arc::clone(&is_broken);
    lines.for_each_rdd(move |_, _| match broken.load(Ordering::Acquire) {
        true => Err(BoxError::from("broken")),
        false => Ok(()),
    });
    Program {
        context,
        feed,
        seen,
        is_broken,
    }
}

/// The rows of the text files, whose partitions come in any order.
fn rows(batch: &RehearsedBatch) -> Vec<String> {
    let output = batch.outputs.iter();
    let mut output = output.filter(|output| output.kind == "save_as_text_files");
    let output = output.next().unwrap();
    assert_eq!(output.rows, output.first.len() as u64);
    let mut rows = output.first.clone();
    rows.sort();
    rows
}

#[test]
fn a_rehearsal_says_what_a_restart_then_does_and_changes_nothing() {
    for store in ["memory", "file", "sled"] {
        let folder = tempfile::tempdir().unwrap();
        let (data, out) = (folder.path().join("data"), folder.path().join("out"));
        let scratch = folder.path().join("scratch");
        for folder in [&data, &out, &scratch] {
            std::fs::create_dir(folder).unwrap();
        }
        let url = match store {
            "memory" => "memory:rehearsal".to_owned(),
            store => format!("{store}:{}", data.join("checkpoint").display()),
        };
        let clock = clock_at(100);
        let small = || {
            builder(&url, &clock)
                .segment_bytes(1024)
                .scratch(scratch.clone())
        };
        let old = totals(small(), &out);
        old.context.start().unwrap();
        for second in 101..106 {
            old.feed.send(&clock, &["a", &"b".repeat(500)]);
            run_to(&old.context, &clock, second);
        }
        // A batch that can't be completed, and data that waits behind it.
        old.is_broken.store(true, Ordering::Release);
        old.feed.send(&clock, &["fixed"]);
        clock.advance(SECOND);
        assert!(old.context.await_termination().is_err());
        old.feed.send(&clock, &["waits", "a"]);

        let before = (bytes_of(&data), bytes_of(&out));
        let b = format!("({},5)", "b".repeat(500));
        let shortened = |text: &str| text.chars().take(200).chain(['…']).collect::<String>();
        let expected = [
            vec!["(a,5)".to_owned(), shortened(&b), "(fixed,1)".to_owned()],
            vec![
                "(a,6)".to_owned(),
                shortened(&b),
                "(fixed,1)".to_owned(),
                "(waits,1)".to_owned(),
            ],
        ];
        // Beside the live driver, and when it has gone.
        for is_live in [true, false] {
            if !is_live {
                old.context.stop(false).unwrap();
            }
            let before = match is_live {
                true => before.clone(),
                false => (bytes_of(&data), bytes_of(&out)),
            };
            // What doesn't fit in memory lies elsewhere than a live driver's.
            let new = totals(small().state_memory(1), &out);
            let rehearsal = new.context.rehearse(4).unwrap();
            assert!(rehearsal.succeeded(), "{rehearsal:?}");
            assert!(rehearsal.plan.is_possible());
            let unfinished: Vec<bool> = rehearsal
                .batches
                .iter()
                .map(|batch| batch.was_unfinished)
                .collect();
            assert_eq!(unfinished, [true, false, false, false], "{store}");
            let records: Vec<u64> = rehearsal
                .batches
                .iter()
                .map(|batch| batch.records)
                .collect();
            assert_eq!(records, [1, 2, 0, 0]);
            assert_eq!(rows(&rehearsal.batches[0]), expected[0], "{store}");
            for batch in &rehearsal.batches[1..] {
                assert_eq!(rows(batch), expected[1], "{store}");
            }
            // One that a closure would have got is counted as well, though nothing is shown of it.
            let of_closure = &rehearsal.batches[1].outputs[2];
            assert_eq!((of_closure.rows, of_closure.first.len()), (2, 0));
            assert!(rehearsal.copied_bytes > 0);
            assert!(new.seen.seconds().is_empty(), "an output was called");
            let error = new.context.start().unwrap_err();
            assert!(matches!(error, Error::WrongState(_)), "{error}");
            drop(new);
            assert_eq!((bytes_of(&data), bytes_of(&out)), before, "{store}");
            assert!(bytes_of(&scratch).is_empty(), "{store}");
        }
        drop(old);

        let new = totals(small(), &out);
        new.context.start().unwrap();
        run_to(&new.context, &clock, 107);
        let b = "b".repeat(500);
        assert_eq!(new.seen.at(106), pairs(&[("a", 5), (&b, 5), ("fixed", 1)]));
        let last = pairs(&[("a", 6), (&b, 5), ("fixed", 1), ("waits", 1)]);
        assert_eq!(new.seen.at(107), last);
        new.context.stop(true).unwrap();
    }
}

/// A program of another version, as `change` has it.
fn changed(
    url: &str,
    clock: &ManualClock,
    change: impl Fn(&str) -> String + Send + Sync + 'static,
) -> StreamingContext {
    let context = builder(url, clock).build().unwrap();
    let (_, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    lines
        .map(move |line| change(line))
        .count_by_value()
        .update_state_by_key(|new: &[u64], total: Option<&i64>| {
            Some(total.copied().unwrap_or_default() - new.iter().sum::<u64>() as i64)
        })
        .uid("totals")
        .state_version(2)
        .migrate_state(1, |old: u64| -(old as i64))
        .print();
    context
}

#[test]
fn a_changed_program_is_tried_on_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let url = format!("file:{}", data.join("checkpoint").display());
    let clock = clock_at(100);
    let old = totals(builder(&url, &clock), folder.path());
    old.context.start().unwrap();
    old.feed.send(&clock, &["a"]);
    run_to(&old.context, &clock, 101);
    old.feed.send(&clock, &["a", "bad"]);
    old.context.stop(false).unwrap();
    drop(old);
    let before = bytes_of(&data);

    let rehearsal = changed(&url, &clock, str::to_owned).rehearse(1).unwrap();
    assert!(rehearsal.succeeded(), "{rehearsal:?}");
    let plan = rehearsal.plan.operator("totals").unwrap();
    assert_eq!(plan.change, Change::Migrate);
    let mut first = rehearsal.batches[0].outputs[0].first.clone();
    first.sort();
    assert_eq!(first, ["(a,-2)", "(bad,-1)"]);

    let panics = changed(&url, &clock, |line| {
        assert_ne!(line, "bad", "this can't be worked on");
        line.to_owned()
    });
    let rehearsal = panics.rehearse(3).unwrap();
    assert!(!rehearsal.succeeded());
    assert_eq!(rehearsal.batches.len(), 1, "what comes after it isn't run");
    let error = rehearsal.batches[0].outputs[0].error.as_ref().unwrap();
    assert!(error.contains("this can't be worked on"), "{error}");

    // Another program altogether: nothing is run.
    let context = builder(&url, &clock).build().unwrap();
    let (words, _queue) = context.queue_stream::<str>();
    words.print();
    let rehearsal = context.rehearse(1).unwrap();
    assert!(!rehearsal.plan.is_possible() && !rehearsal.succeeded());
    assert!(rehearsal.batches.is_empty());
    assert_eq!(bytes_of(&data), before);

    let nowhere = changed("memory:rehearse-nowhere", &clock, str::to_owned);
    let error = nowhere.rehearse(1).unwrap_err();
    assert!(error.to_string().contains("no checkpoint"), "{error}");
}

#[test]
fn a_savepoint_and_what_is_of_the_life_since() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let url = format!("file:{}", data.join("checkpoint").display());
    let clock = clock_at(100);
    let small = || builder(&url, &clock).segment_bytes(1024);
    let old = totals(small(), &out);
    old.context.start().unwrap();
    old.feed.send(&clock, &["a", "a"]);
    run_to(&old.context, &clock, 101);
    old.feed.send(&clock, &["waits"]);
    old.context
        .create_savepoint("here", Duration::from_secs(60))
        .unwrap();
    for second in 102..108 {
        old.feed.send(&clock, &["a", &"b".repeat(500)]);
        run_to(&old.context, &clock, second);
    }
    wait_for_checkpoint(&old.context, 107);
    old.feed.send(&clock, &["never"]);
    old.context.stop(false).unwrap();
    drop(old);
    let before = bytes_of(&data);
    let new = totals(small().from_savepoint("here"), &out);
    let rehearsal = new.context.rehearse(1).unwrap();
    assert!(rehearsal.succeeded(), "{rehearsal:?}");
    assert_eq!(
        rows(&rehearsal.batches[0]),
        ["(a,2)", "(never,1)", "(waits,1)"]
    );
    assert!(rehearsal.batches[0].batch_time.as_millis() > 107_000);
    drop(new);
    assert_eq!(bytes_of(&data), before);
}

#[test]
fn windows_look_back_and_dead_letters_stay_unwritten() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = format!("file:{}", data.join("checkpoint").display());
    let clock = clock_at(100);
    let program = || {
        let letters = folder.path().join("letters");
        let context = builder(&url, &clock)
            .dead_letters(letters.to_str().unwrap())
            .build()
            .unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let numbers = lines
            .try_map(|line: &str| line.parse::<u64>())
            .on_error(ErrorPolicy::DeadLetters);
        numbers.window(3 * SECOND, SECOND).print();
        (context, feed)
    };
    let (context, feed) = program();
    context.start().unwrap();
    for second in 101..104 {
        feed.send(&clock, &[&second.to_string()]);
        run_to(&context, &clock, second);
    }
    feed.send(&clock, &["7", "seven"]);
    context.stop(false).unwrap();
    drop((context, feed));
    let before = bytes_of(folder.path());
    let rehearsal = program().0.rehearse(2).unwrap();
    assert!(rehearsal.succeeded(), "{rehearsal:?}");
    let outputs = &rehearsal.batches[0].outputs;
    assert_eq!(outputs[0].first, ["102", "103", "7"]);
    assert_eq!(
        (outputs[1].uid.as_str(), outputs[1].rows),
        ("dead_letters", 1)
    );
    assert!(outputs[1].first[0].contains("seven"), "{outputs:?}");
    assert_eq!(rehearsal.batches[1].outputs.len(), 1);
    assert_eq!(rehearsal.batches[1].outputs[0].first, ["103", "7"]);
    assert_eq!(bytes_of(folder.path()), before);
}
