//! Two datasets of pairs put together by key.
//!
//! All of them are one shuffle: the partitions of both sides are folded into the same hash tables, so
//! that a key is looked up and held once, whichever side it comes from.

use super::pairs::ByKey;
use super::shuffle::{Folding, Inputs, merge_tables, shuffled};
use super::{Combine, Data, Executor, JobError, Key, Partitioning, Rdd, Table, TaskError};

/// Two datasets and how they come together.
struct TwoSides<K: Key, V: Data, W: Data, L, R> {
    left: Rdd<(K, V)>,
    right: Rdd<(K, W)>,
    partitioning: Partitioning<K>,
    from_left: L,
    from_right: R,
}

impl<K, V, W, A, L, R> Inputs<K, A> for TwoSides<K, V, W, L, R>
where
    K: Key,
    V: Data,
    W: Data,
    L: Combine<(K, V), K, A>,
    R: Combine<(K, W), K, A>,
{
    fn inputs(&self) -> usize {
        self.left.partitions() + self.right.partitions()
    }

    fn partitions(&self) -> usize {
        self.partitioning.partitions()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        self.left.node().prepare(executor)?;
        self.right.node().prepare(executor)
    }

    fn fold(&self, input: usize, into: &mut Folding<K, A>) -> Result<(), TaskError> {
        let by = &self.partitioning;
        match input.checked_sub(self.left.partitions()) {
            None => into.take_in(&self.left, input, by, &self.from_left),
            Some(of_right) => into.take_in(&self.right, of_right, by, &self.from_right),
        }
    }

    fn merge(&self, tables: Vec<Table<K, A>>) -> Table<K, A> {
        merge_tables(tables, |held, other| self.from_left.merge(held, other))
    }
}

impl<K: Key, V: Data, W: Data, L, R> TwoSides<K, V, W, L, R> {
    fn together<A: Data>(self) -> Rdd<(K, A)>
    where
        L: Combine<(K, V), K, A>,
        R: Combine<(K, W), K, A>,
    {
        let executor = self.left.executor().clone();
        shuffled(self, &executor)
    }
}

/// The values of a key on both sides.
type Both<V, W> = (Vec<V>, Vec<W>);

/// A value of either side, or of both.
type Either<V, W> = (Option<V>, Option<W>);

impl<K: Key, V: Data> Rdd<(K, V)> {
    /// Each key of either dataset with the list of its values here and the list of those in `other`; a
    /// side without the key has an empty list. A list has the order of its dataset.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let ages = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// let towns = context.parallelize(vec![("ann", "Ulm"), ("cid", "Bonn")]);
    /// let mut people = ages.cogroup(&towns, 2).collect()?;
    /// people.sort();
    /// assert_eq!(people[0], ("ann", (vec![31], vec!["Ulm"])));
    /// assert_eq!(people[1], ("bob", (vec![27], vec![])));
    /// assert_eq!(people[2], ("cid", (vec![], vec!["Bonn"])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cogroup<W: Data>(
        &self,
        other: &Rdd<(K, W)>,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, Both<V, W>)> {
        let merge = |held: &mut Both<V, W>, other: Both<V, W>| {
            held.0.extend(other.0);
            held.1.extend(other.1);
        };
        let both = TwoSides {
            left: self.clone(),
            right: other.clone(),
            partitioning: partitioning.into(),
            from_left: ByKey {
                create: |value: &V| (vec![value.clone()], Vec::new()),
                merge_value: |held: &mut Both<V, W>, value: &V| held.0.push(value.clone()),
                merge,
                listed: size_of::<V>(),
            },
            from_right: ByKey {
                create: |value: &W| (Vec::new(), vec![value.clone()]),
                merge_value: |held: &mut Both<V, W>, value: &W| held.1.push(value.clone()),
                merge,
                listed: size_of::<W>(),
            },
        };
        both.together()
    }

    /// Each value here with each value in `other` of the same key; keys that only one side has are left
    /// out.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let ages = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// let towns = context.parallelize(vec![("ann", "Ulm"), ("cid", "Bonn")]);
    /// assert_eq!(ages.join(&towns, 2).collect()?, [("ann", (31, "Ulm"))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join<W: Data>(
        &self,
        other: &Rdd<(K, W)>,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, (V, W))> {
        self.cogroup(other, partitioning).flat_map(
            |(key, (ours, theirs)): &(K, Both<V, W>), out| {
                for ours in ours {
                    for theirs in theirs {
                        out.emit_owned((key.clone(), (ours.clone(), theirs.clone())));
                    }
                }
            },
        )
    }

    /// As [`Rdd::join`], with the values here of keys that `other` lacks, once each with `None`.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let ages = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// let towns = context.parallelize(vec![("ann", "Ulm"), ("cid", "Bonn")]);
    /// let mut people = ages.left_outer_join(&towns, 2).collect()?;
    /// people.sort();
    /// assert_eq!(people, [("ann", (31, Some("Ulm"))), ("bob", (27, None))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_outer_join<W: Data>(
        &self,
        other: &Rdd<(K, W)>,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, (V, Option<W>))> {
        self.cogroup(other, partitioning).flat_map(
            |(key, (ours, theirs)): &(K, Both<V, W>), out| {
                for ours in ours {
                    or_none(theirs, |theirs| {
                        out.emit_owned((key.clone(), (ours.clone(), theirs.cloned())));
                    });
                }
            },
        )
    }

    /// As [`Rdd::join`], with the values in `other` of keys that are lacking here, once each with `None`.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let ages = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// let towns = context.parallelize(vec![("ann", "Ulm"), ("cid", "Bonn")]);
    /// let mut people = ages.right_outer_join(&towns, 2).collect()?;
    /// people.sort();
    /// assert_eq!(people, [("ann", (Some(31), "Ulm")), ("cid", (None, "Bonn"))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn right_outer_join<W: Data>(
        &self,
        other: &Rdd<(K, W)>,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, (Option<V>, W))> {
        self.cogroup(other, partitioning).flat_map(
            |(key, (ours, theirs)): &(K, Both<V, W>), out| {
                or_none(ours, |ours| {
                    for theirs in theirs {
                        out.emit_owned((key.clone(), (ours.cloned(), theirs.clone())));
                    }
                });
            },
        )
    }

    /// As [`Rdd::join`], with the values of keys that only one side has, once each with `None` for the
    /// other.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let ages = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// let towns = context.parallelize(vec![("ann", "Ulm"), ("cid", "Bonn")]);
    /// let mut people = ages.full_outer_join(&towns, 2).collect()?;
    /// people.sort();
    /// assert_eq!(people[0], ("ann", (Some(31), Some("Ulm"))));
    /// assert_eq!(people[1..], [("bob", (Some(27), None)), ("cid", (None, Some("Bonn")))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn full_outer_join<W: Data>(
        &self,
        other: &Rdd<(K, W)>,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, Either<V, W>)> {
        self.cogroup(other, partitioning).flat_map(
            |(key, (ours, theirs)): &(K, Both<V, W>), out| {
                or_none(ours, |ours| {
                    or_none(theirs, |theirs| {
                        out.emit_owned((key.clone(), (ours.cloned(), theirs.cloned())));
                    });
                });
            },
        )
    }

    /// The pairs whose keys `other` lacks.
    ///
    /// ```
    /// # use tidemill::StreamingContext;
    /// # use std::time::Duration;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let seen = context.parallelize(vec![("ann", 31), ("bob", 27)]);
    /// let blocked = context.parallelize(vec![("bob", ())]);
    /// assert_eq!(seen.subtract_by_key(&blocked, 2).collect()?, [("ann", 31)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subtract_by_key<W: Data>(
        &self,
        other: &Rdd<(K, W)>,
        partitioning: impl Into<Partitioning<K>>,
    ) -> Rdd<(K, V)> {
        let merge = |held: &mut (Vec<V>, bool), other: (Vec<V>, bool)| {
            held.0.extend(other.0);
            held.1 |= other.1;
        };
        let marked = TwoSides {
            left: self.clone(),
            right: other.clone(),
            partitioning: partitioning.into(),
            from_left: ByKey {
                create: |value: &V| (vec![value.clone()], false),
                merge_value: |held: &mut (Vec<V>, bool), value: &V| held.0.push(value.clone()),
                merge,
                listed: size_of::<V>(),
            },
            from_right: ByKey {
                create: |_: &W| (Vec::new(), true),
                merge_value: |held: &mut (Vec<V>, bool), _: &W| held.1 = true,
                merge,
                listed: 0,
            },
        };
        marked
            .together()
            .flat_map(|(key, (values, is_gone)): &(K, (Vec<V>, bool)), out| {
                if !is_gone {
                    values
                        .iter()
                        .for_each(|value| out.emit_owned((key.clone(), value.clone())));
                }
            })
    }
}

/// Visits each value, or `None` once when there is none.
pub(super) fn or_none<W>(values: &[W], mut visit: impl FnMut(Option<&W>)) {
    match values {
        [] => visit(None),
        some => some.iter().for_each(|value| visit(Some(value))),
    }
}
