//! [`EffectBook`]: the batches of one program that have not taken effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BatchEffects, Effects};
use crate::time::Time;

/// Where the effects of a program's batches are.
#[derive(Default)]
pub(crate) struct EffectBook {
    is_used: AtomicBool,
    allowance: AtomicU64,
    /// The newest batch that has begun, in milliseconds.
    begun: AtomicU64,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    open: BTreeMap<Time, Arc<BatchEffects>>,
    /// Every batch up to this one has taken effect.
    through: Time,
    /// Further ones that have.
    completed: BTreeSet<Time>,
}

impl EffectBook {
    /// The program has something that tasks add to. Without it no dataset is looked at.
    pub(crate) fn use_it(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// How many records of a batch may be put aside.
    pub(crate) fn allow(&self, records: u64) {
        self.allowance.store(records, Ordering::Relaxed);
    }

    /// The newest batch that has begun.
    pub(crate) fn begun(&self) -> Time {
        Time::from_millis(self.begun.load(Ordering::Acquire))
    }

    /// The batch at `time` begins, or begins again.
    pub(crate) fn begin(&self, time: Time) {
        self.begun.fetch_max(time.as_millis(), Ordering::AcqRel);
    }

    /// What the batch at `time` leaves; `None` when the program has nothing to add to.
    pub(crate) fn batch(&self, time: Time) -> Option<Arc<BatchEffects>> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let mut pages = self.pages();
        if time <= pages.through || pages.completed.contains(&time) {
            return Some(BatchEffects::closed());
        }
        let allowance = self.allowance.load(Ordering::Relaxed);
        let batch = pages
            .open
            .entry(time)
            .or_insert_with(|| BatchEffects::open(allowance));
        Some(Arc::clone(batch))
    }

    /// These batches took effect before this process began.
    pub(crate) fn recovered(&self, through: Time, completed: &BTreeSet<Time>) {
        let mut pages = self.pages();
        pages.through = through;
        pages.completed.clone_from(completed);
    }

    /// The batch at `time` takes effect now: all that it left. A second call finds nothing.
    pub(crate) fn close(&self, time: Time) -> Effects {
        let batch = {
            let mut pages = self.pages();
            pages.completed.insert(time);
            pages.open.remove(&time)
        };
        batch.map(|batch| batch.close()).unwrap_or_default()
    }

    /// Every batch up to `time` has taken effect.
    pub(crate) fn complete_through(&self, time: Time) {
        let mut pages = self.pages();
        pages.through = time;
        pages.completed = pages.completed.split_off(&time.just_after());
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
