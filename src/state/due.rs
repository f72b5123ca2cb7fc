//! [`Due`]: which keys may have timed out, by when they were touched last.
//!
//! Every key is filed once, under the batch that first touched it. When that batch is long enough ago,
//! the key is looked at: it has timed out, or is filed anew under the batch that touched it last. So
//! touching a key costs nothing here, and a key is looked at at most once in each time-out's length,
//! however many are held.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::time::Time;

/// Keys by when they must be looked at. Keys are named by their hash: two of the same hash are two
/// entries, which need not be told apart.
#[derive(Debug, Default)]
pub(super) struct Due {
    filed: BTreeMap<Time, Vec<u64>>,
    /// Keys that are gone and still filed, with how often.
    gone: HashMap<u64, u32, FixedState>,
}

impl Due {
    /// A key that was not held has been touched at `time`.
    pub(super) fn add(&mut self, hash: u64, time: Time) {
        // One that was held before is still filed, early enough.
        if !self.was_gone(hash) {
            self.filed.entry(time).or_default().push(hash);
        }
    }

    /// A key that was held is gone.
    pub(super) fn remove(&mut self, hash: u64) {
        *self.gone.entry(hash).or_default() += 1;
    }

    /// Hashes of the keys that may have been touched last before `time`.
    pub(super) fn before(&self, time: Time) -> impl Iterator<Item = u64> {
        self.filed
            .range(..time)
            .flat_map(|(_, hashes)| hashes.iter().copied())
    }

    /// Files anew what was filed before `time`: `anew` says for each hash that [`Due::before`] named, in
    /// the same order, when a key of it was touched last, the longest ago if there are several.
    pub(super) fn settle(&mut self, time: Time, anew: Vec<(u64, Option<Time>)>) {
        let later = self.filed.split_off(&time);
        self.filed = later;
        for (hash, touched) in anew {
            if self.was_gone(hash) {
                continue;
            }
            if let Some(time) = touched {
                self.filed.entry(time).or_default().push(hash);
            }
        }
    }

    /// How many entries are filed.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.filed.values().map(Vec::len).sum()
    }

    fn was_gone(&mut self, hash: u64) -> bool {
        // Most states never lose a key before its time.
        if self.gone.is_empty() {
            return false;
        }
        let Some(times) = self.gone.get_mut(&hash) else {
            return false;
        };
        *times -= 1;
        if *times == 0 {
            self.gone.remove(&hash);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Touch(u64),
        Remove(u64),
        Expire,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            5 => (0u64..6).prop_map(Step::Touch),
            2 => (0u64..6).prop_map(Step::Remove),
            2 => Just(Step::Expire),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn every_key_that_is_due_is_named_and_none_is_filed_twice(steps in steps(), timeout in 1u64..10) {
            let (mut due, mut model) = (Due::default(), BTreeMap::<u64, u64>::new());
            for (now, step) in steps.into_iter().enumerate() {
                let now = now as u64;
                match step {
                    Step::Touch(key) => {
                        if model.insert(key, now).is_none() {
                            due.add(key, Time::from_millis(now));
                        }
                    }
                    Step::Remove(key) => {
                        if model.remove(&key).is_some() {
                            due.remove(key);
                        }
                    }
                    Step::Expire => {
                        let threshold = now.saturating_sub(timeout);
                        let named: Vec<u64> = due.before(Time::from_millis(threshold)).collect();
                        for (key, touched) in model.clone() {
                            if touched < threshold {
                                prop_assert!(named.contains(&key), "{key} isn't named");
                                model.remove(&key);
                                due.remove(key);
                            }
                        }
                        let touched = |key: &u64| {
                            model.get(key).map(|touched| Time::from_millis(*touched))
                        };
                        let anew = named.iter().map(|key| (*key, touched(key))).collect();
                        due.settle(Time::from_millis(threshold), anew);
                    }
                }
                let gone: u32 = due.gone.values().sum();
                prop_assert_eq!(due.len(), model.len() + gone as usize);
            }
        }
    }
}
