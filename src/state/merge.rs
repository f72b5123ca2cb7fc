//! A complete batch's changes become part of the state.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::changes::{Change, Changes};
use super::keyed::{KeyedState, PartitionState};
use super::mark::Mark;
use super::{StateKey, StateValue};
use crate::rdd::{Data, Entry, Executor, JobError, Key, Table, TaskError};
use crate::time::Time;

impl<K: StateKey, S: StateValue, M: Mark> KeyedState<K, S, M> {
    /// Makes what the batch at `time` staged part of the state. Changes are moved, so a merge that fails
    /// can't be done again: the state is torn then, and only a restart makes it whole.
    pub(super) fn merge_staged(&self, time: Time, executor: &Executor) -> Result<(), JobError> {
        self.refuse_torn()?;
        let Some(staged) = self.staged().remove(&time) else {
            return Ok(());
        };
        let staged = Arc::try_unwrap(staged).unwrap_or_else(|shared| (*shared).clone());
        let staged: Vec<_> = staged
            .into_iter()
            .map(|changes| Mutex::new(Some(changes)))
            .collect();
        let before = self.timed_out_before(time);
        let merged = executor.run_once(staged.len(), |partition| {
            let changes = staged.get(partition);
            let changes =
                changes.and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
            if let (Some(changes), Some(mut held)) = (changes, self.write(partition)) {
                held.apply(changes, self.timeout.is_some().then_some(time));
                if let Some(before) = before {
                    held.settle(before);
                }
            }
            Ok(())
        });
        merged.inspect_err(|_| self.is_torn.store(true, Ordering::Release))?;
        self.set_merged_through(time);
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

impl<K: Key, S: Data, M: Mark> PartitionState<K, S, M> {
    /// Applies changes, and notes them for the next checkpoint. `filed_under`: the batch, where keys
    /// time out.
    fn apply(&mut self, changes: Changes<K, S, M>, filed_under: Option<Time>) {
        for Entry {
            hash,
            pair: (key, ()),
        } in changes.removed
        {
            self.held.remove(hash, &key);
            if filed_under.is_some() {
                self.due.remove(hash);
            }
            note(&mut self.pending, hash, key, None);
        }
        for Change { held, is_new } in changes.updated {
            let (key, state) = held.pair.clone();
            note(&mut self.pending, held.hash, key, Some((held.mark, state)));
            if is_new {
                if let Some(time) = filed_under {
                    self.due.add(held.hash, time);
                }
                self.held.add(held);
            } else {
                self.held.put(held);
            }
        }
    }

    /// Files anew the keys that were touched since they were filed.
    fn settle(&mut self, before: Time) {
        let Self { held, due, .. } = self;
        due.settle(before, |hash| {
            held.with_hash(hash)
                .filter_map(|held| held.mark.touched())
                .min()
        });
    }
}

/// Sets what the next checkpoint says of a key.
fn note<K: Eq, C>(pending: &mut Table<K, C>, hash: u64, key: K, change: C) {
    match pending.find_mut(hash, |entry| entry.pair.0 == key) {
        Some(entry) => entry.pair.1 = change,
        None => {
            let pair = (key, change);
            pending.insert_unique(hash, Entry { hash, pair }, |entry| entry.hash);
        }
    }
}
