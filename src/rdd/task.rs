//! Tasks: the leaves of all work, one partition each, on a CPU pool of its own.
//!
//! Invariant: user code runs only inside [`Executor`] tasks or under [`contained`], so a panic in it
//! ends as a [`TaskError`] and never leaves the process. A task never waits for another task: what it
//! needs has been prepared before it starts.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::activity::Activity;
use super::runs::Runs;
use super::{CacheStore, KeyHasher, ShuffleMemory};
use crate::effects::{self, Effects};
use crate::time::Time;

/// A boxed error of a user's closure.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// User code panicked; the message is the panic's.
    #[error("user code panicked: {0}")]
    Panicked(String),
    /// User code, a source or a sink answered with an error.
    #[error("{0}")]
    Failed(#[source] BoxError),
    /// A dataset was asked for after the engine had let go of what it is computed from.
    #[error("{0}")]
    Gone(String),
}

impl TaskError {
    /// An error with a source of its own.
    ///
    /// ```
    /// use tidemill::rdd::TaskError;
    ///
    /// assert_eq!(TaskError::new("the table is gone").to_string(), "the table is gone");
    /// ```
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self::Failed(error.into())
    }

    /// The error that it was made of, if that is an `E`.
    pub(crate) fn as_failed<E: std::error::Error + Copy + 'static>(&self) -> Option<E> {
        match self {
            Self::Failed(error) => error.downcast_ref().copied(),
            _ => None,
        }
    }

    /// Ends the user's closure that is running, and the task with this error.
    pub(crate) fn throw(self) -> ! {
        // Not a panic: nothing is printed, and `contained` finds the error itself.
        std::panic::resume_unwind(Box::new(self))
    }
}

/// Why a visit of elements ended early.
#[derive(Debug)]
pub enum Stop {
    /// Enough was seen.
    Enough,
    /// It can't go on.
    Failed(TaskError),
}

impl From<TaskError> for Stop {
    fn from(error: TaskError) -> Self {
        Stop::Failed(error)
    }
}

/// A failed job: which partition, after how many tries, and why.
#[derive(Debug, thiserror::Error)]
#[error("partition {partition} failed {attempts} times, the last time because: {error}")]
pub struct JobError {
    /// The partition, counted from 0.
    pub partition: usize,
    /// How often it was tried.
    pub attempts: usize,
    /// The last failure.
    #[source]
    pub error: TaskError,
}

/// Runs `work` and turns a panic into an error.
///
/// ```
/// use tidemill::rdd::{TaskError, contained};
///
/// let failed = contained(|| -> Result<(), TaskError> { panic!("no such tide") });
/// assert!(failed.unwrap_err().to_string().contains("no such tide"));
/// ```
pub fn contained<R>(work: impl FnOnce() -> Result<R, TaskError>) -> Result<R, TaskError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        // Thrown by our own code in a user's closure, see `TaskError::throw`.
        Err(payload) => Err(match payload.downcast::<TaskError>() {
            Ok(error) => *error,
            Err(payload) => TaskError::Panicked(panic_message(&*payload)),
        }),
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// The CPU pool and its rules.
#[derive(Debug, Clone)]
pub struct Executor {
    pool: Arc<ThreadPool>,
    max_failures: Arc<AtomicUsize>,
    hash_seed: Arc<OnceLock<u64>>,
    cache: Arc<CacheStore>,
    shuffles: Arc<ShuffleMemory>,
    activity: Activity,
}

impl Executor {
    /// A pool of `threads` threads whose tasks are given up after `max_failures` failures.
    ///
    /// ```
    /// use tidemill::rdd::Executor;
    ///
    /// let executor = Executor::new(4, 3)?;
    /// assert_eq!(executor.parallelism(), 4);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn new(threads: usize, max_failures: usize) -> Result<Self, BoxError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|n| format!("tidemill-task-{n}"))
            .build()?;
        Ok(Self {
            pool: Arc::new(pool),
            max_failures: Arc::new(AtomicUsize::new(max_failures.max(1))),
            hash_seed: Arc::default(),
            cache: Arc::default(),
            shuffles: Arc::default(),
            activity: Activity::default(),
        })
    }

    /// How many tasks run at once.
    ///
    /// ```
    /// use tidemill::rdd::Executor;
    ///
    /// assert_eq!(Executor::new(2, 1).unwrap().parallelism(), 2);
    /// ```
    pub fn parallelism(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Gives tasks up after another number of failures from now on.
    pub(crate) fn set_max_failures(&self, max_failures: usize) {
        self.max_failures
            .store(max_failures.max(1), Ordering::Relaxed);
    }

    /// Where kept datasets lie.
    pub(crate) fn cache(&self) -> &Arc<CacheStore> {
        &self.cache
    }

    /// What shuffles hold in memory.
    pub(crate) fn shuffles(&self) -> &Arc<ShuffleMemory> {
        &self.shuffles
    }

    /// How far the tasks are that run at this moment.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Sets the application's hash seed, once, before the first batch.
    pub(crate) fn set_hash_seed(&self, seed: u64) {
        let _ = self.hash_seed.set(seed);
    }

    /// The hasher of keys.
    ///
    /// ```
    /// use tidemill::rdd::Executor;
    ///
    /// let executor = Executor::new(2, 1).unwrap();
    /// assert_eq!(executor.hasher().hash("ebb"), executor.hasher().hash("ebb"));
    /// ```
    pub fn hasher(&self) -> KeyHasher {
        KeyHasher::new(self.hash_seed.get().copied().unwrap_or_default())
    }

    /// Runs `task` for each of `partitions` partitions and returns the results in partition order; a
    /// task that fails is tried again. Must not be called from inside a task.
    ///
    /// ```
    /// use tidemill::rdd::Executor;
    ///
    /// let executor = Executor::new(2, 1).unwrap();
    /// assert_eq!(executor.run(3, |partition| Ok(partition * 10)).unwrap(), [0, 10, 20]);
    /// ```
    pub fn run<R: Send>(
        &self,
        partitions: usize,
        task: impl Fn(usize) -> Result<R, TaskError> + Sync,
    ) -> Result<Vec<R>, JobError> {
        let left = Left::here();
        let results = self.each(partitions, |partition| {
            self.attempts(|| left.by(partition, || task(partition)))
        })?;
        left.hand_over();
        Ok(results)
    }

    /// As [`Executor::run`], for tasks that use up what they read and so can't be tried again.
    pub(crate) fn run_once<R: Send>(
        &self,
        partitions: usize,
        task: impl Fn(usize) -> Result<R, TaskError> + Sync,
    ) -> Result<Vec<R>, JobError> {
        let left = Left::here();
        let results = self.each(partitions, |partition| {
            left.by(partition, || task(partition))
        })?;
        left.hand_over();
        Ok(results)
    }

    fn each<R: Send>(
        &self,
        partitions: usize,
        task: impl Fn(usize) -> Result<R, JobError> + Sync,
    ) -> Result<Vec<R>, JobError> {
        if partitions == 0 {
            return Ok(Vec::new());
        }
        let under_way = self.activity.begin(partitions);
        let task = |partition| task(partition).inspect(|_| under_way.task_done());
        self.pool.install(|| {
            (0..partitions)
                .into_par_iter()
                .with_max_len(1)
                .map(&task)
                .collect()
        })
    }

    /// Visits all partitions with few accumulators: each takes in a run of neighbours, one partition after
    /// the other, and they come back in the order of their runs. Cheaper than [`Executor::run`] where
    /// accumulators are large. A failure spoils an accumulator, so the whole pass is tried again.
    ///
    /// ```
    /// use tidemill::rdd::Executor;
    ///
    /// let executor = Executor::new(2, 1).unwrap();
    /// let visit = |sum: &mut usize, partition| {
    ///     *sum += partition;
    ///     Ok(())
    /// };
    /// let sums = executor.fold(4, || 0, visit).unwrap();
    /// assert_eq!(sums.iter().sum::<usize>(), 6);
    /// ```
    pub fn fold<A: Send>(
        &self,
        partitions: usize,
        init: impl Fn() -> A + Sync,
        visit: impl Fn(&mut A, usize) -> Result<(), TaskError> + Sync,
    ) -> Result<Vec<A>, JobError> {
        self.attempts(|| {
            let left = Left::here();
            let workers = self.parallelism().min(partitions.max(1));
            let runs = Runs::new(partitions, workers);
            let failed = AtomicBool::new(false);
            let under_way = self.activity.begin(partitions);
            let worker = |worker| -> Result<Vec<(usize, A)>, JobError> {
                // Each with its first partition.
                let mut accumulators: Vec<(usize, A)> = Vec::new();
                let mut end = None;
                while !failed.load(Ordering::Relaxed) {
                    let Some(partition) = runs.next(worker) else {
                        break;
                    };
                    if end != Some(partition) {
                        accumulators.push((partition, init()));
                    }
                    end = Some(partition + 1);
                    if let Some((_, accumulator)) = accumulators.last_mut() {
                        left.by(partition, || visit(accumulator, partition))
                            .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                    }
                    under_way.task_done();
                }
                Ok(accumulators)
            };
            let by_worker: Vec<_> = self.pool.install(|| {
                (0..workers)
                    .into_par_iter()
                    .with_max_len(1)
                    .map(&worker)
                    .collect::<Result<_, _>>()
            })?;
            let mut accumulators: Vec<(usize, A)> = by_worker.into_iter().flatten().collect();
            accumulators.sort_unstable_by_key(|(first, _)| *first);
            let accumulators = accumulators.into_iter().map(|(_, of)| of).collect();
            left.hand_over();
            Ok(accumulators)
        })
    }

    /// Tries `work` until it succeeds or has failed as often as it may.
    pub(crate) fn attempts<R>(
        &self,
        work: impl Fn() -> Result<R, JobError>,
    ) -> Result<R, JobError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match work() {
                Ok(result) => return Ok(result),
                // A failure that has had its tries further down is final.
                Err(error)
                    if attempts >= self.max_failures.load(Ordering::Relaxed)
                        || error.attempts > 1 =>
                {
                    return Err(JobError {
                        attempts: attempts.max(error.attempts),
                        ..error
                    });
                }
                Err(JobError {
                    partition, error, ..
                }) => {
                    tracing::warn!(partition, attempts, %error, "a task failed and is tried again");
                }
            }
        }
    }
}

/// What the tasks of one run leave to the work that they are part of: that of those attempts that succeeded,
/// and only if the run does.
struct Left {
    /// Whether whoever runs the tasks gathers what they add.
    is_wanted: bool,
    /// The batch that they are run for.
    time: Option<Time>,
    by_task: Mutex<Vec<(usize, Effects)>>,
}

impl Left {
    fn here() -> Self {
        Self {
            is_wanted: effects::is_collecting(),
            time: effects::batch_time(),
            by_task: Mutex::default(),
        }
    }

    /// Runs one attempt of a task.
    fn by<R>(
        &self,
        partition: usize,
        work: impl FnOnce() -> Result<R, TaskError>,
    ) -> Result<R, JobError> {
        let work = || effects::at_batch(self.time, || contained(work));
        let (result, left) = effects::collect_if_any(self.is_wanted, work);
        if result.is_ok() && !left.is_empty() {
            self.by_task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((partition, left));
        }
        result.map_err(|error| JobError {
            partition,
            attempts: 1,
            error,
        })
    }

    /// The run has succeeded: back on the thread that asked for it.
    fn hand_over(self) {
        let by_task = self.by_task.into_inner();
        let mut by_task = by_task.unwrap_or_else(PoisonError::into_inner);
        by_task.sort_by_key(|(partition, _)| *partition);
        by_task
            .into_iter()
            .for_each(|(_, left)| effects::absorb(left));
    }
}

/// Reads "stopped early" as success.
pub(crate) fn until_enough(result: Result<(), Stop>) -> Result<(), TaskError> {
    match result {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_tried_again_and_then_reported() {
        let executor = Executor::new(2, 3).unwrap();
        let tries = AtomicUsize::new(0);
        let twice = executor.run(1, |_| {
            assert!(tries.fetch_add(1, Ordering::SeqCst) >= 2, "not yet");
            Ok(7)
        });
        assert_eq!(twice.unwrap(), [7]);

        let error = executor
            .run(4, |p| if p == 2 { panic!("poison") } else { Ok(()) })
            .unwrap_err();
        assert_eq!((error.partition, error.attempts), (2, 3));
        assert!(error.to_string().contains("poison"), "{error}");
    }

    #[test]
    fn fold_visits_each_partition_once_even_after_a_failure() {
        let executor = Executor::new(2, 2).unwrap();
        let failures = AtomicUsize::new(0);
        let sums = executor
            .fold(
                100,
                || 0,
                |sum, p| {
                    if p == 50 && failures.fetch_add(1, Ordering::SeqCst) == 0 {
                        return Err(TaskError::new("once"));
                    }
                    *sum += p;
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(sums.iter().sum::<usize>(), (0..100).sum::<usize>());
    }
}
