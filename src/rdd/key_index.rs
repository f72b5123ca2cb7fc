//! [`KeyIndex`]: a fixed dataset held by key, for joins that cost what the batch costs.
//!
//! A join of each batch with a large fixed dataset by shuffling both would go through the dataset in every
//! batch. An index is made once, when it is first needed; a batch then looks its own keys up, partition by
//! partition and without a shuffle.

use std::fmt;
use std::sync::Arc;

use super::join::or_none;
use super::narrow::{Emitter, push};
use super::pairs::grouping;
use super::shuffle::{self, OneSide};
use super::stage::Stage;
use super::{Data, Executor, JobError, Key, KeyHasher, Partitioning, Rdd, RddNode, Sink, Stop};

/// A fixed dataset held by key; see [`Rdd::index_by_key`]. Clones are handles to the same index.
pub struct KeyIndex<K: Key, W: Data>(Arc<Stage<Held<K, W>>>);

/// The tables, and by what they were hashed and dealt.
struct Held<K: Key, W: Data> {
    hasher: KeyHasher,
    partitioning: Partitioning<K>,
    tables: shuffle::Held<K, Vec<W>>,
}

impl<K: Key, W: Data> Held<K, W> {
    #[inline]
    fn get(&self, key: &K) -> &[W] {
        let hash = self.hasher.hash(key);
        self.tables
            .get(self.partitioning.of(key, hash))
            .and_then(|table| table.find(hash, |entry| entry.pair.0 == *key))
            .map_or(&[], |entry| &entry.pair.1)
    }
}

impl<K: Key, W: Data> Clone for KeyIndex<K, W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Key, W: Data> fmt::Debug for KeyIndex<K, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyIndex").finish_non_exhaustive()
    }
}

/// Each pair of a dataset with what an index has under its key.
struct LookedUp<K: Key, V: Data, W: Data, F> {
    parent: Arc<dyn RddNode<(K, V)>>,
    index: KeyIndex<K, W>,
    emit: F,
}

impl<K, V, W, U, F> RddNode<U> for LookedUp<K, V, W, F>
where
    K: Key,
    V: Data,
    W: Data,
    U: Data,
    F: Fn(&(K, V), &[W], &mut Emitter<'_, '_, U>) + Send + Sync,
{
    fn partitions(&self) -> usize {
        self.parent.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.index.0.prepare(executor)?;
        self.parent.prepare(executor)
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, U>) -> Result<(), Stop> {
        let index = self.index.0.ready()?;
        push(&*self.parent, partition, sink, |chunk, out| {
            chunk.for_each(|pair: &(K, V)| (self.emit)(pair, index.get(&pair.0), out));
        })
    }
}

impl<K: Key, V: Data> Rdd<(K, V)> {
    /// Holds this dataset by key, for as long as a handle lives: made once, when a join first needs it.
    /// What the original does with a broadcast map and `map`, or slower by a join that goes through the
    /// whole dataset in every batch.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (orders, _queue) = context.queue_stream::<(u32, String)>();
    /// let names = context.parallelize(vec![(7, "Ann"), (8, "Bob")]).index_by_key();
    /// let named = orders.transform(move |batch, _time| batch.join_index(&names));
    /// named.for_each_rdd(|batch, _time| println!("{} orders of known people", batch.count().unwrap()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn index_by_key(&self) -> KeyIndex<K, V> {
        let parent = self.clone();
        KeyIndex(Arc::new(Stage::new(move |executor| {
            let all = OneSide {
                parent: parent.clone(),
                partitioning: Partitioning::Hash(executor.parallelism()),
                combine: grouping(),
            };
            Ok(Held {
                hasher: executor.hasher(),
                tables: shuffle::held(&all, executor)?,
                partitioning: all.partitioning,
            })
        })))
    }

    /// As [`Rdd::join`] with the dataset of `index`; partitions stay as they are.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let names = context.parallelize(vec![(7, "Ann"), (8, "Bob")]).index_by_key();
    /// let orders = context.parallelize(vec![(7, "tea"), (9, "milk")]);
    /// assert_eq!(orders.join_index(&names).collect()?, [(7, ("tea", "Ann"))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_index<W: Data>(&self, index: &KeyIndex<K, W>) -> Rdd<(K, (V, W))> {
        self.look_up(
            index,
            |(key, ours): &(K, V), theirs: &[W], out: &mut Emitter<'_, '_, (K, (V, W))>| {
                for theirs in theirs {
                    out.emit_owned((key.clone(), (ours.clone(), theirs.clone())));
                }
            },
        )
    }

    /// As [`Rdd::left_outer_join`] with the dataset of `index`; partitions stay as they are.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let names = context.parallelize(vec![(7, "Ann"), (8, "Bob")]).index_by_key();
    /// let orders = context.parallelize(vec![(7, "tea"), (9, "milk")]);
    /// let named = orders.left_outer_join_index(&names).collect()?;
    /// assert_eq!(named, [(7, ("tea", Some("Ann"))), (9, ("milk", None))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_outer_join_index<W: Data>(
        &self,
        index: &KeyIndex<K, W>,
    ) -> Rdd<(K, (V, Option<W>))> {
        self.look_up(
            index,
            |(key, ours): &(K, V), theirs: &[W], out: &mut Emitter<'_, '_, (K, (V, Option<W>))>| {
                or_none(theirs, |theirs| {
                    out.emit_owned((key.clone(), (ours.clone(), theirs.cloned())));
                });
            },
        )
    }

    /// The pairs whose keys `index` lacks; partitions stay as they are.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let blocked = context.parallelize(vec![("bob", ())]).index_by_key();
    /// let seen = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// assert_eq!(seen.subtract_index(&blocked).collect()?, [("ann", 31)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subtract_index<W: Data>(&self, index: &KeyIndex<K, W>) -> Rdd<(K, V)> {
        self.look_up(
            index,
            |pair: &(K, V), theirs: &[W], out: &mut Emitter<'_, '_, (K, V)>| {
                if theirs.is_empty() {
                    out.emit(pair);
                }
            },
        )
    }

    fn look_up<W: Data, U: Data>(
        &self,
        index: &KeyIndex<K, W>,
        emit: impl Fn(&(K, V), &[W], &mut Emitter<'_, '_, U>) + Send + Sync + 'static,
    ) -> Rdd<U> {
        let looked_up = LookedUp {
            parent: Arc::clone(self.node()),
            index: index.clone(),
            emit,
        };
        Rdd::new(looked_up, self.executor())
    }
}
