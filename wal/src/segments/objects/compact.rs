//! Putting small objects together.

use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use tidemill_storage::{ErrorKind, PutOutcome, failpoint};

use super::head::RunRef;
use super::home::{Home, Ours};
use super::known::Known;
use super::layout::{Layout, Spot};
use super::names::Slot;
use super::plan::{Extent, Terms, plan};
use super::run::{self, Run};
use crate::error::{Error, Result};
use crate::format::frame::FrameHeader;
use crate::format::header::HEADER_BYTES;
use crate::position::FRAME_HEADER_BYTES;
use crate::segments::SegmentId;

impl Home {
    pub(super) fn compacts(&self) -> bool {
        self.ours().is_some_and(|ours| ours.compact_segments > 1)
    }

    pub(super) fn wants_compaction(&self) -> bool {
        let Some(ours) = self.ours().filter(|ours| ours.compact_segments > 1) else {
            return false;
        };
        let (next, alone) = self.layout(|layout| (layout.next, layout.alone()));
        alone >= ours.compact_segments && next >= self.garbage(|garbage| garbage.compact_from)
    }

    /// Puts one stretch together, if there is one.
    pub(super) fn compact(&self, stop: &dyn Fn() -> bool) -> Result<bool> {
        let ours = self.owner()?;
        let (extents, next) = self.layout(|layout| (extents(layout), layout.next));
        let terms = Terms {
            many: ours.compact_segments,
            small_bytes: ours.small_segment_bytes,
            run_bytes: ours.run_bytes,
        };
        let done = match plan(&extents, terms) {
            Some((first, last)) if !stop() => self.put_together(ours, first, last, stop),
            _ => Ok(false),
        };
        if !matches!(done, Ok(true)) {
            // Nothing to do, or it failed: no use in looking again before a few more are there.
            let pause = (ours.compact_segments as u64 / 8).max(1);
            self.garbage(|garbage| garbage.compact_from = next.plus(pause));
        }
        // What was truncated away while it was being read is no failure.
        match done {
            Err(error) if !error.is_fenced() && self.layout(|layout| layout.oldest) > Slot(0) => {
                let begun = extents.first().map_or(next, |extent| extent.first);
                match self.layout(|layout| layout.oldest) > begun {
                    true => Ok(true),
                    false => Err(error),
                }
            }
            done => done,
        }
    }

    /// Makes one run of the slots `first..=last`.
    fn put_together(
        &self,
        ours: Ours,
        first: Slot,
        last: Slot,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let (slots, segments) = self.collect(first, last)?;
        if stop() {
            return Ok(false);
        }
        let index = run::encode_index(ours.log_kind, first, &slots)?;
        let held: usize = segments.iter().map(Bytes::len).sum();
        let mut object = Vec::with_capacity(index.len().saturating_add(held));
        object.extend_from_slice(&index);
        for segment in segments {
            object.extend_from_slice(&segment);
        }
        let reference = RunRef {
            first: first.0,
            last: last.0,
            epoch: ours.epoch,
            index: index.len() as u64,
            bytes: object.len() as u64,
        };
        let name = self.names.run(reference.name());
        let place = self.names.place(&name);
        let run = Arc::new(run::decode_index(&place, reference, &index)?);
        failpoint!("wal::before_run_put");
        let outcome = self.objects.put_new(&name, Bytes::from(object))?;
        failpoint!("wal::after_run_put");
        if outcome == PutOutcome::Conflict {
            let reason = "other bytes have this name";
            return Err(self.error("create", &place, ErrorKind::AlreadyExists, reason));
        }
        let garbage = self.change_head(
            |head| {
                // A change that was answered by an error may have come through: then it is part of the log.
                let is_named = head.runs.contains(&reference);
                if head.oldest_slot > first.0 && !is_named {
                    return false;
                }
                head.runs
                    .retain(|old| old.last < first.0 || old.first > last.0);
                head.runs.push(reference);
                head.runs.sort_unstable_by_key(|run| run.first);
                true
            },
            |head| {
                self.layout(|layout| {
                    let garbage = self.garbage_of(first, last, layout);
                    let others = layout.runs().map(Arc::clone);
                    let others = others.filter(|old| head.runs.contains(&old.reference));
                    let mut runs: Vec<_> = others.collect();
                    runs.push(Arc::clone(&run));
                    layout.apply(head, runs);
                    garbage
                })
            },
        )?;
        // If the log begins behind its first slot by now, nobody needs it any more.
        self.delete(garbage.unwrap_or_else(|| vec![name]));
        Ok(true)
    }

    /// The slots' headers and bytes, each verified down to its frames, so that damage isn't copied.
    fn collect(&self, first: Slot, last: Slot) -> Result<(Vec<Known>, Vec<Bytes>)> {
        let (mut slots, mut segments) = (Vec::new(), Vec::new());
        let mut next = first;
        while next <= last {
            let coming: Vec<_> = (next.0..=last.0).map(SegmentId).collect();
            let fetched = self.fetch(&coming)?;
            if fetched.is_empty() {
                let (place, _) = self.place(next, 0);
                let reason = "nothing could be read";
                return Err(self.error("read", &place, ErrorKind::Io, reason));
            }
            for bytes in fetched {
                let Some(spot) = self.layout(|layout| layout.spot(next)) else {
                    let (place, _) = self.place(next, 0);
                    let reason = "it was cleaned up meanwhile";
                    return Err(self.error("read", &place, ErrorKind::NotFound, reason));
                };
                self.check_frames(next, spot.known(), &bytes)?;
                slots.push(spot.known());
                segments.push(bytes);
                next = next.next();
            }
        }
        Ok((slots, segments))
    }

    fn check_frames(&self, slot: Slot, known: Known, bytes: &[u8]) -> Result<()> {
        let start = Hasher::new_with_initial(known.header.binding());
        let mut offset = HEADER_BYTES;
        while offset < bytes.len() {
            let rest = bytes.get(offset..).unwrap_or_default();
            let frame = FrameHeader::decode(rest).and_then(|header| {
                let end = FRAME_HEADER_BYTES.checked_add(header.len as usize)?;
                header.verifies(&start, rest.get(..end)?).then_some(end)
            });
            let Some(end) = frame else {
                let (file, offset) = self.place(slot, offset as u64);
                let problem = "no frame that verifies starts here".into();
                return Err(Error::Corrupt {
                    file,
                    offset,
                    problem,
                });
            };
            offset = offset.saturating_add(end);
        }
        Ok(())
    }

    /// The objects that a run of these slots replaces, while the layout still knows them. Fences stay.
    fn garbage_of(&self, first: Slot, last: Slot, layout: &Layout) -> Vec<String> {
        let within =
            |run: &&Arc<Run>| run.reference.first >= first.0 && run.reference.last <= last.0;
        let runs = layout.runs().filter(within);
        let runs = runs.map(|run| self.names.run(run.reference.name()));
        let slots = (first.0..=last.0).map(Slot);
        let alone = slots.filter(
            |slot| matches!(layout.spot(*slot), Some(Spot::Alone(known)) if !known.is_fence()),
        );
        alone
            .map(|slot| self.names.slot(slot))
            .chain(runs)
            .collect()
    }
}

/// The log's objects in order; those that can't be trusted leave a gap.
fn extents(layout: &Layout) -> Vec<Extent> {
    let runs = layout.runs().filter(|run| !run.slots.is_empty());
    let runs = runs.map(|run| Extent {
        first: Slot(run.reference.first),
        last: Slot(run.reference.last),
        bytes: run.reference.bytes,
        is_run: true,
    });
    let infos = layout.infos().into_iter();
    let alone = infos.filter_map(|info| {
        let slot = Slot(info.id.0);
        match layout.spot(slot)? {
            Spot::Alone(known) => Some(Extent {
                first: slot,
                last: slot,
                bytes: u64::from(known.bytes),
                is_run: false,
            }),
            Spot::In(..) => None,
        }
    });
    let mut extents: Vec<_> = runs
        .chain(alone)
        .filter(|extent| extent.first >= layout.oldest)
        .collect();
    extents.sort_unstable_by_key(|extent| extent.first);
    extents
}
