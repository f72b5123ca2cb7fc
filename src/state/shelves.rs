//! [`Shelves`]: the keys of one partition in memory.
//!
//! A hash table that is full moves all of its entries at once. One that holds millions of keys would hold
//! up a batch for as long as everything before took together, so a partition's keys stand on many
//! shelves, each a small table of its own that grows when it has to.

use hashbrown::HashTable;

use crate::rdd::{Data, Key};

/// Shelves of a partition.
pub(super) const SHELVES: usize = 256;

/// A key with its state.
#[derive(Debug, Clone)]
pub(super) struct Held<K, S, M> {
    pub(super) hash: u64,
    pub(super) mark: M,
    pub(super) pair: (K, S),
}

/// The keys of one partition.
pub(super) struct Shelves<K, S, M> {
    tables: Vec<HashTable<Held<K, S, M>>>,
    len: usize,
}

impl<K, S, M> Default for Shelves<K, S, M> {
    fn default() -> Self {
        let mut tables = Vec::new();
        tables.resize_with(SHELVES, HashTable::new);
        Self { tables, len: 0 }
    }
}

/// The shelf of a key. A table looks at a hash's lowest and highest bits, a partitioning at those in its
/// middle.
fn shelf(hash: u64) -> usize {
    (hash >> 48) as usize % SHELVES
}

/// A hash turned so that it sorts by shelf first.
pub(super) fn by_shelf(hash: u64) -> u64 {
    hash.rotate_left(8)
}

/// The hash that was turned.
pub(super) fn hash_of(by_shelf: u64) -> u64 {
    by_shelf.rotate_right(8)
}

impl<K: Key, S: Data, M: Copy> Shelves<K, S, M> {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes room for as many keys.
    pub(super) fn reserve(&mut self, keys: usize) {
        // Keys spread evenly but for chance, and a table that is a little too small would grow.
        let each = keys / SHELVES;
        let each = each + each / 32;
        for table in &mut self.tables {
            table.reserve(each, |held| held.hash);
        }
    }

    /// A key's entry.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &K) -> Option<&Held<K, S, M>> {
        let table = self.tables.get(shelf(hash))?;
        table.find(hash, |held| held.pair.0 == *key)
    }

    /// The entries of all keys with this hash: one, but for rare chance.
    pub(super) fn with_hash(&self, hash: u64) -> impl Iterator<Item = &Held<K, S, M>> {
        let table = self.tables.get(shelf(hash));
        table
            .into_iter()
            .flat_map(move |table| table.iter_hash(hash))
            .filter(move |held| held.hash == hash)
    }

    /// Sets a key's entry.
    #[inline]
    pub(super) fn put(&mut self, new: Held<K, S, M>) {
        let Some(table) = self.tables.get_mut(shelf(new.hash)) else {
            return;
        };
        match table.find_mut(new.hash, |held| held.pair.0 == new.pair.0) {
            Some(held) => (held.mark, held.pair.1) = (new.mark, new.pair.1),
            None => {
                table.insert_unique(new.hash, new, |held| held.hash);
                self.len += 1;
            }
        }
    }

    /// Adds a key that surely isn't there.
    #[inline]
    pub(super) fn add(&mut self, new: Held<K, S, M>) {
        if let Some(table) = self.tables.get_mut(shelf(new.hash)) {
            table.insert_unique(new.hash, new, |held| held.hash);
            self.len += 1;
        }
    }

    /// Takes a key off.
    pub(super) fn remove(&mut self, hash: u64, key: &K) {
        let table = self.tables.get_mut(shelf(hash));
        let entry = table.and_then(|table| table.find_entry(hash, |held| held.pair.0 == *key).ok());
        if let Some(entry) = entry {
            entry.remove();
            self.len -= 1;
        }
    }

    /// The entries of one shelf.
    pub(super) fn on(&self, shelf: usize) -> impl Iterator<Item = &Held<K, S, M>> {
        self.tables.get(shelf).into_iter().flatten()
    }

    /// Empties a shelf and lets its memory go.
    pub(super) fn clear(&mut self, shelf: usize) {
        if let Some(table) = self.tables.get_mut(shelf) {
            self.len -= table.len();
            *table = HashTable::new();
        }
    }

    /// Every key's entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held<K, S, M>> {
        self.tables.iter().flatten()
    }

    /// How many entries there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.tables.iter().map(HashTable::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::KeyHasher;

    fn held(key: u64, state: u64) -> Held<u64, u64, ()> {
        let hash = KeyHasher::new(1).hash(&key);
        Held {
            hash,
            mark: (),
            pair: (key, state),
        }
    }

    #[test]
    fn keys_are_found_changed_and_removed() {
        let mut shelves = Shelves::default();
        for key in 0..10_000 {
            shelves.put(held(key, 0));
            shelves.put(held(key, key * 2));
        }
        for key in (0..10_000).step_by(3) {
            let Held { hash, .. } = held(key, 0);
            shelves.remove(hash, &key);
            shelves.remove(hash, &key);
        }
        assert_eq!(shelves.len(), 6666);
        assert_eq!(shelves.iter().count(), 6666);
        for key in 0..10_000 {
            let found = shelves.find(held(key, 0).hash, &key);
            let expected = (key % 3 != 0).then_some(key * 2);
            assert_eq!(found.map(|held| held.pair.1), expected);
        }
        let on = shelves.on(3).count();
        assert!(on > 0);
        assert!(shelves.on(3).all(|held| by_shelf(held.hash) >> 56 == 3));
        assert!(
            shelves
                .on(3)
                .all(|held| hash_of(by_shelf(held.hash)) == held.hash)
        );
        shelves.clear(3);
        assert_eq!(shelves.len(), 6666 - on);
        assert_eq!(shelves.iter().count(), shelves.len());
    }

    #[test]
    fn shelves_grow_one_by_one() {
        let mut shelves = Shelves::default();
        let (mut grown, mut most) = (0, 0);
        let mut before = shelves.capacity();
        for key in 0..200_000 {
            shelves.add(held(key, 0));
            let now = shelves.capacity();
            if now > before && key > 100_000 {
                grown += 1;
                most = most.max(now - before);
            }
            before = now;
        }
        assert!(grown > 1, "they grew {grown} times");
        assert!(most * SHELVES / 2 <= before, "{most} of {before} at once");
    }
}
