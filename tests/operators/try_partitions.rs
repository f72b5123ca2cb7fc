//! `try_map_partitions`: whole partitions of which single records fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tidemill::dead_letters::{self, DeadLetter};
use tidemill::rdd::ErrorPolicy;
use tidemill::{DStream, Time};

use super::support::cases::cases;
use super::support::model::{batches, check_built, plans};
use super::support::{Collected, SECOND, builder, clock_at, feed, run_to};

/// Lines without a `b`, in capitals. They are yielded from the last to the first: which record failed is
/// known by itself, not by when it is told.
fn capitals(lines: &DStream<str>) -> DStream<String> {
    lines.try_map_partitions(|lines| {
        let mut made: Vec<_> = lines
            .map(|line| match line.contains('b') {
                true => Err(line.failed("it has a `b`")),
                false => Ok(line.to_uppercase()),
            })
            .collect();
        made.reverse();
        Ok(made)
    })
}

fn letters(folder: &tempfile::TempDir) -> BTreeMap<Time, Vec<DeadLetter>> {
    dead_letters::read(&folder.path().display().to_string()).unwrap()
}

#[test]
fn a_letter_knows_its_line_and_those_behind_do_not() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = builder("memory:try-partitions", &clock)
        .dead_letters(folder.path().display().to_string())
        .build()
        .unwrap();
    let (feed, fed) = feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let first = capitals(&lines)
        .uid("first")
        .on_error(ErrorPolicy::DeadLetters);
    let second = first
        .try_filter(|line| match line.as_str() {
            "" => Err("nothing in it"),
            _ => Ok(true),
        })
        .uid("second")
        .on_error(ErrorPolicy::DeadLetters);
    let seen = Collected::new();
    seen.collect(&second);
    context.start().unwrap();
    feed.send(&clock, &["a", "b", "", "cb", "d"]);
    run_to(&context, &clock, 101);
    assert_eq!(seen.at(101), ["A", "D"]);
    let found = letters(&folder)
        .remove(&Time::from_millis(101_000))
        .unwrap();
    let of = |operator: &str| -> Vec<_> {
        let of = found.iter().filter(|l| l.operator.as_str() == operator);
        of.map(|l| {
            (
                l.record.as_str(),
                l.offset,
                l.source_text.as_deref(),
                &*l.error,
            )
        })
        .collect()
    };
    assert_eq!(
        of("first"),
        [
            (Some("b"), Some(1), Some("b"), "it has a `b`"),
            (Some("cb"), Some(3), Some("cb"), "it has a `b`"),
        ]
    );
    // It was made of a whole partition.
    assert_eq!(of("second"), [(Some(""), None, None, "nothing in it")]);
    context.stop(false).unwrap();
}

#[test]
fn a_batch_fails_and_names_the_record_unless_something_else_is_said() {
    let clock = clock_at(100);
    let context = builder("memory:try-partitions-fail", &clock)
        .max_failures(1)
        .build()
        .unwrap();
    let (feed, fed) = feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    capitals(&lines)
        .uid("capitals")
        .for_each_rdd(|rdd, _| rdd.count().map(drop));
    context.start().unwrap();
    feed.send(&clock, &["a", "cb"]);
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err().to_string();
    assert!(
        error.contains("`capitals` can't process the record \"cb\": it has a `b`"),
        "{error}"
    );
    context.stop(false).ok();
}

/// What isn't a record's fault is no reason to drop one.
#[test]
fn an_error_of_the_function_itself_fails_its_task_whatever_the_policy() {
    let clock = clock_at(100);
    let context = builder("memory:try-partitions-whole", &clock)
        .build()
        .unwrap();
    let (feed, fed) = feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let lengths = lines
        .repartition(1)
        .try_map_partitions(move |lines| {
            let all = lines.len();
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("no connection".into());
            }
            Ok(lines.map(move |line| match &**line {
                "b" => Err(line.failed("it is b")),
                _ => Ok((all, line.into_inner())),
            }))
        })
        .on_error(ErrorPolicy::Drop);
    let seen = Collected::new();
    seen.collect(&lengths);
    context.start().unwrap();
    feed.send(&clock, &["a", "b", "c"]);
    run_to(&context, &clock, 101);
    assert_eq!(seen.at(101), [(3, "a".to_owned()), (3, "c".to_owned())]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    context.stop(false).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(8)))]

    /// Whatever is killed when: each line is in the output or in one letter.
    #[test]
    fn each_line_is_in_the_output_or_in_one_letter(batches in batches(), plan in plans()) {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().display().to_string();
        check_built(&batches, &plan,
            |builder| builder.dead_letters(url.as_str()),
            |_, lines| capitals(lines).on_error(ErrorPolicy::DeadLetters),
            |n| Some(batches[n].iter().filter(|line| !line.contains('b')).map(|line| line.to_uppercase()).collect()))?;
        let found = letters(&folder);
        for (n, lines) in batches.iter().enumerate() {
            let time = Time::from_millis((101 + n as u64) * 1000);
            let mut told: Vec<_> = found.get(&time).into_iter().flatten().map(|l| l.source_text.clone()).collect();
            let mut bad: Vec<_> = lines.iter().filter(|line| line.contains('b')).cloned().map(Some).collect();
            told.sort();
            bad.sort();
            prop_assert_eq!(told, bad, "batch {}", n);
        }
    }
}
