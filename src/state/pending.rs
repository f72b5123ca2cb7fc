//! [`Pending`]: what changed in a partition since the last checkpoint.
//!
//! A batch only adds to the end, which is next to nothing beside its other work. A key that changed in many
//! batches is in here as often: what is out of date goes on the checkpoint's thread, or when there are more
//! notes than keys.

use hashbrown::HashTable;

use crate::rdd::Key;

/// A change: the key with its hash, and what became of it; `None` for one that is gone.
type Note<K, C> = (u64, K, Option<C>);

/// Changes in the order in which they were made.
#[derive(Debug)]
pub(super) struct Pending<K, C> {
    notes: Vec<Note<K, C>>,
    /// Up to how many nothing is done about those that are out of date.
    limit: usize,
}

/// Notes that are too few to be looked through.
const FEW: usize = 1 << 16;

impl<K, C> Default for Pending<K, C> {
    fn default() -> Self {
        Self {
            notes: Vec::new(),
            limit: FEW,
        }
    }
}

impl<K: Key, C> Pending<K, C> {
    /// Notes what became of a key.
    #[inline]
    pub(super) fn note(&mut self, hash: u64, key: K, change: Option<C>) {
        self.notes.push((hash, key, change));
    }

    /// After a batch: keeps the notes in proportion to the `keys` held. Each note is looked at once or twice
    /// over time.
    pub(super) fn tidy(&mut self, keys: usize) {
        if self.notes.len() > self.limit.max(keys) {
            self.drop_outdated();
            self.limit = FEW.max(self.notes.len() * 2);
        }
    }

    /// Takes all that was noted.
    pub(super) fn take(&mut self) -> Self {
        // Until the next time about as much changes.
        let room = Self {
            notes: Vec::with_capacity(self.notes.len()),
            limit: FEW,
        };
        std::mem::replace(self, room)
    }

    /// Forgets all that was noted.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What became of each key that changed.
    pub(super) fn into_latest(mut self) -> Vec<Note<K, C>> {
        self.drop_outdated();
        self.notes
    }

    /// Drops what a later note makes out of date.
    fn drop_outdated(&mut self) {
        let notes = &self.notes;
        let mut latest = HashTable::with_capacity(notes.len());
        for (at, (hash, key, _)) in notes.iter().enumerate() {
            let same = |other: &usize| notes.get(*other).is_some_and(|note| note.1 == *key);
            let hash_of = |other: &usize| notes.get(*other).map_or(0, |note| note.0);
            match latest.find_mut(*hash, same) {
                Some(other) => *other = at,
                None => {
                    latest.insert_unique(*hash, at, hash_of);
                }
            }
        }
        if latest.len() == notes.len() {
            return;
        }
        let mut is_latest = vec![false; notes.len()];
        for at in latest {
            if let Some(is) = is_latest.get_mut(at) {
                *is = true;
            }
        }
        let mut is_latest = is_latest.into_iter();
        self.notes.retain(|_| is_latest.next().unwrap_or(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_of_each_key_counts() {
        let mut pending = Pending::default();
        for (key, change) in [
            (1, Some('a')),
            (2, Some('b')),
            (1, None),
            (3, None),
            (2, Some('c')),
        ] {
            // Hashes that collide.
            pending.note(key % 2, key, change);
        }
        let taken = pending.take();
        assert!(pending.take().into_latest().is_empty());
        assert_eq!(
            taken.into_latest(),
            [(1, 1, None), (1, 3, None), (0, 2, Some('c'))]
        );
    }

    #[test]
    fn it_grows_with_the_keys_and_not_with_their_changes() {
        let mut pending = Pending::default();
        for n in 0..10 * FEW as u64 {
            pending.note(n % 1000, n % 1000, Some(n));
            pending.tidy(1000);
        }
        assert!(pending.notes.len() <= FEW);
        let latest = pending.into_latest();
        assert_eq!(latest.len(), 1000);
        assert!(latest.iter().all(|(_, key, n)| {
            n.is_some_and(|n| n % 1000 == *key && n >= 10 * FEW as u64 - 1000)
        }));
    }
}
