//! [`Progress`]: the batches of late, for status pages and queries.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::BatchInfo;
use super::delays::DelayHistograms;
use super::overdue::times;
use crate::time::Time;
use crate::utc::for_people;

/// How many completed batches are kept unless a program says otherwise, as Spark does.
pub(crate) const RETAINED_BATCHES: usize = 1000;

/// Keeps what is known of the batches of late.
#[derive(Debug)]
pub struct Progress {
    batches: Mutex<Batches>,
    /// How many completed batches are kept.
    retained: AtomicUsize,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            batches: Mutex::default(),
            retained: AtomicUsize::new(RETAINED_BATCHES),
        }
    }
}

#[derive(Debug, Default)]
struct Batches {
    active: BTreeMap<Time, BatchInfo>,
    completed: VecDeque<BatchInfo>,
    failures: BTreeMap<Time, BatchFailure>,
    total_completed: u64,
    total_records: u64,
    first: Option<Time>,
    last_failure: Option<(Time, String)>,
    delays: DelayHistograms,
}

/// Why a batch fails that is tried on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchFailure {
    /// Why it last failed.
    pub reason: String,
    /// How often it was tried.
    pub tries: u64,
    /// When it is tried again.
    pub next_try: Time,
}

impl fmt::Display for BatchFailure {
    /// The reason, how often, and when next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (tried {}, again at {} UTC)",
            self.reason,
            times(self.tries),
            for_people(self.next_try)
        )
    }
}

/// Sums over the batches of late.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Batches completed since the start.
    pub total_completed_batches: u64,
    /// Batches completed of which details are kept.
    pub retained_completed_batches: u64,
    /// Batches that aren't complete.
    pub active_batches: u64,
    /// Records of the batches completed since the start.
    pub processed_records: u64,
    /// Records of the batches that were handed in since the start.
    pub received_records: u64,
    /// Records a second, on average over the kept batches and those that aren't complete.
    pub average_input_rate: Option<f64>,
    /// Milliseconds, on average over the kept batches.
    pub average_scheduling_delay: Option<u64>,
    /// Milliseconds, on average over the kept batches.
    pub average_processing_time: Option<u64>,
    /// Milliseconds, on average over the kept batches.
    pub average_total_delay: Option<u64>,
}

impl Progress {
    pub(super) fn submitted(&self, info: BatchInfo) {
        let mut batches = self.batches();
        batches.first.get_or_insert(info.batch_time);
        batches.active.insert(info.batch_time, info);
    }

    pub(super) fn started(&self, info: BatchInfo) {
        self.batches().active.insert(info.batch_time, info);
    }

    pub(super) fn completed(&self, info: BatchInfo) {
        let mut batches = self.batches();
        batches.active.remove(&info.batch_time);
        batches.failures.remove(&info.batch_time);
        batches.total_completed += 1;
        batches.total_records += info.num_records;
        batches.delays.record(&info);
        batches.completed.push_back(info);
        self.forget_oldest(&mut batches);
    }

    fn forget_oldest(&self, batches: &mut Batches) {
        let retained = self.retained.load(Ordering::Relaxed);
        let surplus = batches.completed.len().saturating_sub(retained);
        batches.completed.drain(..surplus);
    }

    /// Keeps so many completed batches from now on.
    pub(crate) fn retain(&self, batches: usize) {
        self.retained.store(batches, Ordering::Relaxed);
        self.forget_oldest(&mut self.batches());
    }

    /// Takes in the batches that an earlier run of the program completed, oldest first. They don't count as
    /// completed by this one.
    pub(crate) fn recall(&self, earlier: Vec<BatchInfo>) {
        let mut batches = self.batches();
        batches.completed.extend(earlier);
        self.forget_oldest(&mut batches);
    }

    /// Runs `look` on the kept batches, newest first, and before them on those that have taken effect, as
    /// `has_taken_effect` tells, without being told to be completed yet: `now` is taken for their end.
    pub(crate) fn look_back<R>(
        &self,
        now: Time,
        has_taken_effect: impl Fn(Time) -> bool,
        look: impl FnOnce(&mut dyn Iterator<Item = &BatchInfo>) -> R,
    ) -> R {
        let batches = self.batches();
        let done = batches.active.values().rev();
        let done = done.filter(|info| has_taken_effect(info.batch_time));
        let ending: Vec<BatchInfo> = done
            .map(|info| BatchInfo {
                processing_end_time: Some(now),
                ..info.clone()
            })
            .collect();
        look(&mut ending.iter().chain(batches.completed.iter().rev()))
    }

    pub(super) fn failed(&self, time: Time, failure: BatchFailure) {
        let mut batches = self.batches();
        batches.last_failure = Some((time, failure.reason.clone()));
        batches.failures.insert(time, failure);
    }

    /// The batches that aren't complete, oldest first.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let progress = context.progress();
    /// assert!(progress.active().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn active(&self) -> Vec<BatchInfo> {
        self.batches().active.values().cloned().collect()
    }

    /// The completed batches of which details are kept, newest first.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let progress = context.progress();
    /// assert!(progress.completed_batches().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn completed_batches(&self) -> Vec<BatchInfo> {
        self.batches().completed.iter().rev().cloned().collect()
    }

    /// What `look` makes of each batch of which details are kept, complete or not, oldest first.
    pub(crate) fn retained<R>(&self, look: impl Fn(&BatchInfo) -> R) -> Vec<R> {
        let batches = self.batches();
        let mut retained: Vec<&BatchInfo> = batches
            .completed
            .iter()
            .chain(batches.active.values())
            .collect();
        // Batches may be completed out of their order.
        retained.sort_by_key(|info| info.batch_time);
        retained.into_iter().map(look).collect()
    }

    /// What is known of a batch.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let progress = context.progress();
    /// assert!(progress.batch(tidemill::Time::from_millis(1000)).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(&self, time: Time) -> Option<BatchInfo> {
        let batches = self.batches();
        let completed = || {
            batches
                .completed
                .iter()
                .rev()
                .find(|info| info.batch_time == time)
        };
        batches.active.get(&time).or_else(completed).cloned()
    }

    /// The newest completed batch.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let progress = context.progress();
    /// assert!(progress.last_completed().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last_completed(&self) -> Option<BatchInfo> {
        self.batches().completed.back().cloned()
    }

    /// Batches that have failed as often as they may and are not complete yet: why, how often, and when they are
    /// tried again.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let progress = context.progress();
    /// assert!(progress.failing().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn failing(&self) -> BTreeMap<Time, BatchFailure> {
        self.batches().failures.clone()
    }

    /// The delays of the batches completed since the start.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let delays = context.progress().delays();
    /// assert_eq!(delays.total.count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delays(&self) -> DelayHistograms {
        self.batches().delays.clone()
    }

    /// Sums; `interval_ms` is the batch interval.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let statistics = context.progress().statistics(1000);
    /// assert_eq!(statistics.average_total_delay, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn statistics(&self, interval_ms: u64) -> Statistics {
        let batches = self.batches();
        let kept = &batches.completed;
        let average = |of: fn(&BatchInfo) -> Option<u64>| {
            let values: Vec<u64> = kept.iter().filter_map(of).collect();
            match values.len() as u64 {
                0 => None,
                n => Some(values.iter().sum::<u64>() / n),
            }
        };
        let waiting: u64 = batches.active.values().map(|info| info.num_records).sum();
        let records = kept.iter().map(|info| info.num_records).sum::<u64>() + waiting;
        let retained = kept.len() + batches.active.len();
        let seconds = retained as f64 * interval_ms as f64 / 1000.0;
        Statistics {
            total_completed_batches: batches.total_completed,
            retained_completed_batches: kept.len() as u64,
            active_batches: batches.active.len() as u64,
            processed_records: batches.total_records,
            received_records: batches.total_records + waiting,
            average_input_rate: (retained > 0).then(|| records as f64 / seconds),
            average_scheduling_delay: average(BatchInfo::scheduling_delay),
            average_processing_time: average(BatchInfo::processing_delay),
            average_total_delay: average(BatchInfo::total_delay),
        }
    }

    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
