//! Windows of a minute sliding by a second, with an inverse function and without, over 50,000 keys and
//! 100,000 records a batch: what a batch takes, against one that reduces its own records by key and hands
//! out as many keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill::clock::ManualClock;
use tidemill::rdd::{BoxError, Executor, Rdd};
use tidemill::{DStream, StreamingContext, Time};

use crate::report::{Report, percentile};
use crate::word_count::Run;

const KEYS: u64 = 50_000;
const RECORDS: u64 = 100_000;
const LENGTH: u32 = 60;
const BATCH: Duration = Duration::from_secs(1);
/// In so many pieces a batch comes.
const PIECES: u64 = 8;

type Pairs = DStream<(String, u64)>;

/// The records of a batch: keys at random, so that some two thirds of all keys are in each.
fn records(batch: u64) -> Vec<(String, u64)> {
    let mut random = batch.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |random: &mut u64| {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % KEYS
    };
    let one = |_| (format!("key-{:06}", next(&mut random)), 1);
    (0..RECORDS).map(one).collect()
}

/// Milliseconds of the batches that followed the first full window, and what each handed out.
fn batches(with: Run<'_>, count: u64, program: impl Fn(&Pairs) -> Pairs) -> Vec<f64> {
    let clock = ManualClock::new(Time::from_millis(1_000_000));
    let context = StreamingContext::builder("windows", BATCH)
        .checkpoint(format!(
            "sled:{}",
            with.dir.join("windows/checkpoint").display()
        ))
        .clock(clock.clone())
        .parallelism(with.cores)
        .default_partitions(PIECES as usize)
        .build()
        .unwrap();
    let executor = Executor::new(with.cores, 1).unwrap();
    let (stream, queue) = context.queue_stream::<(String, u64)>();
    let seen = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&seen);
    program(&stream).for_each_rdd(move |rdd, _| -> Result<(), BoxError> {
        let keys = rdd.aggregate(
            || 0u64,
            |sum, chunk| chunk.for_each(|(key, n)| *sum += *n + key.len() as u64),
            |a, b| *a += b,
        );
        sum.store(keys.collect()?.iter().sum(), Ordering::Relaxed);
        Ok(())
    });
    context.start().unwrap();
    let mut millis = Vec::new();
    for batch in 0..count {
        queue.push(Rdd::parallelize(records(batch), PIECES as usize, &executor));
        clock.advance(BATCH);
        let done = || {
            let last = context.progress().last_completed()?;
            let end = Time::from_millis(1_000_000 + (batch + 1) * 1000);
            (last.batch_time >= end).then_some(())
        };
        // From the tick until all outputs are committed and what is staged is merged.
        let started = Instant::now();
        while done().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        if batch >= u64::from(LENGTH) + 2 {
            millis.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    context.stop(false).unwrap();
    let _ = std::fs::remove_dir_all(with.dir.join("windows"));
    assert!(
        seen.load(Ordering::Relaxed) > KEYS,
        "nothing was handed out"
    );
    millis
}

/// Hands out all keys beside what a batch reduces to: what any window has to do.
fn plain(pairs: &Pairs) -> Pairs {
    let all: Vec<(String, u64)> = (0..KEYS).map(|n| (format!("key-{n:06}"), 1)).collect();
    let keys = std::sync::OnceLock::new();
    pairs.reduce_by_key(|a, b| a + b).transform(move |rdd, _| {
        let keys =
            keys.get_or_init(|| Rdd::parallelize(all.clone(), PIECES as usize, rdd.executor()));
        // The reduced pairs are counted without being handed on a second time.
        rdd.filter(|(_, n)| *n == u64::MAX).union(keys)
    })
}

pub fn figure(with: Run<'_>) {
    let count = u64::from(LENGTH) + if with.short { 62 } else { 182 };
    let (length, slide) = (BATCH * LENGTH, BATCH);
    let raw = batches(with, count, plain);
    let inverse = batches(with, count, |pairs| {
        pairs.reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            length,
            slide,
            |(_, n)| *n > 0,
        )
    });
    let suffixes = batches(with, count, |pairs| {
        pairs.reduce_by_key_and_window(|a, b| a + b, length, slide)
    });
    let again = batches(with, count, plain);
    let middle = |all: &[f64]| percentile(all, 0.5);
    let limit = f64::midpoint(middle(&raw), middle(&again));
    let most = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    let mut report = Report::new("windows_60s_by_1s")
        .number("keys", KEYS as f64)
        .number("records_per_batch", RECORDS as f64)
        .number("batches", raw.len() as f64)
        .number("plain_ms_p50", limit)
        .number("plain_ms_max", most(&raw).max(most(&again)));
    for (name, all) in [("inverse", &inverse), ("any", &suffixes)] {
        report = report
            .number(&format!("{name}_ms_p50"), middle(all))
            .number(&format!("{name}_ms_p95"), percentile(all, 0.95))
            .number(&format!("{name}_ms_max"), most(all))
            .number(&format!("{name}_ratio"), middle(all) / limit);
    }
    report.print();
}
