//! A window read back from a checkpoint.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::WindowState;
use super::convert::Held;
use super::loaded::{Loaded, moved};
use super::method::Method;
use super::partition::Partition;
use crate::effects;
use crate::rdd::{BoxError, Executor, KeyHasher, TaskError};
use crate::state::migration::keys_kept_apart;
use crate::state::{STATE_FORMAT, StateKey, StateValue, Written, check_format, finished};

/// What decides how a window is restored, of one partition.
struct Outline {
    pane_ms: Option<u64>,
    has_values: bool,
    oldest: Option<u64>,
    /// Whether all keys belong to the partition.
    is_home: bool,
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
    let count = series.partitions.len();
    let load = |partition: usize| match series.partitions.get(partition) {
        Some(chain) => Loaded::<K, V>::read(chain, written, &state.migrations),
        None => Err(TaskError::new("a partition of the window is missing")),
    };
    let is_migrated = written.version != state.migrations.version();
    // Else partitions are read twice, to look and to be built, and only as many at once as are worked on.
    let keeps = is_migrated || !state.is_limited();
    let hasher = executor.hasher();
    let found = executor.run(count, |partition| {
        let loaded = load(partition)?;
        let is_home = |key| state.partitioning.of(key, hasher.hash(key)) == partition;
        let outline = Outline {
            pane_ms: loaded.pane_ms,
            has_values: !loaded.values.is_empty(),
            oldest: loaded.panes.keys().next().copied(),
            is_home: loaded.keys.values().all(is_home),
        };
        Ok((outline, keeps.then_some(loaded)))
    })?;
    let (outlines, kept): (Vec<Outline>, Vec<_>) = found.into_iter().unzip();
    let kept: Option<Vec<Loaded<K, V>>> = kept.into_iter().collect();
    let Some(pane_ms) = outlines.iter().find_map(|outline| outline.pane_ms) else {
        // Written before any batch took effect.
        return Ok(());
    };
    if let Some(kept) = kept.as_ref().filter(|_| is_migrated) {
        let all = kept.iter().map(|loaded| loaded.keys.len() as u64).sum();
        let keys = kept.iter().flat_map(|loaded| loaded.keys.values());
        keys_kept_apart(all, keys.collect::<HashSet<_>>().len() as u64)?;
    }
    let held = Held {
        pane_ms,
        zero: written.zero,
        through: written.through,
        has_values: outlines.iter().any(|outline| outline.has_values),
    };
    let oldest = outlines.iter().filter_map(|outline| outline.oldest).min();
    let is_converted = held.differs::<K, V, M>(oldest, &state.span)?;
    let is_moved = is_migrated
        || is_converted
        || count != state.partition_count()
        || !outlines.iter().all(|outline| outline.is_home);
    // Functions of the program run here: as in any task, a failure is tried again. What they add to accumulators
    // was added when the batches ran.
    if is_moved {
        let mut loaded = match kept {
            Some(kept) => kept,
            None => executor.run(count, load)?,
        };
        if is_converted {
            loaded = executor.run(loaded.len(), |at| match loaded.get(at) {
                Some(loaded) => {
                    let convert = || held.converted(loaded, &state.method, &state.span);
                    Ok(effects::collected(convert).0)
                }
                None => Ok(Loaded::default()),
            })?;
        }
        let loaded = moved(loaded, &state.partitioning, &hasher);
        executor.run(loaded.len(), |at| match loaded.get(at) {
            Some(loaded) => state.fill(at, loaded, true, written, &hasher),
            None => Ok(()),
        })?;
    } else {
        executor.run(count, |at| {
            match kept.as_ref().and_then(|kept| kept.get(at)) {
                Some(loaded) => state.fill(at, loaded, false, written, &hasher),
                None => state.fill(at, &load(at)?, false, written, &hasher),
            }
        })?;
    }
    state.rewrite.store(is_moved, Ordering::Release);
    state.has_begun.store(true, Ordering::Release);
    Ok(())
}

impl<K: StateKey, V: StateValue, M: Method<K, V>> WindowState<K, V, M> {
    /// Makes a partition of what was loaded, in place of whatever an attempt that failed has left.
    fn fill(
        &self,
        at: usize,
        loaded: &Loaded<K, V>,
        is_moved: bool,
        written: &Written<'_>,
        hasher: &KeyHasher,
    ) -> Result<(), TaskError> {
        let newest = self.span.pane_of(written.through, written.zero);
        let build = || Partition::of(loaded, newest, is_moved, &self.method, &self.span, hasher);
        let (mut partition, _) = effects::collected(build);
        partition.applied = written.through;
        partition.filtered = written.through;
        let Some(mut held) = self.write(at) else {
            return Ok(());
        };
        held.take_over(partition);
        finished(held.make_room::<M>(&self.span))
    }
}
