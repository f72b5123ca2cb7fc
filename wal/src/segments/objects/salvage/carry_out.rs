//! Carrying a plan out: copies, runs, the head, fences, deletions, in this order.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;
use tidemill_storage::{ErrorKind, PutOutcome, failpoint};

use super::super::head::{Head, RunRef};
use super::super::known::Known;
use super::super::names::{RunName, Slot};
use super::super::run;
use super::{Extent, ObjectLog};
use crate::error::{Error, Result};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::position::Sequence;
use crate::repair::{
    Action, ExaminedSegment, Part, Piece, Plan, QuarantineReport, Quarantined, SegmentPlan,
};

/// The file that says what was done, in a quarantine.
const REPORT: &str = "report.json";

impl ObjectLog {
    /// Repairs the log as planned. No owner may be about: nothing but the head can tell.
    ///
    /// # Errors
    /// When the store fails, or the log isn't as it was when it was examined. It is then either as it was
    /// or as planned, and repair can be run again.
    pub fn carry_out(&self, plan: &Plan, report: QuarantineReport<'_>) -> Result<Quarantined> {
        let quarantine = self.names.quarantine(report.name);
        let json = Bytes::copy_from_slice(report.json);
        self.set_aside(&format!("{quarantine}{REPORT}"), json)?;
        if let Some((bytes, _)) = self.old.as_ref().filter(|_| self.is_head_lost) {
            let name = self.names.quarantined(report.name, &self.names.head());
            self.set_aside(&name, bytes.clone())?;
        }
        let mut runs = Vec::new();
        let stretches = self.stretches(plan);
        for stretch in &stretches {
            runs.push(self.put_run(plan, stretch, report.name)?);
        }
        self.put_head(&runs)?;
        if !stretches.is_empty() {
            self.put_fences(plan, &stretches)?;
        }
        self.delete_replaced(&stretches);
        let of = |wanted: fn(&Action) -> bool| {
            let segments = plan.segments.iter();
            segments.filter(|segment| wanted(&segment.action)).count() as u64
        };
        Ok(Quarantined {
            folder: self.names.place(quarantine.trim_end_matches('/')),
            replaced: of(|action| matches!(action, Action::Replace { .. })),
            set_aside: of(|action| *action == Action::SetAside),
        })
    }

    fn set_aside(&self, name: &str, bytes: Bytes) -> Result<()> {
        failpoint!("wal::before_quarantine_put");
        let outcome = self.objects.put_new(name, bytes)?;
        failpoint!("wal::after_quarantine_put");
        match outcome {
            PutOutcome::Written => Ok(()),
            PutOutcome::Conflict => {
                let reason = "another repair has been here at the same time";
                Err(self.error("create", name, ErrorKind::AlreadyExists, reason))
            }
        }
    }

    /// The extents of which something is changed; those in a row together.
    fn stretches(&self, plan: &Plan) -> Vec<Vec<Extent>> {
        let changed: BTreeSet<Slot> = plan
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| segment.action != Action::Keep)
            .map(|(index, _)| self.slot(index))
            .collect();
        let mut stretches: Vec<Vec<Extent>> = Vec::new();
        for extent in &self.extents {
            if changed.range(extent.first..=extent.last).next().is_none() {
                continue;
            }
            match stretches.last_mut() {
                Some(stretch)
                    if stretch.last().map(|last| last.last.next()) == Some(extent.first) =>
                {
                    stretch.push(*extent);
                }
                _ => stretches.push(vec![*extent]),
            }
        }
        stretches
    }

    /// Sets aside what a stretch consists of, and makes one run in its place.
    fn put_run(&self, plan: &Plan, stretch: &[Extent], repair: &str) -> Result<RunRef> {
        let (mut known, mut segments) = (Vec::new(), Vec::new());
        for extent in stretch {
            self.keep_copies(*extent, repair)?;
            for found in self.read(*extent)? {
                let Some(segment) = self.planned(plan, found.slot) else {
                    continue;
                };
                let is_same = segment.segment.bytes == found.bytes.len() as u64
                    && segment.segment.checksum == crc32fast::hash(&found.bytes);
                if !is_same {
                    return Err(self.changed(&segment.segment.file));
                }
                let (header, bytes) = self.repaired(plan, found.slot, segment, &found.bytes)?;
                known.push(header);
                segments.push(bytes);
            }
        }
        let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
            let reason = "there is nothing to repair";
            return Err(self.error("repair", &self.names.head(), ErrorKind::Unsupported, reason));
        };
        let index = run::encode_index(self.kind, first.first, &known)?;
        let object = [&index[..], &segments.concat()].concat();
        let name = |epoch| RunName {
            first: first.first,
            last: last.last,
            epoch,
        };
        // Not the name of one that is there, which may be the damaged one.
        let taken = |epoch: &u64| self.runs.contains(&self.names.run(name(*epoch)));
        let epoch = (self.head.epoch..).find(|epoch| !taken(epoch));
        let name = name(epoch.unwrap_or(self.head.epoch));
        let reference = RunRef {
            first: name.first.0,
            last: name.last.0,
            epoch: name.epoch,
            index: index.len() as u64,
            bytes: object.len() as u64,
        };
        let name = self.names.run(name);
        // What would not be read again must not be written.
        run::decode_index(&self.names.place(&name), reference, &index)?;
        failpoint!("wal::before_repaired_run_put");
        let outcome = self.objects.put_new(&name, Bytes::from(object))?;
        failpoint!("wal::after_repaired_run_put");
        match outcome {
            PutOutcome::Written => Ok(reference),
            PutOutcome::Conflict => Err(self.changed(&self.names.place(&name))),
        }
    }

    /// A copy of each object of an extent, whole and good or not.
    fn keep_copies(&self, extent: Extent, repair: &str) -> Result<()> {
        let run = extent.run.map(|run| self.names.run(run.name()));
        let slots = (extent.first.0..=extent.last.0).map(Slot);
        let slots = slots.filter(|slot| self.slots.contains_key(slot));
        for name in slots.map(|slot| self.names.slot(slot)).chain(run) {
            if let Some(bytes) = self.objects.get(&name)? {
                self.set_aside(&self.names.quarantined(repair, &name), bytes)?;
            }
        }
        Ok(())
    }

    fn planned<'a>(&self, plan: &'a Plan, slot: Slot) -> Option<&'a SegmentPlan> {
        let index = slot.0.checked_sub(self.head.oldest_slot)?;
        plan.segments.get(usize::try_from(index).ok()?)
    }

    /// A slot's segment as it is to be.
    fn repaired(
        &self,
        plan: &Plan,
        slot: Slot,
        segment: &SegmentPlan,
        found: &[u8],
    ) -> Result<(Known, Bytes)> {
        let (header, mut bytes) = match &segment.action {
            Action::Replace { header, parts } => (*header, plan.repaired(header, parts, found)),
            Action::Keep => {
                let header = segment
                    .segment
                    .header
                    .unwrap_or(self.fence(segment.segment.name));
                (header, found.to_vec())
            }
            Action::SetAside => {
                let end = plan.cut_at.unwrap_or(segment.segment.name);
                (self.fence(end), vec![0; HEADER_BYTES])
            }
        };
        let Ok(len) = u32::try_from(bytes.len()) else {
            let reason = "the repaired segment is too large for a slot";
            let name = self.names.slot(slot);
            return Err(self.error("repair", &name, ErrorKind::Unsupported, reason));
        };
        if let Some(front) = bytes.get_mut(..HEADER_BYTES) {
            front.copy_from_slice(&header.encode_slot(slot.0, len));
        }
        Ok((Known { header, bytes: len }, Bytes::from(bytes)))
    }

    fn fence(&self, first: Sequence) -> SegmentHeader {
        SegmentHeader {
            log_kind: self.kind,
            epoch: self.head.epoch,
            first,
        }
    }

    /// From here on the log is as planned, and nobody else's.
    fn put_head(&self, new: &[RunRef]) -> Result<()> {
        let is_replaced = |run: &RunRef| {
            let covers = |new: &RunRef| new.first <= run.last && run.first <= new.last;
            new.iter().any(covers)
        };
        let mut runs: Vec<RunRef> = self.head.runs.clone();
        runs.retain(|run| !is_replaced(run));
        runs.extend(new);
        runs.sort_unstable_by_key(|run| run.first);
        let head = Head {
            // It only has to differ.
            owner: RandomState::new().build_hasher().finish(),
            runs,
            ..self.head.clone()
        };
        let (name, bytes) = (self.names.head(), head.encode(self.kind)?);
        failpoint!("wal::before_repaired_head_put");
        let outcome = match &self.old {
            Some((_, version)) => self.objects.put_if(&name, bytes, version)?,
            None => self.objects.put_new(&name, bytes)?,
        };
        failpoint!("wal::after_repaired_head_put");
        match outcome {
            PutOutcome::Written => Ok(()),
            PutOutcome::Conflict => Err(self.changed(&self.names.place(&name))),
        }
    }

    /// A fence behind the log, and one in each slot that was lost: none that was taken becomes free.
    fn put_fences(&self, plan: &Plan, stretches: &[Vec<Extent>]) -> Result<()> {
        let behind = self.slot(plan.segments.len());
        let end = plan
            .segments
            .last()
            .map_or(self.head.oldest_sequence, |last| end_of(plan, last));
        if !self.put_fence(behind, end)? {
            return Err(self.changed(&self.names.place(&self.names.slot(behind))));
        }
        for extent in stretches
            .iter()
            .flatten()
            .filter(|extent| extent.run.is_none())
        {
            if !self.slots.contains_key(&extent.first) {
                self.put_fence(extent.first, end)?;
            }
        }
        Ok(())
    }

    fn put_fence(&self, slot: Slot, first: Sequence) -> Result<bool> {
        let bytes = self.fence(first).encode_slot(slot.0, HEADER_BYTES as u32);
        failpoint!("wal::before_repair_fence_put");
        let bytes = Bytes::copy_from_slice(&bytes);
        let outcome = self.objects.put_new(&self.names.slot(slot), bytes)?;
        failpoint!("wal::after_repair_fence_put");
        Ok(outcome == PutOutcome::Written)
    }

    /// What isn't part of the log any more. What is left behind, an owner's first truncation removes.
    fn delete_replaced(&self, stretches: &[Vec<Extent>]) {
        let run = |extent: &Extent| extent.run.map(|run| self.names.run(run.name()));
        let extents = || stretches.iter().flatten();
        let slots = extents().flat_map(|extent| (extent.first.0..=extent.last.0).map(Slot));
        // Fences stay.
        let slots = slots.filter(|slot| {
            let bytes = self.slots.get(slot);
            bytes.is_some_and(|bytes| *bytes > HEADER_BYTES as u64)
        });
        let slots = slots.map(|slot| self.names.slot(slot));
        for name in slots.chain(extents().filter_map(run)) {
            failpoint!("wal::before_repaired_delete");
            let deleted = self.objects.delete(&name);
            failpoint!("wal::after_repaired_delete");
            if let Err(error) = deleted {
                tracing::warn!(%error, "a replaced object of the log stays behind for now");
            }
        }
    }

    fn changed(&self, file: &str) -> Error {
        Error::Corrupt {
            file: file.to_owned(),
            offset: 0,
            problem: "it has changed since repair looked at it: something writes to the log".into(),
        }
    }
}

/// The number behind the last entry of the log as planned.
fn end_of(plan: &Plan, last: &SegmentPlan) -> Sequence {
    match (&last.action, plan.cut_at) {
        (_, Some(cut)) => cut,
        (Action::Replace { header, parts }, None) => parts
            .last()
            .and_then(|part| part_end(&last.segment, part))
            .unwrap_or(header.first),
        _ => last.segment.end(),
    }
}

fn part_end(segment: &ExaminedSegment, part: &Part) -> Option<Sequence> {
    match part {
        Part::Holes { entries, .. } => Some(entries.end),
        Part::Copy(range) => segment.pieces.iter().find_map(|piece| match piece {
            Piece::Good { offsets, entries } if offsets == range => Some(entries.end),
            _ => None,
        }),
    }
}
