//! [`Steps`]: how far a start or a stop is, for whoever waits for it.
//!
//! Only told, never waited for: what works counts, who looks reads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::StreamingContext;

/// What a start or a stop is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Step {
    /// Start: the checkpoint location is taken over, and what is there is found.
    Opening,
    /// Start: what the checkpoint holds is read, in bytes.
    State,
    /// Start: the driver's log is read behind the checkpoint, in entries.
    DriverLog,
    /// Start: the first checkpoint of this run is written.
    FirstCheckpoint,
    /// Stop: receivers end, and what they took in is stored.
    Receivers,
    /// Stop: what was received is processed, in batches.
    Draining,
    /// Stop: the work at hand is finished, no more.
    Finishing,
    /// Stop: the last checkpoint is written.
    LastCheckpoint,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StepInfo {
    /// What is being done.
    pub step: Step,
    /// How much of it is done, in the step's unit.
    pub done: u64,
    /// How much there is to do, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Milliseconds since it began.
    #[serde(rename = "elapsed", serialize_with = "in_millis")]
    #[schemars(with = "u64")]
    pub elapsed: Duration,
    /// Milliseconds until it is given up, where there is a limit.
    #[serde(
        rename = "timeLeft",
        serialize_with = "left_in_millis",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<u64>")]
    pub left: Option<Duration>,
}

fn in_millis<S: serde::Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(crate::time::millis(*length))
}

fn left_in_millis<S: serde::Serializer>(left: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    left.map(crate::time::millis).serialize(to)
}

impl fmt::Display for StepInfo {
    /// In words: `draining 3 batches, 42 s left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.step {
            Step::Opening => "opening the checkpoint",
            Step::State => "reading the checkpoint",
            Step::DriverLog => "reading the driver's log",
            Step::FirstCheckpoint => "writing the first checkpoint",
            Step::Receivers => "waiting for receivers to end",
            Step::Draining => match self.total.map(|total| total.saturating_sub(self.done)) {
                None => "cutting the last batch",
                Some(1) => "draining 1 batch",
                Some(waiting) => {
                    return self.left_behind(f, &format!("draining {waiting} batches"));
                }
            },
            Step::Finishing => "finishing the work at hand",
            Step::LastCheckpoint => "writing the last checkpoint",
        };
        let amount = match (self.step, self.total) {
            (Step::State, Some(total)) => {
                format!(
                    ", {} of {} MB",
                    in_megabytes(self.done),
                    in_megabytes(total)
                )
            }
            (Step::DriverLog, Some(total)) => format!(", {} of {total} entries", self.done),
            _ => String::new(),
        };
        self.left_behind(f, &format!("{what}{amount}"))
    }
}

impl StepInfo {
    fn left_behind(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        f.write_str(what)?;
        match self.left {
            Some(left) => write!(f, ", {} s left", left.as_secs()),
            None => Ok(()),
        }
    }
}

fn in_megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The step at hand.
#[derive(Debug, Default)]
pub(super) struct Steps {
    current: Mutex<Option<Current>>,
    done: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    step: Step,
    total: Option<u64>,
    since: Instant,
    deadline: Option<Instant>,
}

impl Steps {
    /// Begins a step, which ends the one before it.
    pub(super) fn enter(&self, step: Step, total: Option<u64>, deadline: Option<Instant>) {
        let mut current = self.current();
        self.done.store(0, Ordering::Relaxed);
        let since = Instant::now();
        *current = Some(Current {
            step,
            // Of nothing there is nothing to tell, either.
            total: total.filter(|total| *total > 0),
            since,
            deadline,
        });
    }

    /// So much more of it is done.
    pub(super) fn advance(&self, by: u64) {
        self.done.fetch_add(by, Ordering::Relaxed);
    }

    /// All is done, or given up.
    pub(super) fn end(&self) {
        *self.current() = None;
    }

    fn info(&self) -> Option<StepInfo> {
        let current = (*self.current())?;
        Some(StepInfo {
            step: current.step,
            done: self.done.load(Ordering::Relaxed),
            total: current.total,
            elapsed: current.since.elapsed(),
            left: current
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now())),
        })
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamingContext {
    /// How far its start or its stop is; `None` while neither is under way. (Spark tells neither.)
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert_eq!(context.step(), None);
    /// let stopping = context.clone();
    /// let stop = std::thread::spawn(move || stopping.stop(true));
    /// while let Some(step) = context.step() {
    ///     // "draining 3 batches, 42 s left"
    ///     println!("{step}");
    /// }
    /// # stop.join().unwrap()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn step(&self) -> Option<StepInfo> {
        let mut info = self.0.steps.info()?;
        if let (Step::Draining, Some(total)) = (info.step, info.total) {
            let waiting = self.progress().active().len() as u64;
            info.total = Some(total.max(waiting));
            info.done = total.max(waiting) - waiting;
        }
        Some(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(step: Step, done: u64, total: Option<u64>, left: Option<u64>) -> String {
        let info = StepInfo {
            step,
            done,
            total,
            elapsed: Duration::ZERO,
            left: left.map(Duration::from_secs),
        };
        info.to_string()
    }

    #[test]
    fn steps_are_told_in_words() {
        let draining = told(Step::Draining, 2, Some(5), Some(42));
        assert_eq!(draining, "draining 3 batches, 42 s left");
        let last = told(Step::Draining, 4, Some(5), Some(1));
        assert_eq!(last, "draining 1 batch, 1 s left");
        let log = told(Step::DriverLog, 7, Some(10), None);
        assert_eq!(log, "reading the driver's log, 7 of 10 entries");
        let state = told(Step::State, 1_500_000, Some(12_000_000), None);
        assert_eq!(state, "reading the checkpoint, 1.5 of 12.0 MB");
    }

    #[test]
    fn a_step_counts_for_itself_and_ends() {
        let steps = Steps::default();
        assert_eq!(steps.info(), None);
        steps.enter(Step::State, Some(10), None);
        steps.advance(4);
        assert_eq!(steps.info().unwrap().done, 4);
        steps.enter(Step::DriverLog, Some(3), Some(Instant::now()));
        let info = steps.info().unwrap();
        assert_eq!((info.done, info.left), (0, Some(Duration::ZERO)));
        steps.end();
        assert_eq!(steps.info(), None);
    }
}
