//! [`RateController`]: measures the batches of one input and publishes its rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::estimator::{Measured, PidSettings, RateEstimator};
use crate::block::TokenBucket;
use crate::scheduler::BatchInfo;

/// The rate of one input.
pub(super) struct RateController {
    estimator: Mutex<Box<dyn RateEstimator>>,
    /// Records a second; 0 while there is no rate.
    latest: AtomicU64,
    /// Where a receiver is held back; a direct source asks for the latest rate.
    bucket: OnceLock<Arc<TokenBucket>>,
}

impl RateController {
    /// One that holds to `held`, a checkpoint's rate, until there is a new one.
    pub(super) fn new(estimator: Box<dyn RateEstimator>, held: Option<u64>) -> Self {
        Self {
            estimator: Mutex::new(estimator),
            latest: AtomicU64::new(held.unwrap_or_default()),
            bucket: OnceLock::new(),
        }
    }

    /// Has rates go to `bucket` from now on.
    pub(super) fn publish_to(&self, bucket: Arc<TokenBucket>) {
        let _ = self.bucket.set(bucket);
    }

    pub(super) fn bucket(&self) -> Option<&Arc<TokenBucket>> {
        self.bucket.get()
    }

    /// The last rate, in records a second.
    pub(super) fn latest(&self) -> Option<u64> {
        match self.latest.load(Ordering::Relaxed) {
            0 => None,
            rate => Some(rate),
        }
    }

    /// Goes on with other factors; and at `initial_rate`, where no rate has been estimated.
    pub(super) fn tune(&self, initial_rate: Option<f64>, pid: &PidSettings) {
        // Under the lock, or a batch's rate that comes just now would be lost.
        let mut estimator = self
            .estimator
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        estimator.tune(pid);
        if let (None, Some(bucket)) = (self.latest(), self.bucket.get()) {
            match initial_rate {
                Some(rate) => bucket.set_rate(rate),
                None => bucket.unset_rate(),
            }
        }
        drop(estimator);
    }

    /// A batch with so many records of the input is complete.
    pub(super) fn batch_completed(&self, batch: &BatchInfo, records: u64) {
        let (Some(end), Some(processing_delay), Some(scheduling_delay)) = (
            batch.processing_end_time,
            batch.processing_delay(),
            batch.scheduling_delay(),
        ) else {
            return;
        };
        let measured = Measured {
            time: end.as_millis(),
            records,
            processing_delay,
            scheduling_delay,
        };
        // Under the lock: of two batches that end at once, the rate of the later one stays.
        let mut estimator = self
            .estimator
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(rate) = estimator.compute(measured) else {
            return;
        };
        // A rate below one record a second would stand for none at all.
        let rate = (rate as u64).max(1);
        self.latest.store(rate, Ordering::Relaxed);
        if let Some(bucket) = self.bucket.get() {
            bucket.set_rate(rate as f64);
        }
        drop(estimator);
    }
}
