//! The life of a context, as the original's StreamingContextSuite tells it.

use std::time::Duration;

use tidemill::{ContextState, DStream, Error, StreamingContext};

use crate::support::{Collected, SECOND, builder, clock_at, eventually, run_to};

fn context() -> StreamingContext {
    StreamingContext::builder("life", SECOND)
        .clock(clock_at(100))
        .build()
        .unwrap()
}

fn with_output() -> StreamingContext {
    let context = context();
    let (numbers, _queue) = context.queue_stream::<u64>();
    numbers.for_each_rdd(|rdd, _| rdd.count().map(drop));
    context
}

#[test]
fn states_follow_each_other_and_stopping_again_is_harmless() {
    let context = with_output();
    assert_eq!(context.state(), ContextState::Initialized);
    context.start().unwrap();
    assert_eq!(context.state(), ContextState::Active);
    for gracefully in [false, true, false] {
        context.stop(gracefully).unwrap();
        assert_eq!(context.state(), ContextState::Stopped);
    }
    assert!(context.await_termination_or_timeout(SECOND).unwrap());
    context.await_termination().unwrap();
}

#[test]
fn a_stop_before_the_start_is_for_good() {
    let context = with_output();
    context.stop(false).unwrap();
    assert_eq!(context.state(), ContextState::Stopped);
    assert!(matches!(context.start().unwrap_err(), Error::WrongState(_)));
    assert_eq!(context.state(), ContextState::Stopped);
}

#[test]
fn a_start_that_fails_leaves_nothing_running_and_its_location_free() {
    let (url, clock) = ("memory:life-failed", clock_at(100));
    let wrong = builder(url, &clock).build().unwrap();
    let (numbers, _queue) = wrong.queue_stream::<u64>();
    numbers
        .window(SECOND * 3, Duration::ZERO)
        .for_each_rdd(|_, _| ());
    assert!(wrong.start().is_err());
    assert_eq!(wrong.state(), ContextState::Stopped);
    let right = builder(url, &clock).build().unwrap();
    let (numbers, _queue) = right.queue_stream::<u64>();
    numbers.for_each_rdd(|_, _| ());
    right.start().unwrap();
    right.stop(false).unwrap();
}

/// What a waiter is told of a program whose first batch fails.
fn failure(program: impl FnOnce(&DStream<u64>)) -> String {
    let clock = clock_at(100);
    let context = StreamingContext::builder("life", SECOND)
        .clock(clock.clone())
        .max_failures(1)
        .build()
        .unwrap();
    let (numbers, queue) = context.queue_stream::<u64>();
    program(&numbers);
    context.start().unwrap();
    assert!(
        !context
            .await_termination_or_timeout(Duration::from_millis(1))
            .unwrap()
    );
    queue.push_vec(vec![1]);
    clock.advance(SECOND);
    let error = eventually("the batch fails", || {
        context
            .await_termination_or_timeout(Duration::from_millis(10))
            .err()
    });
    context.stop(false).ok();
    error.to_string()
}

#[test]
fn who_waits_is_told_of_a_task_that_fails_and_of_a_batch_that_cannot_be_made() {
    let told = failure(|numbers| {
        numbers
            .map(|_| -> u64 { panic!("error in map task") })
            .for_each_rdd(|rdd, _| rdd.count().map(drop));
    });
    assert!(told.contains("error in map task"), "{told}");
    let told = failure(|numbers| {
        numbers
            .transform(|_, _| -> tidemill::rdd::Rdd<u64> { panic!("error in transform") })
            .for_each_rdd(|rdd, _| rdd.count().map(drop));
    });
    assert!(told.contains("error in transform"), "{told}");
}

#[test]
fn who_waits_is_woken_by_the_stop() {
    let context = with_output();
    context.start().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| context.await_termination());
        context.stop(false).unwrap();
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn what_is_declared_after_the_start_is_told_and_does_not_run() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("life", SECOND)
        .clock(clock.clone())
        .build()
        .unwrap();
    let (numbers, queue) = context.queue_stream::<u64>();
    let (before, after) = (Collected::new(), Collected::new());
    before.collect(&numbers);
    context.start().unwrap();
    let line = line!() + 1;
    after.collect(&numbers.map(|n| n + 1));
    queue.push_vec(vec![1]);
    run_to(&context, &clock, 101);
    assert_eq!(before.at(101), [1]);
    assert!(after.seconds().is_empty());
    let told = context.validate().unwrap_err().to_string();
    assert!(
        told.contains("can't be added to a context that has started")
            && told.contains(&format!("life.rs:{line}:")),
        "{told}"
    );
    context.stop(false).unwrap();
}

#[test]
fn programs_run_side_by_side() {
    let contexts = [with_output(), with_output()];
    for context in &contexts {
        context.start().unwrap();
    }
    for context in &contexts {
        assert_eq!(context.state(), ContextState::Active);
        context.stop(false).unwrap();
    }
}

#[test]
fn an_input_that_nothing_reads_is_harmless() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("life", SECOND)
        .clock(clock.clone())
        .build()
        .unwrap();
    let (_unread, unread) = context.queue_stream::<u64>();
    let (numbers, queue) = context.queue_stream::<u64>();
    let seen = Collected::new();
    seen.collect(&numbers);
    context.start().unwrap();
    for second in 101..=102 {
        unread.push_vec(vec![7]);
        queue.push_vec(vec![second]);
        run_to(&context, &clock, second);
        assert_eq!(seen.at(second), [second]);
    }
    context.stop(false).unwrap();
}

/// One item a batch, or all that wait.
#[test]
fn a_queue_hands_out_one_dataset_or_all() {
    for (one_at_a_time, expected) in [
        (true, [vec![1], vec![2], vec![3], vec![4], vec![5]]),
        (false, [vec![1, 2, 3], vec![4, 5], vec![], vec![], vec![]]),
    ] {
        let clock = clock_at(100);
        let context = StreamingContext::builder("life", SECOND)
            .clock(clock.clone())
            .build()
            .unwrap();
        let (numbers, queue) = context.queue_stream_with::<u64>(one_at_a_time, None);
        let seen = Collected::new();
        seen.collect(&numbers);
        context.start().unwrap();
        (1..=3).for_each(|n| queue.push_vec(vec![n]));
        run_to(&context, &clock, 101);
        (4..=5).for_each(|n| queue.push_vec(vec![n]));
        for second in 102..=105 {
            run_to(&context, &clock, second);
        }
        for (second, batch) in (101..).zip(expected) {
            assert_eq!(seen.at(second), batch, "one at a time: {one_at_a_time}");
        }
        context.stop(false).unwrap();
    }
}

#[test]
fn a_queue_may_have_checkpoints_and_what_it_held_is_gone() {
    let clock = clock_at(100);
    let seen = Collected::new();
    let start = || {
        let context = builder("memory:life-queue", &clock).build().unwrap();
        let (numbers, queue) = context.queue_stream::<u64>();
        seen.collect(&numbers);
        context.start().unwrap();
        (context, queue)
    };
    let (context, queue) = start();
    queue.push_vec(vec![1]);
    run_to(&context, &clock, 101);
    queue.push_vec(vec![2]);
    context.stop(false).unwrap();
    drop((context, queue));
    let (context, queue) = start();
    queue.push_vec(vec![3]);
    run_to(&context, &clock, 102);
    assert_eq!((seen.at(101), seen.at(102)), (vec![1], vec![3]));
    context.stop(false).unwrap();
}
