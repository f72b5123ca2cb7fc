//! [`Activity`]: how far the tasks are that run at this moment, for people.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::effects;
use crate::time::Time;

/// Tasks done and tasks altogether.
pub(crate) type Tasks = (usize, usize);

/// The runs of tasks under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<Mutex<Runs>>);

#[derive(Debug, Default)]
struct Runs {
    next: u64,
    under_way: BTreeMap<u64, (Option<Time>, Arc<AtomicUsize>, usize)>,
}

/// One run; it ends when this is dropped.
pub(super) struct UnderWay {
    activity: Activity,
    id: u64,
    done: Arc<AtomicUsize>,
}

impl Activity {
    /// A run of so many tasks begins, for the batch that this thread works for.
    pub(super) fn begin(&self, tasks: usize) -> UnderWay {
        let done = Arc::new(AtomicUsize::new(0));
        let mut runs = self.lock();
        let id = runs.next;
        runs.next += 1;
        let run = (effects::batch_time(), Arc::clone(&done), tasks);
        runs.under_way.insert(id, run);
        UnderWay {
            activity: self.clone(),
            id,
            done,
        }
    }

    /// The tasks of the runs under way for a batch; `None` when there are none.
    pub(crate) fn tasks_of(&self, time: Time) -> Option<Tasks> {
        let runs = self.lock();
        let runs = runs.under_way.values();
        let of_batch = runs.filter(|(of, ..)| *of == Some(time));
        let tasks = of_batch.map(|(_, done, all)| (done.load(Ordering::Relaxed).min(*all), *all));
        tasks.reduce(|(done, all), (more_done, more)| (done + more_done, all + more))
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// A task is done.
    pub(super) fn task_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.activity.lock().under_way.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::at_batch;

    #[test]
    fn runs_of_a_batch_are_told_together_until_they_end() {
        let (activity, time) = (Activity::default(), Time::from_millis(5));
        assert_eq!(activity.tasks_of(time), None);
        let begin = |tasks| at_batch(Some(time), || activity.begin(tasks));
        let (one, other) = (begin(3), begin(5));
        let _query = activity.begin(7);
        one.task_done();
        other.task_done();
        other.task_done();
        assert_eq!(activity.tasks_of(time), Some((3, 8)));
        drop(other);
        assert_eq!(activity.tasks_of(time), Some((1, 3)));
        drop(one);
        assert_eq!(activity.tasks_of(time), None);
    }
}
