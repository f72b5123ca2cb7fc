//! What a context says of itself while something is wrong: receivers that are down, sources that are silent,
//! batches that take long or fail, a wall clock that was set. Told when it begins, and not any more when it is over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Waiting, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{SECOND, builder, clock_at, eventually, run_to};
use tidemill::clock::{Clock, SystemClock, wall_clock};
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, ReceiverState, Store};
use tidemill::{OnSilence, StreamingContext, Time};

/// Fails at each start until it works; then it stores a record and stays.
struct Flaky(Arc<AtomicBool>);

impl Receiver for Flaky {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        if !self.0.load(Ordering::SeqCst) {
            return Err("connection refused".into());
        }
        store.store("here again").await?;
        store.stopped().await;
        Ok(())
    }

    fn back_off(&self) -> (Duration, Duration) {
        (Duration::from_millis(1), Duration::from_millis(5))
    }

    fn describe(&self) -> String {
        "a flaky server".to_owned()
    }
}

#[test]
fn a_receiver_that_is_down_for_too_long_makes_it_unready() {
    let (clock, works) = (clock_at(100), Arc::new(AtomicBool::new(false)));
    let context = builder("memory:down", &clock).build().unwrap();
    let flaky = Flaky(Arc::clone(&works));
    let lines = context.receiver_stream_with("lines", flaky, Default::default());
    lines.for_each_rdd(|_, _| ());
    context.start().unwrap();
    let status = || context.receivers().remove(0);
    let failed = eventually("it has failed for the third time", || {
        let status = status();
        let waits = status.state == ReceiverState::Restarting && status.restarts >= 3;
        waits.then_some(status)
    });
    assert_eq!(failed.down_since, Some(Time::from_millis(100_000)));
    assert_eq!(failed.last_error_time, Some(Time::from_millis(100_000)));
    assert_eq!(failed.last_error_message.unwrap(), "connection refused");
    assert!(failed.next_try.unwrap() > Time::from_millis(100_000));

    clock.advance(30 * SECOND - Duration::from_millis(1));
    assert!(context.obstacles().is_empty(), "{:?}", context.obstacles());
    clock.advance(Duration::from_millis(1));
    let told = "the receiver of `lines` (a flaky server) has been down since 1970-01-01 00:01:40.000 UTC: \
                connection refused";
    assert_eq!(context.obstacles(), [told]);
    // The grace may be changed while it runs.
    let mut tuning = context.tuning();
    assert_eq!(tuning.receiver_unready_after, 30 * SECOND);
    tuning.receiver_unready_after = 60 * SECOND;
    context.tune(&tuning).unwrap();
    assert!(context.obstacles().is_empty());
    tuning.receiver_unready_after = Duration::ZERO;
    context.tune(&tuning).unwrap();
    assert_eq!(context.obstacles(), [told]);

    works.store(true, Ordering::SeqCst);
    eventually("it is ready", || {
        context.obstacles().is_empty().then_some(())
    });
    let status = status();
    assert_eq!((status.down_since, status.next_try), (None, None));
    assert_eq!((status.state, status.records), (ReceiverState::Active, 1));
    context.stop(false).unwrap();
}

#[test]
fn a_silent_source_is_told_and_fails_readiness_where_it_should() {
    let clock = clock_at(100);
    let context = builder("memory:silent", &clock).build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context
        .receiver_stream_with("lines", fed, Default::default())
        .silent_after(60 * SECOND, OnSilence::Warn);
    let (numbers, queue) = context.queue_stream::<u64>();
    let numbers = numbers
        .silent_after(60 * SECOND, OnSilence::Unready)
        .uid("numbers");
    let (others, _never) = context.queue_stream::<u64>();
    lines.for_each_rdd(|_, _| ());
    numbers.union(&others).for_each_rdd(|_, _| ());
    assert!(context.freshness().is_empty() && context.warnings().is_empty());
    context.start().unwrap();

    clock.advance(59 * SECOND);
    assert!(context.warnings().is_empty(), "{:?}", context.warnings());
    clock.advance(SECOND);
    let silent =
        |name: &str, since: &str| format!("the source `{name}` has been silent since {since} UTC");
    let start = "1970-01-01 00:01:40.000";
    // One that nobody asked about may be silent for ever.
    assert_eq!(
        context.warnings(),
        [silent("lines", start), silent("numbers", start)]
    );
    assert_eq!(context.obstacles(), [silent("numbers", start)]);

    feed.send(&clock, &["a line"]);
    queue.push_vec(vec![1]);
    run_to(&context, &clock, 162);
    assert!(context.warnings().is_empty() && context.obstacles().is_empty());
    let fresh = context.freshness();
    let of = |uid: &str| {
        fresh
            .iter()
            .find(|source| source.uid.as_str() == uid)
            .unwrap()
    };
    let last = of("lines").last_record.unwrap();
    assert!(
        last >= Time::from_millis(160_000) && last < Time::from_millis(161_000),
        "{last}"
    );
    let read = of("numbers").last_record.unwrap();
    assert!(read > last && read <= Time::from_millis(162_000), "{read}");
    assert_eq!(
        (of("lines").silent_after, of("numbers").fails_readiness),
        (Some(60_000), true)
    );

    // From the last record on, it counts anew; an empty batch is no record.
    run_to(&context, &clock, 220);
    assert!(context.warnings().is_empty());
    run_to(&context, &clock, 223);
    assert_eq!(context.warnings().len(), 2);
    context.stop(false).unwrap();
}

#[test]
fn only_inputs_can_be_silent() {
    let context = builder("memory:no-input", &clock_at(1)).build().unwrap();
    let (lines, _queue) = context.queue_stream::<str>();
    let lines = lines.silent_after(Duration::ZERO, OnSilence::Warn);
    lines
        .count()
        .silent_after(SECOND, OnSilence::Warn)
        .for_each_rdd(|_, _| ());
    let told = context.validate().unwrap_err().to_string();
    assert!(told.contains("silent_after is for inputs, and `"), "{told}");
    assert!(told.contains("silent_after must be above 0"), "{told}");
    assert_eq!(told.matches("tests/watching.rs").count(), 2, "{told}");
}

#[test]
fn a_batch_that_takes_long_is_told_with_what_it_is_at() {
    let clock = clock_at(100);
    let context = builder("memory:overdue", &clock)
        .overdue_after(20)
        .build()
        .unwrap();
    // After the context: when a check fails, the task must end before it stops.
    let (release, held): (_, Waiting<()>) = channel();
    let held = Arc::new(Mutex::new(held));
    let (numbers, queue) = context.queue_stream::<u64>();
    let slow = numbers.map(move |number| {
        let _ = held.lock().unwrap().recv();
        *number
    });
    slow.for_each_rdd(|rdd, _| -> Result<(), BoxError> {
        rdd.count()?;
        Ok(())
    });
    queue.push_vec(vec![1]);
    context.start().unwrap();
    clock.advance(SECOND);
    eventually("it is run", || {
        let active = context.progress().active();
        active.first()?.output_operations.first()?.start_time
    });
    clock.advance(19 * SECOND + Duration::from_millis(999));
    assert!(context.warnings().is_empty(), "{:?}", context.warnings());
    clock.advance(Duration::from_millis(1));
    let told = eventually("its task is run", || {
        let told = context.warnings().pop().unwrap();
        told.contains(" tasks ").then_some(told)
    });
    assert!(
        told.starts_with(
            "the batch at 101000 ms has been under way since 1970-01-01 00:01:41.000 UTC: `"
        ),
        "{told}"
    );
    assert!(
        told.contains("` has been running since 1970-01-01 00:01:41.000 UTC; "),
        "{told}"
    );
    assert!(told.ends_with(" tasks of this step are done"), "{told}");
    // It works all the same: nothing else is known to be wrong.
    assert!(context.obstacles().is_empty());
    let mut tuning = context.tuning();
    tuning.overdue_after = 0;
    context.tune(&tuning).unwrap();
    assert!(context.warnings().is_empty());
    drop(release);
    eventually("it is complete", || {
        (context.pending_batches() == 0).then_some(())
    });
    context.stop(true).unwrap();
}

#[test]
fn a_failing_batch_says_how_often_it_was_tried_and_when_it_is_again() {
    let (clock, works) = (clock_at(100), Arc::new(AtomicBool::new(false)));
    let context = builder("memory:failing", &clock)
        .max_failures(2)
        .retry_delay_max(Duration::from_millis(2))
        .build()
        .unwrap();
    let (numbers, queue) = context.queue_stream::<u64>();
    let does_work = Arc::clone(&works);
    numbers.for_each_rdd(move |_, _| -> Result<(), BoxError> {
        match does_work.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err("no such table".into()),
        }
    });
    queue.push_vec(vec![1]);
    context.start().unwrap();
    clock.advance(SECOND);
    let failing = eventually("it has failed three times", || {
        let failing = context.progress().failing().into_values().next()?;
        (failing.tries >= 3).then_some(failing)
    });
    assert!(failing.reason.contains("no such table"), "{failing}");
    assert_eq!(failing.next_try, Time::from_millis(101_002));
    let told = context.obstacles().remove(0);
    assert!(
        told.starts_with("the batch at 101000 ms fails: `"),
        "{told}"
    );
    assert!(
        told.contains(" times, again at 1970-01-01 00:01:41.002 UTC)"),
        "{told}"
    );
    let operation = eventually("it waits for its next try", || {
        let batch = context.progress().active().into_iter().next()?;
        batch
            .output_operations
            .into_iter()
            .find(|output| output.next_try.is_some())
    });
    assert!(operation.failures >= 3);
    works.store(true, Ordering::SeqCst);
    eventually("it is complete", || {
        (context.pending_batches() == 0).then_some(())
    });
    assert!(context.progress().failing().is_empty() && context.obstacles().is_empty());
    let batch = context.progress().last_completed().unwrap();
    assert_eq!(batch.output_operations[0].next_try, None);
    context.stop(true).unwrap();
}

#[test]
fn a_wall_clock_that_was_set_is_told() {
    const HOUR: Duration = Duration::from_secs(3600);
    for (origin, told) in [
        (
            wall_clock().minus(HOUR),
            "s ahead of the stream's time: it was set, and the next start takes it \
                                    over, as if it had been down for so long",
        ),
        (
            wall_clock().plus(HOUR),
            "s behind the stream's time: it was set, and the next start takes it over \
                                   once it has come to the last batch",
        ),
    ] {
        let clock = SystemClock::starting_at(origin);
        let context = StreamingContext::builder("clock", SECOND)
            .clock(clock)
            .build()
            .unwrap();
        let (numbers, _queue) = context.queue_stream::<u64>();
        numbers.for_each_rdd(|_, _| ());
        context.start().unwrap();
        assert!(context.now().unwrap() >= origin);
        let warnings = context.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains(told),
            "{warnings:?}"
        );
        assert!(context.obstacles().is_empty());
        context.stop(false).unwrap();
        assert!(context.warnings().is_empty());
    }
    // A clock of a test's own has nothing to do with it.
    let manual = clock_at(100);
    assert_eq!(manual.wall_offset_ms(), None);
}
