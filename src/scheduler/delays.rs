//! [`DelayHistograms`]: how long batches wait and take, all of them and not only the last.

use std::time::Duration;

use tidemill_wal::LatencyHistogram;

use super::BatchInfo;

/// The buckets of delays: upper bounds in microseconds, from a millisecond to five minutes.
pub(crate) const DELAY_BOUNDS: [u64; 15] = [
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// The delays of all batches completed since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayHistograms {
    /// From submission to the first job.
    pub scheduling: LatencyHistogram,
    /// From the first job to the last commit.
    pub processing: LatencyHistogram,
    /// From submission to the last commit.
    pub total: LatencyHistogram,
}

impl Default for DelayHistograms {
    fn default() -> Self {
        let empty = LatencyHistogram::new(&DELAY_BOUNDS);
        Self {
            scheduling: empty.clone(),
            processing: empty.clone(),
            total: empty,
        }
    }
}

impl DelayHistograms {
    pub(super) fn record(&mut self, batch: &BatchInfo) {
        for (histogram, delay) in [
            (&mut self.scheduling, batch.scheduling_delay()),
            (&mut self.processing, batch.processing_delay()),
            (&mut self.total, batch.total_delay()),
        ] {
            if let Some(delay) = delay {
                histogram.record(Duration::from_millis(delay));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    #[test]
    fn each_delay_goes_into_its_own() {
        let at = |ms| Some(Time::from_millis(ms));
        let mut delays = DelayHistograms::default();
        delays.record(&BatchInfo {
            batch_time: Time::from_millis(1000),
            submission_time: Time::from_millis(1001),
            processing_start_time: at(1010),
            processing_end_time: at(1310),
            num_records: 0,
            stream_records: Default::default(),
            output_operations: Vec::new(),
        });
        let sums = [&delays.scheduling, &delays.processing, &delays.total]
            .map(|histogram| (histogram.count(), histogram.sum_micros()));
        assert_eq!(sums, [(1, 9_000), (1, 300_000), (1, 309_000)]);
    }
}
