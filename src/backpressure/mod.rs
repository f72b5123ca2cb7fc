//! Back-pressure: each input may take in what batches have turned out to process, and no more.
//!
//! When a batch is complete, the [`RateController`] of each input whose records in it are known hands four
//! figures to its [`RateEstimator`]: records, processing delay, scheduling delay, and when it ended. The rate
//! that comes out goes to where the input is held back: the token bucket of a receiver, or the number of
//! records that a direct source may plan for a batch. The last rate is in each checkpoint, and holds after a
//! restart until there is a new one.
//!
//! A batch may also be held to a number of records of each input, so that what waits after a time without batches
//! doesn't come as one. Received blocks that wait are bounded by the rate, too: twice what it brings in an
//! interval, so that a backlog is worked off beside what comes in.
//!
//! Invariant: a rate changes when records are taken in, never which, nor what is answered for them. Nothing
//! waits here: a batch's end costs a few multiplications for each input.

mod controller;
mod estimator;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

pub use estimator::PidSettings;

use crate::block::TokenBucket;
use crate::clock::Clock;
use crate::scheduler::BatchInfo;
use crate::uid::OperatorUid;
use controller::RateController;
use estimator::PidRateEstimator;

/// Whether and how rates follow what batches process.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct BackpressureSettings {
    pub(crate) enabled: bool,
    /// Records a second and input until a rate has been estimated.
    pub(crate) initial_rate: Option<f64>,
    pub(crate) pid: PidSettings,
}

impl BackpressureSettings {
    /// What is wrong with them, if anything.
    pub(crate) fn mistake(&self) -> Option<String> {
        if let Some(rate) = self.initial_rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Some(format!(
                "backpressure_initial_rate is {rate}: it must be a positive number of records a second"
            ));
        }
        self.pid.mistake()
    }
}

/// The rate that back-pressure holds an input to.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamRate {
    /// The input.
    pub stream_name: OperatorUid,
    /// Records a second that it may take in; `None` while it is held to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<f64>,
}

/// The rates of all inputs of a program.
pub(crate) struct Backpressure {
    /// Records a second and input until a rate has been estimated.
    initial_rate: Mutex<Option<f64>>,
    batch_interval: Duration,
    controllers: BTreeMap<OperatorUid, RateController>,
    /// Records of an input that a batch takes at most; 0: any number.
    batch_limit: AtomicU64,
}

impl Backpressure {
    /// Controllers for `inputs`, none where back-pressure is off; `held` are the rates of a checkpoint.
    pub(crate) fn new(
        settings: &BackpressureSettings,
        batch_interval: Duration,
        inputs: impl IntoIterator<Item = OperatorUid>,
        held: &BTreeMap<OperatorUid, u64>,
    ) -> Self {
        let controller = |uid: OperatorUid| {
            let estimator = PidRateEstimator::new(batch_interval, settings.pid.clone());
            let controller = RateController::new(Box::new(estimator), held.get(&uid).copied());
            (uid, controller)
        };
        let controllers = match settings.enabled {
            true => inputs.into_iter().map(controller).collect(),
            false => BTreeMap::new(),
        };
        Self {
            initial_rate: Mutex::new(settings.initial_rate),
            batch_interval,
            controllers,
            batch_limit: AtomicU64::new(0),
        }
    }

    /// Lets a batch take no more records of an input from now on; `None`: any number.
    pub(crate) fn limit_batches(&self, most: Option<u64>) {
        self.batch_limit
            .store(most.unwrap_or_default(), Ordering::Relaxed);
    }

    /// The bucket that a receiver's records go through; it limits nothing for as long as there is neither a
    /// rate nor a limit.
    pub(crate) fn bucket(
        &self,
        stream: &OperatorUid,
        max_rate: Option<f64>,
        clock: Arc<dyn Clock>,
    ) -> Arc<TokenBucket> {
        let controller = self.controllers.get(stream);
        let rate = self.rate_now(controller);
        let bucket = Arc::new(TokenBucket::new(max_rate, rate, clock));
        if let Some(controller) = controller {
            controller.publish_to(Arc::clone(&bucket));
        }
        bucket
    }

    /// Goes on with other factors, and another rate for inputs that none was estimated for.
    pub(crate) fn tune(&self, initial_rate: Option<f64>, pid: &PidSettings) {
        *self.initial_rate() = initial_rate;
        for controller in self.controllers.values() {
            controller.tune(initial_rate, pid);
        }
    }

    /// How many records a direct source may plan for a batch; `None`: as many as there are.
    pub(crate) fn most_records(&self, stream: &OperatorUid) -> Option<u64> {
        self.at_most(self.records_in(stream, self.batch_interval))
    }

    /// How many records of received blocks a batch may take; `None`: all that wait.
    pub(crate) fn most_received(&self, stream: &OperatorUid) -> Option<u64> {
        // Twice, so that nothing waits in ordinary times: a burst is a second's worth.
        let length = 2 * self.batch_interval.max(Duration::from_secs(1));
        self.at_most(self.records_in(stream, length))
    }

    fn records_in(&self, stream: &OperatorUid, length: Duration) -> Option<u64> {
        let rate = self.rate_now(self.controllers.get(stream))?;
        Some(((rate * length.as_secs_f64()) as u64).max(1))
    }

    /// `records`, or the limit of a batch where that is less.
    fn at_most(&self, records: Option<u64>) -> Option<u64> {
        let limit = NonZeroU64::new(self.batch_limit.load(Ordering::Relaxed));
        records.into_iter().chain(limit.map(NonZeroU64::get)).min()
    }

    /// A batch is complete: rates follow.
    pub(crate) fn batch_completed(&self, batch: &BatchInfo) {
        for (stream, controller) in &self.controllers {
            if let Some(records) = batch.stream_records.get(stream) {
                controller.batch_completed(batch, *records);
            }
        }
    }

    /// The last rate of each input that has one, for a checkpoint.
    pub(crate) fn latest(&self) -> BTreeMap<OperatorUid, u64> {
        let latest = self.controllers.iter();
        latest
            .filter_map(|(stream, controller)| Some((stream.clone(), controller.latest()?)))
            .collect()
    }

    /// What each input is held to.
    pub(crate) fn rates(&self) -> Vec<StreamRate> {
        let rate = |(stream, controller): (&OperatorUid, &RateController)| StreamRate {
            stream_name: stream.clone(),
            rate_limit: match controller.bucket() {
                Some(bucket) => bucket.rate(),
                None => self.rate_now(Some(controller)),
            },
        };
        self.controllers.iter().map(rate).collect()
    }

    /// The last rate, and before there is one the first.
    fn rate_now(&self, controller: Option<&RateController>) -> Option<f64> {
        let latest = controller?.latest().map(|rate| rate as f64);
        latest.or(*self.initial_rate())
    }

    fn initial_rate(&self) -> MutexGuard<'_, Option<f64>> {
        self.initial_rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
