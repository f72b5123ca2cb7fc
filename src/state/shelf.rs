//! [`Shelf`]: one small hash table of a state.
//!
//! A state is far larger than a processor's caches, so what a key costs is how many places of memory it
//! touches. Here it is one: an entry, its hash beside it, lies where the hash says or shortly behind. A
//! table that keeps marks apart from entries, as most do, touches two, each on a page of its own.
//!
//! Entries stand in the order of their homes, so a shelf that grows is copied from its beginning to its end.

use std::num::NonZeroU64;

use crate::rdd::spread;

/// A key with its state.
#[derive(Debug, Clone)]
pub(super) struct Held<K, S, M> {
    /// Not zero, so that an empty place takes no room of its own.
    hash: NonZeroU64,
    pub(super) mark: M,
    pub(super) pair: (K, S),
}

impl<K, S, M> Held<K, S, M> {
    /// An entry; `hash` is the key's.
    pub(super) fn new(hash: u64, mark: M, pair: (K, S)) -> Self {
        // A key's hash is never zero: see `KeyHasher`.
        let hash = NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN);
        Self { hash, mark, pair }
    }

    /// The key's hash.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hash.get()
    }
}

/// Where on its shelf an entry stands. Good until one comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// Entries by their keys.
pub(super) struct Shelf<K, S, M> {
    places: Vec<Option<Held<K, S, M>>>,
    len: usize,
}

/// At most so many of four places are taken: looking for a key passes by all entries up to an empty place.
const TAKEN_OF_FOUR: usize = 3;
/// Places of the smallest shelf.
const FEWEST: usize = 4;

impl<K, S, M> Shelf<K, S, M> {
    /// An empty one, which takes no memory.
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many places there are, taken or not.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held<K, S, M>> {
        self.places.iter().flatten()
    }

    /// The first place for a hash. It is mixed once more: the keys of a shelf have bits in common, and those
    /// in a row have hashes that lie in a row.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        let mixed = spread(hash) >> 32;
        ((mixed * self.places.len() as u64) >> 32) as usize
    }

    #[inline]
    fn behind(&self, at: usize) -> usize {
        match at + 1 {
            end if end == self.places.len() => 0,
            next => next,
        }
    }

    /// The entries from a hash's home to the next empty place, with where they stand.
    #[inline]
    fn run(&self, hash: u64) -> impl Iterator<Item = (usize, &Held<K, S, M>)> {
        let mut at = self.home(hash);
        std::iter::from_fn(move || {
            let held = self.places.get(at)?.as_ref()?;
            let here = at;
            at = self.behind(at);
            Some((here, held))
        })
    }

    /// The entries with this hash.
    #[inline]
    pub(super) fn with_hash(&self, hash: u64) -> impl Iterator<Item = &Held<K, S, M>> {
        let run = self.run(hash).map(|(_, held)| held);
        run.filter(move |held| held.hash() == hash)
    }

    /// The entry in a slot.
    #[inline]
    pub(super) fn at(&self, slot: Slot) -> Option<&Held<K, S, M>> {
        self.places.get(slot.0 as usize)?.as_ref()
    }

    /// The entry in a slot, to be changed.
    #[inline]
    pub(super) fn at_mut(&mut self, slot: Slot) -> Option<&mut Held<K, S, M>> {
        self.places.get_mut(slot.0 as usize)?.as_mut()
    }

    /// Adds a key that isn't there.
    #[inline]
    pub(super) fn add(&mut self, new: Held<K, S, M>) {
        if (self.len + 1) * 4 > self.places.len() * TAKEN_OF_FOUR {
            self.resize(FEWEST.max(self.places.len() / 2 * 3));
        }
        self.len += 1;
        self.place(new);
    }

    /// Makes places for as many entries in all, and for some more.
    pub(super) fn reserve(&mut self, entries: usize) {
        let places = entries.div_ceil(TAKEN_OF_FOUR) * 5;
        if places > self.places.len() {
            self.resize(places);
        }
    }

    fn resize(&mut self, places: usize) {
        let mut empty = Vec::with_capacity(places);
        empty.resize_with(places, || None);
        let old = std::mem::replace(&mut self.places, empty);
        old.into_iter().flatten().for_each(|held| self.place(held));
    }

    /// Puts an entry into the first empty place for it. There always is one.
    #[inline]
    fn place(&mut self, new: Held<K, S, M>) {
        let mut at = self.home(new.hash());
        while let Some(place) = self.places.get_mut(at) {
            if place.is_none() {
                *place = Some(new);
                return;
            }
            at = self.behind(at);
        }
    }

    /// Takes out the entry in a slot. Those behind that it kept from their homes move up.
    pub(super) fn remove(&mut self, Slot(at): Slot) {
        let mut hole = at as usize;
        if self.places.get_mut(hole).and_then(Option::take).is_none() {
            return;
        }
        self.len -= 1;
        let places = self.places.len();
        // How far it is from one place to another, around the end.
        let way = |from: usize, to: usize| (to + places - from) % places;
        let mut at = self.behind(hole);
        while let Some(Some(held)) = self.places.get(at) {
            let home = self.home(held.hash());
            if way(home, at) >= way(hole, at) {
                self.places.swap(hole, at);
                hole = at;
            }
            at = self.behind(at);
        }
    }
}

impl<K, S, M> Shelf<K, S, M> {
    /// Where a key with this hash stands: nearly always the one that is meant. It isn't looked at, as what a
    /// key points to is a place of memory more.
    #[inline]
    pub(super) fn candidate(&self, hash: u64) -> Option<Slot> {
        let (at, _) = self.run(hash).find(|(_, held)| held.hash() == hash)?;
        u32::try_from(at).ok().map(Slot)
    }
}

impl<K: Eq, S, M> Shelf<K, S, M> {
    /// Where a key stands, given the candidate of its hash.
    #[inline]
    pub(super) fn confirm(&self, candidate: Slot, hash: u64, key: &K) -> Option<Slot> {
        match self.at(candidate) {
            Some(held) if held.pair.0 == *key => Some(candidate),
            _ => self.slot(hash, key),
        }
    }

    /// Where a key stands.
    #[inline]
    pub(super) fn slot(&self, hash: u64, key: &K) -> Option<Slot> {
        let is_it =
            |(_, held): &(usize, &Held<K, S, M>)| held.hash() == hash && held.pair.0 == *key;
        let (at, _) = self.run(hash).find(is_it)?;
        u32::try_from(at).ok().map(Slot)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few homes, some of them at the end, and keys that share a hash.
    fn hash_of(key: u16) -> u64 {
        let low = match key % 4 {
            0 => u32::MAX - u32::from(key / 8),
            1 => u32::from(key / 64),
            _ => u32::from(key).wrapping_mul(0x9e37_79b9),
        };
        u64::from(low).max(1)
    }

    proptest! {
        #[test]
        fn a_shelf_is_a_map(
            steps in proptest::collection::vec((0u16..300, any::<u8>(), 0u8..5), 0..600),
            reserved in 0usize..200,
        ) {
            let (mut shelf, mut model) = (Shelf::new(), BTreeMap::new());
            shelf.reserve(reserved);
            for (key, state, step) in steps {
                let hash = hash_of(key);
                let slot = shelf.slot(hash, &key);
                prop_assert_eq!(slot.is_some(), model.contains_key(&key));
                let candidate = shelf.candidate(hash);
                prop_assert_eq!(candidate.and_then(|at| shelf.confirm(at, hash, &key)), slot);
                match (slot, step) {
                    (Some(slot), 0 | 1) => {
                        shelf.remove(slot);
                        model.remove(&key);
                    }
                    (Some(slot), _) => {
                        shelf.at_mut(slot).unwrap().pair.1 = state;
                        model.insert(key, state);
                    }
                    (None, _) => {
                        shelf.add(Held::new(hash, (), (key, state)));
                        model.insert(key, state);
                    }
                }
                prop_assert_eq!(shelf.len(), model.len());
                prop_assert!(shelf.len() * 4 <= shelf.places() * TAKEN_OF_FOUR);
            }
            let all: BTreeMap<u16, u8> = shelf.iter().map(|held| held.pair).collect();
            prop_assert_eq!(&all, &model);
            for key in 0..300 {
                let slot = shelf.slot(hash_of(key), &key);
                let found = slot.and_then(|slot| shelf.at(slot)).map(|held| held.pair.1);
                prop_assert_eq!(found, model.get(&key).copied());
                let same = shelf.with_hash(hash_of(key)).filter(|held| held.pair.0 == key);
                prop_assert_eq!(same.count(), usize::from(found.is_some()));
            }
        }
    }

    #[test]
    fn an_empty_place_takes_no_room_of_its_own() {
        type Entry = Held<u64, u64, u64>;
        assert_eq!(size_of::<Option<Entry>>(), size_of::<Entry>());
        assert_eq!(Shelf::<u64, u64, u64>::new().places.capacity(), 0);
    }

    #[test]
    fn many_entries_stand_near_their_homes() {
        let hasher = crate::rdd::KeyHasher::new(11);
        let mut shelf = Shelf::new();
        (0..30_000u64).for_each(|key| shelf.add(Held::new(hasher.hash(&key), (), (key, ()))));
        let passed: usize = (0..30_000)
            .map(|key| {
                let hash = hasher.hash(&key);
                shelf
                    .run(hash)
                    .take_while(|(_, held)| held.pair.0 != key)
                    .count()
            })
            .sum();
        assert!(passed < 3 * 30_000, "{passed} entries were passed by");
    }
}
