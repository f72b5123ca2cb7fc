//! The shuffle: elements come together by key, combined on the map side first.
//!
//! Map side: each worker thread keeps one hash table for each result partition and folds the elements of
//! the partitions that it visits into them. Reduce side: the workers' tables of one result partition are
//! merged into the largest. The result is held until the dataset is dropped; the lineage below it is let
//! go. How much is held is looked at once a chunk, where it's limited; what has no room is worked off in
//! slices, see [`sliced`].

mod fold;
mod memory;
mod slice;
mod sliced;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashTable;

pub(super) use fold::Folding;
use memory::{Reserved, TooMuch};
use sliced::Sliced;

pub(crate) use memory::ShuffleMemory;

use super::stage::Stage;
use super::{
    Chunk, Data, Element, Executor, JobError, Partitioning, Rdd, RddNode, Sink, Stop, TaskError,
};
use crate::effects;

/// A key and what was combined under it.
#[derive(Debug, Clone)]
pub(crate) struct Entry<K, A> {
    pub hash: u64,
    pub pair: (K, A),
}

/// Keys and what was combined under each.
pub(crate) type Table<K, A> = HashTable<Entry<K, A>>;

/// How elements `E` are combined under their key `Q` into accumulators `A`.
pub(crate) trait Combine<E: ?Sized, Q: ?Sized, A>: Send + Sync + 'static {
    fn key<'a>(&self, element: &'a E) -> &'a Q;
    fn create(&self, element: &E) -> A;
    fn merge_value(&self, accumulator: &mut A, element: &E);
    fn merge(&self, accumulator: &mut A, other: A);
    /// Bytes that each element adds to what an accumulator points to, where accumulators list elements.
    fn listed(&self) -> usize {
        0
    }
}

/// What a shuffle reads, and how it comes together.
pub(super) trait Inputs<K, A>: Send + Sync + 'static {
    /// How many partitions are read.
    fn inputs(&self) -> usize;
    /// How many are made.
    fn partitions(&self) -> usize;
    /// Runs the wide steps below.
    fn prepare(&self, executor: &Executor) -> Result<(), JobError>;
    /// Takes in one input.
    fn fold(&self, input: usize, into: &mut Folding<K, A>) -> Result<(), TaskError>;
    /// Makes one table of what all workers have of a partition: see [`merge_tables`].
    fn merge(&self, tables: Vec<Table<K, A>>) -> Table<K, A>;
}

/// What a shuffle made: for each result partition, its keys.
pub(super) struct Held<K, A> {
    tables: Vec<Table<K, A>>,
    _reserved: Reserved,
}

impl<K, A> Held<K, A> {
    pub(super) fn get(&self, partition: usize) -> Option<&Table<K, A>> {
        self.tables.get(partition)
    }
}

/// What a shuffle made, or will.
enum Shuffled<K, A> {
    Held(Held<K, A>),
    /// It has no room as a whole.
    Sliced(Sliced<K, A>),
}

fn size_of_tables<K, A>(tables: &[Table<K, A>]) -> usize {
    tables.iter().map(Table::allocation_size).sum()
}

/// The dataset of each key with what was combined under it.
pub(crate) fn combine<E, Q, A>(
    parent: &Rdd<E>,
    partitioning: Partitioning<Q>,
    combine: impl Combine<E, Q, A>,
) -> Rdd<(Q::Own, A)>
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
    Q::Own: Hash + Eq,
    A: Data,
{
    let one = OneSide {
        parent: parent.clone(),
        partitioning,
        combine,
    };
    shuffled(one, parent.executor())
}

/// One dataset.
pub(super) struct OneSide<E: ?Sized + Element, Q: ?Sized + 'static, C> {
    pub(super) parent: Rdd<E>,
    pub(super) partitioning: Partitioning<Q>,
    pub(super) combine: C,
}

impl<E, Q, A, C> Inputs<Q::Own, A> for OneSide<E, Q, C>
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
    Q::Own: Eq,
    A: Data,
    C: Combine<E, Q, A>,
{
    fn inputs(&self) -> usize {
        self.parent.partitions()
    }

    fn partitions(&self) -> usize {
        self.partitioning.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.parent.node().prepare(executor)
    }

    fn fold(&self, input: usize, into: &mut Folding<Q::Own, A>) -> Result<(), TaskError> {
        into.take_in(&self.parent, input, &self.partitioning, &self.combine)
    }

    fn merge(&self, tables: Vec<Table<Q::Own, A>>) -> Table<Q::Own, A> {
        merge_tables(tables, |held, other| self.combine.merge(held, other))
    }
}

/// The dataset that a shuffle makes of `inputs`.
pub(super) fn shuffled<K, A>(inputs: impl Inputs<K, A>, executor: &Executor) -> Rdd<(K, A)>
where
    K: Data + Eq,
    A: Data,
{
    let partitions = inputs.partitions();
    let inputs: Arc<dyn Inputs<K, A>> = Arc::new(inputs);
    let is_limited = executor.shuffles().is_limited();
    let stage = Stage::new(move |executor: &Executor| shuffle(&inputs, executor));
    let combined = Combined {
        partitions,
        is_limited,
        stage,
    };
    Rdd::new(combined, executor)
}

/// Both sides of a shuffle.
fn shuffle<K: Data + Eq, A: Data>(
    inputs: &Arc<dyn Inputs<K, A>>,
    executor: &Executor,
) -> Result<Shuffled<K, A>, JobError> {
    inputs.prepare(executor)?;
    executor.attempts(|| {
        // Of a pass that is given up nothing stays.
        let (held, left) =
            effects::collect_if_any(effects::is_collecting(), || hold(&**inputs, executor));
        Ok(match held? {
            Ok(held) => {
                effects::absorb(left);
                Shuffled::Held(held)
            }
            Err(TooMuch { held, limit }) => {
                tracing::info!(
                    held,
                    limit,
                    "a shuffle has no room in memory (`[memory] shuffle`): it is worked off slice by slice, and what \
                     it is made of computed again for each"
                );
                Shuffled::Sliced(Sliced::new(Arc::clone(inputs), executor))
            }
        })
    })
}

/// All that a shuffle makes, to be held: there is no other way to read it.
pub(super) fn held<K: Data + Eq, A: Data>(
    inputs: &impl Inputs<K, A>,
    executor: &Executor,
) -> Result<Held<K, A>, JobError> {
    inputs.prepare(executor)?;
    hold(inputs, executor)?.map_err(|too_much| JobError {
        partition: 0,
        attempts: 1,
        error: TaskError::new(too_much),
    })
}

/// All that a shuffle makes, where it has room in memory.
fn hold<K: Data + Eq, A: Data>(
    inputs: &dyn Inputs<K, A>,
    executor: &Executor,
) -> Result<Result<Held<K, A>, TooMuch>, JobError> {
    let (memory, partitions) = (executor.shuffles(), inputs.partitions());
    let too_much = OnceLock::new();
    let init = || Folding::of_all(partitions, executor);
    let mut workers = executor.fold(inputs.inputs(), init, |folding, input| {
        if too_much.get().is_some() {
            return Ok(());
        }
        let folded = inputs.fold(input, folding);
        folded.or_else(|error| match error.as_failed::<TooMuch>() {
            Some(reason) => {
                let _ = too_much.set(reason);
                Ok(())
            }
            None => Err(error),
        })
    })?;
    if let Some(too_much) = too_much.into_inner() {
        return Ok(Err(too_much));
    }
    if workers.len() == 1 {
        let Folding {
            tables, reserved, ..
        } = workers.remove(0);
        return Ok(Ok(Held {
            tables,
            _reserved: reserved,
        }));
    }
    // Transposed: for each result partition, the tables of all workers.
    let mut columns: Vec<Vec<Table<K, A>>> = (0..partitions).map(|_| Vec::new()).collect();
    // What the workers have reserved is theirs until their tables are one.
    let mut theirs = Vec::new();
    let mut beside = 0;
    for worker in workers {
        for (column, table) in columns.iter_mut().zip(worker.tables) {
            column.push(table);
        }
        beside += worker.beside;
        theirs.push(worker.reserved);
    }
    let columns: Vec<_> = columns
        .into_iter()
        .map(|column| Mutex::new(Some(column)))
        .collect();
    let tables = executor.run_once(partitions, |partition| {
        let column = columns
            .get(partition)
            .and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(inputs.merge(column.unwrap_or_default()))
    })?;
    drop(theirs);
    let mut reserved = memory.none();
    let counted = reserved.set(size_of_tables(&tables) + beside);
    Ok(counted.map(|()| Held {
        tables,
        _reserved: reserved,
    }))
}

/// The tables, in order, as one; `merge` adds what a later one has under a key to what earlier ones have.
pub(super) fn merge_tables<K: Eq, A>(
    mut tables: Vec<Table<K, A>>,
    merge: impl Fn(&mut A, A),
) -> Table<K, A> {
    let lengths = tables.iter().map(Table::len).enumerate();
    let Some((largest, _)) = lengths.max_by_key(|(_, len)| *len) else {
        return Table::new();
    };
    // Neighbours first, so that what is merged is always of a run.
    let after = tables.split_off(largest + 1);
    let mut merged = tables.pop().unwrap_or_default();
    for entry in after.into_iter().flatten() {
        take_in(&mut merged, entry, &merge);
    }
    for entry in tables.into_iter().rev().flatten() {
        take_in(&mut merged, entry, |later, earlier| {
            let later_one = std::mem::replace(later, earlier);
            merge(later, later_one);
        });
    }
    merged
}

#[inline]
fn take_in<K: Eq, A>(table: &mut Table<K, A>, entry: Entry<K, A>, merge: impl FnOnce(&mut A, A)) {
    match table.find_mut(entry.hash, |held| held.pair.0 == entry.pair.0) {
        Some(held) => merge(&mut held.pair.1, entry.pair.1),
        None => {
            table.insert_unique(entry.hash, entry, |entry| entry.hash);
        }
    }
}

struct Combined<K, A> {
    partitions: usize,
    is_limited: bool,
    stage: Stage<Shuffled<K, A>>,
}

impl<K, A> RddNode<(K, A)> for Combined<K, A>
where
    K: Data,
    A: Data,
{
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.stage.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, (K, A)>) -> Result<(), Stop> {
        match &*self.stage.ready()? {
            Shuffled::Sliced(sliced) => sliced.visit(partition, sink),
            Shuffled::Held(held) => match held.get(partition) {
                Some(table) => visit_table(table.iter().map(|entry| &entry.pair), sink),
                None => Ok(()),
            },
        }
    }

    /// Whether it is held isn't known before it is made, where there is a limit.
    fn is_materialized(&self) -> bool {
        !self.is_limited
    }
}

/// Hands out references to scattered elements in chunks.
pub(crate) fn visit_table<'a, T: Data>(
    mut elements: impl Iterator<Item = &'a T>,
    sink: &mut Sink<'_, T>,
) -> Result<(), Stop> {
    let mut refs = Vec::with_capacity(super::CHUNK.min(elements.size_hint().0));
    loop {
        refs.clear();
        refs.extend(elements.by_ref().take(super::CHUNK));
        if refs.is_empty() {
            return Ok(());
        }
        sink(Chunk::Refs(&refs))?;
    }
}
