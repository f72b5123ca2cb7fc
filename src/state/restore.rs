//! State read back from a checkpoint: chains of chunks, side by side on the CPU pool.

use std::sync::atomic::{AtomicBool, Ordering};

use tidemill_checkpoint::{Chain, Chunk, ChunkRef, Series};

use super::keyed::KeyedState;
use super::mark::Mark;
use super::shelf::Held;
use super::{STATE_FORMAT, StateKey, StateValue, check_format, finished};
use crate::rdd::{BoxError, Entry, Executor, KeyHasher, TaskError, until_enough};
use crate::time::Time;

/// Reads a verified chunk.
pub(crate) type ChunkSource<'a> =
    dyn Fn(&ChunkRef) -> Result<Chunk, tidemill_checkpoint::Error> + Sync + 'a;

/// A state as a checkpoint holds it.
pub(crate) struct Written<'a> {
    pub(crate) series: &'a Series,
    /// The version of its types.
    pub(crate) version: u32,
    /// The last batch whose effect it shows.
    pub(crate) through: Time,
    /// The time that windows are in phase with.
    pub(crate) zero: Time,
    pub(crate) chunks: &'a ChunkSource<'a>,
}

/// How many entries are decoded before they are inserted.
const RUN: usize = 1024;

/// Fills `state` with what was written in its own version.
pub(super) fn restore<K: StateKey, S: StateValue, M: Mark>(
    state: &KeyedState<K, S, M>,
    written: &Written<'_>,
    executor: &Executor,
) -> Result<(), BoxError> {
    let (series, chunks) = (written.series, written.chunks);
    check_format(
        series,
        STATE_FORMAT,
        &format!("the state `{}` is", series.name),
    )?;
    let hasher = executor.hasher();
    // Whether a key lies in another partition than when it was written: their number or the partitioner
    // changed.
    let moved = AtomicBool::new(series.partitions.len() != state.partition_count());
    executor.run_once(series.partitions.len(), |partition| {
        let Some(chain) = series.partitions.get(partition) else {
            return Ok(());
        };
        let loader = Loader {
            state,
            from: partition,
            moved: &moved,
        };
        loader.chain(chain, &hasher, chunks)
    })?;
    state.set_rewrite(moved.into_inner());
    state.set_merged_through(written.through);
    Ok(())
}

/// Puts one chain's entries into the state.
struct Loader<'a, K: StateKey, S: StateValue, M: Mark> {
    state: &'a KeyedState<K, S, M>,
    /// The partition that the chain is of.
    from: usize,
    moved: &'a AtomicBool,
}

impl<K: StateKey, S: StateValue, M: Mark> Loader<'_, K, S, M> {
    fn chain(
        &self,
        chain: &Chain,
        hasher: &KeyHasher,
        chunks: &ChunkSource<'_>,
    ) -> Result<(), TaskError> {
        if let Some(base) = &chain.base {
            let chunk = chunks(base).map_err(TaskError::new)?;
            self.reserve(usize::try_from(chunk.len()).unwrap_or_default());
            // A base is sorted and names each key once. Decoding and inserting take turns in runs: an
            // insert waits for memory, and so they wait together.
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
                self.load(&mut run)?;
            }
        }
        for delta in &chain.deltas {
            for (key, value) in chunks(delta).map_err(TaskError::new)?.iter() {
                self.change(key, value, hasher)?;
            }
        }
        Ok(())
    }

    /// Makes room for the entries of a base, where they all stay in their partition and in memory.
    fn reserve(&self, entries: usize) {
        if let Some(mut partition) = self.state.write(self.from)
            && !self.moved.load(Ordering::Relaxed)
            && !self.state.is_limited.load(Ordering::Relaxed)
        {
            partition.held.reserve(entries);
        }
    }

    /// Adds entries whose keys aren't there. Nearly always they are all of one partition.
    fn load(&self, run: &mut Vec<Held<K, S, M>>) -> Result<(), TaskError> {
        let of = |held: &Held<K, S, M>| self.state.partitioning.of(&held.pair.0, held.hash());
        let astray: Vec<_> = run.extract_if(.., |held| of(held) != self.from).collect();
        if let Some(mut partition) = self.state.write(self.from) {
            run.drain(..).for_each(|held| partition.put(held, true));
            until_enough(partition.make_room())?;
        }
        for held in astray {
            self.moved.store(true, Ordering::Relaxed);
            if let Some(mut partition) = self.state.write(of(&held)) {
                partition.put(held, true);
                until_enough(partition.make_room())?;
            }
        }
        Ok(())
    }

    /// Applies an entry of a delta.
    fn change(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        hasher: &KeyHasher,
    ) -> Result<(), TaskError> {
        let change = match value {
            Some(value) => Ok(read_entry(key, value, hasher)?),
            None => {
                let key: K = rmp_serde::from_slice(key).map_err(TaskError::new)?;
                Err((hasher.hash(&key), key))
            }
        };
        let (hash, key) = match &change {
            Ok(held) => (held.hash(), &held.pair.0),
            Err((hash, key)) => (*hash, key),
        };
        let to = self.state.partitioning.of(key, hash);
        if to != self.from {
            self.moved.store(true, Ordering::Relaxed);
        }
        let Some(mut partition) = self.state.write(to) else {
            return Ok(());
        };
        let is_there = finished(partition.has(hash, key))?;
        match change {
            Ok(held) => partition.put(held, !is_there),
            Err((hash, key)) if is_there => partition.remove(hash, &key),
            Err(_) => {}
        }
        until_enough(partition.make_room())
    }
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
    Ok(Held::new(hash, mark, pair))
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
