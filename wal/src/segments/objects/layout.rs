//! [`Layout`]: which slots there are and which object holds each. Knows no store.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::head::{Head, RunRef};
use super::known::Known;
use super::names::Slot;
use super::run::Run;
use crate::segments::{SegmentId, SegmentInfo};

/// Where a slot's bytes are.
#[derive(Debug, Clone)]
pub(super) enum Spot {
    /// In an object of its own.
    Alone(Known),
    /// In a run, at this offset.
    In(Arc<Run>, u64, Known),
}

impl Spot {
    pub(super) fn known(&self) -> Known {
        match self {
            Self::Alone(known) | Self::In(_, _, known) => *known,
        }
    }
}

/// What is known of a log's slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// The first slot that is part of the log.
    pub(super) oldest: Slot,
    /// The first slot that isn't taken.
    pub(super) next: Slot,
    /// Slots in objects of their own; `None` for one that can't be trusted.
    alone: BTreeMap<Slot, Option<Known>>,
    /// By their first slot.
    runs: BTreeMap<Slot, Arc<Run>>,
}

impl Layout {
    /// Takes in what a head says; `runs` are those that it names, read.
    pub(super) fn apply(&mut self, head: &Head, runs: Vec<Arc<Run>>) {
        self.oldest = Slot(head.oldest_slot);
        self.runs = runs
            .into_iter()
            .map(|run| (Slot(run.reference.first), run))
            .collect();
        let alone = std::mem::take(&mut self.alone);
        let kept = alone
            .into_iter()
            .filter(|(slot, _)| *slot >= self.oldest && self.run_of(*slot).is_none());
        self.alone = kept.collect();
        self.next = self.next.max(self.oldest).max(self.behind_runs());
    }

    /// A slot has been found or written.
    pub(super) fn insert(&mut self, slot: Slot, known: Option<Known>) {
        self.alone.insert(slot, known);
        self.next = self.next.max(slot.next());
    }

    /// The run that has been read for this reference already.
    pub(super) fn run(&self, reference: RunRef) -> Option<Arc<Run>> {
        let run = self.runs.get(&Slot(reference.first))?;
        (run.reference == reference && !run.slots.is_empty()).then(|| Arc::clone(run))
    }

    /// The run that covers a slot.
    pub(super) fn run_of(&self, slot: Slot) -> Option<&Arc<Run>> {
        let (_, run) = self.runs.range(..=slot).next_back()?;
        (slot.0 <= run.reference.last).then_some(run)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.runs.values()
    }

    /// How many slots are in objects of their own.
    pub(super) fn alone(&self) -> usize {
        self.alone.len()
    }

    /// The first slot behind all runs.
    pub(super) fn behind_runs(&self) -> Slot {
        let last = self.runs.values().next_back();
        last.map_or(Slot(0), |run| Slot(run.reference.last).next())
    }

    /// Where a slot is; `None` when it isn't part of the log, or can't be trusted.
    pub(super) fn spot(&self, slot: Slot) -> Option<Spot> {
        if slot < self.oldest {
            return None;
        }
        if let Some(run) = self.run_of(slot) {
            let index = usize::try_from(slot.0.checked_sub(run.reference.first)?).ok()?;
            let (known, offset) = run.slots.get(index)?;
            return Some(Spot::In(Arc::clone(run), *offset, *known));
        }
        self.alone.get(&slot).copied().flatten().map(Spot::Alone)
    }

    /// The first `count` slots from `from` on of which nothing is known.
    pub(super) fn unknown(&self, from: Slot, count: usize) -> Vec<Slot> {
        let mut unknown = Vec::with_capacity(count);
        let mut slot = from.max(self.oldest);
        while unknown.len() < count {
            if let Some(run) = self.run_of(slot) {
                slot = Slot(run.reference.last).next();
                continue;
            }
            if !self.alone.contains_key(&slot) {
                unknown.push(slot);
            }
            slot = slot.next();
        }
        unknown
    }

    /// All slots of the log in order. A run that can't be trusted stands as its first slot.
    pub(super) fn infos(&self) -> Vec<SegmentInfo> {
        let info = |slot: Slot, bytes: u32| SegmentInfo {
            id: SegmentId(slot.0),
            bytes: u64::from(bytes),
        };
        let alone = self
            .alone
            .iter()
            .map(|(slot, known)| info(*slot, known.map_or(0, |known| known.bytes)));
        let runs = self.runs.iter().flat_map(|(first, run)| {
            let slots = run.slots.iter().zip(0..);
            let slots = slots.map(|((known, _), index)| info(first.plus(index), known.bytes));
            let lost = run
                .slots
                .is_empty()
                .then(|| info((*first).max(self.oldest), 0));
            slots.chain(lost)
        });
        let mut all: Vec<_> = alone
            .chain(runs)
            .filter(|info| info.id.0 >= self.oldest.0)
            .collect();
        all.sort_unstable_by_key(|info| info.id);
        all
    }
}
