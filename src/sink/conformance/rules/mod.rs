//! The rules, one function each.

mod at_once;
mod interrupted;

use super::dataset::Halfway;
use super::tester::{Broken, Tester};
use super::{Harness, Rule, Verdict};

type Test<H> = fn(&Tester<'_, H>) -> Result<Verdict, Broken>;

/// All rules, in the order of testing.
pub(super) fn all<H: Harness + ?Sized>() -> Vec<(Rule, Test<H>)> {
    vec![
        (Rule::Check, check),
        (Rule::Whole, whole),
        (Rule::Repeated, repeated),
        (Rule::FailedComputation, failed_computation),
        (Rule::Durable, durable),
        (Rule::Interrupted, interrupted::interrupted),
        (Rule::SideBySide, at_once::side_by_side),
        (Rule::Race, at_once::race),
        (Rule::Predecessor, at_once::predecessor),
        (Rule::Empty, empty),
        (Rule::Many, many),
        (Rule::Unusual, unusual),
    ]
}

fn holds(text: impl Into<String>) -> Result<Verdict, Broken> {
    Ok(Verdict::Holds(text.into()))
}

fn check<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    let (batch, sink) = (tester.next(), tester.open()?);
    for _ in 0..2 {
        sink.check().map_err(|error| format!("it fails: {error}"))?;
        tester.expect_nothing(&batch, "behind it")?;
    }
    holds("twice")
}

fn whole<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for partitions in [1, 2, 5] {
        let batch = tester.next();
        let texts = tester.texts(&batch);
        tester.expect_nothing(&batch, "before any commit")?;
        tester.must_commit(&batch, &texts, partitions, "at first")?;
        let when = format!("behind a commit of {partitions} partitions");
        tester.expect(&batch, &texts, &when)?;
    }
    holds("batches of 1, 2 and 5 partitions")
}

fn repeated<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    let (batch, sink) = (tester.next(), tester.open()?);
    let mut texts = tester.texts(&batch);
    for when in ["at first", "with the same value"] {
        tester
            .commit(&*sink, &batch, tester.dataset(&texts, 3))
            .map_err(|error| format!("{when}, a commit failed: {error}"))?;
        tester.expect(&batch, &texts, when)?;
    }
    // As a release with other hashing, or a machine with other cores, would.
    texts.reverse();
    for (partitions, when) in [
        (3, "with a fresh value, in another order"),
        (1, "in fewer partitions"),
        (9, "in more partitions"),
    ] {
        tester.must_commit(&batch, &texts, partitions, when)?;
        tester.expect(&batch, &texts, when)?;
    }
    // Whether it computes at all is the sink's affair.
    let failing = tester.dataset(&texts, 3).with(2, Halfway::Fail);
    let _ = tester.commit_afresh(&batch, failing);
    tester.expect(
        &batch,
        &texts,
        "behind a repetition whose computation fails",
    )?;
    holds("same and fresh values, other partitions and order, a failing computation")
}

fn failed_computation<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for halfway in [Halfway::Fail, Halfway::Panic] {
        for partition in [0, 2] {
            let batch = tester.next();
            let texts = tester.texts(&batch);
            let failing = tester.dataset(&texts, 3).with(partition, halfway.clone());
            if tester.commit_afresh(&batch, failing).is_ok() {
                return Err("a commit answered `Ok` though the computation had failed".to_owned());
            }
            tester.expect_nothing(&batch, "behind a failed computation")?;
            tester.must_commit(&batch, &texts, 2, "after a failed computation")?;
            tester.expect(
                &batch,
                &texts,
                "behind the commit after a failed computation",
            )?;
        }
    }
    holds("errors and panics, in the first and the last partition")
}

fn durable<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    let batch = tester.next();
    let texts = tester.texts(&batch);
    tester.must_commit(&batch, &texts, 2, "at first")?;
    tester.harness.restart();
    tester.expect(&batch, &texts, "behind a restart")?;
    tester.must_commit(&batch, &texts, 4, "behind a restart")?;
    tester.harness.restart();
    tester.expect(&batch, &texts, "behind a repetition and another restart")?;
    holds("over two restarts")
}

fn empty<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for partitions in [0, 1, 3] {
        let batch = tester.next();
        for when in ["at first", "the second time"] {
            let when = format!("without records, in {partitions} partitions, {when}");
            tester.must_commit(&batch, &[], partitions, &when)?;
            tester.expect(&batch, &[], &when)?;
        }
    }
    holds("in 0, 1 and 3 partitions")
}

fn many<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    let batches: Vec<_> = (0..50).map(|_| tester.next()).collect();
    // The engine commits in any order of time when jobs are concurrent.
    let (late, early) = batches.split_at(25);
    for batch in early.iter().chain(late) {
        tester.must_commit(batch, &tester.texts(batch), 2, "among many")?;
    }
    for batch in &batches {
        tester.expect(batch, &tester.texts(batch), "behind fifty batches")?;
    }
    holds("fifty, in any order of time")
}

fn unusual<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    let texts = tester.harness.unusual();
    for partitions in [1, 4] {
        let batch = tester.next();
        tester.must_commit(&batch, &texts, partitions, "with unusual records")?;
        tester.expect(&batch, &texts, "behind a commit of unusual records")?;
    }
    // Each by itself, so that none hides behind the others.
    for text in texts {
        let (batch, texts) = (tester.next(), [text]);
        tester.must_commit(&batch, &texts, 1, "with an unusual record")?;
        tester.expect(&batch, &texts, "behind a commit of an unusual record")?;
    }
    holds("together and one by one")
}
