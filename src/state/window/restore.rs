//! A window read back from a checkpoint.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use tidemill_checkpoint::{Chain, Chunk};

use super::WindowState;
use super::convert::Held;
use super::delta::Row;
use super::method::Method;
use super::partition::Partition;
use crate::effects;
use crate::rdd::{BoxError, Executor, KeyHasher, Partitioning, TaskError};
use crate::state::migration::keys_kept_apart;
use crate::state::{Migrations, Part, STATE_FORMAT, StateKey, StateValue, Written, check_format};

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

/// Fills the empty window with what was written.
pub(super) fn restore<K: StateKey, V: StateValue, M: Method<K, V>>(
    state: &WindowState<K, V, M>,
    written: &Written<'_>,
    executor: &Executor,
) -> Result<(), BoxError> {
    let series = written.series;
    check_format(
        series,
        STATE_FORMAT,
        &format!("the window `{}` is", series.name),
    )?;
    let mut loaded = executor.run(series.partitions.len(), |partition| {
        match series.partitions.get(partition) {
            Some(chain) => load::<K, V>(chain, written, &state.migrations),
            None => Err(TaskError::new("a partition of the window is missing")),
        }
    })?;
    let Some(pane_ms) = loaded.iter().find_map(|loaded| loaded.pane_ms) else {
        // Written before any batch took effect.
        return Ok(());
    };
    let is_migrated = written.version != state.migrations.version();
    if is_migrated {
        let all = loaded.iter().map(|loaded| loaded.keys.len() as u64).sum();
        let keys = loaded.iter().flat_map(|loaded| loaded.keys.values());
        keys_kept_apart(all, keys.collect::<HashSet<_>>().len() as u64)?;
    }
    let held = Held {
        pane_ms,
        zero: written.zero,
        through: written.through,
        has_values: loaded.iter().any(|loaded| !loaded.values.is_empty()),
    };
    let is_converted = held.differs::<K, V, M>(&loaded, &state.span)?;
    if is_converted {
        // Functions of the program run here and below: as in any task, a failure is tried again. What they add to
        // accumulators was added when the batches ran.
        loaded = executor.run(loaded.len(), |at| match loaded.get(at) {
            Some(loaded) => {
                let convert = || held.converted(loaded, &state.method, &state.span);
                Ok(effects::collected(convert).0)
            }
            None => Ok(Loaded::default()),
        })?;
    }
    let hasher = executor.hasher();
    let is_moved = is_migrated
        || is_converted
        || loaded.len() != state.partition_count()
        || !loaded.iter().enumerate().all(|(partition, loaded)| {
            let mut keys = loaded.keys.values();
            keys.all(|key| state.partitioning.of(key, hasher.hash(key)) == partition)
        });
    if is_moved {
        loaded = moved(loaded, &state.partitioning, &hasher);
    }
    let built = executor.run(loaded.len(), |at| {
        let Some(loaded) = loaded.get(at) else {
            return Ok(Partition::default());
        };
        let (mut partition, _) = effects::collected(|| {
            Partition::of(loaded, is_moved, &state.method, &state.span, &hasher)
        });
        partition.applied = written.through;
        partition.filtered = written.through;
        Ok(partition)
    })?;
    for (at, partition) in built.into_iter().enumerate() {
        if let Some(mut held) = state.write(at) {
            *held = partition;
        }
    }
    state.rewrite.store(is_moved, Ordering::Release);
    state.has_begun.store(true, Ordering::Release);
    Ok(())
}

fn load<K: StateKey, V: StateValue>(
    chain: &Chain,
    written: &Written<'_>,
    migrations: &Migrations,
) -> Result<Loaded<K, V>, TaskError> {
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
    let mut loaded = Loaded::default();
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

fn unread(what: &'static str) -> impl Fn(TaskError) -> TaskError {
    move |error| TaskError::new(format!("a window's checkpointed {what}: {error}"))
}

/// Puts keys into the partitions where they now belong, under new slots.
fn moved<K: StateKey, V: StateValue>(
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
