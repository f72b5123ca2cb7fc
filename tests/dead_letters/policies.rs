//! What becomes of a record that can't be processed, and of its batch, by what the program says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill::rdd::ErrorPolicy;

use crate::support::{Collected, SECOND, builder, clock_at, pairs, run_to};
use crate::{letters, lines_of, with_letters};

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
    assert_eq!(seen.at(101), pairs(&[("better", 5000), ("good", 5000)]));
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
        error.matches("tests/dead_letters/policies.rs").count() >= 2,
        "{error}"
    );
    let error = builder("memory:refused-place", &clock_at(100))
        .dead_letters("ftp://there/letters")
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("dead letters"), "{error}");
}
