//! [`Yielded`]: how many records an operator's newest datasets had.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rdd::{Element, ElementCounts, Rdd};
use crate::time::Time;

/// By batch: what its operator yielded, as far as that has been computed.
#[derive(Default)]
pub(crate) struct Yielded(Mutex<BTreeMap<Time, Arc<ElementCounts>>>);

impl Yielded {
    /// Counts the records of the dataset at `time`; one that isn't there has none.
    pub(super) fn counted<T: ?Sized + Element>(
        &self,
        time: Time,
        rdd: Option<Rdd<T>>,
    ) -> Option<Rdd<T>> {
        let (rdd, counts) = match rdd.map(Rdd::counted) {
            Some((rdd, counts)) => (Some(rdd), counts),
            None => (None, Arc::default()),
        };
        self.lock().insert(time, counts);
        rdd
    }

    /// Records of the newest dataset up to `until`; `None` where not all of it was computed, or none is known.
    pub(crate) fn newest(&self, until: Time) -> Option<u64> {
        let yielded = self.lock();
        let (_, counts) = yielded.range(..=until).next_back()?;
        counts.total()
    }

    /// Lets go of all before the newest dataset up to `complete`.
    pub(super) fn forget_before(&self, complete: Time) {
        let mut yielded = self.lock();
        let newest = yielded
            .range(..=complete)
            .next_back()
            .map(|(time, _)| *time);
        if let Some(newest) = newest {
            *yielded = yielded.split_off(&newest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Time, Arc<ElementCounts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::Executor;

    #[test]
    fn the_newest_complete_dataset_is_told_until_another_is() {
        let executor = Executor::new(1, 1).unwrap();
        let yielded = Yielded::default();
        let numbers = |n: u64| Rdd::<u64>::in_memory(vec![(0..n).collect()], &executor);
        let at = Time::from_millis;
        assert_eq!(yielded.newest(at(9)), None);
        for (time, records) in [(1, 5), (3, 7)] {
            let rdd = yielded.counted(at(time), Some(numbers(records)));
            rdd.unwrap().count().unwrap();
        }
        assert!(yielded.counted::<u64>(at(4), None).is_none());
        let seen = [0, 1, 2, 3, 4].map(|time| yielded.newest(at(time)));
        assert_eq!(seen, [None, Some(5), Some(5), Some(7), Some(0)]);
        yielded.forget_before(at(2));
        assert_eq!(yielded.newest(at(2)), Some(5));
        yielded.forget_before(at(3));
        assert_eq!(
            (yielded.newest(at(2)), yielded.newest(at(3))),
            (None, Some(7))
        );
    }
}
