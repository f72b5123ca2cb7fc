//! A partition of a window made of what a checkpoint held of it.

use super::delta::Delta;
use super::loaded::Loaded;
use super::method::Method;
use super::pane::Pane;
use super::partition::{Partition, Slot, slot_at_mut};
use super::span::Span;
use crate::rdd::KeyHasher;
use crate::state::{StateKey, StateValue};

impl<K: StateKey, V: StateValue, S: Clone + Default> Partition<K, V, S> {
    /// The partition as it was when `newest` was its newest pane. What has `moved` is under new slots, and
    /// all of it goes into the next checkpoint.
    pub(super) fn of<M: Method<K, V, Side = S>>(
        loaded: &Loaded<K, V>,
        newest: u64,
        moved: bool,
        method: &M,
        span: &Span,
        hasher: &KeyHasher,
    ) -> Self {
        let mut made = Self::default();
        if moved {
            made.write_all(loaded);
        } else {
            let written = loaded.panes.iter();
            made.pending.written = written
                .map(|(pane, parts)| (*pane, parts.written))
                .collect();
        }
        for (&at, key) in &loaded.keys {
            let held = loaded.values.get(&at).cloned();
            let is_held = held.is_some();
            // Without a value it has entries: any value does until there is the right one.
            let some = || {
                loaded
                    .panes
                    .values()
                    .find_map(|pane| pane.entries.get(&at))
                    .cloned()
            };
            let Some(value) = held.or_else(some) else {
                continue;
            };
            made.put(
                at,
                Slot {
                    hash: hasher.hash(key),
                    entries: 0,
                    is_held,
                    place: u32::MAX,
                    touch: u32::MAX,
                    side: S::default(),
                    pair: (key.clone(), value),
                },
            );
        }
        for (&number, parts) in &loaded.panes {
            let mut pane = Pane::new(number, Vec::new(), Vec::new());
            for (&at, value) in &parts.entries {
                if let Some(slot) = slot_at_mut(&mut made.slots, at) {
                    slot.entries += 1;
                    slot.place = u32::try_from(pane.slots.len()).unwrap_or(u32::MAX);
                    pane.slots.push(at);
                    pane.values.push(Some(value.clone()));
                }
            }
            made.panes.push_back(pane);
        }
        // Nothing is written of a pane without entries. The newest has been opened all the same: groups had
        // their turns.
        if made.panes.back().is_none_or(|pane| pane.number < newest) {
            made.panes
                .push_back(Pane::new(newest, Vec::new(), Vec::new()));
        }
        made.newest = newest;
        let slots = made.slots.iter().enumerate();
        let empty = slots.filter(|(_, slot)| slot.is_none());
        made.free = empty
            .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
            .collect();
        if M::FILTERS {
            made.restored = (0..u32::try_from(made.slots.len()).unwrap_or(u32::MAX)).collect();
        }
        if M::SUFFIXES {
            made.stack(method, span);
        }
        made
    }

    fn write_all(&mut self, loaded: &Loaded<K, V>) {
        let keys = loaded.keys.iter();
        let values = loaded.values.iter();
        self.pending.absorb(Delta {
            keys: keys.map(|(at, key)| (*at, Some(key.clone()))).collect(),
            values: values
                .map(|(at, value)| (*at, Some(value.clone())))
                .collect(),
            ..Delta::default()
        });
        for (pane, parts) in &loaded.panes {
            let entered = parts.entries.iter();
            self.pending.absorb(Delta {
                pane: *pane,
                entered: entered.map(|(at, value)| (*at, value.clone())).collect(),
                ..Delta::default()
            });
        }
    }

    /// Brings every group to where its last turn, and the panes since, left it.
    fn stack<M: Method<K, V, Side = S>>(&mut self, method: &M, span: &Span) {
        let (groups, newest) = (span.groups(), self.newest);
        let turns: Vec<u64> = (0..groups)
            .map(|group| span.last_turn(group, newest))
            .collect();
        let turn_of = |at: u32| {
            turns
                .get((at % groups) as usize)
                .copied()
                .unwrap_or_default()
        };
        let mut fronts: Vec<Option<V>> = vec![None; self.slots.len()];
        for pane in self.panes.iter_mut().rev() {
            for (at, value) in pane.slots.iter().zip(&mut pane.values) {
                let Some(front) = fronts.get_mut(*at as usize) else {
                    continue;
                };
                if pane.number < turn_of(*at) {
                    let later = front.take();
                    *front = match (value.as_ref(), &later) {
                        (Some(value), Some(later)) => Some(method.add(value, later)),
                        (value, _) => value.cloned(),
                    };
                    *value = later;
                }
            }
        }
        for (slot, front) in self.slots.iter_mut().zip(fronts) {
            if let Some(slot) = slot {
                slot.side = M::turned(front);
            }
        }
        for pane in &self.panes {
            for (at, value) in pane.iter() {
                let Some(slot) = slot_at_mut(&mut self.slots, at) else {
                    continue;
                };
                if let Some(value) = value
                    && pane.number >= turn_of(at)
                {
                    method.enter(&mut None, &mut slot.side, value);
                }
            }
        }
        for slot in self.slots.iter_mut().flatten() {
            let mut value = None;
            method.settle(&mut value, &slot.side);
            slot.is_held = value.is_some();
            if let Some(value) = value {
                slot.pair.1 = value;
            }
        }
        let last = self.panes.len().saturating_sub(1);
        self.panes
            .iter_mut()
            .take(last)
            .for_each(|pane| pane.close(groups));
    }
}
