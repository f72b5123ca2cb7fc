//! What a [`Step`] worked out becomes part of a [`Partition`].

use std::hash::Hash;

use super::delta::Delta;
use super::flip::Flip;
use super::method::Method;
use super::pane::Pane;
use super::partition::{Partition, Slot, slot_at_mut};
use super::span::Span;
use super::step::Step;

impl<K: Hash + Eq + Clone, V: Clone, S> Partition<K, V, S> {
    /// Makes a step part of the window. Runs none of the program's functions.
    pub(super) fn apply<M: Method<K, V, Side = S>>(
        &mut self,
        step: Step<K, V, S>,
        span: &Span,
    ) -> Delta<K, V> {
        let Step {
            number,
            opens,
            leaves,
            flip,
            created,
            touches,
            entering,
            merged,
            delta,
        } = step;
        if let Some(flip) = flip {
            self.turn::<M>(flip, span);
        }
        let places = if opens {
            if M::SUFFIXES
                && let Some(last) = self.panes.back_mut()
            {
                last.close(span.groups());
            }
            self.panes.drain(..leaves.min(self.panes.len()));
            self.panes
                .push_back(Pane::new(number, entering.0, entering.1));
            0
        } else {
            let Some(pane) = self.panes.back_mut() else {
                return delta;
            };
            let places = pane.slots.len();
            pane.slots.extend(entering.0);
            pane.values.extend(entering.1);
            for (place, value) in merged {
                if let Some(held) = pane.values.get_mut(place as usize) {
                    *held = Some(value);
                }
            }
            u32::try_from(places).unwrap_or(u32::MAX)
        };
        self.newest = number;
        self.free
            .truncate(self.free.len().saturating_sub(created.len()));
        let mut created = created.into_iter();
        let several = !self.unfiltered.is_empty();
        for touch in touches {
            if M::FILTERS {
                self.unfiltered.push(touch.slot);
            }
            if touch.is_new {
                let (Some((hash, key)), Some(value)) = (created.next(), touch.value) else {
                    continue;
                };
                self.put(
                    touch.slot,
                    Slot {
                        hash,
                        entries: u32::from(touch.enters.is_some()),
                        is_held: true,
                        place: touch.enters.map_or(u32::MAX, |place| places + place),
                        touch: u32::MAX,
                        side: touch.side,
                        pair: (key, value),
                    },
                );
                continue;
            }
            let Some(slot) = slot_at_mut(&mut self.slots, touch.slot) else {
                continue;
            };
            slot.entries -= touch.leaves;
            if let Some(place) = touch.enters {
                slot.entries += 1;
                slot.place = places + place;
            }
            slot.side = touch.side;
            slot.is_held = touch.value.is_some();
            if let Some(value) = touch.value {
                slot.pair.1 = value;
            }
            if slot.entries == 0 && !slot.is_held {
                self.release(touch.slot);
            }
        }
        if several {
            self.unfiltered.sort_unstable();
            self.unfiltered.dedup();
        }
        delta
    }

    /// A group had its turn.
    fn turn<M: Method<K, V, Side = S>>(&mut self, flip: Flip<V>, span: &Span) {
        let groups = span.groups();
        let mut behind = flip.behind.into_iter();
        // Those on the disk have been written.
        let panes = self.panes.iter_mut().rev().take(flip.panes);
        for pane in panes.filter(|pane| pane.on_disk() == 0) {
            for place in pane.places_of(flip.group, groups) {
                if let (Some(value), Some(behind)) = (pane.values.get_mut(place), behind.next()) {
                    *value = behind;
                }
            }
        }
        let group = self.slots.iter_mut().skip(flip.group as usize);
        for (slot, front) in group.step_by(groups as usize).zip(flip.fronts) {
            if let Some(slot) = slot {
                slot.side = M::turned(front);
            }
        }
    }
}
