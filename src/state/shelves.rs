//! [`Shelves`]: the keys of one partition in memory.
//!
//! A hash table that is full moves all of its entries at once. One that holds millions of keys would hold
//! up a batch for as long as everything before took together, so a partition's keys stand on many
//! shelves, each a small table of its own that grows when it has to.

use super::shelf::{Held, Shelf, Slot};
use crate::rdd::{Data, Key};

/// Shelves of a partition.
pub(super) const SHELVES: usize = 256;

/// The keys of one partition.
pub(super) struct Shelves<K, S, M> {
    shelves: Vec<Shelf<K, S, M>>,
    len: usize,
    moves: u64,
}

impl<K, S, M> Default for Shelves<K, S, M> {
    fn default() -> Self {
        let mut shelves = Vec::new();
        shelves.resize_with(SHELVES, Shelf::new);
        Self {
            shelves,
            len: 0,
            moves: 0,
        }
    }
}

/// The shelf of a key. A shelf looks at a hash's lowest bits, a partitioning at those in its middle.
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

    /// How often entries may have changed their places. A slot is good while this stays the same.
    pub(super) fn moves(&self) -> u64 {
        self.moves
    }

    /// Makes room for as many keys.
    pub(super) fn reserve(&mut self, keys: usize) {
        // Keys spread evenly but for chance.
        let each = keys / SHELVES;
        self.moves += 1;
        self.shelves
            .iter_mut()
            .for_each(|shelf| shelf.reserve(each));
    }

    /// A key's entry.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &K) -> Option<&Held<K, S, M>> {
        let shelf = self.shelves.get(shelf(hash))?;
        shelf.at(shelf.slot(hash, key)?)
    }

    /// Where a key stands.
    #[inline]
    pub(super) fn slot(&self, hash: u64, key: &K) -> Option<Slot> {
        self.shelves.get(shelf(hash))?.slot(hash, key)
    }

    /// Where a key with this hash stands: see [`Shelf::candidate`].
    #[inline]
    pub(super) fn candidate(&self, hash: u64) -> Option<Slot> {
        self.shelves.get(shelf(hash))?.candidate(hash)
    }

    /// Where a key stands, given the candidate of its hash.
    #[inline]
    pub(super) fn confirm(&self, candidate: Slot, hash: u64, key: &K) -> Option<Slot> {
        self.shelves.get(shelf(hash))?.confirm(candidate, hash, key)
    }

    /// The entry in a slot of the shelf of `hash`.
    #[inline]
    pub(super) fn at(&self, hash: u64, slot: Slot) -> Option<&Held<K, S, M>> {
        self.shelves.get(shelf(hash))?.at(slot)
    }

    /// Sets the state of the key in a slot of the shelf of `hash`.
    #[inline]
    pub(super) fn set_at(&mut self, hash: u64, slot: Slot, mark: M, state: S) {
        let shelf = self.shelves.get_mut(shelf(hash));
        if let Some(held) = shelf.and_then(|shelf| shelf.at_mut(slot)) {
            (held.mark, held.pair.1) = (mark, state);
        }
    }

    /// The entries of all keys with this hash: one, but for rare chance.
    pub(super) fn with_hash(&self, hash: u64) -> impl Iterator<Item = &Held<K, S, M>> {
        let shelf = self.shelves.get(shelf(hash));
        shelf
            .into_iter()
            .flat_map(move |shelf| shelf.with_hash(hash))
    }

    /// Sets a key's entry.
    #[inline]
    pub(super) fn put(&mut self, new: Held<K, S, M>) {
        match self.slot(new.hash(), &new.pair.0) {
            Some(slot) => self.set_at(new.hash(), slot, new.mark, new.pair.1),
            None => self.add(new),
        }
    }

    /// Adds a key that surely isn't there.
    #[inline]
    pub(super) fn add(&mut self, new: Held<K, S, M>) {
        if let Some(shelf) = self.shelves.get_mut(shelf(new.hash())) {
            shelf.add(new);
            self.len += 1;
            self.moves += 1;
        }
    }

    /// Takes a key off.
    pub(super) fn remove(&mut self, hash: u64, key: &K) {
        if let Some(shelf) = self.shelves.get_mut(shelf(hash))
            && let Some(slot) = shelf.slot(hash, key)
        {
            shelf.remove(slot);
            self.len -= 1;
            self.moves += 1;
        }
    }

    /// The entries of one shelf.
    pub(super) fn on(&self, shelf: usize) -> impl Iterator<Item = &Held<K, S, M>> {
        self.shelves.get(shelf).into_iter().flat_map(Shelf::iter)
    }

    /// Empties a shelf and lets its memory go.
    pub(super) fn clear(&mut self, shelf: usize) {
        if let Some(shelf) = self.shelves.get_mut(shelf) {
            self.len -= shelf.len();
            self.moves += 1;
            *shelf = Shelf::new();
        }
    }

    /// Every key's entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Held<K, S, M>> {
        self.shelves.iter().flat_map(Shelf::iter)
    }

    /// How many places for entries there are, taken or not.
    pub(super) fn places(&self) -> usize {
        self.shelves.iter().map(Shelf::places).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::KeyHasher;

    fn held(key: u64, state: u64) -> Held<u64, u64, ()> {
        let hash = KeyHasher::new(1).hash(&key);
        Held::new(hash, (), (key, state))
    }

    #[test]
    fn keys_are_found_changed_and_removed() {
        let mut shelves = Shelves::default();
        for key in 0..10_000 {
            shelves.put(held(key, 0));
            shelves.put(held(key, key * 2));
        }
        for key in (0..10_000).step_by(3) {
            let hash = held(key, 0).hash();
            shelves.remove(hash, &key);
            shelves.remove(hash, &key);
        }
        assert_eq!(shelves.len(), 6666);
        assert_eq!(shelves.iter().count(), 6666);
        for key in 0..10_000 {
            let found = shelves.find(held(key, 0).hash(), &key);
            let expected = (key % 3 != 0).then_some(key * 2);
            assert_eq!(found.map(|held| held.pair.1), expected);
        }
        let on = shelves.on(3).count();
        assert!(on > 0);
        assert!(shelves.on(3).all(|held| by_shelf(held.hash()) >> 56 == 3));
        assert!(
            shelves
                .on(3)
                .all(|held| hash_of(by_shelf(held.hash())) == held.hash())
        );
        shelves.clear(3);
        assert_eq!(shelves.len(), 6666 - on);
        assert_eq!(shelves.iter().count(), shelves.len());
    }

    #[test]
    fn shelves_grow_one_by_one() {
        let mut shelves = Shelves::default();
        let (mut grown, mut most) = (0, 0);
        let mut before = shelves.places();
        for key in 0..200_000 {
            shelves.add(held(key, 0));
            let now = shelves.places();
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
