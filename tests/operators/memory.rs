//! Shuffles that may hold so much and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::support::{Collected, SECOND, clock_at, run_to};
use tidemill::StreamingContext;

#[test]
fn a_batch_whose_shuffle_is_too_large_is_worked_off_in_slices_and_a_key_that_is_fails() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("large", SECOND)
        .clock(clock.clone())
        .max_failures(1)
        .shuffle_memory(500_000)
        .build()
        .unwrap();
    let (pairs, queue) = context.queue_stream::<(u32, u64)>();
    let taken_in = context.long_accumulator("taken in");
    let computed = Arc::new(AtomicU64::new(0));
    let (added, counted) = (taken_in.clone(), Arc::clone(&computed));
    let pairs = pairs.map(move |pair| {
        added.add(1);
        counted.fetch_add(1, Ordering::Relaxed);
        *pair
    });
    let sums = Collected::new();
    sums.collect(&pairs.reduce_by_key(|a, b| a + b));
    let seen = Collected::new();
    seen.collect(
        &pairs
            .group_by_key()
            .uid("lists")
            .map_values(|all| all.len() as u64),
    );
    context.start().unwrap();
    let batch = |records: u64, keys: u64| {
        let pairs = (0..records).map(|n| ((n % keys) as u32, n)).collect();
        queue.push(context.parallelize(pairs));
    };
    batch(3000, 3);
    run_to(&context, &clock, 101);
    let thousand = vec![(0, 1000), (1, 1000), (2, 1000)];
    assert_eq!(seen.at(101), thousand);
    // Read by both outputs.
    assert_eq!(computed.swap(0, Ordering::Relaxed), 6000);

    batch(100_000, 100);
    run_to(&context, &clock, 102);
    let thousand: Vec<(u32, u64)> = (0..100).map(|key| (key, 1000)).collect();
    assert_eq!(seen.at(102), thousand);
    assert!(
        computed.load(Ordering::Relaxed) > 300_000,
        "read once more for each slice"
    );
    // However often it was read.
    assert_eq!(taken_in.value(), 103_000);

    batch(100_000, 1);
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err().to_string();
    for part in ["may hold 500000", "[memory] shuffle", "one key", "failed"] {
        assert!(error.contains(part), "{error}");
    }
    // What combines went through.
    assert_eq!(sums.at(103).len(), 1);
    context.stop(false).unwrap();
}
