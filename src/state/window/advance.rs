//! A batch's way into one partition of a window: worked out, made part of it, filtered.

use std::collections::HashSet;

use super::method::Method;
use super::partition::{Partition, slot_at, slot_at_mut};
use super::span::Span;
use super::spill::Places;
use super::step::Step;
use crate::effects::{collect_if_any, collected, is_collecting};
use crate::rdd::{KeyHasher, Rdd, Stop, TaskError, until_enough};
use crate::state::{StateKey, StateValue, finished};
use crate::time::Time;

/// A batch on its way into a window.
pub(super) struct Entering<'a, K: StateKey, V: StateValue> {
    pub(super) time: Time,
    /// The time that windows are in phase with.
    pub(super) zero: Time,
    /// One partial result for each key; `None` when no window reads the batch.
    pub(super) partials: Option<&'a Rdd<(K, V)>>,
    pub(super) hasher: &'a KeyHasher,
}

impl<K: StateKey, V: StateValue, S: Clone + Default> Partition<K, V, S> {
    /// Takes a batch in; does nothing when that has been done.
    ///
    /// The table of values runs ahead of what is complete by the batch under way: it's fixed, so a second
    /// run finds the same. Checkpoints don't: what it changed is staged until it's complete.
    pub(super) fn advance<M: Method<K, V, Side = S>>(
        &mut self,
        partition: usize,
        batch: &Entering<'_, K, V>,
        method: &M,
        span: &Span,
    ) -> Result<(), TaskError> {
        if self.applied < batch.time {
            let number = span.pane_of(batch.time, batch.zero);
            self.pass_to(number, method, span)?;
            self.make::<M>(span, |held| {
                let mut step = finished(Step::open(held, number, method, span))?;
                if let Some(partials) = batch.partials {
                    until_enough(partials.node().compute(partition, &mut |chunk| {
                        chunk.for_each(|pair| {
                            step.enter(held, batch.hasher.hash(&pair.0), pair, method, span);
                        });
                        Ok(())
                    }))?;
                }
                step.settle(held, method);
                Ok(step)
            })?;
            self.applied = batch.time;
        }
        Ok(())
    }

    /// Panes in which no batch came.
    fn pass_to<M: Method<K, V, Side = S>>(
        &mut self,
        number: u64,
        method: &M,
        span: &Span,
    ) -> Result<(), TaskError> {
        while self.newest + 1 < number && self.panes.iter().any(|pane| pane.len() > 0) {
            self.make::<M>(span, |held| {
                let mut step = finished(Step::open(held, held.newest + 1, method, span))?;
                step.settle(held, method);
                Ok(step)
            })?;
        }
        if self.newest + 1 < number {
            self.panes.clear();
        }
        Ok(())
    }

    /// Works a step out and takes it, and with it what the program's functions left elsewhere meanwhile.
    fn make<M: Method<K, V, Side = S>>(
        &mut self,
        span: &Span,
        work: impl FnOnce(&mut Self) -> Result<Step<K, V, S>, TaskError>,
    ) -> Result<(), TaskError> {
        let (step, left) = collect_if_any(is_collecting(), || work(self));
        finished(self.take::<M>(step?, span))?;
        self.keep(left);
        Ok(())
    }

    /// Makes a step part of the window, and stages what a checkpoint holds of it. Only the disk can fail,
    /// before anything has changed.
    fn take<M: Method<K, V, Side = S>>(
        &mut self,
        mut step: Step<K, V, S>,
        span: &Span,
    ) -> Result<(), Stop> {
        if let Some(spilled) = &mut self.spilled {
            let leaving = self.panes.iter().take(step.leaves);
            let leaving = leaving.filter(|pane| pane.on_disk() > 0);
            let places = Places::of::<K, V, M>(span, self.newest);
            let turned = step.flip.as_mut().map(|flip| &mut flip.turned);
            let turned = turned.map(std::mem::take).unwrap_or_default();
            spilled.follow(turned, leaving.map(|pane| pane.number), places)?;
        }
        let delta = self.apply::<M>(step, span);
        self.staged.push(delta);
        Ok(())
    }

    /// Writes closed panes to the disk until the rest has room in memory, or no more are to be written.
    pub(super) fn make_room<M: Method<K, V, Side = S>>(&mut self, span: &Span) -> Result<(), Stop> {
        while self
            .spilled
            .as_ref()
            .is_some_and(|spilled| self.memory() > spilled.memory)
        {
            let closed = self.panes.len().saturating_sub(1);
            let mut closed = self.panes.iter_mut().take(closed).rev();
            let (Some(spilled), Some(pane)) = (
                &mut self.spilled,
                closed.find(|pane| !pane.slots.is_empty()),
            ) else {
                break;
            };
            spilled.put(pane, Places::of::<K, V, M>(span, self.newest))?;
        }
        Ok(())
    }

    /// Drops the keys that are not to stay behind the batch at `time`; does nothing when that has been done.
    pub(super) fn filter<M: Method<K, V, Side = S>>(&mut self, time: Time, method: &M) {
        if self.filtered >= time {
            return;
        }
        let is_dropped = |at: &u32| {
            let slot = slot_at(&self.slots, *at).filter(|slot| slot.is_held);
            slot.is_some_and(|slot| !method.keeps(&slot.pair))
        };
        let touched = self.unfiltered.iter().copied();
        let (mut dropped, left) = collect_if_any(is_collecting(), || {
            touched.filter(is_dropped).collect::<Vec<u32>>()
        });
        if !self.restored.is_empty() {
            let touched: HashSet<u32> = self.unfiltered.iter().copied().collect();
            let others = self.restored.iter().copied();
            let others = others.filter(|at| !touched.contains(at));
            // What asking adds to accumulators was added when they were asked about before the restart.
            let (others, _) = collected(|| others.filter(is_dropped).collect::<Vec<_>>());
            dropped.extend(others);
        }
        self.unfiltered.clear();
        self.restored = Vec::new();
        let mut delta = super::delta::Delta::default();
        for at in dropped {
            let Some(slot) = slot_at_mut(&mut self.slots, at) else {
                continue;
            };
            slot.is_held = false;
            delta.values.push((at, None));
            if slot.entries == 0 {
                delta.keys.push((at, None));
                self.release(at);
            }
        }
        self.staged.push(delta);
        self.filtered = time;
        self.keep(left);
    }

    /// The batch is complete.
    pub(super) fn merge(&mut self) {
        for delta in std::mem::take(&mut self.staged) {
            self.pending.absorb(delta);
        }
    }
}
