//! Looking at a log: its head, the indexes of its runs, and the headers of its slots up to the end.

use std::sync::Arc;

use tidemill_storage::ErrorKind;

use super::head::RunRef;
use super::home::{Home, WIDTH};
use super::known::Known;
use super::layout::Layout;
use super::names::Slot;
use super::run::{self, Run};
use super::takeover::FoundHead;
use crate::error::{Error, Result};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::segments::SegmentInfo;

/// How many slots in a row must be free to be the end. One would do if objects never got lost.
const FREE_AT_END: usize = 3;
/// How often a look is repeated because the log changed meanwhile.
const TRIES: usize = 16;

impl Home {
    /// All slots of the log, up to its end as it is now.
    pub(super) fn list(&self) -> Result<Vec<SegmentInfo>> {
        for _ in 0..TRIES {
            let found = self.head_to_read()?;
            let mut layout = self.look(&found)?;
            self.read_forward(&mut layout)?;
            // What looked like the end may be where slots were put together meanwhile. (An owner finds
            // that out when it fences.)
            if self.ours().is_none() && self.head_to_read()?.head != found.head {
                continue;
            }
            let infos = layout.infos();
            self.check_beginning(&found, &layout)?;
            self.layout(|old| *old = layout);
            return Ok(infos);
        }
        let reason = "it changes faster than it can be read: try again";
        Err(self.error("read", &self.names.log(), ErrorKind::Io, reason))
    }

    /// For who only looks: takes in what the owner has changed. An owner knows.
    pub(super) fn refresh(&self) -> Result<()> {
        if self.ours().is_none() {
            let layout = self.look(&self.head_to_read()?)?;
            self.layout(|old| *old = layout);
        }
        Ok(())
    }

    fn head_to_read(&self) -> Result<FoundHead> {
        if self.ours().is_some() {
            return self.our_head();
        }
        let none = || {
            let reason = "there is no log";
            self.error("open", &self.names.log(), ErrorKind::NotFound, reason)
        };
        match self.read_head()? {
            Some(found) => Ok(found),
            // A log that has lost its head must not pass for none.
            None if self.is_headless()? => Err(self.headless()),
            None => Err(none()),
        }
    }

    /// What was known, with what a head says.
    fn look(&self, found: &FoundHead) -> Result<Layout> {
        let mut layout = self.layout(|layout| layout.clone());
        let read = |reference: &RunRef| match layout.run(*reference) {
            Some(run) => Ok(run),
            None => self.read_run(*reference).map(Arc::new),
        };
        let runs = super::home::side_by_side(&found.head.runs, read);
        let runs = runs.into_iter().collect::<Result<_>>()?;
        layout.apply(&found.head, runs);
        Ok(layout)
    }

    /// Reads a run's index. One that can't be trusted is kept as such: asking for its header says what
    /// is wrong.
    fn read_run(&self, reference: RunRef) -> Result<Run> {
        match self.read_index(reference) {
            Err(error) if error.is_about_contents() => Ok(Run {
                reference,
                slots: Vec::new(),
            }),
            other => other,
        }
    }

    fn read_index(&self, reference: RunRef) -> Result<Run> {
        let name = self.names.run(reference.name());
        let place = self.names.place(&name);
        let len = usize::try_from(reference.index).unwrap_or(usize::MAX);
        match self.objects.get_range(&name, 0, len)? {
            Some(bytes) => run::decode_index(&place, reference, &bytes),
            None => Err(missing(place)),
        }
    }

    /// Reads the headers of all slots that aren't known yet, until some are free.
    fn read_forward(&self, layout: &mut Layout) -> Result<()> {
        let mut width = FREE_AT_END + 1;
        let mut free: Vec<Slot> = Vec::new();
        let mut from = layout.oldest;
        loop {
            let slots = layout.unknown(from, width);
            let Some(last) = slots.last() else {
                return Ok(());
            };
            from = last.next();
            width = (width * 2).min(WIDTH);
            for (slot, found) in slots.iter().zip(self.read_headers(&slots)) {
                match found? {
                    Found::Free if *slot < layout.behind_runs() => layout.insert(*slot, None),
                    Found::Free if free.is_empty() && *slot == layout.oldest && slot.0 > 0 => {
                        // The oldest slot is never the first free one, but in a log never written to.
                        layout.insert(*slot, None);
                    }
                    Found::Free => free.push(*slot),
                    Found::Taken(known) => {
                        self.fill(layout, std::mem::take(&mut free))?;
                        layout.insert(*slot, known);
                    }
                }
            }
            if free.len() >= FREE_AT_END {
                // Slots known from before may lie behind: then it has been lost since.
                let end = free.first().copied().unwrap_or(layout.next);
                match end < layout.next {
                    true => self.fill(layout, std::mem::take(&mut free))?,
                    false => {
                        layout.next = end;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Slots were found free, and then one behind them taken: either they have just been written, or they
    /// are lost.
    fn fill(&self, layout: &mut Layout, slots: Vec<Slot>) -> Result<()> {
        for slot in slots {
            let found = self.read_headers(&[slot]).pop();
            match found.unwrap_or(Ok(Found::Free))? {
                Found::Free => layout.insert(slot, None),
                Found::Taken(known) => layout.insert(slot, known),
            }
        }
        Ok(())
    }

    fn read_headers(&self, slots: &[Slot]) -> Vec<Result<Found>> {
        let wanted: Vec<_> = slots
            .iter()
            .map(|slot| (self.names.slot(*slot), 0, HEADER_BYTES))
            .collect();
        let answers = self.read_many(&wanted).into_iter().zip(slots);
        let found = answers.map(|(answer, slot)| {
            let Some(bytes) = answer? else {
                return Ok(Found::Free);
            };
            let known = self.decode(*slot, &bytes);
            Ok(Found::Taken(known.ok()))
        });
        found.collect()
    }

    fn decode(&self, slot: Slot, bytes: &[u8]) -> Result<Known> {
        let place = self.names.place(&self.names.slot(slot));
        let (header, bytes) = SegmentHeader::decode_slot(&place, slot.0, bytes)?;
        Ok(Known { header, bytes })
    }

    /// A slot's header; of one that can't be trusted, what is wrong with it.
    pub(super) fn header(&self, slot: Slot) -> Result<SegmentHeader> {
        let (spot, run) = self.layout(|layout| (layout.spot(slot), layout.run_of(slot).cloned()));
        if let Some(spot) = spot {
            return Ok(spot.known().header);
        }
        if let Some(run) = run {
            let index = slot.0.saturating_sub(run.reference.first);
            let read = self.read_index(run.reference)?;
            let known = usize::try_from(index)
                .ok()
                .and_then(|index| read.slots.get(index));
            let place = || self.names.place(&self.names.run(run.reference.name()));
            return known
                .map(|(known, _)| known.header)
                .ok_or_else(|| missing(place()));
        }
        let name = self.names.slot(slot);
        match self.objects.get_range(&name, 0, HEADER_BYTES)? {
            Some(bytes) => Ok(self.decode(slot, &bytes)?.header),
            None => Err(missing(self.names.place(&name))),
        }
    }

    /// The oldest slot must begin with the number that the head says.
    fn check_beginning(&self, found: &FoundHead, layout: &Layout) -> Result<()> {
        let said = found.head.oldest_sequence;
        let first = layout
            .spot(layout.oldest)
            .map(|spot| spot.known().header.first);
        match first {
            Some(first) if first != said => Err(Error::Corrupt {
                file: self.names.place(&self.names.slot(layout.oldest)),
                offset: 24,
                problem: format!(
                    "it starts with sequence {first}, the log's head says that it is {said}"
                ),
            }),
            _ => Ok(()),
        }
    }
}

enum Found {
    Free,
    /// `None`: by something that can't be trusted.
    Taken(Option<Known>),
}

pub(super) fn missing(file: String) -> Error {
    Error::Corrupt {
        file,
        offset: 0,
        problem: "the object is missing, though the log goes on behind it".into(),
    }
}
