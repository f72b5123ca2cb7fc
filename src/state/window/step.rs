//! [`Step`]: what a batch changes in one partition of a window, worked out before anything is changed.
//!
//! The program's functions run here, and may panic: then nothing has changed, and it is worked out again.

use super::delta::Delta;
use super::flip::Flip;
use super::method::Method;
use super::pane::Pane;
use super::partition::{Partition, Slot, slot_at, slot_at_mut};
use super::span::Span;
use super::spill::{Places, visit};
use crate::rdd::Stop;
use crate::state::cold::{Fault, Reader, read};
use crate::state::{StateKey, StateValue};

/// A key that a step changes.
pub(super) struct Touch<V, S> {
    pub(super) slot: u32,
    /// Whether the step gives it the slot.
    pub(super) is_new: bool,
    /// How many entries of it leave.
    pub(super) leaves: u32,
    /// The place of its entry among those that enter.
    pub(super) enters: Option<u32>,
    pub(super) value: Option<V>,
    pub(super) side: S,
}

/// What changes.
pub(super) struct Step<K, V, S> {
    /// The batch's pane.
    pub(super) number: u64,
    /// Whether the batch is the first of its pane.
    pub(super) opens: bool,
    /// How many panes leave: one, or more where a restart made the window shorter.
    pub(super) leaves: usize,
    pub(super) flip: Option<Flip<V>>,
    /// The new keys with their hashes, in the order of their touches.
    pub(super) created: Vec<(u64, K)>,
    pub(super) touches: Vec<Touch<V, S>>,
    /// Slots and partial results that are new in the pane.
    pub(super) entering: (Vec<u32>, Vec<Option<V>>),
    /// Partial results that a place of the pane has from now on.
    pub(super) merged: Vec<(u32, V)>,
    /// The same for a checkpoint.
    pub(super) delta: Delta<K, V>,
}

impl<K: StateKey, V: StateValue, S: Clone + Default> Step<K, V, S> {
    /// The step to pane `number`. Where it opens, the oldest leaves and a group has its turn.
    pub(super) fn open<M: Method<K, V, Side = S>>(
        partition: &mut Partition<K, V, S>,
        number: u64,
        method: &M,
        span: &Span,
    ) -> Result<Self, Stop> {
        let opens = number > partition.newest || partition.panes.is_empty();
        let is_past = |pane: u64| opens && pane + span.panes() <= number;
        let oldest = partition.panes.iter();
        let leaves = oldest.take_while(|pane| is_past(pane.number)).count();
        let turn = (opens && M::SUFFIXES)
            .then(|| span.turn_of(number))
            .flatten();
        let mut step = Self {
            number,
            opens,
            leaves,
            flip: None,
            created: Vec::new(),
            touches: Vec::new(),
            entering: Default::default(),
            merged: Vec::new(),
            delta: Delta::default(),
        };
        let Partition {
            slots,
            panes,
            newest,
            spilled,
            ..
        } = partition;
        let places = Places::of::<K, V, M>(span, *newest);
        read(spilled.as_ref().map(|spilled| &spilled.cold), |reader| {
            if let Some(group) = turn {
                let mut flip = Flip::new(group, slots.len(), span);
                flip.pass(
                    panes.iter().rev().take(panes.len() - leaves),
                    reader,
                    places,
                    method,
                )?;
                step.flip = Some(flip);
            }
            for pane in panes.iter().take(leaves) {
                step.leave(slots, pane, reader, places, method, span)?;
            }
            Ok(())
        })?;
        Ok(step)
    }

    fn leave<M: Method<K, V, Side = S>>(
        &mut self,
        slots: &mut [Option<Slot<K, V, S>>],
        pane: &Pane<V>,
        reader: Option<&Reader>,
        places: Places<'_>,
        method: &M,
        span: &Span,
    ) -> Result<(), Fault> {
        let flipped = self.flip.as_ref().map(|flip| flip.group);
        self.delta.left.push(pane.number);
        self.touches.reserve(pane.len());
        visit(pane, reader, places, |slot, left| {
            let Some(touch) = self.touch::<M>(slots, slot, span) else {
                return;
            };
            touch.leaves += 1;
            // A turn is taken without the panes that leave.
            if flipped != Some(slot % span.groups()) {
                method.leave(&mut touch.value, &mut touch.side, left);
            }
        })
    }

    /// A key's partial result of the batch; each key comes once.
    #[inline]
    pub(super) fn enter<M: Method<K, V, Side = S>>(
        &mut self,
        partition: &mut Partition<K, V, S>,
        hash: u64,
        (key, value): &(K, V),
        method: &M,
        span: &Span,
    ) {
        let Partition {
            index,
            slots,
            free,
            panes,
            ..
        } = partition;
        let is_it = |at: &u32| {
            slot_at(slots, *at).is_some_and(|slot| slot.hash == hash && slot.pair.0 == *key)
        };
        let place = u32::try_from(self.entering.0.len()).unwrap_or(u32::MAX);
        let Some(slot) = index.find(hash, is_it).copied() else {
            let taken = self.created.len();
            let slot = match free.len().checked_sub(taken + 1) {
                Some(at) => free.get(at).copied().unwrap_or_default(),
                None => u32::try_from(slots.len() + taken - free.len()).unwrap_or(u32::MAX),
            };
            let mut touch = Touch {
                slot,
                is_new: true,
                leaves: 0,
                enters: Some(place),
                value: None,
                side: S::default(),
            };
            method.enter(&mut touch.value, &mut touch.side, value);
            self.touches.push(touch);
            self.created.push((hash, key.clone()));
            self.delta.keys.push((slot, Some(key.clone())));
            return self.partial(slot, value.clone());
        };
        let open = panes.back().filter(|_| !self.opens);
        let held = open.and_then(|pane| {
            let place = slot_at(slots, slot)?.place;
            let is_there = pane.slots.get(place as usize) == Some(&slot);
            let value = pane.values.get(place as usize)?.as_ref();
            value.filter(|_| is_there).map(|value| (place, value))
        });
        let is_in_pane = held.is_some();
        match held {
            Some((at, held)) => {
                let sum = method.add(held, value);
                self.delta.entered.push((slot, sum.clone()));
                self.merged.push((at, sum));
            }
            None => self.partial(slot, value.clone()),
        }
        if let Some(touch) = self.touch::<M>(slots, slot, span) {
            touch.enters = (!is_in_pane).then_some(place);
            method.enter(&mut touch.value, &mut touch.side, value);
        }
    }

    fn partial(&mut self, slot: u32, value: V) {
        self.delta.entered.push((slot, value.clone()));
        self.entering.0.push(slot);
        self.entering.1.push(Some(value));
    }

    /// All that leaves and enters has.
    pub(super) fn settle<M: Method<K, V, Side = S>>(
        &mut self,
        partition: &Partition<K, V, S>,
        method: &M,
    ) {
        self.delta.pane = self.number;
        for touch in &mut self.touches {
            method.settle(&mut touch.value, &touch.side);
            if !M::SUFFIXES {
                self.delta.values.push((touch.slot, touch.value.clone()));
            }
            let had = slot_at(&partition.slots, touch.slot).map_or(0, |slot| slot.entries);
            let is_last = had == touch.leaves && touch.enters.is_none();
            if !touch.is_new && is_last && touch.value.is_none() {
                self.delta.keys.push((touch.slot, None));
            }
        }
    }

    /// What the step makes of a key that has a slot.
    #[inline]
    fn touch<M: Method<K, V, Side = S>>(
        &mut self,
        slots: &mut [Option<Slot<K, V, S>>],
        slot: u32,
        span: &Span,
    ) -> Option<&mut Touch<V, S>> {
        let held = slot_at_mut(slots, slot)?;
        let known = self.touches.get(held.touch as usize);
        if known.is_none_or(|touch| touch.slot != slot) {
            held.touch = u32::try_from(self.touches.len()).unwrap_or(u32::MAX);
            let turned = self.flip.as_ref();
            let turned = turned.filter(|flip| slot % span.groups() == flip.group);
            self.touches.push(Touch {
                slot,
                is_new: false,
                leaves: 0,
                enters: None,
                // Where there are suffixes, it is made of them.
                value: (held.is_held && !M::SUFFIXES).then(|| held.pair.1.clone()),
                side: match turned {
                    Some(flip) => {
                        let front = flip.fronts.get((slot / span.groups()) as usize);
                        M::turned(front.cloned().flatten())
                    }
                    None => held.side.clone(),
                },
            });
        }
        self.touches.get_mut(held.touch as usize)
    }
}
