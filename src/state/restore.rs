//! State read back from a checkpoint: chains of chunks, side by side on the CPU pool.

use tidemill_checkpoint::{Chain, Chunk, ChunkRef, Series};

use super::keyed::{KeyedState, put, remove};
use super::{STATE_FORMAT, StateKey, StateValue};
use crate::rdd::{BoxError, Entry, Executor, KeyHasher, Table, TaskError};
use crate::time::Time;

/// Reads a verified chunk.
pub(crate) type ChunkSource<'a> =
    dyn Fn(&ChunkRef) -> Result<Chunk, tidemill_checkpoint::Error> + Sync + 'a;

/// How many entries are decoded before they are inserted.
const RUN: usize = 1024;

/// Fills `state` with what `series` holds.
pub(super) fn restore<K: StateKey, S: StateValue>(
    state: &KeyedState<K, S>,
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
            || Ok(Table::new()),
            |chain| read_chain::<K, S>(chain, &hasher, chunks),
        )
    })?;
    // A key is astray when the number of partitions or the partitioner changed since it was written.
    let mut astray = Vec::new();
    let mut tables = Vec::with_capacity(read.len());
    for (partition, mut table) in read.into_iter().enumerate() {
        let stays =
            |entry: &Entry<K, S>| state.partitioning.of(&entry.pair.0, entry.hash) == partition;
        if !table.iter().all(stays) {
            astray.extend(table.extract_if(|entry| !stays(entry)));
        }
        tables.push(table);
    }
    let moved = !astray.is_empty() || tables.len() != state.partition_count();
    state.install(tables, astray);
    state.set_rewrite(moved);
    state.set_merged_through(through);
    Ok(())
}

fn read_chain<K: StateKey, S: StateValue>(
    chain: &Chain,
    hasher: &KeyHasher,
    chunks: &ChunkSource<'_>,
) -> Result<Table<K, S>, TaskError> {
    let mut table = Table::new();
    if let Some(base) = &chain.base {
        let chunk = chunks(base).map_err(TaskError::new)?;
        table.reserve(
            usize::try_from(chunk.len()).unwrap_or_default(),
            |entry: &Entry<K, S>| entry.hash,
        );
        // A base is sorted and names each key once. Decoding and inserting take turns in runs: an insert
        // waits for memory, and so they wait together.
        let mut run = Vec::with_capacity(RUN);
        let mut entries = chunk.iter();
        while let Some(first) = entries.next() {
            for (key, value) in std::iter::once(first).chain(entries.by_ref().take(RUN - 1)) {
                run.extend(value.map(|value| decode(key, value, hasher)).transpose()?);
            }
            for entry in run.drain(..) {
                table.insert_unique(entry.hash, entry, |entry| entry.hash);
            }
        }
    }
    for delta in &chain.deltas {
        for (key, value) in chunks(delta).map_err(TaskError::new)?.iter() {
            match value {
                Some(value) => put(&mut table, decode(key, value, hasher)?),
                None => {
                    let key: K = rmp_serde::from_slice(key).map_err(TaskError::new)?;
                    remove(&mut table, hasher.hash(&key), &key);
                }
            }
        }
    }
    Ok(table)
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
