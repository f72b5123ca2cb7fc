//! [`Flip`]: a group's turn to have its suffixes made.

use super::method::Method;
use super::pane::Pane;
use super::span::Span;
use super::spill::{Place, Places, encode, read_at};
use crate::state::StateValue;
use crate::state::cold::{Fault, Reader, failed};

/// A group's turn: its panes combined from the newest to the oldest.
pub(super) struct Flip<V> {
    pub(super) group: u32,
    /// How many panes it went through, from the newest.
    pub(super) panes: usize,
    /// For each entry in memory on the way, what is behind it.
    pub(super) behind: Vec<Option<V>>,
    /// For each slot of the group, all of its panes.
    pub(super) fronts: Vec<Option<V>>,
    /// The group's entries on the disk, by where they lay, with what is behind each.
    pub(super) turned: Vec<(Place, Vec<u8>)>,
}

impl<V: StateValue> Flip<V> {
    pub(super) fn new(group: u32, slots: usize, span: &Span) -> Self {
        Self {
            group,
            panes: 0,
            behind: Vec::new(),
            fronts: vec![None; slots / span.groups() as usize + 1],
            turned: Vec::new(),
        }
    }

    /// Goes through panes, from the newest.
    pub(super) fn pass<'a, K, M: Method<K, V>>(
        &mut self,
        panes: impl Iterator<Item = &'a Pane<V>>,
        reader: Option<&Reader>,
        places: Places<'_>,
        method: &M,
    ) -> Result<(), Fault> {
        let groups = places.groups();
        for pane in panes {
            self.panes += 1;
            if pane.on_disk() > 0 {
                let place = places.at(pane.number, self.group);
                let mut entries = read_at::<V>(reader, place)?;
                for (slot, value) in &mut entries {
                    *value = self.step(*slot / groups, value.as_ref(), method);
                }
                let entries = entries.iter().map(|(slot, value)| (*slot, value.as_ref()));
                self.turned.push((place, encode(entries).map_err(failed)?));
                continue;
            }
            for at in pane.places_of(self.group, groups) {
                let slot = pane.slots.get(at).copied().unwrap_or_default();
                let value = pane.values.get(at).and_then(Option::as_ref);
                let later = self.step(slot / groups, value, method);
                self.behind.push(later);
            }
        }
        Ok(())
    }

    /// Puts a pane's value in front of a key's later ones, and says what these come to.
    #[inline]
    fn step<K, M: Method<K, V>>(&mut self, at: u32, value: Option<&V>, method: &M) -> Option<V> {
        let front = self.fronts.get_mut(at as usize)?;
        put_in_front(front, value, |earlier, later| method.add(earlier, later))
    }
}

/// Combines a value with the later ones before it, and gives those back.
#[inline]
pub(super) fn put_in_front<V: Clone>(
    front: &mut Option<V>,
    value: Option<&V>,
    add: impl FnOnce(&V, &V) -> V,
) -> Option<V> {
    let later = front.take();
    *front = match (value, &later) {
        (Some(value), Some(later)) => Some(add(value, later)),
        (value, _) => value.cloned(),
    };
    later
}
