//! Pairs on their way to the partition of their key, in the order in which they stood.
//!
//! A function with state takes in one pair after the other, so there is nothing to combine on the way: pairs
//! keep the order of the parent's partitions, and within one the order of its elements.

use super::{Data, Entry, Executor, JobError, Key, Partitioning, Rdd, until_enough};

/// A dataset's pairs by the partition of their key.
pub(crate) struct Routed<K, V> {
    /// For each of the parent's partitions, what goes to each partition of the result.
    hands: Vec<Vec<Vec<Entry<K, V>>>>,
}

impl<K, V> Routed<K, V> {
    /// The pairs of one partition, in order.
    pub(crate) fn of(&self, partition: usize) -> impl Iterator<Item = &Entry<K, V>> + Clone {
        self.hands
            .iter()
            .filter_map(move |hands| hands.get(partition))
            .flatten()
    }

    /// How many pairs a partition has.
    pub(crate) fn len_of(&self, partition: usize) -> usize {
        let hands = self.hands.iter();
        hands
            .filter_map(|hands| hands.get(partition).map(Vec::len))
            .sum()
    }
}

/// Brings `parent`'s pairs to the partitions of their keys.
pub(crate) fn route<K: Key, V: Data>(
    parent: &Rdd<(K, V)>,
    partitioning: &Partitioning<K>,
    executor: &Executor,
) -> Result<Routed<K, V>, JobError> {
    parent.node().prepare(executor)?;
    let hasher = executor.hasher();
    let hands = executor.run(parent.partitions(), |index| {
        let mut hands: Vec<Vec<Entry<K, V>>> = Vec::new();
        hands.resize_with(partitioning.partitions(), Vec::new);
        until_enough(parent.node().compute(index, &mut |chunk| {
            chunk.into_each(|pair| {
                let hash = hasher.hash(&pair.0);
                if let Some(hand) = hands.get_mut(partitioning.of(&pair.0, hash)) {
                    hand.push(Entry { hash, pair });
                }
            });
            Ok(())
        }))?;
        Ok(hands)
    })?;
    Ok(Routed { hands })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_on_the_way() {
        let executor = Executor::new(2, 1).unwrap();
        let pairs: Vec<(u64, u64)> = (0..1000).map(|n| (n % 7, n)).collect();
        let rdd = Rdd::parallelize(pairs, 13, &executor);
        let routed = route(&rdd, &Partitioning::Hash(3), &executor).unwrap();
        let mut all = 0;
        for partition in 0..3 {
            assert_eq!(routed.len_of(partition), routed.of(partition).count());
            for key in 0..7 {
                let values: Vec<u64> = routed
                    .of(partition)
                    .filter(|entry| entry.pair.0 == key)
                    .map(|entry| entry.pair.1)
                    .collect();
                assert!(values.is_sorted(), "{values:?}");
                assert!(values.is_empty() || values.len() as u64 == (999 - key) / 7 + 1);
                all += values.len();
            }
        }
        assert_eq!(all, 1000);
    }
}
