//! The shuffle: elements come together by key, combined on the map side first.
//!
//! Map side: each worker thread keeps one hash table for each result partition and folds the elements of
//! the partitions that it visits into them, looking keys up by reference, so that a key is owned only
//! when it is new. Reduce side: the workers' tables of one result partition are merged into the largest.
//! The result is held until the dataset is dropped; the lineage below it is let go. How much is held is
//! looked at once a chunk, where it's limited.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashTable;

use super::shuffle_memory::{Reserved, ShuffleMemory};
use super::stage::Stage;
use super::{
    Chunk, Data, Element, Executor, JobError, KeyHasher, Partitioning, Rdd, RddNode, Sink, Stop,
    TaskError,
};

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

/// What a shuffle made: for each result partition, its keys.
pub(super) struct Shuffled<K, A> {
    tables: Vec<Table<K, A>>,
    _reserved: Reserved,
}

impl<K, A> Shuffled<K, A> {
    pub(super) fn get(&self, partition: usize) -> Option<&Table<K, A>> {
        self.tables.get(partition)
    }
}

/// The tables that a worker folds elements into, one for each result partition.
pub(super) struct Folding<K, A> {
    tables: Vec<Table<K, A>>,
    /// Bytes of what accumulators list, and of keys that are text.
    beside: usize,
    reserved: Reserved,
}

impl<K, A> Folding<K, A> {
    fn new(partitions: usize, memory: &Arc<ShuffleMemory>) -> Self {
        Self {
            tables: (0..partitions).map(|_| Table::new()).collect(),
            beside: 0,
            reserved: memory.none(),
        }
    }

    /// Counts what is held now.
    fn count(&mut self) -> Result<(), TaskError> {
        if !self.reserved.is_limited() {
            return Ok(());
        }
        let held = size_of_tables(&self.tables) + self.beside;
        self.reserved.set(held).map_err(TaskError::new)
    }
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
    let partitions = partitioning.partitions();
    let executor = parent.executor().clone();
    let parent = parent.clone();
    let run = move |executor: &Executor| run(&parent, &partitioning, &combine, executor);
    held_by_key(partitions, Stage::new(run), &executor)
}

/// The dataset of tables that a shuffle makes.
pub(super) fn held_by_key<K: Data, A: Data>(
    partitions: usize,
    stage: Stage<Shuffled<K, A>>,
    executor: &Executor,
) -> Rdd<(K, A)> {
    Rdd::new(Combined { partitions, stage }, executor)
}

/// Both sides of the shuffle of one dataset.
pub(super) fn run<E, Q, A>(
    parent: &Rdd<E>,
    partitioning: &Partitioning<Q>,
    combine: &impl Combine<E, Q, A>,
    executor: &Executor,
) -> Result<Shuffled<Q::Own, A>, JobError>
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
    Q::Own: Hash + Eq,
    A: Data,
{
    parent.node().prepare(executor)?;
    let hasher = executor.hasher();
    shuffle(
        executor,
        parent.partitions(),
        partitioning.partitions(),
        |folding, partition| {
            fold_partition(parent, partition, folding, partitioning, combine, &hasher)
        },
        |held, other| combine.merge(held, other),
    )
}

/// Any shuffle: `fold` takes one of `inputs` into a worker's tables, one for each result partition; `merge`
/// joins what two workers have under the same key.
pub(super) fn shuffle<K: Eq + Send, A: Send>(
    executor: &Executor,
    inputs: usize,
    partitions: usize,
    fold: impl Fn(&mut Folding<K, A>, usize) -> Result<(), TaskError> + Sync,
    merge: impl Fn(&mut A, A) + Sync,
) -> Result<Shuffled<K, A>, JobError> {
    let memory = executor.shuffles();
    executor.attempts(|| {
        let mut workers = executor.fold(inputs, || Folding::new(partitions, memory), &fold)?;
        if workers.len() == 1 {
            let Folding {
                tables, reserved, ..
            } = workers.remove(0);
            return Ok(Shuffled {
                tables,
                _reserved: reserved,
            });
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
            Ok(merge_tables(column.unwrap_or_default(), &merge))
        })?;
        drop(theirs);
        let mut reserved = memory.none();
        let counted = reserved.set(size_of_tables(&tables) + beside);
        counted.map_err(|error| JobError {
            partition: 0,
            attempts: 1,
            error: TaskError::new(error),
        })?;
        Ok(Shuffled {
            tables,
            _reserved: reserved,
        })
    })
}

/// Folds one partition of a dataset into what a worker holds.
pub(super) fn fold_partition<E, Q, A>(
    rdd: &Rdd<E>,
    partition: usize,
    folding: &mut Folding<Q::Own, A>,
    partitioning: &Partitioning<Q>,
    combine: &impl Combine<E, Q, A>,
    hasher: &KeyHasher,
) -> Result<(), TaskError>
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
{
    super::until_enough(rdd.node().compute(partition, &mut |chunk| {
        folding.beside += chunk.len() * combine.listed();
        folding.beside += fold_chunk(&chunk, &mut folding.tables, partitioning, combine, hasher);
        Ok(folding.count()?)
    }))
}

/// Returns the bytes of new keys that are text.
#[inline]
fn fold_chunk<E, Q, A>(
    chunk: &Chunk<'_, E>,
    tables: &mut [Table<Q::Own, A>],
    partitioning: &Partitioning<Q>,
    combine: &impl Combine<E, Q, A>,
    hasher: &KeyHasher,
) -> usize
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
{
    let mut texts = 0;
    chunk.for_each(|element| {
        let key = combine.key(element);
        let hash = hasher.hash(key);
        let Some(table) = tables.get_mut(partitioning.of(key, hash)) else {
            return;
        };
        match table.find_mut(hash, |entry| entry.pair.0.borrow() == key) {
            Some(entry) => combine.merge_value(&mut entry.pair.1, element),
            None => {
                texts += bytes_of_text(key);
                insert(table, hash, key.to_owned(), combine.create(element));
            }
        }
    });
    texts
}

/// What an owned key points to where keys are text; of others it isn't known.
#[inline]
fn bytes_of_text<Q: ?Sized + Element>(key: &Q) -> usize {
    // Only what has no size of its own is referred to by more than a pointer.
    match size_of::<&Q>() > size_of::<usize>() {
        true => size_of_val(key),
        false => 0,
    }
}

/// Apart from the loop that looks keys up, which stays small: most keys are not new.
#[inline(never)]
fn insert<K, A>(table: &mut Table<K, A>, hash: u64, key: K, value: A) {
    let pair = (key, value);
    table.insert_unique(hash, Entry { hash, pair }, |entry| entry.hash);
}

fn merge_tables<K: Eq, A>(mut column: Vec<Table<K, A>>, merge: &impl Fn(&mut A, A)) -> Table<K, A> {
    column.sort_by_key(Table::len);
    let mut merged = column.pop().unwrap_or_default();
    for entry in column.into_iter().flatten() {
        match merged.find_mut(entry.hash, |held| held.pair.0 == entry.pair.0) {
            Some(held) => merge(&mut held.pair.1, entry.pair.1),
            None => {
                merged.insert_unique(entry.hash, entry, |entry| entry.hash);
            }
        }
    }
    merged
}

struct Combined<K, A> {
    partitions: usize,
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
        let shuffled = self.stage.ready()?;
        match shuffled.get(partition) {
            Some(table) => visit_table(table.iter().map(|entry| &entry.pair), sink),
            None => Ok(()),
        }
    }

    fn is_materialized(&self) -> bool {
        true
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
