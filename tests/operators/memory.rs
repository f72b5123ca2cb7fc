//! Shuffles that may hold so much and no more.

use super::support::{Collected, SECOND, clock_at, run_to};
use tidemill::StreamingContext;

#[test]
fn a_batch_whose_shuffle_is_too_large_fails_and_the_process_goes_on() {
    let clock = clock_at(100);
    let context = StreamingContext::builder("large", SECOND)
        .clock(clock.clone())
        .max_failures(1)
        .shuffle_memory(500_000)
        .build()
        .unwrap();
    let (pairs, queue) = context.queue_stream::<(u32, u64)>();
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
    let batch = |records: u64| {
        let pairs = (0..records).map(|n| ((n % 3) as u32, n)).collect();
        queue.push(context.parallelize(pairs));
    };
    batch(3000);
    run_to(&context, &clock, 101);
    let thousand = vec![(0, 1000), (1, 1000), (2, 1000)];
    assert_eq!(seen.at(101), thousand);
    batch(100_000);
    clock.advance(SECOND);
    let error = context.await_termination().unwrap_err().to_string();
    for part in ["may hold 500000", "[memory] shuffle", "failed"] {
        assert!(error.contains(part), "{error}");
    }
    // What combines went through.
    assert_eq!(sums.at(102).len(), 3);
    context.stop(false).unwrap();
}
