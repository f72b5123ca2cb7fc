//! [`Delta`]: what batches changed in one partition of a window, and how a checkpoint holds it.
//!
//! A checkpoint's rows are about slots, the numbers that a partition gives its keys: a key is written when
//! it is new, and a pane's partial results are one row for each checkpoint that was cut while the pane was
//! open. So what is written follows what enters, and what leaves costs a row a pane.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use tidemill_checkpoint::{ChunkBuilder, PartitionChanges};

use crate::rdd::BoxError;
use crate::state::{StateKey, StateValue};

/// The key of a checkpointed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Row(
    /// What it is: one of the following.
    pub(super) u8,
    /// A slot, or the number of a pane.
    pub(super) u64,
    /// Which part of the pane it is, counted from 0.
    pub(super) u32,
);

impl Row {
    /// The length of a pane in milliseconds: there since the first batch took effect.
    pub(super) const SPAN: u8 = 0;
    /// A slot's key.
    pub(super) const KEY: u8 = 1;
    /// A slot's value over the window, where there is an inverse function.
    pub(super) const VALUE: u8 = 2;
    /// A part of a pane: slots and partial results. One in a later part takes an earlier one's place.
    pub(super) const PANE: u8 = 3;
}

/// What a batch changed.
pub(super) struct Delta<K, V> {
    /// Keys that have a slot from now on, or none any more.
    pub(super) keys: Vec<(u32, Option<K>)>,
    /// Values that changed.
    pub(super) values: Vec<(u32, Option<V>)>,
    /// The pane that the batch is in.
    pub(super) pane: u64,
    /// The pane's partial results that changed.
    pub(super) entered: Vec<(u32, V)>,
    /// Panes that left.
    pub(super) left: Vec<u64>,
}

impl<K, V> Default for Delta<K, V> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            pane: 0,
            entered: Vec::new(),
            left: Vec::new(),
        }
    }
}

/// What batches changed since the last checkpoint was cut.
pub(super) struct Pending<K, V> {
    keys: Vec<(u32, Option<K>)>,
    values: Vec<(u32, Option<V>)>,
    entered: BTreeMap<u64, Vec<(u32, V)>>,
    left: Vec<u64>,
    /// How many parts of each pane are in checkpoints.
    pub(super) written: BTreeMap<u64, u32>,
}

impl<K, V> Default for Pending<K, V> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            entered: BTreeMap::new(),
            left: Vec::new(),
            written: BTreeMap::new(),
        }
    }
}

/// What one checkpoint is to hold of a partition.
pub(super) struct Taken<K, V> {
    keys: Vec<(u32, Option<K>)>,
    values: Vec<(u32, Option<V>)>,
    parts: Vec<(Row, Vec<(u32, V)>)>,
    gone: Vec<Row>,
}

impl<K, V> Pending<K, V> {
    /// A batch is complete.
    pub(super) fn absorb(&mut self, delta: Delta<K, V>) {
        extend(&mut self.keys, delta.keys);
        extend(&mut self.values, delta.values);
        for pane in delta.left {
            self.entered.remove(&pane);
            self.left.push(pane);
        }
        if !delta.entered.is_empty() {
            extend(self.entered.entry(delta.pane).or_default(), delta.entered);
        }
    }

    pub(super) fn take(&mut self) -> Taken<K, V> {
        let mut gone = Vec::new();
        for pane in std::mem::take(&mut self.left) {
            let parts = self.written.remove(&pane).unwrap_or_default();
            gone.extend((0..parts).map(|part| Row(Row::PANE, pane, part)));
        }
        let parts = std::mem::take(&mut self.entered).into_iter();
        let parts = parts.map(|(pane, entries)| {
            let written = self.written.entry(pane).or_default();
            *written += 1;
            (Row(Row::PANE, pane, *written - 1), entries)
        });
        Taken {
            parts: parts.collect(),
            keys: std::mem::take(&mut self.keys),
            values: std::mem::take(&mut self.values),
            gone,
        }
    }
}

/// The longer way only where there is something already.
fn extend<T>(all: &mut Vec<T>, more: Vec<T>) {
    match all.is_empty() {
        true => *all = more,
        false => all.extend(more),
    }
}

impl<K: StateKey, V: StateValue> Taken<K, V> {
    /// Runs on the checkpoint's thread.
    pub(super) fn encode(
        mut self,
        full: bool,
        pane_ms: Option<u64>,
    ) -> Result<PartitionChanges, BoxError> {
        let mut rows = Rows {
            builder: ChunkBuilder::with_capacity((self.keys.len() + self.values.len()) * 24),
            key: Vec::new(),
            value: Vec::new(),
        };
        if pane_ms.is_some() {
            rows.push(Row(Row::SPAN, 0, 0), pane_ms.as_ref())?;
        }
        for (slot, key) in &self.keys {
            rows.push(Row(Row::KEY, u64::from(*slot), 0), key.as_ref())?;
            if key.is_none() {
                rows.push::<V>(Row(Row::VALUE, u64::from(*slot), 0), None)?;
            }
        }
        latest(&mut self.values);
        for (slot, value) in &self.values {
            rows.push(Row(Row::VALUE, u64::from(*slot), 0), value.as_ref())?;
        }
        for (row, entries) in &mut self.parts {
            latest(entries);
            rows.push(*row, Some(&*entries))?;
        }
        for row in self.gone {
            rows.push::<V>(row, None)?;
        }
        Ok(PartitionChanges {
            full,
            builder: rows.builder,
        })
    }
}

/// Leaves the last of each slot, in the order of slots.
fn latest<T>(entries: &mut Vec<(u32, T)>) {
    entries.reverse();
    entries.sort_by_key(|(slot, _)| *slot);
    entries.dedup_by_key(|(slot, _)| *slot);
}

struct Rows {
    builder: ChunkBuilder,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Rows {
    fn push<T: Serialize>(&mut self, row: Row, value: Option<&T>) -> Result<(), BoxError> {
        self.key.clear();
        row.serialize(&mut rmp_serde::Serializer::new(&mut self.key))?;
        let Some(value) = value else {
            self.builder.push(&self.key, None);
            return Ok(());
        };
        self.value.clear();
        value.serialize(&mut rmp_serde::Serializer::new(&mut self.value).with_struct_map())?;
        self.builder.push(&self.key, Some(&self.value));
        Ok(())
    }
}
