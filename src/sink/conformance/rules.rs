//! The rules, one function each.

use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::dataset::Halfway;
use super::tester::{Broken, Tester};
use super::{Harness, Rule, Verdict};

type Test<H> = fn(&Tester<'_, H>) -> Result<Verdict, Broken>;

/// How often what depends on the scheduler is tried.
const ROUNDS: usize = 8;

/// How many operations a commit of nine records may have.
const MAX_OPERATIONS: usize = 10_000;

/// At how many places an interrupted commit's completion is interrupted as well.
const SECOND_INTERRUPTIONS: usize = 16;

/// How long a commit waits in its middle for another one, which may wait for it (a lock is a fine way to keep
/// drivers apart).
const MEETING: Duration = Duration::from_secs(2);

/// All rules, in the order of testing.
pub(super) fn all<H: Harness + ?Sized>() -> Vec<(Rule, Test<H>)> {
    vec![
        (Rule::Check, check),
        (Rule::Whole, whole),
        (Rule::Repeated, repeated),
        (Rule::FailedComputation, failed_computation),
        (Rule::Durable, durable),
        (Rule::Interrupted, interrupted),
        (Rule::SideBySide, side_by_side),
        (Rule::Race, race),
        (Rule::Predecessor, predecessor),
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

fn interrupted<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
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
    batch: &super::BatchIdentity,
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

fn side_by_side<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for _ in 0..ROUNDS {
        let (shared, other) = (tester.open()?, tester.open()?);
        let batches = [(); 4].map(|()| tester.next());
        let start = Barrier::new(batches.len());
        let commit = |sink: &dyn crate::sink::Sink<H::Record>, batch| {
            let texts = tester.texts(batch);
            start.wait();
            tester
                .commit(sink, batch, tester.dataset(&texts, 2))
                .map_err(|error| format!("beside three others, a commit failed: {error}"))
        };
        let commit = &commit;
        thread::scope(|scope| {
            let threads: Vec<_> = batches
                .iter()
                .zip([&shared, &shared, &shared, &other])
                .map(|(batch, sink)| scope.spawn(move || commit(&**sink, batch)))
                .collect();
            threads.into_iter().try_for_each(joined)
        })?;
        for batch in &batches {
            tester.expect(batch, &tester.texts(batch), "behind four commits at once")?;
        }
    }
    holds(format!("four at once, {ROUNDS} times"))
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<(), Broken>>) -> Result<(), Broken> {
    thread
        .join()
        .unwrap_or_else(|_| Err("a thread of the test panicked".to_owned()))
}

fn race<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for _ in 0..ROUNDS {
        let batch = tester.next();
        let texts = tester.texts(&batch);
        let start = Barrier::new(2);
        let commit = |partitions| {
            start.wait();
            tester
                .commit_afresh(&batch, tester.dataset(&texts, partitions))
                .is_ok()
        };
        let commit = &commit;
        let any_committed = thread::scope(|scope| {
            let racers = [1, 3].map(|partitions| scope.spawn(move || commit(partitions)));
            racers.map(|racer| racer.join().unwrap_or(false))
        })
        .contains(&true);
        if any_committed {
            tester.expect(&batch, &texts, "behind a race of two handles")?;
        }
        // One may lose with an error; the engine then tries again.
        tester.must_commit(&batch, &texts, 2, "after a race of two handles")?;
        tester.expect(&batch, &texts, "behind the commit after a race")?;
    }
    holds(format!("two at once, {ROUNDS} times"))
}

/// In the middle of one computation another handle commits the same batch from beginning to end.
fn predecessor<H: Harness + ?Sized>(tester: &Tester<'_, H>) -> Result<Verdict, Broken> {
    for (partition, others) in [(0, 1), (2, 3), (2, 5)] {
        let batch = tester.next();
        let texts = tester.texts(&batch);
        let (arrive, arrived) = mpsc::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let meeting = Mutex::new((arrive, finished));
        let meet = move || {
            let meeting = meeting.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody listens any more when the computation is run a second time.
            if meeting.0.send(()).is_ok() {
                let _ = meeting.1.recv_timeout(MEETING);
            }
        };
        let late = tester
            .dataset(&texts, 3)
            .with(partition, Halfway::Do(Arc::new(meet)));
        let successor = || -> Result<(), Broken> {
            // The sender is gone when the sink never computed.
            if arrived.recv().is_err() {
                return Ok(());
            }
            drop(arrived);
            tester.must_commit(&batch, &texts, others, "in the middle of another commit")?;
            let seen = tester.expect(&batch, &texts, "in the middle of another commit");
            drop(finish);
            seen
        };
        thread::scope(|scope| {
            let successor = scope.spawn(successor);
            // It may fail: it isn't needed any more.
            let _ = tester.commit_afresh(&batch, late);
            joined(successor)
        })?;
        tester.expect(&batch, &texts, "behind the end of a late commit")?;
        tester.must_commit(&batch, &texts, 2, "after the end of a late commit")?;
        tester.expect(&batch, &texts, "behind a commit after a late one")?;
    }
    holds("overtaken in the first and in the last partition")
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
