//! [`Groups`]: a batch's values of each key, in the order in which they came.

use hashbrown::HashTable;

use crate::rdd::{Data, Entry, Key};

/// A batch's keys and values in one partition.
pub(super) struct Groups<'a, K, V> {
    table: HashTable<u32>,
    groups: Vec<Group<'a, K>>,
    /// All values, those of a key side by side.
    values: Vec<V>,
}

/// A key of the batch.
struct Group<'a, K> {
    hash: u64,
    key: &'a K,
    /// Where its values begin and how many they are.
    first: usize,
    len: usize,
}

impl<'a, K: Key, V: Data> Groups<'a, K, V> {
    pub(super) fn of(arrived: impl Iterator<Item = &'a Entry<K, V>> + Clone, len: usize) -> Self {
        let mut table = HashTable::with_capacity(len);
        let mut groups: Vec<Group<'a, K>> = Vec::with_capacity(len);
        // The group of each pair.
        let mut group_of: Vec<u32> = Vec::with_capacity(len);
        for Entry {
            hash,
            pair: (key, _),
        } in arrived.clone()
        {
            let is_it = |at: &u32| {
                groups
                    .get(*at as usize)
                    .is_some_and(|group| group.key == key)
            };
            let at = match table.find(*hash, is_it) {
                Some(at) => *at,
                None => {
                    let at = u32::try_from(groups.len()).unwrap_or(u32::MAX);
                    let hash_of = |at: &u32| groups.get(*at as usize).map_or(0, |group| group.hash);
                    table.insert_unique(*hash, at, hash_of);
                    groups.push(Group {
                        hash: *hash,
                        key,
                        first: 0,
                        len: 0,
                    });
                    at
                }
            };
            if let Some(group) = groups.get_mut(at as usize) {
                group.len += 1;
            }
            group_of.push(at);
        }
        let mut first = 0;
        for group in &mut groups {
            group.first = first;
            first += group.len;
        }
        let values = arrived.map(|entry| &entry.pair.1);
        let values = if groups.len() == len {
            values.cloned().collect()
        } else {
            let mut placed: Vec<(u32, &V)> = group_of.into_iter().zip(values).collect();
            placed.sort_by_key(|(group, _)| *group);
            placed.into_iter().map(|(_, value)| value.clone()).collect()
        };
        Self {
            table,
            groups,
            values,
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The number of a key's group.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &K) -> Option<usize> {
        // Most keys that are asked for have none. The hash tells without looking behind them.
        let is_it = |at: &u32| {
            self.groups
                .get(*at as usize)
                .is_some_and(|group| group.hash == hash && group.key == key)
        };
        self.table.find(hash, is_it).map(|at| *at as usize)
    }

    /// A group's hash, key and values.
    pub(super) fn get(&self, group: usize) -> Option<(u64, &'a K, &[V])> {
        let Group {
            hash,
            key,
            first,
            len,
        } = self.groups.get(group)?;
        let values = self.values.get(*first..first + len)?;
        Some((*hash, key, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::KeyHasher;

    #[test]
    fn values_stand_by_key_in_their_order() {
        let hasher = KeyHasher::new(3);
        let entry = |(key, value): (u8, u32)| Entry {
            hash: hasher.hash(&key),
            pair: (key, value),
        };
        for pairs in [
            vec![(1, 10), (2, 20), (1, 11), (3, 30), (2, 21), (1, 12)],
            vec![(3, 30), (1, 10), (2, 20)],
            vec![],
        ] {
            let entries: Vec<_> = pairs.iter().copied().map(entry).collect();
            let groups = Groups::of(entries.iter(), entries.len());
            for key in 0..5u8 {
                let expected: Vec<u32> = pairs
                    .iter()
                    .filter(|pair| pair.0 == key)
                    .map(|pair| pair.1)
                    .collect();
                let found = groups.find(hasher.hash(&key), &key);
                let values = found.and_then(|group| groups.get(group));
                let values = values.map_or(&[][..], |(_, _, values)| values);
                assert_eq!(values, expected);
            }
        }
    }
}
