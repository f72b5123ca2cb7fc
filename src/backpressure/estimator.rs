//! [`PidRateEstimator`]: what an input may take in a second, from how its last batch went.

use std::time::Duration;

use crate::time::millis;

/// How a batch went, as far as one input is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    /// When the batch was complete, in milliseconds.
    pub(super) time: u64,
    /// Records of the input in the batch.
    pub(super) records: u64,
    /// Milliseconds from the first job to the last commit.
    pub(super) processing_delay: u64,
    /// Milliseconds from the batch's submission to its first job.
    pub(super) scheduling_delay: u64,
}

/// Estimates a rate.
pub(super) trait RateEstimator: Send {
    /// Records a second that the input may take in from now on; `None` leaves it as it is.
    fn compute(&mut self, batch: Measured) -> Option<f64>;
    /// Goes on with other factors.
    fn tune(&mut self, pid: &PidSettings);
}

/// How the rate of an input follows what batches process: the factors of a PID controller.
///
/// They are those of `spark.streaming.backpressure.pid.*`, with the same defaults.
///
/// ```
/// use tidemill::PidSettings;
///
/// let usual = PidSettings::default();
/// assert_eq!((usual.proportional, usual.integral, usual.derived), (1.0, 0.2, 0.0));
/// assert_eq!(usual.min_rate, 100.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PidSettings {
    /// How much of the difference between the last rate and what was processed a second is corrected at
    /// once; 0 or more.
    pub proportional: f64,
    /// How much of what waits already, as the scheduling delay tells it, is worked off at once; 0 or more.
    pub integral: f64,
    /// How much the rate follows how fast the difference changes; 0 or more.
    pub derived: f64,
    /// Records a second below which no input is held back; above 0, or nothing could be measured any more.
    pub min_rate: f64,
}

impl Default for PidSettings {
    /// Follows what was processed at once, and works a fifth of what waits off.
    fn default() -> Self {
        Self {
            proportional: 1.0,
            integral: 0.2,
            derived: 0.0,
            min_rate: 100.0,
        }
    }
}

impl PidSettings {
    /// What is wrong with them, if anything.
    pub(super) fn mistake(&self) -> Option<String> {
        let factors = [
            ("proportional", self.proportional),
            ("integral", self.integral),
            ("derived", self.derived),
        ];
        for (name, factor) in factors {
            if !(factor.is_finite() && factor >= 0.0) {
                return Some(format!(
                    "backpressure_pid: {name} is {factor}: it must be 0 or more"
                ));
            }
        }
        let rate = self.min_rate;
        (!(rate.is_finite() && rate > 0.0)).then(|| {
            format!(
                "backpressure_pid: min_rate is {rate}: it must be a positive number of records a second, \
                 or a source that is held back could never go on"
            )
        })
    }
}

/// A PID controller: the set point is the last rate, the measured value what was processed a second.
#[derive(Debug)]
pub(super) struct PidRateEstimator {
    batch_interval_ms: f64,
    pid: PidSettings,
    last: Option<Last>,
}

/// What is kept of the last batch that counted.
#[derive(Debug, Clone, Copy)]
struct Last {
    time: u64,
    rate: f64,
    error: f64,
}

impl PidRateEstimator {
    pub(super) fn new(batch_interval: Duration, pid: PidSettings) -> Self {
        Self {
            batch_interval_ms: millis(batch_interval).max(1) as f64,
            pid,
            last: None,
        }
    }
}

impl RateEstimator for PidRateEstimator {
    /// The first batch that counts only sets the point to start from. One without records, one that took no
    /// time, and one that isn't later than the last tell nothing.
    fn compute(&mut self, batch: Measured) -> Option<f64> {
        if batch.records == 0 || batch.processing_delay == 0 {
            return None;
        }
        let processed = batch.records as f64 / batch.processing_delay as f64 * 1000.0;
        let Some(last) = self.last else {
            self.last = Some(Last {
                time: batch.time,
                rate: processed,
                error: 0.0,
            });
            return None;
        };
        let seconds = batch.time.checked_sub(last.time).filter(|ms| *ms > 0)? as f64 / 1000.0;
        let error = last.rate - processed;
        // What came in during the scheduling delay waits; spread over an interval it is a rate.
        let waiting = batch.scheduling_delay as f64 * processed / self.batch_interval_ms;
        let trend = (error - last.error) / seconds;
        let PidSettings {
            proportional,
            integral,
            derived,
            min_rate,
        } = self.pid;
        let rate = last.rate - proportional * error - integral * waiting - derived * trend;
        let rate = rate.max(min_rate);
        self.last = Some(Last {
            time: batch.time,
            rate,
            error,
        });
        Some(rate)
    }

    /// The last batch still counts.
    fn tune(&mut self, pid: &PidSettings) {
        self.pid = pid.clone();
    }
}

#[cfg(test)]
#[path = "estimator_tests.rs"]
mod tests;
