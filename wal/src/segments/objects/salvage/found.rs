//! What there is of a log, head or no head, and the bytes of each of its slots.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::Objects;

use super::super::head::{Head, RunRef};
use super::super::known::Known;
use super::super::names::{Names, Slot};
use super::super::run;
use super::sort::FoundSlot;
use super::{Extent, ObjectLog};
use crate::error::{Error, Result};
use crate::format::array;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::format::sealed::SEALED_HEADER_BYTES;
use crate::options::LogKind;
use crate::position::Sequence;

/// More lost slots than these are no damage to a log, but another log's objects among this one's.
const MOST_LOST: u64 = 1 << 16;

impl ObjectLog {
    /// Looks for the log's objects; what is wrong with the head, if anything. `None` without any object.
    pub(super) fn find(
        objects: Arc<dyn Objects>,
        names: Names,
        kind: LogKind,
    ) -> Result<Option<(Self, Option<String>)>> {
        let [slots, runs] = names.folders();
        let slots: BTreeMap<Slot, u64> = objects
            .list(&slots)?
            .into_iter()
            .filter_map(|(name, bytes)| Some((names.parse_slot(&name)?, bytes)))
            .collect();
        let runs: Vec<(String, u64)> = objects.list(&runs)?;
        let old = objects.get_versioned(&names.head())?;
        let place = names.place(&names.head());
        let (head, problem) = match &old {
            None if slots.is_empty() && runs.is_empty() => return Ok(None),
            None => (None, Some("it is missing".to_owned())),
            Some((bytes, _)) => match Head::decode(&place, bytes) {
                Ok((found, _)) if found != kind => {
                    return Err(Error::OtherKind {
                        file: place,
                        found,
                        expected: kind,
                    });
                }
                Ok((_, head)) => (Some(head), None),
                Err(Error::Corrupt { problem, .. }) => (None, Some(problem)),
                Err(other) => return Err(other),
            },
        };
        let mut log = Self {
            objects,
            names,
            kind,
            head: head.unwrap_or_else(|| Head::fresh(0, 0)),
            old,
            is_head_lost: problem.is_some(),
            slots,
            runs: runs.iter().map(|(name, _)| name.clone()).collect(),
            extents: Vec::new(),
        };
        if log.is_head_lost {
            log.make_out_head(&runs)?;
        }
        log.extents = log.extents()?;
        Ok(Some((log, problem)))
    }

    /// What the head must have said: the widest runs, and the first slot that isn't a fence kept from
    /// before the log's beginning.
    fn make_out_head(&mut self, runs: &[(String, u64)]) -> Result<()> {
        let mut named = Vec::new();
        for (name, bytes) in runs {
            let Some(run) = self.names.parse_run(name) else {
                continue;
            };
            let front = self.objects.get_range(name, 0, SEALED_HEADER_BYTES)?;
            let body = front.as_deref().and_then(|front| array(front, 16));
            let Some(body) = body.map(u64::from_le_bytes) else {
                continue;
            };
            let reference = RunRef {
                first: run.first.0,
                last: run.last.0,
                epoch: run.epoch,
                index: body.saturating_add(SEALED_HEADER_BYTES as u64),
                bytes: *bytes,
            };
            if reference.index <= *bytes && reference.first <= reference.last {
                named.push(reference);
            }
        }
        // A run replaces those within it; of two of the same slots the later one is the repaired one.
        named.sort_unstable_by_key(|run| (run.first, u64::MAX - run.last, u64::MAX - run.epoch));
        let mut kept: Vec<RunRef> = Vec::new();
        for run in named {
            if kept.last().is_none_or(|last| run.first > last.last) {
                kept.push(run);
            }
        }
        let groups = self.slots.iter();
        let group = groups
            .filter(|(_, bytes)| **bytes > HEADER_BYTES as u64)
            .map(|(slot, _)| slot.0);
        let first = group.chain(kept.iter().map(|run| run.first)).min();
        let last_fence = self.slots.keys().next_back().map(|slot| slot.0);
        // In a log that was never truncated the first fence is where it begins.
        let oldest = match self.slots.keys().next() {
            Some(Slot(0)) if first.is_some_and(|first| first <= 1) => Some(0),
            _ => first.or(last_fence),
        };
        self.head.oldest_slot = oldest.unwrap_or_default();
        self.head.oldest_sequence = Sequence(0);
        self.head.epoch = kept.iter().map(|run| run.epoch).max().unwrap_or_default();
        self.head.runs = kept;
        Ok(())
    }

    /// All objects that hold slots of the log, lost ones included.
    fn extents(&self) -> Result<Vec<Extent>> {
        let oldest = Slot(self.head.oldest_slot);
        let behind_slots = self.slots.keys().next_back().map(|last| last.next());
        let behind_runs = self.head.runs.iter().map(|run| Slot(run.last).next()).max();
        // A log that has been truncated has an oldest slot.
        let least = if oldest > Slot(0) {
            oldest.next()
        } else {
            oldest
        };
        let end = behind_slots.max(behind_runs).unwrap_or(least).max(least);
        let (mut extents, mut slot, mut lost) = (Vec::new(), oldest, 0_u64);
        let mut runs = self.head.runs.iter().peekable();
        while slot < end {
            while runs.next_if(|run| run.last < slot.0).is_some() {}
            let run = runs.next_if(|run| run.first <= slot.0).copied();
            let last = run.map_or(slot, |run| Slot(run.last));
            if run.is_none() && !self.slots.contains_key(&slot) {
                lost = lost.saturating_add(1);
            }
            if lost > MOST_LOST {
                return Err(Error::Corrupt {
                    file: self.names.place(&self.names.slot(slot)),
                    offset: 0,
                    problem: format!(
                        "more than {MOST_LOST} slots before slot {end} are missing: its objects are \
                         hardly this log's"
                    ),
                });
            }
            extents.push(Extent {
                first: slot,
                last,
                run,
            });
            slot = last.next();
        }
        Ok(extents)
    }

    /// The slots of an extent as they are.
    pub(super) fn read(&self, extent: Extent) -> Result<Vec<FoundSlot>> {
        let Some(reference) = extent.run else {
            return Ok(vec![self.read_slot(extent.first)?]);
        };
        let name = self.names.run(reference.name());
        let place = self.names.place(&name);
        let mut slots = match self.objects.get(&name)? {
            Some(bytes) => in_run(&place, reference, &bytes)?,
            None => BTreeMap::new(),
        };
        let mut found = Vec::new();
        for slot in (extent.first.0..=extent.last.0).map(Slot) {
            found.push(match slots.remove(&slot) {
                Some(found) => found,
                // What a run replaces may still be there.
                None if self.slots.contains_key(&slot) => FoundSlot {
                    problem: Some(format!("it can't be read in {place}, and is still here")),
                    ..self.read_slot(slot)?
                },
                None => FoundSlot::missing(slot, place.clone()),
            });
        }
        Ok(found)
    }

    fn read_slot(&self, slot: Slot) -> Result<FoundSlot> {
        let name = self.names.slot(slot);
        let place = self.names.place(&name);
        Ok(match self.objects.get(&name)? {
            Some(bytes) => FoundSlot {
                slot,
                place,
                start: 0,
                bytes,
                known: None,
                problem: None,
            },
            None => FoundSlot::missing(slot, place),
        })
    }
}

/// The slots in a run's bytes, by its index, or by their headers where that can't be read.
fn in_run(place: &str, reference: RunRef, bytes: &Bytes) -> Result<BTreeMap<Slot, FoundSlot>> {
    let index = usize::try_from(reference.index).unwrap_or(usize::MAX);
    let front = bytes.get(..index).unwrap_or(bytes);
    let slice =
        |start: usize, end: usize| bytes.slice(start.min(bytes.len())..end.min(bytes.len()));
    let found = |slot: Slot, start: usize, end: usize, known: Option<Known>| FoundSlot {
        slot,
        place: place.to_owned(),
        start: start as u64,
        bytes: slice(start, end),
        known,
        problem: None,
    };
    let problem = match run::decode_index(place, reference, front) {
        Ok(run) => {
            let slots = run.slots.iter().zip(reference.first..);
            let slots = slots.map(|((known, start), slot)| {
                let start = usize::try_from(*start).unwrap_or(usize::MAX);
                let end = start.saturating_add(known.bytes as usize);
                (Slot(slot), found(Slot(slot), start, end, Some(*known)))
            });
            return Ok(slots.collect());
        }
        Err(Error::Corrupt { problem, .. }) => problem,
        Err(other) => return Err(other),
    };
    let header_at = |offset: usize, slot: u64| {
        let front = bytes.get(offset..offset.checked_add(HEADER_BYTES)?)?;
        SegmentHeader::decode_slot(place, slot, front).ok()
    };
    let mut slots = BTreeMap::new();
    let (mut slot, mut offset) = (reference.first, index);
    while slot <= reference.last && offset < bytes.len() {
        let (end, next) = match header_at(offset, slot) {
            Some((_, len)) => (offset.saturating_add(len as usize), slot.saturating_add(1)),
            // Up to where a later one's header is.
            None => (offset.saturating_add(1)..bytes.len())
                .find_map(|at| {
                    let low = u32::from_le_bytes(array(bytes, at.checked_add(32)?)?);
                    let behind = u64::from(low.wrapping_sub((slot & u64::from(u32::MAX)) as u32));
                    let later = slot.checked_add(behind).filter(|later| *later > slot)?;
                    let fits = later <= reference.last && header_at(at, later).is_some();
                    fits.then_some((at, later))
                })
                .unwrap_or((bytes.len(), slot.saturating_add(1))),
        };
        slots.insert(Slot(slot), found(Slot(slot), offset, end, None));
        (offset, slot) = (end, next);
    }
    if let Some(first) = slots.values_mut().next() {
        first.problem = Some(problem);
    }
    Ok(slots)
}
