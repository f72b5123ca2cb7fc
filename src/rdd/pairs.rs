//! Keyed steps: count by value, and what datasets of `(key, value)` pairs offer.

use std::hash::Hash;
use std::sync::Arc;

use super::{Combine, Data, Element, Partitioning, Rdd, combine};

/// Counts equal elements.
struct Count;

impl<E: ?Sized + Send + Sync> Combine<E, E, u64> for Count {
    fn key<'a>(&self, element: &'a E) -> &'a E {
        element
    }
    fn create(&self, _element: &E) -> u64 {
        1
    }
    #[inline]
    fn merge_value(&self, count: &mut u64, _element: &E) {
        *count += 1;
    }
    fn merge(&self, count: &mut u64, other: u64) {
        *count += other;
    }
}

/// Combines the values of a key into an accumulator by three functions.
pub(super) struct ByKey<C, V, M> {
    pub(super) create: C,
    pub(super) merge_value: V,
    pub(super) merge: M,
    /// See [`Combine::listed`].
    pub(super) listed: usize,
}

impl<K, V, A, FC, FV, FM> Combine<(K, V), K, A> for ByKey<FC, FV, FM>
where
    FC: Fn(&V) -> A + Send + Sync + 'static,
    FV: Fn(&mut A, &V) + Send + Sync + 'static,
    FM: Fn(&mut A, A) + Send + Sync + 'static,
{
    fn key<'a>(&self, element: &'a (K, V)) -> &'a K {
        &element.0
    }
    fn create(&self, element: &(K, V)) -> A {
        (self.create)(&element.1)
    }
    #[inline]
    fn merge_value(&self, accumulator: &mut A, element: &(K, V)) {
        (self.merge_value)(accumulator, &element.1);
    }
    fn merge(&self, accumulator: &mut A, other: A) {
        (self.merge)(accumulator, other);
    }
    fn listed(&self) -> usize {
        self.listed
    }
}

impl<T: ?Sized + Element + Hash + Eq> Rdd<T>
where
    T::Own: Hash + Eq,
{
    /// Each distinct element with how often it occurs. Text is looked up as a view: a word is copied
    /// once, when it is new.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let letters = context.parallelize(vec!['a', 'b', 'a']);
    /// let mut all = letters.count_by_value(4).collect()?;
    /// all.sort();
    /// assert_eq!(all, [('a', 2), ('b', 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn count_by_value(&self, partitioning: impl Into<Partitioning<T>>) -> Rdd<(T::Own, u64)> {
        combine(self, partitioning.into(), Count)
    }
}

/// Lists the values of a key.
pub(super) fn grouping<K: Key, V: Data>() -> impl Combine<(K, V), K, Vec<V>> {
    ByKey {
        create: |value: &V| vec![value.clone()],
        merge_value: |values: &mut Vec<V>, value: &V| values.push(value.clone()),
        merge: |values: &mut Vec<V>, others| values.extend(others),
        listed: size_of::<V>(),
    }
}

/// A key of a pair.
pub trait Key: Data + Hash + Eq {}
impl<K: Data + Hash + Eq> Key for K {}

impl<K: Key, V: Data> Rdd<(K, V)> {
    /// The values of each key combined: `create` makes an accumulator of a key's first value,
    /// `merge_value` adds another, `merge` adds an accumulator of later values to one of earlier ones.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize(vec![('a', 1), ('b', 2), ('a', 3)]);
    /// let lists = pairs.combine_by_key(
    ///     |first| vec![*first],
    ///     |list, next| list.push(*next),
    ///     |list, other| list.extend(other),
    ///     4,
    /// );
    /// let mut all = lists.map_values(Vec::len).collect()?;
    /// all.sort();
    /// assert_eq!(all, [('a', 2), ('b', 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn combine_by_key<A: Data>(
        &self,
        create: impl Fn(&V) -> A + Send + Sync + 'static,
        merge_value: impl Fn(&mut A, &V) + Send + Sync + 'static,
        merge: impl Fn(&mut A, A) + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, A)> {
        combine(
            self,
            partitioning.into(),
            ByKey {
                create,
                merge_value,
                merge,
                listed: 0,
            },
        )
    }

    /// The values of each key combined by `f`, which must be associative; they come together in the order of
    /// the dataset.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize(vec![('a', 1), ('b', 2), ('a', 3)]);
    /// let mut all = pairs.reduce_by_key(|a, b| a + b, 4).collect()?;
    /// all.sort();
    /// assert_eq!(all, [('a', 4), ('b', 2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduce_by_key(
        &self,
        f: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, V)> {
        let f = Arc::new(f);
        let g = Arc::clone(&f);
        self.combine_by_key(
            V::clone,
            move |sum, value| *sum = f(sum, value),
            move |sum, other| *sum = g(sum, &other),
            partitioning,
        )
    }

    /// All values of each key, in the order of the dataset.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize_with(vec![('a', 1), ('b', 2), ('a', 3)], 1);
    /// let mut all = pairs.group_by_key(4).collect()?;
    /// all.sort();
    /// assert_eq!(all, [('a', vec![1, 3]), ('b', vec![2])]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by_key(&self, partitioning: impl Into<Partitioning<K>>) -> Rdd<(K, Vec<V>)> {
        combine(self, partitioning.into(), grouping())
    }

    /// The keys, as often as they occur.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize(vec![('a', 1), ('b', 2)]);
    /// assert_eq!(pairs.keys().collect()?, ['a', 'b']);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keys(&self) -> Rdd<K> {
        self.map(|(key, _)| key.clone())
    }

    /// The values.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize(vec![('a', 1), ('b', 2)]);
    /// assert_eq!(pairs.values().collect()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self) -> Rdd<V> {
        self.map(|(_, value)| value.clone())
    }

    /// Each value replaced by what `f` makes of it.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize(vec![('a', 1), ('b', 2)]);
    /// assert_eq!(pairs.map_values(|n| n * 10).collect()?, [('a', 10), ('b', 20)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_values<U: Data>(&self, f: impl Fn(&V) -> U + Send + Sync + 'static) -> Rdd<(K, U)> {
        self.map(move |(key, value)| (key.clone(), f(value)))
    }

    /// Each pair replaced by one for each value that `f` makes of its value.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let pairs = context.parallelize(vec![('a', 1), ('b', 2)]);
    /// let both = pairs.flat_map_values(|n| [*n, n * 10]);
    /// assert_eq!(both.collect()?, [('a', 1), ('a', 10), ('b', 2), ('b', 20)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map_values<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(&V) -> I + Send + Sync + 'static,
    ) -> Rdd<(K, U)> {
        self.flat_map(move |(key, value), out| {
            f(value)
                .into_iter()
                .for_each(|made| out.emit_owned((key.clone(), made)));
        })
    }
}
