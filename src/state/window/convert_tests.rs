//! Windows that go on with another length, slide or function than they were checkpointed with.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{
    Batch, Chunks, Shown, ZERO, assert_within, executor, limit, run_batch, seconds, time_of,
};
use super::{Inverse, Method, Span, Suffixes, WindowState};
use crate::rdd::Partitioning;
use crate::state::StateValue;
use crate::state::faulty::NEVER;

/// A window's length, slide and partitions.
type Shape = (u64, u64, usize);

/// A window that becomes another one.
#[derive(Debug, Clone)]
struct History {
    before: Shape,
    after: Shape,
    batches: Vec<Batch<u8>>,
    /// How many batches the first has taken in.
    changes_at: usize,
    /// How many more come until the second is made anew, as it was.
    restarts_after: usize,
    /// Bytes that each partition may take in memory.
    memory: Option<usize>,
}

fn histories() -> impl Strategy<Value = History> {
    let batch = proptest::collection::btree_map(0u8..12, any::<u8>(), 0..9);
    let shape = || (1u64..9, 1u64..7, 1usize..4);
    let batches = proptest::collection::vec(batch, 2..40);
    let memory = proptest::option::of(prop_oneof![Just(0), 0usize..5000]);
    (shape(), shape(), batches, 1usize..40, 1usize..10, memory).prop_map(
        |(before, after, batches, changes_at, restarts_after, memory)| History {
            before,
            after,
            changes_at: changes_at.min(batches.len() - 1),
            batches,
            restarts_after,
            memory,
        },
    )
}

fn span((length, slide, _): Shape) -> Span {
    Span::new(seconds(length), seconds(slide))
}

impl History {
    fn state<V: StateValue, M: Method<u8, V>>(
        &self,
        shape: Shape,
        method: M,
    ) -> Arc<WindowState<u8, V, M>> {
        let partitioning = Partitioning::Hash(shape.2);
        let state = WindowState::new(span(shape), partitioning, method);
        if let Some(memory) = self.memory {
            limit(&state, memory, NEVER);
        }
        Arc::new(state)
    }

    /// What the second window yields from its first batch on; `None` when it can't take the first one over.
    fn run<V: StateValue + Ord, A: Method<u8, V>, B: Method<u8, V>>(
        &self,
        value: impl Fn(usize, u8, u8) -> V,
        first: A,
        second: impl Fn() -> B,
    ) -> Option<Vec<Shown<V>>> {
        let executor = executor();
        let batch = |number: usize| -> Batch<V> {
            let batch = self.batches[number].iter();
            batch
                .map(|(key, v)| (*key, value(number, *key, *v)))
                .collect()
        };
        let mut chunks = Chunks::default();
        let before = self.state(self.before, first);
        chunks.cut(&*before);
        for number in 0..self.changes_at {
            run_batch(&before, number, &batch(number), &executor);
            if number % 3 == 0 {
                chunks.cut(&*before);
            }
        }
        chunks.cut(&*before);
        let mut shown = Vec::new();
        let mut after = self.state(self.after, second());
        let mut start = self.changes_at;
        while start < self.batches.len() {
            let through = time_of(start - 1);
            chunks.try_restore(&*after, through, &executor).ok()?;
            if let Some(memory) = self.memory {
                assert_within(&after, memory);
            }
            chunks.cut(&*after);
            let end = (start + self.restarts_after).min(self.batches.len());
            for number in start..end {
                shown.push(run_batch(&after, number, &batch(number), &executor));
                chunks.cut(&*after);
            }
            after = self.state(self.after, second());
            start = end;
        }
        Some(shown)
    }

    /// Holds what the second window yields against what was held of the first and came since.
    fn check<V: Clone + PartialEq + std::fmt::Debug>(
        &self,
        shown: Option<Vec<Shown<V>>>,
        value: impl Fn(usize, u8, u8) -> V,
        add: impl Fn(&V, &V) -> V,
    ) -> Result<(), TestCaseError> {
        let (before, after) = (span(self.before), span(self.after));
        let can = after.can_take(before.pane_ms());
        prop_assert_eq!(shown.is_some(), can);
        let pane = |number: usize| before.pane_of(time_of(number), ZERO);
        let is_held = |number: usize| {
            number >= self.changes_at
                || before.is_read(time_of(number), ZERO)
                    && pane(number) + before.panes() > pane(self.changes_at - 1)
        };
        for (number, shown) in (self.changes_at..).zip(shown.unwrap_or_default()) {
            let due = (number as u64 + 1).is_multiple_of(self.after.1);
            let first = (number + 1).saturating_sub(self.after.0 as usize);
            let mut sums: BTreeMap<u8, V> = BTreeMap::new();
            for at in (first..=number).filter(|at| is_held(*at)) {
                for (key, v) in &self.batches[at] {
                    let v = value(at, *key, *v);
                    let sum = sums.get(key).map_or_else(|| v.clone(), |sum| add(sum, &v));
                    sums.insert(*key, sum);
                }
            }
            let expected = due.then(|| sums.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(shown, expected, "batch {}", number);
        }
        Ok(())
    }
}

type Counted = (i64, i64);

fn counted(_: usize, _: u8, v: u8) -> Counted {
    (i64::from(v), 1)
}

fn add(a: &Counted, b: &Counted) -> Counted {
    (a.0 + b.0, a.1 + b.1)
}

fn inverse() -> impl Method<u8, Counted> {
    Inverse {
        add,
        inverse: |a: &Counted, b: &Counted| (a.0 - b.0, a.1 - b.1),
        keep: |(_, sum): &(u8, Counted)| sum.1 > 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    /// Texts put behind each other: the order of batches shows.
    #[test]
    fn another_length_and_slide(history in histories()) {
        let text = |batch: usize, key: u8, v: u8| format!("{batch}:{key}:{v} ");
        let join = |a: &String, b: &String| format!("{a}{b}");
        let shown = history.run(text, Suffixes(join), || Suffixes(join));
        history.check(shown, text, join)?;
    }

    /// And an inverse function that is new, was there, or stays.
    #[test]
    fn another_way_to_combine(history in histories(), way in 0..3) {
        let shown = match way {
            0 => history.run(counted, Suffixes(add), inverse),
            1 => history.run(counted, inverse(), || Suffixes(add)),
            _ => history.run(counted, inverse(), inverse),
        };
        history.check(shown, counted, add)?;
    }
}
