//! What a window of another length, slide or way of combining left behind, made into what this one holds.
//!
//! Partial results of panes can be put together and let go, and never taken apart. So a window goes on exactly
//! whatever its new length, as long as its new panes consist of whole old ones; one that became longer fills up.

use std::collections::{BTreeMap, HashSet};

use super::loaded::{Loaded, Parts};
use super::method::Method;
use super::span::Span;
use crate::time::Time;

/// The shape of a window that was checkpointed.
pub(super) struct Held {
    pub(super) pane_ms: u64,
    /// The time that windows are in phase with.
    pub(super) zero: Time,
    /// The last batch that it took in, whatever that left in a partition.
    pub(super) through: Time,
    /// Whether values over the window are there, as where there was an inverse function.
    pub(super) has_values: bool,
}

impl Held {
    /// Whether what was loaded is to be [`converted`](Held::converted) for `span` and `M`; an error where that can't
    /// be. `oldest` is the oldest pane that was.
    pub(super) fn differs<K, V, M: Method<K, V>>(
        &self,
        oldest: Option<u64>,
        span: &Span,
    ) -> Result<bool, String> {
        if !span.can_take(self.pane_ms) {
            return Err(format!(
                "its partial results are of {} ms each, and can't be taken apart into those of {} ms that a \
                 window of this length and slide needs; set length and slide back, or give the window another uid",
                self.pane_ms,
                span.pane_ms()
            ));
        }
        let newest = span.pane_of(self.through, self.zero);
        let has_past = oldest.is_some_and(|oldest| oldest + span.panes() <= newest);
        Ok(self.pane_ms != span.pane_ms() || self.has_values == M::SUFFIXES || has_past)
    }

    /// A partition as it would be had the window always been what it is now, but that what has left isn't there.
    pub(super) fn converted<K: Clone, V: Clone, M: Method<K, V>>(
        &self,
        loaded: &Loaded<K, V>,
        method: &M,
        span: &Span,
    ) -> Loaded<K, V> {
        let number = |old: u64| {
            let end = old * self.pane_ms + self.zero.as_millis() % self.pane_ms;
            span.pane_of(Time::from_millis(end), self.zero)
        };
        let newest = span.pane_of(self.through, self.zero);
        let is_past = |pane: u64| pane + span.panes() <= newest;
        let mut values = match M::SUFFIXES {
            true => BTreeMap::new(),
            false => loaded.values.clone(),
        };
        let mut panes: BTreeMap<u64, Parts<V>> = BTreeMap::new();
        for (&old, parts) in &loaded.panes {
            let new = number(old);
            for (&slot, value) in &parts.entries {
                if is_past(new) {
                    let mut held = values.remove(&slot);
                    method.leave(&mut held, &mut M::Side::default(), Some(value));
                    values.extend(held.map(|held| (slot, held)));
                    continue;
                }
                let entries = &mut panes.entry(new).or_default().entries;
                let sum = match entries.get(&slot) {
                    Some(earlier) => method.add(earlier, value),
                    None => value.clone(),
                };
                entries.insert(slot, sum);
            }
        }
        if !M::SUFFIXES && !self.has_values {
            for (&slot, value) in panes.values().flat_map(|parts| &parts.entries) {
                let mut held = values.remove(&slot);
                method.enter(&mut held, &mut M::Side::default(), value);
                values.extend(held.map(|held| (slot, held)));
            }
        }
        let entries = panes.values().flat_map(|parts| parts.entries.keys());
        let known: HashSet<u32> = values.keys().chain(entries).copied().collect();
        let keys = loaded.keys.iter();
        let keys = keys.filter(|(slot, _)| known.contains(slot));
        Loaded {
            pane_ms: Some(span.pane_ms()),
            keys: keys.map(|(slot, key)| (*slot, key.clone())).collect(),
            values,
            panes,
        }
    }
}
