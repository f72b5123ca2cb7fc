//! A complete batch's changes become part of the state.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::keyed::{KeyedState, Staged};
use super::mark::Mark;
use super::{StateKey, StateValue};
use crate::rdd::{Executor, JobError, TaskError, until_enough};
use crate::time::Time;

impl<K: StateKey, S: StateValue, M: Mark> KeyedState<K, S, M> {
    /// Makes what the batch at `time` staged part of the state, and then room in memory, as far as it is
    /// limited. Only the second can fail for reasons of the disk, and is done again by a second call.
    pub(super) fn merge_staged(&self, time: Time, executor: &Executor) -> Result<(), JobError> {
        self.refuse_torn()?;
        let staged = self.staged().remove(&time);
        if let Some(staged) = staged {
            let applied = self.apply(staged, executor);
            applied.inspect_err(|_| self.is_torn.store(true, Ordering::Release))?;
            self.set_merged_through(time);
        }
        let before = self.timed_out_before(time);
        if before.is_none() && !self.is_limited.load(Ordering::Acquire) {
            return Ok(());
        }
        executor.run(self.partition_count(), |partition| {
            let Some(mut held) = self.write(partition) else {
                return Ok(());
            };
            if let Some(before) = before {
                until_enough(held.settle(before))?;
            }
            until_enough(held.make_room())
        })?;
        Ok(())
    }

    /// Changes are moved, so one that fails can't be done again.
    fn apply(&self, staged: Staged<K, S, M>, executor: &Executor) -> Result<(), JobError> {
        let staged = Arc::try_unwrap(staged).unwrap_or_else(|shared| (*shared).clone());
        let staged: Vec<_> = staged
            .into_iter()
            .map(|changes| Mutex::new(Some(changes)))
            .collect();
        executor.run_once(staged.len(), |partition| {
            let changes = staged.get(partition);
            let changes =
                changes.and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
            if let (Some(changes), Some(mut held)) = (changes, self.write(partition)) {
                held.apply(changes);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn refuse_torn(&self) -> Result<(), JobError> {
        if !self.is_torn.load(Ordering::Acquire) {
            return Ok(());
        }
        let error = TaskError::new(
            "a batch's changes became part of the state only in part, because the key's or state's own code \
             panicked; start the program again: the state is restored from the last checkpoint",
        );
        Err(JobError {
            partition: 0,
            attempts: 1,
            error,
        })
    }
}
