//! Commits that are cut short, and completed.

use super::super::tester::{Broken, Tester};
use super::super::{BatchIdentity, Harness, Verdict};
use super::holds;

/// How many operations a commit of nine records may have.
const MAX_OPERATIONS: usize = 10_000;

/// At how many places an interrupted commit's completion is interrupted as well.
const SECOND_INTERRUPTIONS: usize = 16;

pub(super) fn interrupted<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    let mut operations = 0;
    while interrupt_once(tester, operations)? {
        operations += 1;
        if operations > MAX_OPERATIONS {
            return Err(format!(
                "a commit had not ended after {operations} operations"
            ));
        }
    }
    if operations == 0 {
        let reason = "the harness can't interrupt";
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    let step = operations.div_ceil(SECOND_INTERRUPTIONS);
    for first in (0..operations).step_by(step) {
        for second in (0..operations).step_by(step) {
            interrupt_twice(tester, first, second)?;
        }
    }
    holds(format!(
        "at each of {operations} operations, and again while it is completed"
    ))
}

/// Cuts a commit short at an operation, and completes it. Answers whether there was such an operation.
fn interrupt_once<H: Harness + ?Sized>(
    tester: &Tester<'_, H>,
    operation: usize,
) -> Result<bool, Broken> {
    let batch = tester.next();
    let texts = tester.texts(&batch);
    let Some(reached) = cut_short(tester, &batch, &texts, operation, 2)? else {
        return Ok(false);
    };
    for (partitions, time) in [(3, "first"), (2, "second")] {
        let when = format!("after an interruption at operation {operation}, the {time} time");
        tester.must_commit(&batch, &texts, partitions, &when)?;
        tester.expect(&batch, &texts, &when)?;
    }
    Ok(reached)
}

fn interrupt_twice<H: Harness + ?Sized>(
    tester: &Tester<'_, H>,
    first: usize,
    second: usize,
) -> Result<(), Broken> {
    let batch = tester.next();
    let texts = tester.texts(&batch);
    for (operation, partitions) in [(first, 2), (second, 3)] {
        cut_short(tester, &batch, &texts, operation, partitions)?;
    }
    let when = format!("after interruptions at operations {first} and then {second}");
    tester.must_commit(&batch, &texts, 1, &when)?;
    tester.expect(&batch, &texts, &when)
}

/// Whether the operation was reached; `None` when the harness can't interrupt.
fn cut_short<H: Harness + ?Sized>(
    tester: &Tester<'_, H>,
    batch: &BatchIdentity,
    texts: &[String],
    operation: usize,
    partitions: usize,
) -> Result<Option<bool>, Broken> {
    if !tester.harness.interrupt(operation) {
        return Ok(None);
    }
    let outcome = tester.commit_afresh(batch, tester.dataset(texts, partitions));
    let reached = tester.harness.restart();
    let when = format!("behind an interruption at operation {operation}");
    match outcome {
        Ok(()) => tester.expect(batch, texts, &format!("{when} and an answer `Ok`"))?,
        Err(error) if !reached => {
            return Err(format!("a commit failed that was not interrupted: {error}"));
        }
        Err(_) => tester.expect_all_or_nothing(batch, texts, &when)?,
    }
    Ok(Some(reached))
}
