//! [`ShuffleMemory`]: what all shuffles together hold in memory, and how much that may be.
//!
//! Keys and values are of any type, so a shuffle can't be written to a disk. One that would take all of the
//! machine's memory is ended instead, with an error that says so, before the kernel ends the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Shuffles would hold more than they may.
#[derive(Debug, thiserror::Error)]
#[error(
    "its shuffles hold {held} bytes, and may hold {limit} (`[memory] shuffle`, `Builder::shuffle_memory`). More \
     partitions don't help, as all are held at once: combine values rather than list them (reduce_by_key for \
     group_by_key), take less into a batch (a shorter batch interval, max_rate, back-pressure), or raise the limit"
)]
pub(super) struct TooMuch {
    held: u64,
    limit: u64,
}

/// Bytes that shuffles hold, as far as they are known: what keys and values point to isn't.
#[derive(Debug, Default)]
pub(crate) struct ShuffleMemory {
    limit: OnceLock<u64>,
    held: AtomicU64,
}

impl ShuffleMemory {
    /// Sets the limit, once.
    pub(crate) fn limit(&self, bytes: u64) {
        let _ = self.limit.set(bytes);
    }

    /// Nothing yet.
    pub(super) fn none(self: &Arc<Self>) -> Reserved {
        Reserved {
            of: Arc::clone(self),
            bytes: 0,
        }
    }
}

/// What one worker or one result holds of it; given back when it's dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    of: Arc<ShuffleMemory>,
    bytes: u64,
}

impl Reserved {
    /// Whether there is a limit: nothing is counted without one.
    pub(super) fn is_limited(&self) -> bool {
        self.of.limit.get().is_some()
    }

    /// Says that it is so many bytes now; refused when all together are too many.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), TooMuch> {
        let Some(limit) = self.of.limit.get().copied() else {
            return Ok(());
        };
        let bytes = bytes as u64;
        let more = bytes.saturating_sub(self.bytes);
        let less = self.bytes.saturating_sub(bytes);
        self.bytes = bytes;
        let held = self.of.held.fetch_add(more, Ordering::Relaxed) + more;
        self.of.held.fetch_sub(less, Ordering::Relaxed);
        match more > 0 && held > limit {
            true => Err(TooMuch { held, limit }),
            false => Ok(()),
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.of.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Buffer, Executor, Rdd, TextBuffer};
    use super::*;

    fn held(executor: &Executor) -> u64 {
        executor.shuffles().held.load(Ordering::Relaxed)
    }

    fn pairs(executor: &Executor) -> Rdd<(u64, u64)> {
        let pairs = (0..200_000u64).map(|n| (n % 10, n)).collect();
        Rdd::parallelize(pairs, 8, executor)
    }

    #[test]
    fn a_shuffle_that_lists_too_much_fails_and_gives_back_what_it_held() {
        let executor = Executor::new(2, 2).unwrap();
        executor.shuffles().limit(1_000_000);
        let pairs = pairs(&executor);
        let grouped = pairs.group_by_key(3).count().unwrap_err().to_string();
        assert!(
            grouped.contains("may hold 1000000") && grouped.contains("reduce_by_key"),
            "{grouped}"
        );
        pairs.cogroup(&pairs, 3).count().unwrap_err();
        assert_eq!(held(&executor), 0);
        let sums = pairs.reduce_by_key(|a, b| a + b, 3);
        assert_eq!(sums.count().unwrap(), 10);
        assert!(held(&executor) > 0);
        drop(sums);
        assert_eq!(held(&executor), 0);
    }

    #[test]
    fn all_shuffles_count_together_and_only_where_there_is_a_limit() {
        let executor = Executor::new(2, 1).unwrap();
        let keys: Vec<u64> = (0..30_000).collect();
        let keys = Rdd::parallelize(keys, 4, &executor).map(|n| (*n, ()));
        keys.group_by_key(2).count().unwrap();
        let first = keys.reduce_by_key(|(), ()| (), 2);
        first.count().unwrap();
        assert_eq!(held(&executor), 0);

        let executor = Executor::new(2, 1).unwrap();
        executor.shuffles().limit(1 << 21);
        let keys = Rdd::parallelize((0..30_000u64).collect(), 4, &executor).map(|n| (*n, ()));
        let first = keys.reduce_by_key(|(), ()| (), 2);
        first.count().unwrap();
        let one = held(&executor);
        assert!(one > 30_000 * 16 && one <= 1 << 21, "{one}");
        let others: Vec<_> = (0..4).map(|_| keys.reduce_by_key(|(), ()| (), 2)).collect();
        let failed = others.iter().filter(|rdd| rdd.count().is_err()).count();
        assert!(failed > 0, "five times {one} are held");
        drop((first, others));
        assert_eq!(held(&executor), 0);
    }

    #[test]
    fn keys_that_are_text_count_by_their_length() {
        let executor = Executor::new(1, 1).unwrap();
        executor.shuffles().limit(1 << 30);
        let mut texts = TextBuffer::default();
        (0..100).for_each(|n| texts.push(&format!("{n:01000}")));
        let counts = Rdd::<str>::in_memory(vec![texts], &executor).count_by_value(2);
        assert_eq!(counts.count().unwrap(), 100);
        assert!(held(&executor) > 100_000);
    }
}
