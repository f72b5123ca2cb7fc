//! Windows against a naive model, through failures and checkpoints, and what a batch costs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proptest::prelude::*;
use tidemill_checkpoint::{Chain, Chunk, ChunkId, ChunkRef, Epoch, Series};

use super::spill::Spilled;
use super::{Inverse, Method, Span, Suffixes, WindowState, windowed};
use crate::rdd::{BoxError, Executor, Partitioning, Rdd};
use crate::state::cold::Cold;
use crate::state::faulty::{Faulty, NEVER};
use crate::state::{AnyState, STATE_FORMAT, StateValue, Written};
use crate::time::Time;

/// Windows are in phase with this.
pub(super) const ZERO: Time = Time::from_millis(7_000_500);

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn time_of(batch: usize) -> Time {
    ZERO.plus(seconds(batch as u64 + 1))
}

pub(super) fn executor() -> Executor {
    let executor = Executor::new(2, 3).unwrap();
    executor.set_hash_seed(11);
    executor
}

/// Each key's value in one batch.
pub(super) type Batch<V> = BTreeMap<u8, V>;

/// What a window yielded, sorted; `None` where none ends.
pub(super) type Shown<V> = Option<Vec<(u8, V)>>;

pub(super) fn run_batch<V: StateValue + Ord, M: Method<u8, V>>(
    state: &Arc<WindowState<u8, V, M>>,
    number: usize,
    batch: &Batch<V>,
    executor: &Executor,
) -> Shown<V> {
    let (time, span) = (time_of(number), state.span);
    let pairs: Vec<(u8, V)> = batch.clone().into_iter().collect();
    let partials = Rdd::parallelize(pairs, 2, executor)
        .reduce_by_key(|a: &V, _: &V| a.clone(), state.partitioning.clone());
    let read = span.is_read(time, ZERO).then_some(partials);
    let rdd = windowed(state, vec![(time, read)], time, ZERO, executor);
    // A function that panics fails tasks; they are tried again, and in the end the batch is.
    let prepared = (0..20).find(|_| rdd.node().prepare(executor).is_ok());
    prepared.expect("the batch fails for ever");
    let shown = span.is_output(time, ZERO).then(|| {
        let mut pairs = rdd.collect().unwrap();
        pairs.sort();
        pairs
    });
    state.merge(time, executor).unwrap();
    shown
}

/// A checkpoint store of chunks in memory.
#[derive(Default)]
pub(super) struct Chunks {
    all: Vec<Chunk>,
    chains: Vec<Chain>,
    /// Rows of the newest chunks.
    rows: u64,
}

impl Chunks {
    pub(super) fn cut(&mut self, state: &dyn AnyState) {
        let parts = (state.take_changes())().unwrap();
        self.chains.resize(parts.len(), Chain::default());
        self.rows = 0;
        for (chain, part) in self.chains.iter_mut().zip(parts) {
            let chunk = part.builder.build();
            let reference = ChunkRef {
                id: ChunkId {
                    epoch: Epoch(1),
                    number: self.all.len() as u64,
                },
                bytes: 0,
                entries: chunk.len(),
                crc: 0,
            };
            self.rows += chunk.len();
            self.all.push(chunk);
            if part.full {
                *chain = Chain {
                    base: Some(reference),
                    deltas: Vec::new(),
                };
            } else {
                chain.deltas.push(reference);
            }
        }
    }

    fn restore(&self, state: &dyn AnyState, through: Time, executor: &Executor) {
        let restored = (0..20).find(|_| self.try_restore(state, through, executor).is_ok());
        restored.expect("the window can't be restored");
    }

    pub(super) fn try_restore(
        &self,
        state: &dyn AnyState,
        through: Time,
        executor: &Executor,
    ) -> Result<(), BoxError> {
        let series = Series {
            name: "window".to_owned(),
            format: STATE_FORMAT,
            partitions: self.chains.clone(),
        };
        let read = |reference: &ChunkRef| Ok(self.all[reference.id.number as usize].clone());
        let written = Written {
            series: &series,
            version: 1,
            through,
            zero: ZERO,
            chunks: &read,
        };
        state.restore(&written, executor)
    }
}

/// A history: the shape of a window, what comes, and when it is killed, cut and made anew.
#[derive(Debug, Clone)]
struct History {
    length: u64,
    slide: u64,
    batches: Vec<Batch<u8>>,
    cut_every: usize,
    restart_at: usize,
    partitions: (usize, usize),
    /// The function fails after so many calls.
    fails_after: u64,
    /// Bytes that each partition may take in memory, and after how many steps its disk fails.
    limit: Option<(usize, u64)>,
}

fn histories() -> impl Strategy<Value = History> {
    let batch = proptest::collection::btree_map(0u8..12, any::<u8>(), 0..9);
    let batches = proptest::collection::vec(batch, 1..40);
    let shape = (1u64..9, 1u64..7, 1usize..5, 0usize..40);
    let limit = prop_oneof![Just(0), 0usize..5000];
    let limit = proptest::option::of((limit, prop_oneof![Just(NEVER), 0u64..300]));
    (batches, shape, (1usize..4, 1usize..4), 5u64..60, limit).prop_map(
        |(batches, (length, slide, cut_every, restart_at), partitions, fails_after, limit)| {
            History {
                length,
                slide,
                batches,
                cut_every,
                restart_at,
                partitions,
                fails_after,
                limit,
            }
        },
    )
}

/// Runs a history; what the windows yielded, batch by batch, and how many batches ran twice.
fn run<V: StateValue + Ord + std::fmt::Debug, M: Method<u8, V>>(
    history: &History,
    value: impl Fn(usize, u8, u8) -> V,
    method: impl Fn() -> M,
) -> Vec<Shown<V>> {
    let executor = executor();
    let span = Span::new(seconds(history.length), seconds(history.slide));
    let made = |partitions: usize| {
        let state = WindowState::new(span, Partitioning::Hash(partitions), method());
        if let Some((memory, steps)) = history.limit {
            limit(&state, memory, steps);
        }
        Arc::new(state)
    };
    let mut state = made(history.partitions.0);
    let mut chunks = Chunks::default();
    chunks.cut(&*state);
    let mut shown: Vec<Shown<V>> = Vec::new();
    let (mut held, mut restarted) = (0, false);
    let mut number = 0;
    while number < history.batches.len() {
        if number == history.restart_at && !restarted {
            restarted = true;
            if held > 0 {
                state = made(history.partitions.1);
                chunks.restore(&*state, time_of(held - 1), &executor);
                chunks.cut(&*state);
                number = held;
                continue;
            }
        }
        let batch = history.batches[number].iter();
        let batch = batch
            .map(|(key, v)| (*key, value(number, *key, *v)))
            .collect();
        let yielded = run_batch(&state, number, &batch, &executor);
        if let Some((memory, _)) = history.limit {
            assert_within(&state, memory);
        }
        match shown.get(number) {
            Some(before) => assert_eq!(*before, yielded, "batch {number} ran again"),
            None => shown.push(yielded),
        }
        number += 1;
        if number.is_multiple_of(history.cut_every) {
            chunks.cut(&*state);
            held = number;
        }
    }
    shown
}

/// Gives each partition so many bytes of memory, and a disk that fails after so many steps, now and then.
pub(super) fn limit<V: StateValue, M: Method<u8, V>>(
    state: &WindowState<u8, V, M>,
    memory: usize,
    steps: u64,
) {
    for partition in 0..state.partition_count() {
        let cold = Cold::new(Faulty::now_and_then(steps), 4096);
        state.write(partition).unwrap().spilled = Some(Spilled::new(memory, cold));
    }
}

/// Nothing is in memory, beyond what it may take, that could be on the disk.
pub(super) fn assert_within<V: StateValue, M: Method<u8, V>>(
    state: &WindowState<u8, V, M>,
    memory: usize,
) {
    for partition in 0..state.partition_count() {
        let held = state.read(partition).unwrap();
        let closed = held.panes.iter().rev().skip(1);
        let in_memory: usize = closed.map(|pane| pane.slots.len()).sum();
        assert!(in_memory == 0 || held.memory() <= memory);
    }
}

/// Fails after so many calls, and then again and again, each time after more.
struct Failing(Mutex<(u64, u64)>);

impl Failing {
    fn after(calls: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new((calls, calls))))
    }

    fn call(&self) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.0 -= 1;
        if left.0 == 0 {
            left.1 += 50;
            left.0 = left.1;
            panic!("not this time");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Texts put behind each other: associative, and the order of batches shows.
    #[test]
    fn any_associative_function(history in histories()) {
        let text = |batch: usize, key: u8, v: u8| format!("{batch}:{key}:{v} ");
        let failing = Failing::after(history.fails_after);
        let shown = run(&history, text, || {
            let failing = Arc::clone(&failing);
            Suffixes(move |a: &String, b: &String| {
                failing.call();
                format!("{a}{b}")
            })
        });
        for (number, shown) in shown.iter().enumerate() {
            let due = (number as u64 + 1).is_multiple_of(history.slide);
            let first = (number + 1).saturating_sub(history.length as usize);
            let mut sums: BTreeMap<u8, String> = BTreeMap::new();
            for (at, batch) in history.batches.iter().enumerate().take(number + 1).skip(first) {
                for (key, v) in batch {
                    sums.entry(*key).or_default().push_str(&text(at, *key, *v));
                }
            }
            let expected = due.then(|| sums.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(shown, &expected, "batch {}", number);
        }
    }

    /// Sums with their counts by subtraction; keys with nothing left are dropped.
    #[test]
    fn an_inverse_function(history in histories()) {
        let failing = Failing::after(history.fails_after);
        let one = |_: usize, _: u8, v: u8| (i64::from(v), 1i64);
        let shown = run(&history, one, || {
            let failing = Arc::clone(&failing);
            Inverse {
                add: move |a: &(i64, i64), b: &(i64, i64)| {
                    failing.call();
                    (a.0 + b.0, a.1 + b.1)
                },
                inverse: |a: &(i64, i64), b: &(i64, i64)| (a.0 - b.0, a.1 - b.1),
                keep: |(_, (_, count)): &(u8, (i64, i64))| *count > 0,
            }
        });
        for (number, shown) in shown.iter().enumerate() {
            let due = (number as u64 + 1).is_multiple_of(history.slide);
            let first = (number + 1).saturating_sub(history.length as usize);
            let mut sums: BTreeMap<u8, (i64, i64)> = BTreeMap::new();
            for (key, v) in history.batches[first..=number].iter().flatten() {
                let sum = sums.entry(*key).or_default();
                *sum = (sum.0 + i64::from(*v), sum.1 + 1);
            }
            let expected = due.then(|| sums.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(shown, &expected, "batch {}", number);
        }
    }

    /// Without a filter a key stays for ever, over restarts too, with what is left of it.
    #[test]
    fn an_inverse_function_that_drops_nothing(history in histories()) {
        let shown = run(&history, |_, _, v| i64::from(v), || Inverse {
            add: |a: &i64, b: &i64| a + b,
            inverse: |a: &i64, b: &i64| a - b,
            keep: |_: &(u8, i64)| true,
        });
        let span = Span::new(seconds(history.length), seconds(history.slide));
        for (number, shown) in shown.iter().enumerate().filter(|(_, shown)| shown.is_some()) {
            let first = (number + 1).saturating_sub(history.length as usize);
            let mut sums: BTreeMap<u8, i64> = BTreeMap::new();
            for (at, batch) in history.batches.iter().enumerate().take(number + 1) {
                for (key, v) in batch.iter().filter(|_| span.is_read(time_of(at), ZERO)) {
                    *sums.entry(*key).or_default() += if at >= first { i64::from(*v) } else { 0 };
                }
            }
            let expected = Some(sums.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(shown, &expected, "batch {}", number);
        }
    }
}

/// Keys come in every batch: whatever the length, each batch calls the functions as often as any other.
#[test]
fn a_batch_costs_its_slide_and_none_costs_more() {
    const KEYS: u8 = 240;
    let executor = executor();
    for panes in [2u64, 7, 60] {
        let span = Span::new(seconds(panes), seconds(1));
        let batch: Batch<u64> = (0..KEYS).map(|key| (key, 1)).collect();
        let calls = Arc::new(AtomicU64::new(0));
        let count = |calls: &Arc<AtomicU64>| {
            let calls = Arc::clone(calls);
            move |a: &u64, b: &u64| {
                calls.fetch_add(1, Ordering::SeqCst);
                a + b
            }
        };
        let suffixes = Arc::new(WindowState::new(span, 3.into(), Suffixes(count(&calls))));
        let inverse = Arc::new(WindowState::new(
            span,
            3.into(),
            Inverse {
                add: count(&calls),
                inverse: |a: &u64, b: &u64| a - b,
                keep: |_: &(u8, u64)| true,
            },
        ));
        for number in 0..panes as usize * 3 {
            let expected: u64 = (number as u64 + 1).min(panes);
            let expected: Vec<_> = (0..KEYS).map(|key| (key, expected)).collect();
            calls.store(0, Ordering::SeqCst);
            let shown = run_batch(&suffixes, number, &batch, &executor);
            assert_eq!(shown.as_ref(), Some(&expected));
            let with_suffixes = calls.swap(0, Ordering::SeqCst);
            let shown = run_batch(&inverse, number, &batch, &executor);
            assert_eq!(shown.as_ref(), Some(&expected));
            let with_inverse = calls.swap(0, Ordering::SeqCst);
            let keys = u64::from(KEYS);
            assert!(
                with_suffixes <= keys * 4,
                "batch {number} of {panes}: {with_suffixes}"
            );
            assert!(
                with_inverse <= keys,
                "batch {number} of {panes}: {with_inverse}"
            );
        }
    }
}

/// What a checkpoint holds follows what came since the one before, and goes away with its pane.
#[test]
fn a_checkpoint_holds_what_entered_since_the_last() {
    let executor = executor();
    let span = Span::new(seconds(5), seconds(1));
    let state = Arc::new(WindowState::new(
        span,
        1.into(),
        Suffixes(|a: &u64, b: &u64| a + b),
    ));
    let mut chunks = Chunks::default();
    chunks.cut(&*state);
    let all: Batch<u64> = (0..200).map(|key| (key, 1)).collect();
    run_batch(&state, 0, &all, &executor);
    chunks.cut(&*state);
    assert_eq!(chunks.rows, 1 + 200 + 1, "the length, keys, a pane");
    for number in 1..5 {
        run_batch(&state, number, &all, &executor);
        chunks.cut(&*state);
        assert_eq!(chunks.rows, 1 + 1, "the length, a pane");
    }
    run_batch(&state, 5, &Batch::new(), &executor);
    chunks.cut(&*state);
    assert_eq!(chunks.rows, 1 + 1, "the length, the pane that left");
    for number in 6..10 {
        run_batch(&state, number, &Batch::new(), &executor);
        chunks.cut(&*state);
    }
    assert_eq!(AnyState::keys(&*state), 0);
    let rows = tidemill_checkpoint::merge(&chunks.all, tidemill_checkpoint::Tombstones::Drop);
    assert_eq!(rows.len(), 1, "nothing but the length");
}

/// A gap in time, as after a stop: what was in the window has left.
#[test]
fn panes_in_which_no_batch_came_pass() {
    let executor = executor();
    for gap in [2usize, 3, 4, 9] {
        let text = |number: usize| Batch::from([(1u8, format!("{number} "))]);
        let span = Span::new(seconds(4), seconds(1));
        let join = |a: &String, b: &String| format!("{a}{b}");
        let state = Arc::new(WindowState::new(span, 2.into(), Suffixes(join)));
        for number in 0..6 {
            run_batch(&state, number, &text(number), &executor);
        }
        let last = 5 + gap;
        let shown = run_batch(&state, last, &text(last), &executor);
        let first = last - 3;
        let expected: String = (first..6).chain([last]).map(|n| format!("{n} ")).collect();
        assert_eq!(shown, Some(vec![(1, expected)]), "after a gap of {gap}");
    }
}
