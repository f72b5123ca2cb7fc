//! [`Folding`]: the tables that a worker folds elements into, looking keys up by reference, so that a key
//! is owned only when it is new.

use std::borrow::Borrow;
use std::hash::Hash;

use super::memory::{Reserved, TooMuch};
use super::slice::Slice;
use super::{Combine, Entry, Table, size_of_tables};
use crate::rdd::{Chunk, Element, Executor, KeyHasher, Partitioning, Rdd, TaskError, until_enough};

/// The tables of one worker: one for each result partition, or one for a slice.
pub(in crate::rdd) struct Folding<K, A> {
    pub(super) tables: Vec<Table<K, A>>,
    /// Bytes of what accumulators list, and of keys that are text.
    pub(super) beside: usize,
    pub(super) reserved: Reserved,
    hasher: KeyHasher,
    only: Option<Slice>,
}

impl<K, A> Folding<K, A> {
    pub(super) fn of_all(partitions: usize, executor: &Executor) -> Self {
        Self {
            tables: (0..partitions).map(|_| Table::new()).collect(),
            beside: 0,
            reserved: executor.shuffles().none(),
            hasher: executor.hasher(),
            only: None,
        }
    }

    pub(super) fn of_slice(slice: Slice, executor: &Executor) -> Self {
        Self {
            only: Some(slice),
            reserved: executor.shuffles().slice(executor.parallelism()),
            ..Self::of_all(1, executor)
        }
    }

    /// Whether more than one key is held.
    pub(super) fn has_several_keys(&self) -> bool {
        self.tables.iter().map(Table::len).sum::<usize>() > 1
    }

    /// Counts what is held now.
    fn count(&mut self) -> Result<(), TooMuch> {
        if !self.reserved.is_limited() {
            return Ok(());
        }
        let held = size_of_tables(&self.tables) + self.beside;
        self.reserved.set(held)
    }

    /// Takes in one partition of a dataset.
    pub(in crate::rdd) fn take_in<E, Q>(
        &mut self,
        rdd: &Rdd<E>,
        partition: usize,
        partitioning: &Partitioning<Q>,
        combine: &impl Combine<E, Q, A>,
    ) -> Result<(), TaskError>
    where
        E: ?Sized + Element,
        Q: ?Sized + Element<Own = K> + Hash + Eq,
        K: Borrow<Q>,
    {
        until_enough(rdd.node().compute(partition, &mut |chunk| {
            let (tables, hasher) = (&mut self.tables, &self.hasher);
            let (taken, texts) = match self.only {
                None => {
                    let table = |key: &Q, hash| partitioning.of(key, hash);
                    fold(&chunk, tables, table, combine, hasher)
                }
                Some(slice) => {
                    let table = |key: &Q, hash| match slice.holds(partitioning.of(key, hash), hash)
                    {
                        true => 0,
                        false => NOWHERE,
                    };
                    fold(&chunk, tables, table, combine, hasher)
                }
            };
            self.beside += texts + taken * combine.listed();
            self.count().map_err(TaskError::new)?;
            Ok(())
        }))
    }
}

/// The table of what isn't wanted.
const NOWHERE: usize = usize::MAX;

/// Folds a chunk into the tables that `table` says. Returns how many elements
/// were wanted, and the bytes of new keys that are text.
#[inline]
fn fold<E, Q, A>(
    chunk: &Chunk<'_, E>,
    tables: &mut [Table<Q::Own, A>],
    table: impl Fn(&Q, u64) -> usize,
    combine: &impl Combine<E, Q, A>,
    hasher: &KeyHasher,
) -> (usize, usize)
where
    E: ?Sized + Element,
    Q: ?Sized + Element + Hash + Eq,
{
    let (mut taken, mut texts) = (0, 0);
    chunk.for_each(|element| {
        let key = combine.key(element);
        let hash = hasher.hash(key);
        let Some(table) = tables.get_mut(table(key, hash)) else {
            return;
        };
        taken += 1;
        match table.find_mut(hash, |entry| entry.pair.0.borrow() == key) {
            Some(entry) => combine.merge_value(&mut entry.pair.1, element),
            None => {
                texts += bytes_of_text(key);
                insert(table, hash, key.to_owned(), combine.create(element));
            }
        }
    });
    (taken, texts)
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
