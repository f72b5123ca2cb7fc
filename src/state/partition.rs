//! [`PartitionState`]: one partition's keys, in memory and, where they are too many for it, on the disk.
//!
//! The newest state of a key is in memory or on the disk. What is in memory counts: a key on the disk
//! that is also in memory, or noted as gone, is out of date there. Batches only ever put keys into memory.
//! When that is full, whole shelves are written and emptied, one after the other; a key that is used
//! comes back with its next change.

use super::changes::{Before, Change, Changes};
use super::cold::{Cold, Fault, Line, Reader, line, line_without, read};
use super::due::Due;
use super::mark::Mark;
use super::pending::Pending;
use super::shelf::Held;
use super::shelves::{SHELVES, Shelves, by_shelf};
use super::{StateKey, StateValue};
use crate::rdd::{Entry, Stop, TaskError};
use crate::time::Time;

/// The state of one partition.
pub(super) struct PartitionState<K, S, M> {
    /// The keys in memory.
    pub(super) held: Shelves<K, S, M>,
    /// The keys that changed since the last checkpoint.
    pub(super) pending: Pending<K, (M, S)>,
    /// The keys by when they may time out, where they do.
    pub(super) due: Option<Due>,
    /// The keys on the disk, where memory is limited.
    spilled: Option<Spilled<K>>,
    /// How many keys there are.
    len: usize,
    /// How many keys the last batch updated.
    updated: usize,
}

/// The keys of a partition that have no room in memory.
struct Spilled<K> {
    cold: Cold,
    /// Keys that are no more, and may be on the disk still.
    gone: Shelves<K, (), ()>,
    /// Bytes that the keys in memory may take.
    memory: usize,
    /// The shelf to be written next.
    next: usize,
}

impl<K, S, M> PartitionState<K, S, M> {
    /// An empty one.
    pub(super) fn new(keys_time_out: bool) -> Self {
        Self {
            held: Shelves::default(),
            pending: Pending::default(),
            due: keys_time_out.then(Due::default),
            spilled: None,
            len: 0,
            updated: 0,
        }
    }
}

impl<K: StateKey, S: StateValue, M: Mark> PartitionState<K, S, M> {
    /// Lets keys be written to the disk when those in memory take more than `memory` bytes.
    pub(super) fn limit(&mut self, memory: usize, cold: Cold) {
        self.spilled = Some(Spilled {
            cold,
            gone: Shelves::default(),
            memory,
            next: 0,
        });
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A batch's changes, before it makes any. A batch is taken to be like the last.
    pub(super) fn changes(&self) -> Changes<K, S, M> {
        Changes::new(self.updated, self.held.moves())
    }

    /// Works with the keys on the disk, if there are any.
    pub(super) fn with_cold<R>(
        &self,
        work: impl FnOnce(Option<&Reader>) -> Result<R, Fault>,
    ) -> Result<R, Stop> {
        read(self.spilled.as_ref().map(|spilled| &spilled.cold), work)
    }

    /// The state of a key that isn't in memory.
    pub(super) fn find_cold(
        &self,
        cold: &Reader,
        hash: u64,
        key: &K,
    ) -> Result<Option<Held<K, S, M>>, Fault> {
        match self.is_gone(hash, key) {
            true => Ok(None),
            false => cold.find(hash, key),
        }
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, hash: u64, key: &K) -> Result<bool, Stop> {
        if self.held.find(hash, key).is_some() {
            return Ok(true);
        }
        self.with_cold(|cold| match cold {
            Some(cold) => Ok(self.find_cold(cold, hash, key)?.is_some()),
            None => Ok(false),
        })
    }

    /// Visits the keys that are only on the disk.
    pub(super) fn each_cold(
        &self,
        cold: &Reader,
        mut visit: impl FnMut(Held<K, S, M>) -> Result<(), Stop>,
    ) -> Result<(), Fault> {
        cold.each(|held| match self.is_newer(&held) {
            true => Ok(()),
            false => visit(held),
        })
    }

    /// Visits all keys of a hash.
    pub(super) fn with_hash(
        &self,
        cold: Option<&Reader>,
        hash: u64,
        mut visit: impl FnMut(&Held<K, S, M>),
    ) -> Result<(), Fault> {
        self.held.with_hash(hash).for_each(&mut visit);
        let Some(cold) = cold else {
            return Ok(());
        };
        cold.with_hash(hash, |held| {
            if !self.is_newer(&held) {
                visit(&held);
            }
            Ok(())
        })
    }

    /// Whether something else is known of a key on the disk.
    fn is_newer(&self, held: &Held<K, S, M>) -> bool {
        let key = &held.pair.0;
        self.held.find(held.hash(), key).is_some() || self.is_gone(held.hash(), key)
    }

    fn is_gone(&self, hash: u64, key: &K) -> bool {
        self.spilled
            .as_ref()
            .is_some_and(|spilled| spilled.gone.find(hash, key).is_some())
    }

    /// Sets a key's state.
    pub(super) fn put(&mut self, held: Held<K, S, M>, is_new: bool) {
        if !is_new {
            self.held.put(held);
            return;
        }
        if let (Some(due), Some(time)) = (&mut self.due, held.mark.touched()) {
            due.add(held.hash(), time);
        }
        self.len += 1;
        self.held.add(held);
    }

    /// Takes a key away that is there.
    pub(super) fn remove(&mut self, hash: u64, key: &K) {
        self.held.remove(hash, key);
        self.len = self.len.saturating_sub(1);
        if let Some(due) = &mut self.due {
            due.remove(hash);
        }
        if let Some(spilled) = &mut self.spilled
            && !spilled.cold.is_empty()
        {
            spilled.gone.put(Held::new(hash, (), (key.clone(), ())));
        }
    }

    /// Applies a batch's changes, and notes them for the next checkpoint.
    pub(super) fn apply(&mut self, changes: Changes<K, S, M>) {
        self.updated = changes.updated.len();
        let are_slots_good = changes.moves == self.held.moves();
        if are_slots_good {
            // These writes wait for memory, and with nothing else between them they wait together.
            for Change { held, before } in &changes.updated {
                if let Before::At(slot) = before {
                    let state = held.pair.1.clone();
                    self.held.set_at(held.hash(), *slot, held.mark, state);
                }
            }
        }
        for Entry {
            hash,
            pair: (key, ()),
        } in changes.removed
        {
            self.remove(hash, &key);
            self.pending.note(hash, key, None);
        }
        for Change { held, before } in changes.updated {
            if !(are_slots_good && matches!(before, Before::At(_))) {
                self.put(held.clone(), before == Before::New);
            }
            let (hash, mark) = (held.hash(), held.mark);
            let (key, state) = held.pair;
            self.pending.note(hash, key, Some((mark, state)));
        }
        self.pending.tidy(self.len);
    }

    /// Files anew the keys that were touched since they were filed, before `time`.
    pub(super) fn settle(&mut self, time: Time) -> Result<(), Stop> {
        let Some(due) = &self.due else {
            return Ok(());
        };
        let anew = self.with_cold(|cold| {
            let mut anew = Vec::new();
            for hash in due.before(time) {
                let mut first: Option<Time> = None;
                self.with_hash(cold, hash, |held| {
                    let touched = held.mark.touched();
                    first = [first, touched].into_iter().flatten().min();
                })?;
                anew.push((hash, first));
            }
            Ok(anew)
        })?;
        if let Some(due) = &mut self.due {
            due.settle(time, anew);
        }
        Ok(())
    }

    /// Bytes of the scratch file, once there is anything in it.
    pub(super) fn spilled_bytes(&self) -> u64 {
        self.spilled
            .as_ref()
            .map_or(0, |spilled| spilled.cold.bytes())
    }

    /// Writes shelves to the disk until the rest has room in memory.
    pub(super) fn make_room(&mut self) -> Result<(), Stop> {
        let Some(spilled) = &mut self.spilled else {
            return Ok(());
        };
        while self.held.len() > 0 && memory_of(&self.held) > spilled.memory {
            // Small shelves go together: a write has a price of its own.
            let mut written = Vec::new();
            let mut all = Vec::new();
            while written.len() < SHELVES && all.len() < TOGETHER {
                let shelf = (spilled.next + written.len()) % SHELVES;
                let mut lines = lines(&self.held, &spilled.gone, shelf).map_err(TaskError::new)?;
                all.append(&mut lines);
                written.push(shelf);
            }
            spilled.cold.write(&all)?;
            for &shelf in &written {
                self.held.clear(shelf);
                spilled.gone.clear(shelf);
            }
            spilled.next = (spilled.next + written.len()) % SHELVES;
        }
        Ok(())
    }
}

/// Entries that are enough to be written at once.
const TOGETHER: usize = 1024;

/// What a shelf is on the disk: first the keys that are gone, then the others, both in order.
fn lines<K: StateKey, S: StateValue, M: Mark>(
    held: &Shelves<K, S, M>,
    gone: &Shelves<K, (), ()>,
    shelf: usize,
) -> Result<Vec<Line>, crate::rdd::BoxError> {
    let mut there: Vec<&Held<K, S, M>> = held.on(shelf).collect();
    there.sort_unstable_by_key(|held| by_shelf(held.hash()));
    let gone = gone
        .on(shelf)
        .filter(|gone| held.find(gone.hash(), &gone.pair.0).is_none())
        .map(|gone| line_without(gone.hash(), &gone.pair.0));
    gone.chain(there.into_iter().map(line)).collect()
}

/// About how many bytes the keys in memory take. What keys and states point to is guessed from a few of
/// them.
fn memory_of<K: StateKey, S: StateValue, M: Mark>(held: &Shelves<K, S, M>) -> usize {
    /// How many entries stand for all.
    const SAMPLE: usize = 8;
    let slots = held.places() * size_of::<Option<Held<K, S, M>>>();
    if !std::mem::needs_drop::<(K, S)>() {
        return slots;
    }
    let sizes: Vec<usize> = held
        .iter()
        .take(SAMPLE)
        .filter_map(|held| line(held).ok())
        .map(|(key, state)| key.len() + state.map_or(0, |state| state.len()))
        .collect();
    let each = sizes.iter().sum::<usize>() / sizes.len().max(1);
    slots + held.len() * each
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
