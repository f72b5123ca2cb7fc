//! [`BatchEffects`]: what a batch's work has left so far, by the work that left it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Effect, EffectId, Effects};
use crate::uid::OperatorUid;

/// What one batch leaves. Closed when it has taken effect: nothing is kept from then on.
pub(crate) struct BatchEffects {
    next_dataset: AtomicU64,
    /// How many records may be put aside.
    allowance: u64,
    kept: Mutex<Option<Kept>>,
}

#[derive(Default)]
struct Kept {
    datasets: BTreeMap<(u64, Work), Effects>,
    outputs: BTreeMap<OperatorUid, Effects>,
    weight: u64,
}

/// A piece of work on a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// What happened when it was declared, and its wide steps. Done once: both are remembered.
    Once,
    /// All of a partition.
    Partition(usize),
}

/// More records of a batch were put aside than may be.
#[derive(Debug, thiserror::Error)]
#[error(
    "more than {allowance} records of the batch can't be processed (`max_per_batch` of the dead letters): \
     the program or its input is wrong; mend it, or allow more"
)]
pub(crate) struct TooMany {
    allowance: u64,
}

impl BatchEffects {
    pub(super) fn open(allowance: u64) -> Arc<Self> {
        Self::new(allowance, Some(Kept::default()))
    }

    /// For a batch that has taken effect.
    pub(super) fn closed() -> Arc<Self> {
        Self::new(0, None)
    }

    fn new(allowance: u64, kept: Option<Kept>) -> Arc<Self> {
        Arc::new(Self {
            next_dataset: AtomicU64::new(0),
            allowance,
            kept: Mutex::new(kept),
        })
    }

    /// The number of a new dataset of the batch.
    pub(crate) fn new_dataset(&self) -> u64 {
        self.next_dataset.fetch_add(1, Ordering::Relaxed)
    }

    /// All of a partition has been computed, once more perhaps.
    pub(crate) fn keep_partition(
        &self,
        dataset: u64,
        partition: usize,
        effects: Effects,
    ) -> Result<(), TooMany> {
        let mut kept = self.kept();
        let Some(kept) = &mut *kept else {
            return Ok(());
        };
        kept.weight += effects.weight();
        let before = kept
            .datasets
            .insert((dataset, Work::Partition(partition)), effects);
        kept.weight -= before.map_or(0, |before| before.weight());
        match kept.weight > self.allowance {
            true => Err(TooMany {
                allowance: self.allowance,
            }),
            false => Ok(()),
        }
    }

    /// Whether all of a partition has been computed, or need not be any more.
    pub(crate) fn has_partition(&self, dataset: u64, partition: usize) -> bool {
        let key = (dataset, Work::Partition(partition));
        self.kept()
            .as_ref()
            .is_none_or(|kept| kept.datasets.contains_key(&key))
    }

    /// Work on a dataset that isn't done again, or whose part that is not done again left this.
    pub(crate) fn keep_once(&self, dataset: u64, effects: Effects) {
        if effects.is_empty() {
            return;
        }
        if let Some(kept) = &mut *self.kept() {
            kept.weight += effects.weight();
            let once = kept.datasets.entry((dataset, Work::Once)).or_default();
            once.absorb(effects);
        }
    }

    /// An output's work has succeeded.
    pub(crate) fn keep_output(&self, output: &OperatorUid, effects: Effects) {
        if let Some(kept) = &mut *self.kept() {
            kept.outputs.insert(output.clone(), effects);
        }
    }

    /// Visits what was left for `id`.
    pub(crate) fn visit<E: Effect>(&self, id: EffectId, mut visit: impl FnMut(&E)) {
        if let Some(kept) = &*self.kept() {
            kept.datasets
                .values()
                .chain(kept.outputs.values())
                .filter_map(|effects| effects.get(id))
                .for_each(&mut visit);
        }
    }

    /// All that was left, in the order of the datasets and partitions; nothing is kept any more.
    pub(super) fn close(&self) -> Effects {
        let mut all = Effects::default();
        if let Some(kept) = self.kept().take() {
            kept.datasets
                .into_values()
                .chain(kept.outputs.into_values())
                .for_each(|effects| all.absorb(effects));
        }
        all
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static BORN: RefCell<Option<Arc<BatchEffects>>> = const { RefCell::new(None) };
}

/// Runs `declare`: the datasets that it makes are those of `batch`.
pub(crate) fn in_batch<R>(batch: Option<Arc<BatchEffects>>, declare: impl FnOnce() -> R) -> R {
    struct Back(Option<Arc<BatchEffects>>);
    impl Drop for Back {
        fn drop(&mut self) {
            BORN.set(self.0.take());
        }
    }
    let _back = Back(BORN.replace(batch));
    declare()
}

/// The batch whose dataset is being made.
pub(crate) fn born() -> Option<Arc<BatchEffects>> {
    BORN.with_borrow(Option::clone)
}
