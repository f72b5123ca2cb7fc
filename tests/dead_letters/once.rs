//! Each letter is written once, whatever fails or is killed when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tidemill::DStream;
use tidemill::rdd::{BoxError, ErrorPolicy};

use crate::support::cases::cases;
use crate::support::model::{batches, check_built, plans};
use crate::support::{SECOND, clock_at, eventually, run_to};
use crate::{letters, lines_of, with_letters};

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
        check_built(&batches, &plan,
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
