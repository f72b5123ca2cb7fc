//! What a step that may fail costs a record, beside one that can't: `try_map` and `map` of the same function.

use std::path::Path;
use std::time::{Duration, Instant};

use tidemill::clock::{Clock, ManualClock};
use tidemill::sink::Discard;
use tidemill::{StreamingContext, Time};

use crate::report::Report;
use crate::word_count::Run;

const BATCH: Duration = Duration::from_secs(1);
/// Records of a batch.
const RECORDS: u64 = 2_000_000;
/// Programs of each kind, in turns: others use the machine, and the best of many batches is what a step costs.
const ROUNDS: usize = 3;

pub fn figure(with: Run<'_>) {
    let batches = if with.short { 8 } else { 20 };
    let [mut plain, mut fallible] = [f64::MAX; 2];
    for round in 0..ROUNDS {
        let ns = |may_fail| {
            let folder = with.dir.join(format!("fallible-{round}-{may_fail}"));
            ns_a_record(&folder, may_fail, batches)
        };
        plain = plain.min(ns(false));
        fallible = fallible.min(ns(true));
    }
    Report::new("try_map_to_map")
        .number("records", RECORDS as f64)
        .number("map_ns_a_record", plain)
        .number("try_map_ns_a_record", fallible)
        .number("more_ns_a_record", fallible - plain)
        .number("ratio", fallible / plain)
        .print();
}

/// The best batch's time for a record.
fn ns_a_record(folder: &Path, may_fail: bool, batches: usize) -> f64 {
    let clock = ManualClock::new(Time::from_millis(1_000_000));
    let context = StreamingContext::builder("fallible", BATCH)
        .checkpoint(format!("sled:{}", folder.join("checkpoint").display()))
        .clock(clock.clone())
        .build()
        .unwrap();
    let (numbers, queue) = context.queue_stream::<u64>();
    match may_fail {
        false => numbers.map(|n| n.rotate_left(7) ^ n).sink(Discard),
        true => numbers
            .try_map(|n| match n.checked_add(1) {
                Some(_) => Ok(n.rotate_left(7) ^ n),
                None => Err("it is too large"),
            })
            .sink(Discard),
    };
    context.start().unwrap();
    let mut best = f64::MAX;
    for _ in 0..batches {
        queue.push_vec((0..RECORDS).collect());
        let time = clock.now().plus(BATCH);
        let began = Instant::now();
        clock.advance(BATCH);
        let progress = context.progress();
        while progress
            .last_completed()
            .is_none_or(|batch| batch.batch_time < time)
        {
            std::thread::sleep(Duration::from_micros(50));
        }
        best = best.min(began.elapsed().as_secs_f64());
    }
    context.stop(false).unwrap();
    best * 1e9 / RECORDS as f64
}
