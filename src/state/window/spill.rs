//! [`Spilled`]: panes of one partition that have no room in memory.
//!
//! A pane is filled, then closed. After that it is needed when it leaves and, where panes hold suffixes, a
//! group of its keys once before. So closed panes are written, each once, beginning with the newest: of all
//! it is the one that leaves last. Those that leave next stay in memory as long as there is room.
//!
//! A group's entries of a pane lie together. Those that its turn makes lie beside those it was made of,
//! which go with a later write: a step that failed at the disk, wherever, finds what it read before.

use super::method::Method;
use super::pane::Pane;
use super::span::Span;
use crate::rdd::{BoxError, Stop, TaskError};
use crate::state::StateValue;
use crate::state::bytes::write;
use crate::state::cold::{Cold, Fault, Line, Reader, failed};

/// Slots with their partial results.
pub(super) type Entries<V> = Vec<(u32, Option<V>)>;

/// How the entries of panes are divided on the disk.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    span: &'a Span,
    /// Whether groups take turns.
    have_turns: bool,
    /// The newest pane that was opened.
    newest: u64,
}

/// Where entries of one pane and group lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pane: u64,
    group: u32,
    /// Whether the group has had its turn since the pane was closed.
    is_turned: bool,
}

impl<'a> Places<'a> {
    pub(super) fn of<K, V, M: Method<K, V>>(span: &'a Span, newest: u64) -> Self {
        Self {
            span,
            have_turns: M::SUFFIXES,
            newest,
        }
    }

    /// How many groups there are.
    pub(super) fn groups(self) -> u32 {
        match self.have_turns {
            true => self.span.groups(),
            false => 1,
        }
    }

    pub(super) fn at(self, pane: u64, group: u32) -> Place {
        let is_turned = self.have_turns && pane < self.span.last_turn(group, self.newest);
        Place {
            pane,
            group,
            is_turned,
        }
    }

    /// All places of a pane.
    fn of_pane(self, pane: u64) -> impl Iterator<Item = Place> {
        (0..self.groups()).map(move |group| self.at(pane, group))
    }
}

impl Place {
    /// In the order of panes.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.pane.to_be_bytes().to_vec();
        bytes.extend(self.group.to_be_bytes());
        bytes.push(self.is_turned.into());
        bytes
    }

    /// Where the entries lie once the group has had its turn.
    fn turned(self) -> Self {
        Self {
            is_turned: true,
            ..self
        }
    }
}

/// The panes of a partition that are on the disk.
#[derive(Debug)]
pub(super) struct Spilled {
    pub(super) cold: Cold,
    /// Bytes that the partition may take in memory.
    pub(super) memory: usize,
    /// Places of no more use, which go with the next write.
    stale: Vec<Place>,
}

impl Spilled {
    pub(super) fn new(memory: usize, cold: Cold) -> Self {
        Self {
            cold,
            memory,
            stale: Vec::new(),
        }
    }

    /// Nothing is on the disk.
    pub(super) fn cleared(mut self) -> Self {
        self.cold.clear();
        self.stale.clear();
        self
    }

    /// Writes a pane that is in memory.
    pub(super) fn put<V: StateValue>(
        &mut self,
        pane: &mut Pane<V>,
        places: Places<'_>,
    ) -> Result<(), Stop> {
        let groups = places.groups();
        let lines = places.of_pane(pane.number).map(|place| {
            let at = pane.places_of(place.group, groups).into_iter();
            let entries = at.filter_map(|at| Some((*pane.slots.get(at)?, pane.values.get(at)?)));
            line(place, entries.map(|(slot, value)| (slot, value.as_ref())))
        });
        let lines: Result<Vec<Line>, BoxError> = lines.collect();
        self.write(lines.map_err(TaskError::new)?)?;
        pane.spill();
        Ok(())
    }

    /// Writes what a step makes of panes that are on the disk, by where it was, before any of the step is
    /// made part of the window. What it has no more use for stays readable until the next write.
    pub(super) fn follow(
        &mut self,
        turned: Vec<(Place, Vec<u8>)>,
        leaving: impl Iterator<Item = u64>,
        places: Places<'_>,
    ) -> Result<(), Stop> {
        let was: Vec<Place> = turned.iter().map(|(place, _)| *place).collect();
        if !turned.is_empty() {
            let lines = turned.into_iter();
            let lines = lines.map(|(place, bytes)| (place.turned().bytes(), Some(bytes)));
            self.write(lines.collect())?;
        }
        self.stale.extend(was);
        let left = leaving.flat_map(|pane| places.of_pane(pane));
        self.stale.extend(left);
        Ok(())
    }

    fn write(&mut self, lines: Vec<Line>) -> Result<(), Stop> {
        let stale = self.stale.iter().map(|place| (place.bytes(), None));
        let mut all: Vec<Line> = stale.chain(lines).collect();
        all.sort_unstable();
        self.cold.write(&all)?;
        self.stale.clear();
        Ok(())
    }
}

/// What is written of entries.
pub(super) fn encode<'a, V: StateValue>(
    entries: impl Iterator<Item = (u32, Option<&'a V>)>,
) -> Result<Vec<u8>, BoxError> {
    // Apart, as a value may be written like none.
    let (mut some, mut none) = (Vec::new(), Vec::new());
    for (slot, value) in entries {
        match value {
            Some(value) => some.push((slot, value)),
            None => none.push(slot),
        }
    }
    let mut bytes = Vec::new();
    write(&(some, none), &mut bytes)?;
    Ok(bytes)
}

fn line<'a, V: StateValue>(
    place: Place,
    entries: impl Iterator<Item = (u32, Option<&'a V>)>,
) -> Result<Line, BoxError> {
    Ok((place.bytes(), Some(encode(entries)?)))
}

/// Reads the entries at a place.
pub(super) fn read_at<V: StateValue>(
    reader: Option<&Reader>,
    place: Place,
) -> Result<Entries<V>, Fault> {
    let lost = || failed("a pane of a window isn't in its scratch file");
    let entries = reader.ok_or_else(lost)?.at(&place.bytes(), |bytes| {
        let (some, none): (Vec<(u32, V)>, Vec<u32>) = rmp_serde::from_slice(bytes)?;
        let some = some.into_iter().map(|(slot, value)| (slot, Some(value)));
        Ok(some
            .chain(none.into_iter().map(|slot| (slot, None)))
            .collect())
    })?;
    entries.ok_or_else(lost)
}

/// Visits all entries of a pane, wherever it is.
pub(super) fn visit<V: StateValue>(
    pane: &Pane<V>,
    reader: Option<&Reader>,
    places: Places<'_>,
    mut visit: impl FnMut(u32, Option<&V>),
) -> Result<(), Fault> {
    if pane.on_disk() == 0 {
        pane.iter().for_each(|(slot, value)| visit(slot, value));
        return Ok(());
    }
    let mut left = pane.on_disk();
    for place in places.of_pane(pane.number) {
        for (slot, value) in read_at::<V>(reader, place)? {
            left = left
                .checked_sub(1)
                .ok_or_else(|| failed("a pane of a window has grown on the disk"))?;
            visit(slot, value.as_ref());
        }
    }
    match left {
        0 => Ok(()),
        _ => Err(failed("a pane of a window has shrunk on the disk")),
    }
}
