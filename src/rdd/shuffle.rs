//! The shuffle: elements come together by key, combined on the map side first.
//!
//! Map side: each worker thread keeps one hash table for each result partition and folds the elements of
//! the partitions that it visits into them, looking keys up by reference, so that a key is owned only
//! when it is new. Reduce side: the workers' tables of one result partition are merged into the largest.
//! The result is held until the dataset is dropped; the lineage below it is let go.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::stage::Stage;
use super::{Chunk, Data, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError};

/// Hashes keys with the application's own seed. The seed is in the checkpoint, so that a key stays in
/// its partition over restarts, and is random, so that nobody can choose colliding keys.
#[derive(Debug, Clone)]
pub struct KeyHasher(FixedState);

impl KeyHasher {
    /// A hasher with a seed.
    ///
    /// ```
    /// use tidemill::rdd::KeyHasher;
    ///
    /// assert_eq!(KeyHasher::new(7).hash("ebb"), KeyHasher::new(7).hash("ebb"));
    /// assert_ne!(KeyHasher::new(7).hash("ebb"), KeyHasher::new(8).hash("ebb"));
    /// ```
    pub fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// The hash of a key; never zero.
    ///
    /// ```
    /// use tidemill::rdd::KeyHasher;
    ///
    /// let hasher = KeyHasher::new(7);
    /// // A borrowed key has the hash of the owned one.
    /// assert_eq!(hasher.hash("ebb"), hasher.hash(&"ebb".to_owned()));
    /// ```
    #[inline]
    pub fn hash<Q: ?Sized + Hash>(&self, key: &Q) -> u64 {
        self.0.hash_one(key).max(1)
    }
}

/// Says to which partition a key belongs.
pub trait Partitioner<K: ?Sized>: Send + Sync + 'static {
    /// How many partitions there are; at least 1.
    fn partitions(&self) -> usize;
    /// The partition of `key`, below [`Partitioner::partitions`].
    fn partition(&self, key: &K) -> usize;
}

/// How a keyed result is partitioned: by hash, or by a partitioner of one's own.
pub enum Partitioning<K: ?Sized + 'static> {
    /// By the key's hash into as many partitions.
    Hash(usize),
    /// As the partitioner says.
    By(Arc<dyn Partitioner<K>>),
}

impl<K: ?Sized + 'static> Clone for Partitioning<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Hash(partitions) => Self::Hash(*partitions),
            Self::By(partitioner) => Self::By(Arc::clone(partitioner)),
        }
    }
}

impl<K: ?Sized + 'static> From<usize> for Partitioning<K> {
    fn from(partitions: usize) -> Self {
        Self::Hash(partitions)
    }
}

impl<K: ?Sized + 'static> Partitioning<K> {
    /// As `partitioner` says.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::rdd::{Partitioner, Partitioning};
    ///
    /// /// Even numbers here, odd ones there.
    /// struct Parity;
    ///
    /// impl Partitioner<u64> for Parity {
    ///     fn partitions(&self) -> usize {
    ///         2
    ///     }
    ///     fn partition(&self, number: &u64) -> usize {
    ///         (number % 2) as usize
    ///     }
    /// }
    ///
    /// let pairs = context.parallelize(vec![(1, 'a'), (2, 'b'), (3, 'c')]);
    /// let halves = pairs.group_by_key(Partitioning::by(Parity)).keys().glom().map(Vec::len);
    /// assert_eq!(halves.collect()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by(partitioner: impl Partitioner<K>) -> Self {
        Self::By(Arc::new(partitioner))
    }

    /// How many partitions there are; 1 where none were asked for.
    pub fn partitions(&self) -> usize {
        self.asked().max(1)
    }

    /// How many were asked for.
    pub(crate) fn asked(&self) -> usize {
        match self {
            Self::Hash(partitions) => *partitions,
            Self::By(partitioner) => partitioner.partitions(),
        }
    }

    /// The partition of a key with this hash. A hash table uses a hash's lowest and highest bits, so the
    /// partition comes from its middle.
    #[inline]
    pub(crate) fn of(&self, key: &K, hash: u64) -> usize {
        match self {
            Self::Hash(partitions) => {
                ((u64::from((hash >> 16) as u32) * *partitions as u64) >> 32) as usize
            }
            Self::By(by) => by.partition(key).min(by.partitions().saturating_sub(1)),
        }
    }
}

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
    stage: Stage<Vec<Table<K, A>>>,
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
) -> Result<Vec<Table<Q::Own, A>>, JobError>
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
        |tables, partition| {
            fold_partition(parent, partition, tables, partitioning, combine, &hasher)
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
    fold: impl Fn(&mut [Table<K, A>], usize) -> Result<(), TaskError> + Sync,
    merge: impl Fn(&mut A, A) + Sync,
) -> Result<Vec<Table<K, A>>, JobError> {
    executor.attempts(|| {
        let new_tables = || (0..partitions).map(|_| Table::new()).collect();
        let visit = |tables: &mut Vec<Table<K, A>>, input| fold(tables, input);
        let mut workers: Vec<Vec<Table<K, A>>> = executor.fold(inputs, new_tables, visit)?;
        if workers.len() == 1 {
            return Ok(workers.remove(0));
        }
        // Transposed: for each result partition, the tables of all workers.
        let mut columns: Vec<Vec<Table<K, A>>> = (0..partitions).map(|_| Vec::new()).collect();
        for tables in workers {
            for (column, table) in columns.iter_mut().zip(tables) {
                column.push(table);
            }
        }
        let columns: Vec<_> = columns
            .into_iter()
            .map(|column| Mutex::new(Some(column)))
            .collect();
        executor.run_once(partitions, |partition| {
            let column = columns
                .get(partition)
                .and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(merge_tables(column.unwrap_or_default(), &merge))
        })
    })
}

/// Folds one partition of a dataset into a worker's tables.
pub(super) fn fold_partition<E, Q, A>(
    rdd: &Rdd<E>,
    partition: usize,
    tables: &mut [Table<Q::Own, A>],
    partitioning: &Partitioning<Q>,
    combine: &impl Combine<E, Q, A>,
    hasher: &KeyHasher,
) -> Result<(), TaskError>
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
{
    super::until_enough(rdd.node().compute(partition, &mut |chunk| {
        fold_chunk(&chunk, tables, partitioning, combine, hasher);
        Ok(())
    }))
}

#[inline]
fn fold_chunk<E, Q, A>(
    chunk: &Chunk<'_, E>,
    tables: &mut [Table<Q::Own, A>],
    partitioning: &Partitioning<Q>,
    combine: &impl Combine<E, Q, A>,
    hasher: &KeyHasher,
) where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
{
    chunk.for_each(|element| {
        let key = combine.key(element);
        let hash = hasher.hash(key);
        let Some(table) = tables.get_mut(partitioning.of(key, hash)) else {
            return;
        };
        match table.find_mut(hash, |entry| entry.pair.0.borrow() == key) {
            Some(entry) => combine.merge_value(&mut entry.pair.1, element),
            None => insert(table, hash, key.to_owned(), combine.create(element)),
        }
    });
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
    stage: Stage<Vec<Table<K, A>>>,
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
        let tables = self.stage.ready()?;
        match tables.get(partition) {
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
