//! [`RateSource`]: generated lines of words at a steady rate, for demonstrations and benchmarks.
//!
//! Line `n` is a pure function of the seed and `n`, and the number of lines due at a time is a pure
//! function of the time of the first batch, so a restart reads the same lines again and goes on with
//! exactly those that are due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::codec::{decode, encode, encode_position};
use super::{DirectSource, Planned, Waiting};
use crate::rdd::{
    BoxError, Chunk, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError, TextBuffer,
};
use crate::time::Time;

/// Lines of a partition.
const PARTITION: u64 = 64 * 1024;

/// Lines handed on at once, unless they are long.
const LINES: usize = 1024;

/// Bytes of a chunk, beyond which no further line goes into it.
const CHUNK_BYTES: usize = 256 * 1024;

/// The longest text that a chunk can hold.
const MAX_TEXT: usize = 1 << 31;

/// What a [`RateSource`] makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateOptions {
    /// Lines a second.
    pub records_per_second: u64,
    /// Words in a line, at least 1.
    pub words_per_line: usize,
    /// Different words, at least 1; each has four to nine letters.
    pub vocabulary: usize,
    /// What the words and lines are drawn from.
    pub seed: u64,
    /// Lines after which it ends; `None`: never.
    pub limit: Option<u64>,
}

impl Default for RateOptions {
    /// A thousand lines a second, of about 60 bytes: 8 words out of 10,000.
    fn default() -> Self {
        Self {
            records_per_second: 1000,
            words_per_line: 8,
            vocabulary: 10_000,
            seed: 1,
            limit: None,
        }
    }
}

/// Generated lines at a steady rate.
///
/// The rate is one of the batch clock: what was due while the program was down is made up for.
#[derive(Debug)]
pub struct RateSource {
    options: RateOptions,
    position: Mutex<Position>,
    /// Lines that were due at the last plan and weren't in it.
    left: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Position {
    /// From when on lines are due; the time before the first batch.
    start: Option<Time>,
    /// The number of the line to be made next.
    next: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    start: Time,
    from: u64,
    to: u64,
}

impl RateSource {
    /// A source of generated lines.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::source::{RateOptions, RateSource};
    ///
    /// let lines = context.direct_stream(RateSource::new(RateOptions::default()));
    /// lines.count().print();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(options: RateOptions) -> Self {
        Self {
            options,
            position: Mutex::default(),
            left: AtomicU64::new(0),
        }
    }

    /// How many lines there should be at `time`.
    fn due(&self, start: Time, time: Time) -> u64 {
        let elapsed = u128::from(time.as_millis().saturating_sub(start.as_millis()));
        let due = elapsed * u128::from(self.options.records_per_second) / 1000;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        self.options.limit.map_or(due, |limit| due.min(limit))
    }

    fn lock(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DirectSource<str> for RateSource {
    fn kind(&self) -> &'static str {
        "rate"
    }

    fn describe(&self) -> String {
        format!(
            "{} generated lines a second",
            self.options.records_per_second
        )
    }

    fn plan(&self, time: Time, previous: Option<Time>) -> Result<Option<Planned>, BoxError> {
        self.plan_at_most(time, previous, u64::MAX)
    }

    /// What is due and not planned stays due.
    fn plan_at_most(
        &self,
        time: Time,
        previous: Option<Time>,
        records: u64,
    ) -> Result<Option<Planned>, BoxError> {
        let position = *self.lock();
        let start = position.start.or(previous).unwrap_or(time);
        let from = position.next;
        let due = self.due(start, time).max(from);
        let to = due.min(from.saturating_add(records));
        self.left.store(due - to, Ordering::Relaxed);
        // The very first plan counts even when it is empty: it fixes the start.
        if from == to && position.start.is_some() {
            return Ok(None);
        }
        let plan = encode(&Plan { start, from, to })?;
        Ok(Some(Planned {
            plan,
            records: Some(to - from),
        }))
    }

    fn accept(&self, plan: &[u8]) -> Result<(), BoxError> {
        let plan: Plan = decode("a rate source's plan", plan)?;
        let mut position = self.lock();
        position.start.get_or_insert(plan.start);
        position.next = position.next.max(plan.to);
        Ok(())
    }

    fn position(&self) -> Vec<u8> {
        encode_position(&*self.lock())
    }

    fn restore(&self, position: &[u8]) -> Result<(), BoxError> {
        *self.lock() = decode("a rate source's position", position)?;
        Ok(())
    }

    fn waiting(&self) -> Waiting {
        Waiting {
            records: Some(self.left.load(Ordering::Relaxed)),
            ..Waiting::default()
        }
    }

    fn rdd(&self, plan: &[u8], executor: &Executor) -> Result<Rdd<str>, BoxError> {
        let plan: Plan = decode("a rate source's plan", plan)?;
        let lines = Lines {
            words_per_line: self.options.words_per_line.max(1),
            vocabulary: self.options.vocabulary.max(1) as u64,
            seed: self.options.seed,
            from: plan.from,
            to: plan.to,
        };
        Ok(Rdd::new(lines, executor))
    }
}

/// The lines `from..to`.
struct Lines {
    words_per_line: usize,
    vocabulary: u64,
    seed: u64,
    from: u64,
    to: u64,
}

impl Lines {
    fn push_line(&self, number: u64, text: &mut Vec<u8>) {
        let mut random = Random(mix(self.seed ^ mix(number)));
        for n in 0..self.words_per_line {
            if n > 0 {
                text.push(b' ');
            }
            push_word(self.seed, random.below(self.vocabulary), text);
        }
    }
}

impl RddNode<str> for Lines {
    fn partitions(&self) -> usize {
        let partitions = self.to.saturating_sub(self.from).div_ceil(PARTITION);
        usize::try_from(partitions).unwrap_or(usize::MAX)
    }

    fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
        let mut next = self
            .from
            .saturating_add((partition as u64).saturating_mul(PARTITION));
        let end = next.saturating_add(PARTITION).min(self.to);
        let mut room = 0;
        while next < end {
            let mut text = Vec::with_capacity(room);
            let mut offsets: Vec<u32> = Vec::with_capacity(LINES + 1);
            offsets.push(0);
            while next < end && offsets.len() <= LINES && text.len() < CHUNK_BYTES {
                self.push_line(next, &mut text);
                if text.len() >= MAX_TEXT {
                    let long = "a generated line is longer than 2 GiB: lower words_per_line";
                    return Err(TaskError::new(long).into());
                }
                offsets.push(text.len() as u32);
                next += 1;
            }
            room = text.capacity();
            let text = Arc::new(String::from_utf8(text).map_err(TaskError::new)?);
            sink(Chunk::Owned(&mut TextBuffer::of_block(&text, &offsets)))?;
        }
        Ok(())
    }
}

/// Appends word `index`: four to nine letters drawn from the seed and the index.
fn push_word(seed: u64, index: u64, text: &mut Vec<u8>) {
    // The lengths take the high bits, the letters base 26 of the rest.
    let mut bits = mix(seed.rotate_left(32) ^ index);
    let length = 4 + (bits >> 32) % 6;
    for _ in 0..length {
        text.push(b'a' + (bits % 26) as u8);
        bits /= 26;
    }
}

/// SplitMix64: a sequence of well-mixed numbers from any start.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.0)) * u128::from(limit)) >> 64) as u64
    }
}

/// SplitMix64's finaliser: each bit of the answer depends on each bit of `x`.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn options(rate: u64) -> RateOptions {
        RateOptions {
            records_per_second: rate,
            ..RateOptions::default()
        }
    }

    fn batch(source: &RateSource, ms: u64, previous: Option<u64>) -> Vec<String> {
        let Some(planned) = source.plan(at(ms), previous.map(at)).unwrap() else {
            return Vec::new();
        };
        source.accept(&planned.plan).unwrap();
        let rdd = source
            .rdd(&planned.plan, &Executor::new(2, 1).unwrap())
            .unwrap();
        let lines = rdd.collect().unwrap();
        assert_eq!(planned.records, Some(lines.len() as u64));
        lines
    }

    #[test]
    fn the_rate_is_exact_over_many_batches() {
        let source = RateSource::new(options(333));
        let total: usize = (1..=30)
            .map(|n| batch(&source, n * 100, Some((n - 1) * 100)).len())
            .sum();
        assert_eq!(total, 999);
    }

    #[test]
    fn without_a_batch_before_the_first_one_sets_the_start() {
        let source = RateSource::new(options(1000));
        assert!(batch(&source, 5000, None).is_empty());
        assert_eq!(batch(&source, 5010, Some(5000)).len(), 10);
    }

    #[test]
    fn what_a_batch_may_not_take_stays_due() {
        let source = RateSource::new(options(1000));
        let mut ends = Vec::new();
        for (ms, most) in [(100, 30), (200, 250), (300, 1)] {
            let previous = Some(at(ms - 100));
            let planned = source.plan_at_most(at(ms), previous, most).unwrap();
            let planned = planned.unwrap();
            assert!(planned.records <= Some(most));
            source.accept(&planned.plan).unwrap();
            let left = source.waiting().records;
            assert_eq!(left, Some(ms - source.lock().next));
            ends.push(source.lock().next);
        }
        assert_eq!(ends, [30, 200, 201]);
        assert_eq!(batch(&source, 400, Some(300)).len(), 199);
    }

    #[test]
    fn the_limit_ends_it() {
        let source = RateSource::new(RateOptions {
            limit: Some(25),
            ..options(1000)
        });
        assert_eq!(batch(&source, 20, Some(0)).len(), 20);
        assert_eq!(batch(&source, 40, Some(20)).len(), 5);
        assert_eq!(source.plan(at(60), Some(at(40))).unwrap(), None);
    }

    #[test]
    fn lines_are_a_function_of_seed_and_number() {
        let first = RateSource::new(options(1000));
        let all = batch(&first, 100, Some(0));
        let second = RateSource::new(options(1000));
        let mut parts = batch(&second, 37, Some(0));
        let third = RateSource::new(options(1000));
        third.restore(&second.position()).unwrap();
        parts.extend(batch(&third, 100, Some(99)));
        assert_eq!(parts, all);
        let other = RateSource::new(RateOptions {
            seed: 2,
            ..options(1000)
        });
        assert_ne!(batch(&other, 100, Some(0)), all);
    }

    #[test]
    fn lines_look_like_those_of_the_benchmark() {
        let source = RateSource::new(options(200_000));
        let lines = batch(&source, 1000, Some(0));
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        let average = bytes as f64 / lines.len() as f64;
        assert!((59.0..61.0).contains(&average), "{average} bytes a line");
        let mut words: Vec<&str> = lines.iter().flat_map(|line| line.split(' ')).collect();
        assert_eq!(words.len(), lines.len() * 8);
        assert!(words.iter().all(|word| (4..=9).contains(&word.len())));
        words.sort_unstable();
        words.dedup();
        assert!(
            (9_900..=10_000).contains(&words.len()),
            "{} words",
            words.len()
        );
    }

    #[test]
    fn golden_bytes() {
        let plan = encode(&Plan {
            start: at(7),
            from: 1,
            to: 2,
        })
        .unwrap();
        assert_eq!(plan, b"\x01\x83\xa5start\x07\xa4from\x01\xa2to\x02");
        let position = Position {
            start: Some(at(7)),
            next: 3,
        };
        assert_eq!(
            encode_position(&position),
            b"\x01\x82\xa5start\x07\xa4next\x03"
        );
        // Logged plans name lines by number: what a number stands for must stay the same.
        let source = RateSource::new(RateOptions {
            words_per_line: 2,
            ..options(1000)
        });
        assert_eq!(
            batch(&source, 3, Some(0)),
            ["lfomzbc lnxivshsm", "zthnlil unum", "rgnyv uppitbl"]
        );
    }
}
