//! [`WalStatus`]: a log's figures, for people and metrics.

use std::time::Duration;

use crate::position::Sequence;

/// A log's figures at one moment. Counts are since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalStatus {
    /// Segments kept.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number the next append gets.
    pub next_sequence: Sequence,
    /// The oldest number kept; equal to `next_sequence` when nothing was ever appended.
    pub oldest_sequence: Sequence,
    /// When the last group became durable, in milliseconds since the Unix epoch.
    pub last_sync_ms: Option<u64>,
    /// Appends answered `Ok`.
    pub appends: u64,
    /// Groups that were synced.
    pub syncs: u64,
    /// Bytes of frames that were synced.
    pub synced_bytes: u64,
    /// How long writing and syncing a group took.
    pub sync_latency: LatencyHistogram,
    /// Why the log takes no more appends.
    pub poisoned: Option<String>,
}

/// A histogram of durations with fixed buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyHistogram {
    bounds: &'static [u64],
    counts: Vec<u64>,
    count: u64,
    sum_micros: u64,
}

impl Default for LatencyHistogram {
    /// One for syncs.
    fn default() -> Self {
        Self::new(&Self::BOUNDS_MICROS)
    }
}

impl LatencyHistogram {
    /// The buckets for syncs.
    pub const BOUNDS_MICROS: [u64; 14] = [
        50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
        1_000_000, 5_000_000,
    ];

    /// An empty one; `bounds` are the buckets' upper bounds (inclusive), in microseconds, ascending. What is above
    /// the last is only in [`count`](Self::count).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill_wal::LatencyHistogram;
    ///
    /// let mut histogram = LatencyHistogram::new(&[1_000, 1_000_000]);
    /// histogram.record(Duration::from_millis(30));
    /// assert_eq!(histogram.buckets().collect::<Vec<_>>(), [(1_000, 0), (1_000_000, 1)]);
    /// ```
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len()],
            count: 0,
            sum_micros: 0,
        }
    }

    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.count += 1;
        self.sum_micros = self.sum_micros.saturating_add(micros);
        let bucket = self.bounds.iter().position(|bound| micros <= *bound);
        if let Some(count) = bucket.and_then(|bucket| self.counts.get_mut(bucket)) {
            *count += 1;
        }
    }

    /// Each bucket's upper bound in microseconds, and how many durations fell into it (and into no
    /// lower one).
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bounds = self.bounds.iter().copied();
        bounds.zip(self.counts.iter().copied())
    }

    /// How many durations there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum in microseconds.
    pub fn sum_micros(&self) -> u64 {
        self.sum_micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_lowest_bucket_that_holds_it() {
        let mut histogram = LatencyHistogram::default();
        for micros in [0, 50, 51, 6_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let filled: Vec<_> = histogram
            .buckets()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(filled, [(50, 2), (100, 1)]);
        assert_eq!((histogram.count(), histogram.sum_micros()), (4, 6_000_101));
    }
}
