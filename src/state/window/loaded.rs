//! [`Loaded`]: what a checkpoint holds of one partition of a window.

use std::collections::BTreeMap;

use tidemill_checkpoint::{Chain, Chunk};

use super::delta::Row;
use crate::rdd::{KeyHasher, Partitioning, TaskError};
use crate::state::{Migrations, Part, StateKey, StateValue, Written};

/// What a checkpoint holds of one partition.
pub(super) struct Loaded<K, V> {
    pub(super) pane_ms: Option<u64>,
    /// By slot.
    pub(super) keys: BTreeMap<u32, K>,
    pub(super) values: BTreeMap<u32, V>,
    pub(super) panes: BTreeMap<u64, Parts<V>>,
}

impl<K, V> Default for Loaded<K, V> {
    fn default() -> Self {
        Self {
            pane_ms: None,
            keys: BTreeMap::new(),
            values: BTreeMap::new(),
            panes: BTreeMap::new(),
        }
    }
}

/// A pane's partial results by slot.
pub(super) struct Parts<V> {
    /// How many rows of checkpoints they are in.
    pub(super) written: u32,
    pub(super) entries: BTreeMap<u32, V>,
}

impl<V> Default for Parts<V> {
    fn default() -> Self {
        Self {
            written: 0,
            entries: BTreeMap::new(),
        }
    }
}

impl<K: StateKey, V: StateValue> Loaded<K, V> {
    /// Reads a partition's chunks.
    pub(super) fn read(
        chain: &Chain,
        written: &Written<'_>,
        migrations: &Migrations,
    ) -> Result<Self, TaskError> {
        let (from, chunks) = (written.version, written.chunks);
        let parts = chain.base.iter().chain(&chain.deltas);
        let parts: Vec<Chunk> = parts
            .map(|reference| chunks(reference).map_err(TaskError::new))
            .collect::<Result<_, _>>()?;
        let mut rows: BTreeMap<Row, &[u8]> = BTreeMap::new();
        for (key, value) in parts.iter().flat_map(Chunk::iter) {
            let row: Row = rmp_serde::from_slice(key).map_err(TaskError::new)?;
            match value {
                Some(value) => rows.insert(row, value),
                None => rows.remove(&row),
            };
        }
        let mut loaded = Self::default();
        for (row, bytes) in rows {
            let slot = || u32::try_from(row.1).map_err(TaskError::new);
            match row.0 {
                Row::SPAN => {
                    let length = rmp_serde::from_slice(bytes);
                    loaded.pane_ms = Some(length.map_err(TaskError::new)?);
                }
                Row::KEY => {
                    let key = migrations.read(Part::Keys, from, bytes);
                    loaded.keys.insert(slot()?, key.map_err(unread("key"))?);
                }
                Row::VALUE => {
                    let value = migrations.read(Part::Values, from, bytes);
                    loaded
                        .values
                        .insert(slot()?, value.map_err(unread("value"))?);
                }
                Row::PANE => {
                    let entries = migrations.read_list(from, bytes);
                    let entries: Vec<(u32, V)> = entries.map_err(unread("partial result"))?;
                    let pane = loaded.panes.entry(row.1).or_default();
                    pane.written = row.2 + 1;
                    pane.entries.extend(entries);
                }
                other => {
                    return Err(TaskError::new(format!(
                        "a row of a kind that this release doesn't know: {other}"
                    )));
                }
            }
        }
        Ok(loaded)
    }
}

fn unread(what: &'static str) -> impl Fn(TaskError) -> TaskError {
    move |error| TaskError::new(format!("a window's checkpointed {what}: {error}"))
}

/// Puts keys into the partitions where they now belong, under new slots.
pub(super) fn moved<K: StateKey, V: StateValue>(
    loaded: Vec<Loaded<K, V>>,
    partitioning: &Partitioning<K>,
    hasher: &KeyHasher,
) -> Vec<Loaded<K, V>> {
    let mut all: Vec<Loaded<K, V>> = Vec::new();
    all.resize_with(partitioning.partitions(), Loaded::default);
    for from in loaded {
        let mut places: BTreeMap<u32, (usize, u32)> = BTreeMap::new();
        for (slot, key) in from.keys {
            let at = partitioning.of(&key, hasher.hash(&key));
            let Some(to) = all.get_mut(at) else { continue };
            let new = u32::try_from(to.keys.len()).unwrap_or(u32::MAX);
            to.keys.insert(new, key);
            places.insert(slot, (at, new));
        }
        let mut put = |slot: u32, put: &mut dyn FnMut(&mut Loaded<K, V>, u32)| {
            let place = places.get(&slot);
            if let Some((to, new)) = place.and_then(|(at, new)| Some((all.get_mut(*at)?, *new))) {
                put(to, new);
            }
        };
        for (slot, value) in from.values {
            put(slot, &mut |to, new| {
                to.values.insert(new, value.clone());
            });
        }
        for (number, parts) in from.panes {
            for (slot, value) in parts.entries {
                put(slot, &mut |to, new| {
                    let pane = to.panes.entry(number).or_default();
                    pane.entries.insert(new, value.clone());
                });
            }
        }
    }
    all
}
