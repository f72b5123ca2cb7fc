//! Queries of kept batches beside the stream, from another thread than the engine's.

use std::collections::BTreeSet;
use std::time::Duration;

use super::support::{self, Collected, SECOND, builder, clock_at, run_to};
use tidemill::clock::ManualClock;
use tidemill::rdd::TaskError;
use tidemill::{DStream, StreamingContext, Time};

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1000)
}

/// What the batches of `[from, to]` seconds hold.
fn slice(stream: &DStream<u32>, from: u64, to: u64) -> Result<BTreeSet<u32>, TaskError> {
    let stream = stream.clone();
    let asked = std::thread::spawn(move || {
        let rdds = stream.slice(at(from), at(to))?;
        let all = rdds.iter().map(|rdd| rdd.collect().unwrap());
        Ok(all.flatten().collect())
    });
    asked.join().unwrap()
}

fn context(clock: &ManualClock) -> StreamingContext {
    StreamingContext::builder("queries", SECOND)
        .clock(clock.clone())
        .build()
        .unwrap()
}

#[test]
fn slices_hold_the_complete_batches_between_two_times_inclusive() {
    let clock = clock_at(100);
    let context = context(&clock);
    let (numbers, queue) = context.queue_stream::<u32>();
    let numbers = numbers.remember(SECOND * 10);
    let tens = numbers.map(|n| n * 10).remember(SECOND * 10);
    numbers.for_each_rdd(|_, _| ());
    (1..=4).for_each(|n| queue.push_vec(vec![n]));

    let early = slice(&numbers, 100, 101).unwrap_err().to_string();
    assert!(early.contains("before its context has started"), "{early}");
    context.start().unwrap();
    for second in 101..=103 {
        run_to(&context, &clock, second);
    }
    let of = |from, to| slice(&numbers, from, to).unwrap();
    assert_eq!(of(0, 101), BTreeSet::from([1]));
    assert_eq!(of(101, 102), BTreeSet::from([1, 2]));
    assert_eq!(of(102, 102), BTreeSet::from([2]));
    // No output reads these: they are computed when they are asked for.
    assert_eq!(
        slice(&tens, 101, 103).unwrap(),
        BTreeSet::from([10, 20, 30])
    );
    // What is to come is not there, and nothing is lost by having asked for it.
    assert_eq!(of(102, 200), BTreeSet::from([2, 3]));
    assert_eq!(slice(&tens, 104, 110).unwrap(), BTreeSet::new());
    run_to(&context, &clock, 104);
    assert_eq!(of(104, 200), BTreeSet::from([4]));
    assert_eq!(slice(&tens, 104, 104).unwrap(), BTreeSet::from([40]));
    // Times at which there is no batch.
    let rdds = numbers.slice(Time::from_millis(102_500), Time::from_millis(102_900));
    assert!(rdds.unwrap().is_empty());
    context.stop(false).unwrap();
}

#[test]
fn batches_are_kept_as_long_as_asked_for_and_no_longer() {
    let clock = clock_at(100);
    let context = context(&clock);
    context.remember(SECOND * 3);
    let (numbers, queue) = context.queue_stream::<u32>();
    let longer = numbers.map(|n| n + 10).remember(SECOND * 5);
    let shorter = numbers.map(|n| n + 20).remember(SECOND);
    longer.for_each_rdd(|_, _| ());
    shorter.for_each_rdd(|_, _| ());
    context.start().unwrap();
    for second in 101..=110 {
        queue.push_vec(vec![second]);
        run_to(&context, &clock, u64::from(second));
    }
    assert_eq!(slice(&longer, 106, 110).unwrap(), (116..=120).collect());
    assert_eq!(slice(&shorter, 108, 110).unwrap(), (128..=130).collect());
    for (stream, from) in [(&longer, 105), (&shorter, 107)] {
        let gone = slice(stream, from, 110).unwrap_err();
        assert!(matches!(gone, TaskError::Gone(_)), "{gone:?}");
        let text = gone.to_string();
        assert!(
            text.contains("no longer kept") && text.contains("remember"),
            "{text}"
        );
    }
    context.stop(false).unwrap();
}

#[test]
fn what_was_kept_is_kept_over_a_restart() {
    let (url, clock) = ("memory:queries", clock_at(100));
    let program = || {
        let context = builder(url, &clock).build().unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let numbers = lines
            .map(|line| line.parse::<u32>().unwrap())
            .remember(SECOND * 4);
        let seen = Collected::new();
        seen.collect(&numbers);
        (context, feed, numbers)
    };
    let (context, feed, _) = program();
    context.start().unwrap();
    for second in 101..=105u64 {
        feed.send(&clock, &[&second.to_string()]);
        run_to(&context, &clock, second);
    }
    drop((context, feed));
    let (context, feed, numbers) = program();
    context.start().unwrap();
    feed.send(&clock, &["106"]);
    run_to(&context, &clock, 106);
    assert_eq!(slice(&numbers, 103, 106).unwrap(), (103..=106).collect());
    assert!(slice(&numbers, 102, 106).is_err());
    context.stop(false).unwrap();
}

#[test]
fn a_state_can_be_read_beside_the_stream() {
    let (url, clock) = ("memory:queries-state", clock_at(100));
    let context = builder(url, &clock).build().unwrap();
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let totals = lines
        .count_by_value()
        .update_state_by_key(|new: &[u64], held: Option<&u64>| {
            Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .remember(Duration::from_secs(10));
    totals.for_each_rdd(|_, _| ());
    context.start().unwrap();
    for second in 101..=103 {
        feed.send(&clock, &["a"]);
        run_to(&context, &clock, second);
        // Also of a batch that isn't there yet: asking doesn't take anything away from it.
        let rdds = totals.slice(at(second), at(second + 5)).unwrap();
        assert_eq!(rdds.len(), 1);
        assert_eq!(rdds[0].collect().unwrap(), [("a".to_owned(), second - 100)]);
    }
    let past = totals.slice(at(101), at(101)).unwrap();
    let error = past[0].collect().unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
    context.stop(false).unwrap();
}
