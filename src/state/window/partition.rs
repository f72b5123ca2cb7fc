//! [`Partition`]: the keys of one partition with their values over the window, and the window's panes.
//!
//! A key has a slot for as long as the window knows of it, and panes name keys by their slots: to let a
//! pane leave is a walk along its entries, without a look into a hash table.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;

use super::delta::{Delta, Pending};
use super::pane::Pane;
use super::spill::Spilled;
use crate::effects::Effects;
use crate::state::bytes::write;
use crate::state::{StateKey, StateValue};
use crate::time::Time;

/// A key and what the window knows of it.
pub(super) struct Slot<K, V, S> {
    pub(super) hash: u64,
    /// How many panes of the window have an entry of it.
    pub(super) entries: u32,
    /// Whether it is in the window's result. Else its value means nothing.
    pub(super) is_held: bool,
    /// Its place in the newest pane, if it has one there: to be checked.
    pub(super) place: u32,
    /// Its place among what the step under way touches, if it has one: to be checked.
    pub(super) touch: u32,
    pub(super) side: S,
    pub(super) pair: (K, V),
}

/// One partition of a window.
pub(super) struct Partition<K, V, S> {
    pub(super) index: HashTable<u32>,
    pub(super) slots: Vec<Option<Slot<K, V, S>>>,
    /// Slots without a key.
    pub(super) free: Vec<u32>,
    pub(super) panes: VecDeque<Pane<V>>,
    /// The panes on the disk, where memory is limited.
    pub(super) spilled: Option<Spilled>,
    /// The newest pane that was opened.
    pub(super) newest: u64,
    /// The batch whose effect it shows.
    pub(super) applied: Time,
    /// The window whose keys have been filtered.
    pub(super) filtered: Time,
    /// The slots to be filtered at the next window.
    pub(super) unfiltered: Vec<u32>,
    /// The slots that a checkpoint held, until they have been filtered: whether they had been isn't known.
    pub(super) restored: Vec<u32>,
    /// What the batch under way changed: not yet for a checkpoint.
    pub(super) staged: Vec<Delta<K, V>>,
    /// What complete batches changed since the last checkpoint.
    pub(super) pending: Pending<K, V>,
    /// What the program's functions added elsewhere in the steps taken since the window last handed it over.
    pub(super) left: Mutex<Effects>,
}

impl<K, V, S> Default for Partition<K, V, S> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            panes: VecDeque::new(),
            spilled: None,
            newest: 0,
            applied: Time::default(),
            filtered: Time::default(),
            unfiltered: Vec::new(),
            restored: Vec::new(),
            staged: Vec::new(),
            pending: Pending::default(),
            left: Mutex::default(),
        }
    }
}

pub(super) fn slot_at<T>(slots: &[Option<T>], slot: u32) -> Option<&T> {
    slots.get(slot as usize).and_then(Option::as_ref)
}

pub(super) fn slot_at_mut<T>(slots: &mut [Option<T>], slot: u32) -> Option<&mut T> {
    slots.get_mut(slot as usize).and_then(Option::as_mut)
}

impl<K: Hash + Eq + Clone, V: Clone, S> Partition<K, V, S> {
    /// The keys of the window with their values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &(K, V)> {
        let held = self.slots.iter().flatten().filter(|slot| slot.is_held);
        held.map(|slot| &slot.pair)
    }

    /// Keeps what a step left beside the window: it isn't done again, even where another partition's is.
    pub(super) fn keep(&mut self, left: Effects) {
        let held = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        held.absorb(left);
    }

    /// Takes out what was kept.
    pub(super) fn take_left(&mut self) -> Effects {
        let held = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(held)
    }

    /// Becomes `other`, with the same limit on its memory.
    pub(super) fn take_over(&mut self, other: Self) {
        let spilled = self.spilled.take().map(Spilled::cleared);
        *self = Self { spilled, ..other };
    }

    /// Puts a key into a slot that has none.
    pub(super) fn put(&mut self, at: u32, slot: Slot<K, V, S>) {
        let hash = slot.hash;
        let place = at as usize;
        if place >= self.slots.len() {
            self.slots.resize_with(place + 1, || None);
        }
        if let Some(empty) = self.slots.get_mut(place) {
            *empty = Some(slot);
        }
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |at| {
            slot_at(slots, *at).map_or(0, |slot| slot.hash)
        });
    }

    /// Forgets a key.
    pub(super) fn release(&mut self, at: u32) {
        let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::take) else {
            return;
        };
        if let Ok(entry) = self.index.find_entry(slot.hash, |held| *held == at) {
            entry.remove();
        }
        self.free.push(at);
    }
}

impl<K: StateKey, V: StateValue, S> Partition<K, V, S> {
    /// About how many bytes it takes in memory. What keys and values point to is guessed from a few of
    /// them.
    pub(super) fn memory(&self) -> usize {
        /// How many slots stand for all.
        const SAMPLE: usize = 8;
        let entries: usize = self.panes.iter().map(|pane| pane.slots.len()).sum();
        let index = self.index.capacity() / 7 * 8 * (size_of::<u32>() + 1);
        let slots = self.slots.capacity() * size_of::<Option<Slot<K, V, S>>>() + index;
        let shallow = slots + entries * (size_of::<u32>() + size_of::<Option<V>>());
        if !std::mem::needs_drop::<(K, V)>() {
            return shallow;
        }
        let (mut keys, mut values, mut sampled) = (Vec::new(), Vec::new(), 0);
        for slot in self.slots.iter().flatten().take(SAMPLE) {
            let (key, value) = &slot.pair;
            if write(key, &mut keys).is_ok() && write(value, &mut values).is_ok() {
                sampled += 1;
            }
        }
        let (key, value) = (keys.len() / sampled.max(1), values.len() / sampled.max(1));
        // What is kept beside a value is values again.
        let of_slot = key + value * (1 + size_of::<S>() / size_of::<V>().max(1));
        shallow + self.index.len() * of_slot + entries * value
    }
}
