//! A program held against a naive model: random batches go through the real context (manual clock, a
//! receiver with its log), the context is killed in the middle and started anew, and what each batch
//! yielded must be what the model says, however often the batch was run.
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn count(batches in model::batches(), plan in model::plans()) {
//!         model::check(&batches, &plan, |lines| lines.count(), |n| Some(vec![batches[n].len() as u64]))?;
//!     }
//! }
//! ```
//!
//! A program of several inputs filters them out of its lines. The model answers for the batch of number
//! `n`, counted from 0; `None` where the stream has no dataset then (a window that slides by more).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tidemill::rdd::{BoxError, Data};
use tidemill::{Builder, DStream, StreamingContext, Time};

use super::{Feed, SECOND, builder, clock_at, eventually, feed, run_to};

/// The lines of each batch, a second apart; an empty batch is one in which nothing came.
pub type Batches = Vec<Vec<String>>;

/// Up to eight batches of up to four lines of up to three words, some of them empty.
pub fn batches() -> impl Strategy<Value = Batches> {
    let word = prop_oneof![Just("a"), Just("b"), Just("c"), Just("é"), Just("")];
    let line = proptest::collection::vec(word, 0..4).prop_map(|words| words.join(" "));
    proptest::collection::vec(proptest::collection::vec(line, 0..5), 1..9)
}

/// When the context is killed, and where it keeps its logs and checkpoints.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For each kill the batch, counted from 0, and the moment.
    pub kills: Vec<(usize, Moment)>,
    /// Seconds between checkpoints.
    pub checkpoint_every: u32,
    /// On a disk (sled) rather than in memory.
    pub on_disk: bool,
    /// Bytes of memory that states may take.
    pub state_memory: Option<u64>,
}

/// A moment in the life of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// All batches before it are complete, and nothing came since.
    Before,
    /// Its lines are acknowledged and in no batch.
    Acknowledged,
    /// Its tick has passed: it is fixed, and being computed or done.
    Running,
}

/// One or two kills at random moments, checkpoints after each or after several batches.
pub fn plans() -> impl Strategy<Value = Plan> {
    let moment = prop_oneof![
        Just(Moment::Before),
        Just(Moment::Acknowledged),
        Just(Moment::Running)
    ];
    let kills = proptest::collection::vec((0usize..8, moment), 1..3);
    let memory = proptest::option::weighted(0.3, 0u64..60_000);
    (kills, 1u32..4, proptest::bool::weighted(0.2), memory).prop_map(
        |(kills, checkpoint_every, on_disk, state_memory)| Plan {
            kills,
            checkpoint_every,
            on_disk,
            state_memory,
        },
    )
}

/// Holds what `program` yields against `model`. Elements of a batch are compared sorted.
pub fn check<T: Data + Ord + Debug>(
    batches: &Batches,
    plan: &Plan,
    program: impl Fn(&DStream<str>) -> DStream<T>,
    model: impl Fn(usize) -> Option<Vec<T>>,
) -> Result<(), TestCaseError> {
    check_context(batches, plan, |_, lines| program(lines), model)
}

/// As [`check`], for programs that ask the context for more than lines.
pub fn check_context<T: Data + Ord + Debug>(
    batches: &Batches,
    plan: &Plan,
    program: impl Fn(&StreamingContext, &DStream<str>) -> DStream<T>,
    model: impl Fn(usize) -> Option<Vec<T>>,
) -> Result<(), TestCaseError> {
    check_built(batches, plan, |builder| builder, program, model)
}

/// As [`check_context`], for programs that need further settings.
pub fn check_built<T: Data + Ord + Debug>(
    batches: &Batches,
    plan: &Plan,
    set: impl Fn(Builder) -> Builder,
    program: impl Fn(&StreamingContext, &DStream<str>) -> DStream<T>,
    model: impl Fn(usize) -> Option<Vec<T>>,
) -> Result<(), TestCaseError> {
    let got = run(batches, plan, set, program);
    for number in 0..batches.len() {
        let expected = model(number).map(|mut batch| {
            batch.sort();
            batch
        });
        let expected: Vec<Vec<T>> = expected.into_iter().collect();
        let time = Time::from_millis((FIRST + number as u64) * 1000);
        let got = got.get(&time).cloned().unwrap_or_default();
        prop_assert_eq!(
            got,
            expected,
            "what batch {} yielded (left), all that it should (right)",
            number
        );
    }
    Ok(())
}

/// The second at which the first batch ends.
const FIRST: u64 = 101;

/// For each batch time all the different results that it had: one, if all is well.
type Yielded<T> = BTreeMap<Time, Vec<Vec<T>>>;

static LOCATION: AtomicU64 = AtomicU64::new(0);

/// Runs `program` over `batches` as `plan` says.
fn run<T: Data + Ord>(
    batches: &Batches,
    plan: &Plan,
    set: impl Fn(Builder) -> Builder,
    program: impl Fn(&StreamingContext, &DStream<str>) -> DStream<T>,
) -> Yielded<T> {
    let folder = plan.on_disk.then(|| tempfile::tempdir().unwrap());
    let url = match &folder {
        Some(folder) => format!("sled:{}/checkpoint", folder.path().display()),
        None => format!("memory:model-{}", LOCATION.fetch_add(1, Ordering::SeqCst)),
    };
    let scratch = tempfile::tempdir().unwrap();
    let clock = clock_at(FIRST - 1);
    let seen: Arc<Mutex<Yielded<T>>> = Arc::default();
    let start = || -> (StreamingContext, Feed) {
        let mut builder =
            set(builder(&url, &clock)).checkpoint_interval(SECOND * plan.checkpoint_every);
        if let Some(bytes) = plan.state_memory {
            builder = builder.state_memory(bytes).state_scratch(scratch.path());
        }
        let context = builder.build().unwrap();
        let (feed, fed) = feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        note(&program(&context, &lines), &seen);
        context.start().unwrap();
        (context, feed)
    };
    let (mut context, mut feed) = start();
    for (number, batch) in batches.iter().enumerate() {
        let second = FIRST + number as u64;
        let dies = |moment| plan.kills.contains(&(number, moment));
        if dies(Moment::Before) {
            drop((context, feed));
            (context, feed) = start();
        }
        if !batch.is_empty() {
            let lines: Vec<&str> = batch.iter().map(String::as_str).collect();
            feed.send(&clock, &lines);
        }
        if dies(Moment::Acknowledged) {
            drop((context, feed));
            (context, feed) = start();
        }
        if dies(Moment::Running) {
            tick(&context, &clock, second);
            drop((context, feed));
            (context, feed) = start();
        } else {
            run_to(&context, &clock, second);
        }
    }
    // One more batch: those before it are complete when it is.
    run_to(&context, &clock, FIRST + batches.len() as u64);
    drop((context, feed));
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// Notes what `stream` yields: each different result of a batch once.
fn note<T: Data + Ord>(stream: &DStream<T>, seen: &Arc<Mutex<Yielded<T>>>) {
    let seen = Arc::clone(seen);
    stream.for_each_rdd(move |rdd, time| -> Result<(), BoxError> {
        let mut elements = rdd.collect()?;
        elements.sort();
        let mut seen = seen.lock().unwrap();
        let results = seen.entry(time).or_default();
        if !results.contains(&elements) {
            results.push(elements);
        }
        Ok(())
    });
}

/// Moves the clock to the tick at `seconds` and waits only until its batch is fixed.
fn tick(context: &StreamingContext, clock: &tidemill::clock::ManualClock, seconds: u64) {
    use tidemill::clock::Clock;
    let target = Time::from_millis(seconds * 1000);
    // After a restart earlier batches may be run again: those must not be taken for this one.
    eventually("earlier batches are done", || {
        (context.pending_batches() == 0).then_some(())
    });
    clock.advance(target.since(clock.now()));
    eventually("the batch is fixed", || {
        let completed = context.progress().last_completed();
        let is_done = completed.is_some_and(|batch| batch.batch_time >= target);
        (is_done || context.pending_batches() > 0).then_some(())
    });
}
