//! Records that can't be processed: the batch fails, or they are written down once, or left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use support::cases::cases;
use support::model::{batches, plans};
use support::{Collected, Feed, SECOND, builder, clock_at, eventually, run_to};
use tidemill::clock::ManualClock;
use tidemill::dead_letters::DeadLetter;
use tidemill::rdd::{BoxError, ErrorPolicy};
use tidemill::{DStream, StreamingContext};

fn lines_of(context: &StreamingContext) -> (DStream<str>, Feed) {
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    (lines, feed)
}

/// The letters below `folder`, by the second of their batch.
fn letters(folder: &Path) -> BTreeMap<u64, Vec<DeadLetter>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            continue;
        }
        let time = name.strip_prefix("letters-").unwrap();
        let time: u64 = time.strip_suffix(".jsonl").unwrap().parse().unwrap();
        assert!(entry.path().join("_SUCCESS").exists(), "{name}");
        let text = std::fs::read_to_string(entry.path().join("part-00000")).unwrap();
        let read = |line| DeadLetter::from_line(line).unwrap();
        found.insert(time / 1000, text.lines().map(read).collect());
    }
    found
}

fn with_letters(url: &str, clock: &ManualClock, folder: &Path) -> tidemill::Builder {
    builder(url, clock).dead_letters(folder.display().to_string())
}

#[test]
fn a_letter_says_what_failed_where_and_why() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = with_letters("memory:letters", &clock, folder.path())
        .build()
        .unwrap();
    let (lines, feed) = lines_of(&context);
    let words = lines.flat_map::<str>(|line, out| line.split(' ').for_each(|word| out.emit(word)));
    let numbers = words
        .try_map(|word| word.parse::<i64>())
        .uid("numbers")
        .on_error(ErrorPolicy::DeadLetters);
    // Behind a shuffle nobody knows where a pair came from.
    let halves = numbers
        .map(|number| (number % 10, *number))
        .reduce_by_key(|a, b| a + b)
        .try_map_values(|sum| match sum % 2 {
            0 => Ok(sum / 2),
            _ => Err("it is odd"),
        })
        .uid("halves")
        .on_error(ErrorPolicy::DeadLetters);
    let seen = Collected::new();
    seen.collect(&numbers);
    let seen_halves = Collected::new();
    seen_halves.collect(&halves);
    context.start().unwrap();
    feed.send(&clock, &["1 2", "3 x 4", "", "5 6 y"]);
    run_to(&context, &clock, 101);
    assert_eq!(seen.at(101), [1, 2, 3, 4, 5, 6]);
    assert_eq!(seen_halves.at(101), [(2, 1), (4, 2), (6, 3)]);
    let found = letters(folder.path());
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [101]);
    let of = |operator: &str| -> Vec<DeadLetter> {
        let mut of: Vec<DeadLetter> = found[&101].clone();
        of.retain(|letter| letter.operator.as_str() == operator);
        of
    };
    let numbers = of("numbers");
    assert_eq!(numbers.len(), 3);
    let block = numbers[0].block.clone().unwrap();
    for (letter, (record, offset, line)) in
        numbers
            .iter()
            .zip([("x", 1, "3 x 4"), ("", 2, ""), ("y", 3, "5 6 y")])
    {
        assert_eq!(letter.record, record);
        assert_eq!(letter.batch_time.as_millis(), 101_000);
        assert_eq!(letter.source.as_ref().unwrap().as_str(), "lines");
        assert_eq!(letter.block.as_ref(), Some(&block));
        assert_eq!(letter.offset, Some(offset));
        assert_eq!(letter.source_text.as_deref(), Some(line));
        assert_eq!(letter.source_bytes, None);
    }
    assert!(numbers[0].error.contains("invalid digit"), "{numbers:?}");
    let mut halves = of("halves");
    halves.sort_by_key(|letter| letter.record.to_string());
    let records: Vec<_> = halves.iter().map(|letter| letter.record.clone()).collect();
    assert_eq!(records, [1, 3, 5].map(|n| serde_json::json!([n, n])));
    assert!(
        halves
            .iter()
            .all(|letter| letter.source.is_none() && letter.offset.is_none())
    );
    assert_eq!(halves[0].error, "it is odd");
    // A batch without any leaves nothing.
    feed.send(&clock, &["8"]);
    run_to(&context, &clock, 102);
    assert_eq!(letters(folder.path()).len(), 1);
    context.stop(false).unwrap();
}

#[test]
fn the_position_is_known_through_caches_unions_and_direct_sources_and_not_through_whole_partitions()
{
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = with_letters("memory:positions", &clock, folder.path())
        .build()
        .unwrap();
    let (lines, feed) = lines_of(&context);
    let (queued, queue) = context.queue_stream::<u64>();
    let odd = |uid: &str, stream: &DStream<u64>| {
        stream
            .try_filter(|n| match n % 2 {
                0 => Ok(true),
                _ => Err("odd"),
            })
            .on_error(ErrorPolicy::DeadLetters)
            .uid(uid)
            .for_each_rdd(|rdd, _| rdd.count().map(drop));
    };
    let sizes = lines.map(|line| line.len() as u64).cache();
    odd("both", &sizes.union(&queued));
    odd(
        "listed",
        &lines.map_partitions(|lines| lines.into_iter().map(|line| line.len() as u64)),
    );
    context.start().unwrap();
    queue.push_vec(vec![2, 4, 7]);
    feed.send(&clock, &["ab", "abc"]);
    run_to(&context, &clock, 101);
    let all: Vec<DeadLetter> = letters(folder.path()).into_values().flatten().collect();
    let mut both: Vec<_> = all
        .iter()
        .filter(|letter| letter.operator.as_str() == "both")
        .map(|letter| {
            (
                letter.record.as_u64().unwrap(),
                letter
                    .source
                    .as_ref()
                    .map(|source| source.as_str().to_owned()),
                letter.offset,
                letter.source_text.clone(),
            )
        })
        .collect();
    both.sort();
    assert_eq!(
        both,
        [
            (3, Some("lines".to_owned()), Some(1), Some("abc".to_owned())),
            (7, Some("queue".to_owned()), Some(2), None),
        ]
    );
    let listed: Vec<_> = all
        .iter()
        .filter(|l| l.operator.as_str() == "listed")
        .collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].record.as_u64(), &listed[0].source),
        (Some(3), &None)
    );
    context.stop(false).unwrap();
}

#[test]
fn a_batch_fails_unless_something_else_is_said() {
    let clock = clock_at(100);
    let context = builder("memory:fails", &clock)
        .max_failures(2)
        .build()
        .unwrap();
    let (lines, feed) = lines_of(&context);
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let numbers = lines
        .try_flat_map::<i64, String>(move |line, out| {
            out.emit(&0);
            match line.parse() {
                Ok(number) => out.emit(&number),
                Err(_) if mended.load(Ordering::SeqCst) => out.emit(&-1),
                Err(error) => return Err(error.to_string()),
            }
            Ok(())
        })
        .uid("numbers");
    let seen = Collected::new();
    seen.collect(&numbers);
    context.start().unwrap();
    feed.send(&clock, &["1", "x"]);
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err().to_string();
    assert!(
        error.contains("`numbers` can't process the record \"x\""),
        "{error}"
    );
    assert!(seen.filled().is_empty());
    is_mended.store(true, Ordering::SeqCst);
    run_to(&context, &clock, 102);
    assert_eq!(seen.at(101), [-1, 0, 0, 1]);
    context.stop(false).unwrap();
}

#[test]
fn records_that_are_dropped_leave_nothing_of_theirs() {
    let clock = clock_at(100);
    let context = builder("memory:dropped", &clock).build().unwrap();
    let (lines, feed) = lines_of(&context);
    let fields = lines
        .try_flat_map::<str, _>(|line, out| {
            // More than a chunk before it fails.
            (0..5000).for_each(|_| out.emit(line));
            match line {
                "bad" => Err("as it says"),
                _ => Ok(()),
            }
        })
        .on_error(ErrorPolicy::Drop)
        .map(str::to_owned)
        .count_by_value();
    let seen = Collected::new();
    seen.collect(&fields);
    context.start().unwrap();
    feed.send(&clock, &["good", "bad", "better"]);
    run_to(&context, &clock, 101);
    assert_eq!(
        seen.at(101),
        support::pairs(&[("better", 5000), ("good", 5000)])
    );
    context.stop(false).unwrap();
}

#[test]
fn too_many_letters_fail_the_batch_before_any_output_is_committed() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let context = with_letters("memory:too-many", &clock, &folder.path().join("letters"))
        .max_dead_letters(2)
        .max_failures(1)
        .build()
        .unwrap();
    let (lines, feed) = lines_of(&context);
    lines
        .try_map(|line| line.parse::<i64>())
        .on_error(ErrorPolicy::DeadLetters)
        .save_as_text_files(out.join("n").display().to_string(), None);
    context.start().unwrap();
    feed.send(&clock, &["x", "y", "1"]);
    run_to(&context, &clock, 101);
    assert_eq!(letters(&folder.path().join("letters"))[&101].len(), 2);
    feed.send(&clock, &["x", "y", "1", "z"]);
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err().to_string();
    assert!(error.contains("more than 2 records"), "{error}");
    assert!(!out.join("n-102000").exists());
    assert!(!letters(&folder.path().join("letters")).contains_key(&102));
    context.stop(false).unwrap();
}

#[test]
fn letters_without_a_place_and_policies_without_an_operator_are_refused() {
    let context = builder("memory:refused-letters", &clock_at(100))
        .build()
        .unwrap();
    let (lines, _feed) = lines_of(&context);
    let numbers = lines
        .try_map(|line| line.parse::<i64>())
        .on_error(ErrorPolicy::DeadLetters);
    numbers.map(|n| n + 1).on_error(ErrorPolicy::Drop).print();
    let error = context.start().unwrap_err().to_string();
    assert!(error.contains("dead letters have no place"), "{error}");
    assert!(error.contains("an operator that can't fail"), "{error}");
    assert!(
        error.matches("tests/dead_letters.rs").count() >= 2,
        "{error}"
    );
    let error = builder("memory:refused-place", &clock_at(100))
        .dead_letters("ftp://there/letters")
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("dead letters"), "{error}");
}

/// Letters are also those of a batch whose other outputs had been committed before the restart.
#[test]
fn letters_come_though_the_other_outputs_were_committed_before() {
    let (url, clock) = ("memory:letters-late", clock_at(100));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("letters");
    let blocked = Arc::new(AtomicBool::new(true));
    let program = || {
        let context = with_letters(url, &clock, &place).build().unwrap();
        let (lines, feed) = lines_of(&context);
        lines
            .try_map(|line| line.parse::<i64>())
            .on_error(ErrorPolicy::DeadLetters)
            .save_as_text_files(folder.path().join("out/n").display().to_string(), None);
        let blocked = Arc::clone(&blocked);
        lines.for_each_rdd(move |_, _| -> Result<(), BoxError> {
            match blocked.load(Ordering::SeqCst) {
                true => Err("not yet".into()),
                false => Ok(()),
            }
        });
        context.start().unwrap();
        (context, feed)
    };
    let (context, feed) = program();
    feed.send(&clock, &["1", "x"]);
    clock.advance(SECOND);
    eventually("the text is committed", || {
        folder.path().join("out/n-101000").exists().then_some(())
    });
    assert!(letters(&place).is_empty());
    drop((context, feed));
    blocked.store(false, Ordering::SeqCst);
    let (context, _feed) = program();
    run_to(&context, &clock, 102);
    let found = letters(&place);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [101]);
    assert_eq!(found[&101][0].source_text.as_deref(), Some("x"));
    context.stop(false).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(12)))]

    /// Whatever is killed when: each bad word is in one letter, each good one in the output.
    #[test]
    fn each_record_is_in_the_output_or_in_one_letter(batches in batches(), plan in plans()) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("letters");
        let url = folder.path().join("letters").display().to_string();
        let words = |n: usize| -> Vec<String> {
            batches[n].iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect()
        };
        let program = |lines: &DStream<str>| {
            let words = lines.flat_map::<str>(|line, out| line.split(' ').for_each(|word| out.emit(word)));
            let good = words
                .try_map(|word| match word {
                    "b" => Err("it is b"),
                    _ => Ok(word.to_owned()),
                })
                .on_error(ErrorPolicy::DeadLetters);
            good.for_each_rdd(|rdd, _| rdd.take(1).map(drop));
            good
        };
        support::model::check_built(&batches, &plan,
            |builder| builder.dead_letters(url.as_str()),
            |_, lines| program(lines),
            |n| Some(words(n).into_iter().filter(|word| word != "b").collect()))?;
        let found = letters(&place);
        for n in 0..batches.len() {
            let bad: usize = words(n).iter().filter(|word| *word == "b").count();
            let letters = found.get(&(101 + n as u64)).cloned().unwrap_or_default();
            prop_assert_eq!(letters.len(), bad, "batch {}", n);
            prop_assert!(letters.iter().all(|letter| letter.record == "b"
                && letter.source_text.as_ref().is_some_and(|line| line.contains('b'))));
        }
    }
}

/// A pipeline whose operator needs integers.
fn readings(folder: &Path, on_error: &str, letters: bool) -> tidemill_config::Pipeline {
    let url = match letters {
        true => format!("[dead_letters]\nurl = \"{}/letters\"\n", folder.display()),
        false => String::new(),
    };
    let text = format!(
        "name = \"test\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n{url}\
         [sources.lines]\ntype = \"queue\"\nlines = [[\"a=1\", \"a=x\", \"b\", \"b=3\"]]\n\
         [streams.out]\nfrom = \"lines\"\nops = [{{ op = \"map\", key_value = \"=\" }}, \
         {{ op = \"map_values\", function = \"parse_int\"{on_error} }}]\n\
         [sinks.files]\nfrom = \"out\"\ntype = \"text_files\"\nprefix = \"{}/out\"\n",
        folder.display(),
    );
    tidemill_config::Pipeline::parse("test.toml", &text, &[], std::iter::empty())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Runs it for a batch; the letters, as (operator, record, error).
fn run_readings(
    url: &str,
    folder: &Path,
    on_error: &str,
    letters_too: bool,
) -> Vec<(String, serde_json::Value, String)> {
    let clock = clock_at(100);
    let pipeline = readings(folder, on_error, letters_too);
    let mut builder = builder(url, &clock).max_failures(1);
    if let Some(url) = &pipeline.dead_letters.url {
        builder = builder.dead_letters(url.as_str());
    }
    let context = builder.build().unwrap();
    tidemill::pipeline::build(&context, &pipeline).unwrap();
    context.start().unwrap();
    if on_error.contains("fail") {
        clock.advance(SECOND);
        let error = context.await_termination().unwrap_err().to_string();
        assert!(
            error.contains("[\"a\",\"x\"]: expected an integer"),
            "{error}"
        );
        assert!(!folder.join("out-101000").exists());
    } else {
        run_to(&context, &clock, 101);
        let mut written = String::new();
        for entry in std::fs::read_dir(folder.join("out-101000")).unwrap() {
            written += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
        }
        let mut lines: Vec<&str> = written.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["(a,1)", "(b,3)"]);
    }
    context.stop(false).unwrap();
    let found = letters(&folder.join("letters")).into_values().flatten();
    let told = |letter: DeadLetter| (letter.operator.to_string(), letter.record, letter.error);
    found.map(told).collect()
}

#[test]
fn in_pipelines_records_become_letters_where_those_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let found = run_readings("memory:toml-letters", folder.path(), "", true);
    let text = |text: &str| text.to_owned();
    let pair = text("expected text with the separator");
    let integer = text("expected an integer");
    let mut expected = vec![
        (text("out.map"), serde_json::json!("b"), pair),
        (
            text("out.map_values"),
            serde_json::json!(["a", "x"]),
            integer,
        ),
    ];
    let mut sorted = found.clone();
    sorted.sort_by_key(|(operator, ..)| operator.clone());
    expected.sort_by_key(|(operator, ..)| operator.clone());
    assert_eq!(sorted, expected);

    // The command lists them.
    let place = folder.path().join("letters").display().to_string();
    let listed = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["dead-letters", "list", &place])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("101000") && listed.contains("out.map_values"),
        "{listed}"
    );
    let as_json = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .args(["dead-letters", "list", &place, "--json"])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let letters: Vec<_> = text
            .lines()
            .map(|line| DeadLetter::from_line(line).unwrap())
            .collect();
        letters
    };
    assert_eq!(as_json(&[]).len(), 2);
    assert!(as_json(&["--batch", "102000"]).is_empty());
    assert_eq!(as_json(&[])[0].source.as_ref().unwrap().as_str(), "lines");
}

#[test]
fn in_pipelines_an_operator_may_say_otherwise() {
    for (url, on_error, letters_too, expected) in [
        ("memory:toml-drop", ", on_error = \"drop\"", true, 1),
        ("memory:toml-none", "", false, 0),
        ("memory:toml-fail", ", on_error = \"fail\"", true, 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let found = run_readings(url, folder.path(), on_error, letters_too);
        assert_eq!(found.len(), expected, "{on_error}: {found:?}");
    }
    let text = "name = \"test\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n\
                [sources.lines]\ntype = \"queue\"\nlines = []\n[streams.out]\nfrom = \"lines\"\n\
                ops = [{ op = \"map\", function = \"parse_int\", on_error = \"dead_letters\" }]\n\
                [sinks.screen]\nfrom = \"out\"\ntype = \"console\"\n";
    let error = tidemill_config::Pipeline::parse("test.toml", text, &[], std::iter::empty())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no place for dead letters"), "{error}");
    assert!(error.contains("test.toml:10"), "{error}");
    let error = tidemill_config::Pipeline::parse(
        "test.toml",
        &text.replace("dead_letters", "dead_leters"),
        &[],
        std::iter::empty(),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("dead_letters"), "{error}");
}

/// A program that takes integers, and once it is mended anything; what it yielded.
fn mendable(
    builder: tidemill::Builder,
    is_mended: bool,
    seen: &Collected<String>,
) -> (StreamingContext, Feed) {
    let context = builder.build().unwrap();
    let (lines, feed) = lines_of(&context);
    let (queued, queue) = context.queue_stream::<str>();
    queue.push_vec(vec!["from the queue".to_owned()]);
    let numbers = lines
        .union(&queued)
        .try_flat_map::<str, String>(|line, out| {
            line.split(' ').for_each(|word| out.emit(word));
            Ok(())
        })
        .try_map(move |word| match word.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) if is_mended => Ok(format!("mended {word}")),
            Err(error) => Err(error.to_string()),
        })
        .uid("numbers")
        .on_error(ErrorPolicy::DeadLetters);
    seen.collect(&numbers);
    context.start().unwrap();
    (context, feed)
}

/// Whether what says that letters were put back is in the log only, or in a checkpoint as well.
#[test]
fn letters_are_put_back_once_however_often_it_is_asked_for_and_whatever_is_killed() {
    for (url, checkpoint_every) in [("memory:requeue-log", 1000), ("memory:requeue-state", 1)] {
        let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
        let start = |is_mended, seen: &Collected<String>| {
            let builder = with_letters(url, &clock, folder.path());
            let builder = builder.checkpoint_interval(SECOND * checkpoint_every);
            mendable(builder, is_mended, seen)
        };
        let (context, feed) = start(false, &Collected::new());
        assert_eq!(context.requeue_dead_letters(None).unwrap(), []);
        feed.send(&clock, &["1", "x y", "z"]);
        run_to(&context, &clock, 101);
        assert_eq!(letters(folder.path())[&101].len(), 6);
        // Its last checkpoint holds the batch: the mended program doesn't run it again.
        context.stop(true).unwrap();
        drop((context, feed));

        // A batch that is run again yields the same again.
        let seen = Collected::new();
        let (context, feed) = start(true, &seen);
        let time = tidemill::Time::from_millis(101_000);
        let done = context.requeue_dead_letters(Some(time)).unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        // Two letters came of one line; what the queue gave can't be taken back by it.
        assert_eq!((done[0].batch_time, done[0].records), (time, 2));
        assert!(done[0].already.is_empty());
        let (why, left) = done[0].left.iter().next().unwrap();
        assert!(why.contains("`queue` isn't an input"), "{why}");
        assert_eq!(*left, 3);
        let again = context.requeue_dead_letters(None).unwrap();
        assert_eq!((again[0].records, again[0].already.len()), (0, 1));
        // Killed before they are in a batch.
        drop((context, feed));

        let (context, feed) = start(true, &seen);
        run_to(&context, &clock, 103);
        run_to(&context, &clock, 104);
        let again = context.requeue_dead_letters(None).unwrap();
        assert_eq!((again[0].records, again[0].already.len()), (0, 1));
        run_to(&context, &clock, 105);
        context.stop(true).unwrap();
        drop((context, feed));
        let all = seen.filled().concat();
        for word in ["mended x", "mended y", "mended z"] {
            let times = all.iter().filter(|seen| *seen == word).count();
            assert_eq!(times, 1, "{word} in {all:?}");
        }
        let (context, _feed) = start(true, &seen);
        let again = context.requeue_dead_letters(None).unwrap();
        assert_eq!((again[0].records, again[0].already.len()), (0, 1));
        context.stop(false).unwrap();
    }
}

/// A record that waited in the savepoint is in a batch again; one that came since is not.
#[test]
fn letters_of_a_life_that_was_left_are_put_back_unless_their_records_come_again() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let builder = || with_letters("memory:requeue-back", &clock, folder.path());
    let seen = Collected::new();
    let (context, feed) = mendable(builder(), false, &seen);
    feed.send(&clock, &["before"]);
    run_to(&context, &clock, 101);
    feed.send(&clock, &["waits"]);
    context
        .create_savepoint("here", Duration::from_secs(60))
        .unwrap();
    run_to(&context, &clock, 102);
    feed.send(&clock, &["since"]);
    run_to(&context, &clock, 103);
    let words = |second| -> Vec<String> {
        let all = &letters(folder.path())[&second];
        all.iter()
            .filter_map(|letter| letter.source_text.clone())
            .collect()
    };
    assert_eq!(words(102), ["waits"]);
    assert_eq!(words(103), ["since"]);
    context.stop(true).unwrap();
    drop((context, feed));

    let back = || builder().from_savepoint("here");
    let (context, feed) = mendable(back(), true, &seen);
    let records = |context: &StreamingContext| -> Vec<u64> {
        let done = context.requeue_dead_letters(None).unwrap();
        let left = &done
            .iter()
            .find(|batch| batch.batch_time.as_millis() == 102_000);
        let (why, count) = left.unwrap().left.iter().next().unwrap();
        assert!(why.contains("savepoint") && *count == 1, "{why}");
        done.iter().map(|batch| batch.records).collect()
    };
    assert_eq!(records(&context), [1, 0, 1]);
    // Killed and started again from the log, then from a checkpoint.
    drop((context, feed));
    let (context, feed) = mendable(back(), true, &seen);
    assert_eq!(records(&context), [0, 0, 0]);
    run_to(&context, &clock, 106);
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, _feed) = mendable(back(), true, &seen);
    assert_eq!(records(&context), [0, 0, 0]);
    run_to(&context, &clock, 108);
    context.stop(true).unwrap();
    let all = seen.filled().concat();
    for word in ["mended before", "mended waits", "mended since"] {
        let times = all.iter().filter(|seen| *seen == word).count();
        assert_eq!(times, 1, "{word} in {all:?}");
    }
}

#[test]
fn letters_find_a_source_and_an_operator_that_were_renamed_since() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let start = |source: &str, operator: &str, is_mended: bool| {
        let context = with_letters("memory:requeue-renamed", &clock, folder.path())
            .rename_operator("lines", "posts")
            .rename_operator("numbers", "parsed")
            .build()
            .unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with(source, fed, Default::default());
        let parse = move |word: &str| match word.parse::<i64>() {
            Err(_) if is_mended => Ok(word.to_owned()),
            parsed => parsed.map(|n| n.to_string()),
        };
        let numbers = lines.try_map(parse).uid(operator);
        let seen = Collected::new();
        seen.collect(&numbers.on_error(ErrorPolicy::DeadLetters));
        context.start().unwrap();
        (context, feed, seen)
    };
    let (context, feed, _) = start("lines", "numbers", false);
    feed.send(&clock, &["1", "x", "y"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, feed, _) = start("posts", "parsed", true);
    let done = context.requeue_dead_letters(None).unwrap();
    assert_eq!((done[0].records, done[0].left.len()), (2, 0), "{done:?}");
    // Killed before they are in a batch, and asked for again.
    drop((context, feed));
    let (context, _feed, seen) = start("posts", "parsed", true);
    let again = context.requeue_dead_letters(None).unwrap();
    assert_eq!((again[0].records, again[0].already.len()), (0, 1));
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), ["x", "y"]);
    context.stop(true).unwrap();
}

#[test]
fn records_that_are_no_text_are_put_back_as_they_were() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = with_letters("memory:requeue-bytes", &clock, folder.path())
        .build()
        .unwrap();
    let (numbers, fed) = Numbers::new();
    let stream = context.receiver_stream_with("numbers", fed, Default::default());
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let halves = stream
        .try_map(move |(name, n): &(String, u64)| match n % 2 {
            0 => Ok((name.clone(), n / 2)),
            _ if mended.load(Ordering::SeqCst) => Ok((name.clone(), *n)),
            _ => Err("odd"),
        })
        .on_error(ErrorPolicy::DeadLetters);
    let seen = Collected::new();
    seen.collect(&halves);
    context.start().unwrap();
    numbers.send(("a".to_owned(), 4)).unwrap();
    numbers.send(("b".to_owned(), 7)).unwrap();
    eventually("the numbers come", || {
        clock.advance(SECOND);
        let count: usize = letters(folder.path()).values().map(Vec::len).sum();
        (count == 1).then_some(())
    });
    let found: Vec<DeadLetter> = letters(folder.path()).into_values().flatten().collect();
    assert_eq!(found[0].record, serde_json::json!(["b", 7]));
    assert_eq!(found[0].source_text, None);
    // An array of two: "b" and 7.
    assert_eq!(found[0].source_bytes.as_deref(), Some("92a16207"));
    is_mended.store(true, Ordering::SeqCst);
    assert_eq!(context.requeue_dead_letters(None).unwrap()[0].records, 1);
    eventually("it's put back", || {
        clock.advance(SECOND);
        seen.filled()
            .concat()
            .contains(&("b".to_owned(), 7))
            .then_some(())
    });
    context.stop(false).unwrap();
}

/// A receiver of pairs.
struct Numbers(tokio::sync::mpsc::UnboundedReceiver<(String, u64)>);

impl Numbers {
    fn new() -> (tokio::sync::mpsc::UnboundedSender<(String, u64)>, Self) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (sender, Self(receiver))
    }
}

impl tidemill::receiver::Receiver for Numbers {
    type Record = (String, u64);

    async fn on_start(
        &mut self,
        store: tidemill::receiver::Store<(String, u64)>,
    ) -> Result<(), BoxError> {
        while let Some(pair) = self.0.recv().await {
            store.store(&pair).await?;
        }
        store.stopped().await;
        Ok(())
    }
}

#[test]
fn the_command_has_a_running_program_put_letters_back() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let seen = Collected::new();
    let url = "memory:requeue-command";
    let (context, feed) = mendable(
        with_letters(url, &clock, folder.path()).checkpoint_interval(SECOND),
        false,
        &seen,
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("http://{}", listener.local_addr().unwrap());
    let options = tidemill::admin::Options {
        access: std::sync::Arc::default(),
        tls: tidemill::admin::TlsSlot::default(),
        limits: tidemill::source::HttpLimits::default(),
        on_stop: Box::new(|_| {}),
        on_reload: None,
    };
    let server = tidemill::admin::AdminServer::start(listener, context.clone(), options).unwrap();
    let requeue = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .args(["dead-letters", "requeue", "--admin", &admin])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(requeue(&[]), "no dead letters\n");
    feed.send(&clock, &["1", "x", "2"]);
    run_to(&context, &clock, 101);
    assert_eq!(requeue(&["--batch", "100000"]), "no dead letters\n");
    let told = requeue(&["--batch", "101000"]);
    assert!(
        told.contains("batch 101000 ms: 1 record put back"),
        "{told}"
    );
    assert!(told.contains("3 letters can't be put back"), "{told}");
    // It fails again, and that letter is of another batch.
    run_to(&context, &clock, 102);
    let again = &letters(folder.path())[&102];
    assert_eq!(
        (again.len(), again[0].source_text.as_deref()),
        (1, Some("x"))
    );
    let told = requeue(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["batches"][0]["records"], 0);
    assert_eq!(told["batches"][0]["already"], serde_json::json!(["lines"]));
    assert_eq!(told["batches"][1]["records"], 1);
    server.shut_down();
    context.stop(false).unwrap();
}
