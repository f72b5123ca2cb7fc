//! State read back from a checkpoint: chains of chunks, side by side on the CPU pool.

use tidemill_checkpoint::{Chain, Chunk, ChunkRef, Series};

use super::keyed::KeyedState;
use super::mark::Mark;
use super::shelves::{Held, Shelves};
use super::{STATE_FORMAT, StateKey, StateValue};
use crate::rdd::{BoxError, Entry, Executor, KeyHasher, TaskError};
use crate::time::Time;

/// Reads a verified chunk.
pub(crate) type ChunkSource<'a> =
    dyn Fn(&ChunkRef) -> Result<Chunk, tidemill_checkpoint::Error> + Sync + 'a;

/// How many entries are decoded before they are inserted.
const RUN: usize = 1024;

/// Fills `state` with what `series` holds.
pub(super) fn restore<K: StateKey, S: StateValue, M: Mark>(
    state: &KeyedState<K, S, M>,
    series: &Series,
    through: Time,
    chunks: &ChunkSource<'_>,
    executor: &Executor,
) -> Result<(), BoxError> {
    if series.format != STATE_FORMAT {
        return Err(format!(
            "the state `{}` is written in format {}; this release reads format {STATE_FORMAT}",
            series.name, series.format
        )
        .into());
    }
    let hasher = executor.hasher();
    let read = executor.run(series.partitions.len(), |partition| {
        let chain = series.partitions.get(partition);
        chain.map_or_else(
            || Ok(Shelves::default()),
            |chain| read_chain::<K, S, M>(chain, &hasher, chunks),
        )
    })?;
    // A key is astray when the number of partitions or the partitioner changed since it was written.
    let mut astray = Vec::new();
    let mut partitions = Vec::with_capacity(read.len());
    for (partition, mut shelves) in read.into_iter().enumerate() {
        astray.append(
            &mut shelves
                .take_unless(|held| state.partitioning.of(&held.pair.0, held.hash) == partition),
        );
        partitions.push(shelves);
    }
    let moved = !astray.is_empty() || partitions.len() != state.partition_count();
    state.install(partitions, astray);
    executor.run(state.partition_count(), |partition| {
        state.file_all(partition);
        Ok(())
    })?;
    state.set_rewrite(moved);
    state.set_merged_through(through);
    Ok(())
}

fn read_chain<K: StateKey, S: StateValue, M: Mark>(
    chain: &Chain,
    hasher: &KeyHasher,
    chunks: &ChunkSource<'_>,
) -> Result<Shelves<K, S, M>, TaskError> {
    let mut shelves = Shelves::default();
    if let Some(base) = &chain.base {
        let chunk = chunks(base).map_err(TaskError::new)?;
        shelves.reserve(usize::try_from(chunk.len()).unwrap_or_default());
        // A base is sorted and names each key once. Decoding and inserting take turns in runs: an insert
        // waits for memory, and so they wait together.
        let mut run = Vec::with_capacity(RUN);
        let mut entries = chunk.iter();
        while let Some(first) = entries.next() {
            for (key, value) in std::iter::once(first).chain(entries.by_ref().take(RUN - 1)) {
                run.extend(
                    value
                        .map(|value| read_entry(key, value, hasher))
                        .transpose()?,
                );
            }
            run.drain(..).for_each(|entry| shelves.add(entry));
        }
    }
    for delta in &chain.deltas {
        for (key, value) in chunks(delta).map_err(TaskError::new)?.iter() {
            match value {
                Some(value) => shelves.put(read_entry(key, value, hasher)?),
                None => {
                    let key: K = rmp_serde::from_slice(key).map_err(TaskError::new)?;
                    shelves.remove(hasher.hash(&key), &key);
                }
            }
        }
    }
    Ok(shelves)
}

/// An entry with its mark.
fn read_entry<K: StateKey, S: StateValue, M: Mark>(
    key: &[u8],
    value: &[u8],
    hasher: &KeyHasher,
) -> Result<Held<K, S, M>, TaskError> {
    let (mark, state) = M::split(value)
        .ok_or_else(|| TaskError::new("a checkpointed state doesn't begin with its last batch"))?;
    let Entry { hash, pair } = decode(key, state, hasher)?;
    Ok(Held { hash, mark, pair })
}

fn decode<K: StateKey, S: StateValue>(
    key: &[u8],
    value: &[u8],
    hasher: &KeyHasher,
) -> Result<Entry<K, S>, TaskError> {
    let explain = |what: &str, type_name: &str, error: rmp_serde::decode::Error| {
        TaskError::new(format!(
            "a checkpointed {what} can't be read as `{type_name}`: {error}; the program's type changed"
        ))
    };
    let key: K = rmp_serde::from_slice(key)
        .map_err(|error| explain("key", std::any::type_name::<K>(), error))?;
    let value: S = rmp_serde::from_slice(value)
        .map_err(|error| explain("state", std::any::type_name::<S>(), error))?;
    Ok(Entry {
        hash: hasher.hash(&key),
        pair: (key, value),
    })
}
