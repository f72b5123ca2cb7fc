//! Shuffles with and without room in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use crate::rdd::{Buffer, Data, Executor, Key, Rdd, TextBuffer};

fn executor(limit: u64) -> Executor {
    let executor = Executor::new(2, 1).unwrap();
    executor.shuffles().limit(limit);
    executor
}

fn held(executor: &Executor) -> u64 {
    executor.shuffles().held()
}

fn slices(executor: &Executor) -> u64 {
    executor.shuffles().passes()
}

/// Pairs of ten keys.
fn pairs(executor: &Executor) -> Rdd<(u64, u64)> {
    let pairs = (0..200_000u64).map(|n| (n % 10, n)).collect();
    Rdd::parallelize(pairs, 8, executor)
}

#[test]
fn a_shuffle_that_lists_too_much_is_worked_off_in_slices_and_gives_back_what_it_held() {
    let executor = executor(1_000_000);
    let pairs = pairs(&executor);
    let computed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&computed);
    let pairs = pairs.map(move |pair| {
        counted.fetch_add(1, Ordering::Relaxed);
        *pair
    });
    let grouped = pairs.group_by_key(3);
    for _ in 0..2 {
        let mut lengths = grouped.map_values(Vec::len).collect().unwrap();
        lengths.sort_unstable();
        assert_eq!(
            lengths,
            (0..10).map(|key| (key, 20_000)).collect::<Vec<_>>()
        );
        assert_eq!(held(&executor), 0);
    }
    assert!(slices(&executor) >= 6 && computed.load(Ordering::Relaxed) > 200_000);

    let before = slices(&executor);
    let sums = pairs.reduce_by_key(|a, b| a + b, 3);
    assert_eq!(sums.count().unwrap(), 10);
    assert!(held(&executor) > 0);
    drop(sums);
    assert_eq!((held(&executor), slices(&executor)), (0, before));
}

/// Partitions that take very different times come together in their order, whoever computes them; also by a
/// function that isn't commutative.
#[test]
fn the_values_of_a_key_keep_the_order_of_the_dataset() {
    let uneven = |n: &u64| {
        if n.is_multiple_of(70) {
            std::thread::sleep(std::time::Duration::from_micros(n * 13 % 400));
        }
        (n % 30, *n)
    };
    for (threads, limit) in [(2, None), (3, None), (5, None), (2, Some(40_000))] {
        let executor = Executor::new(threads, 1).unwrap();
        limit.inspect(|limit| executor.shuffles().limit(*limit));
        let expected: Vec<(u64, Vec<u64>)> = (0..30)
            .map(|key| (key, (0..6000).filter(|n| n % 30 == key).collect()))
            .collect();
        let pairs = Rdd::parallelize((0..6000).collect(), 40, &executor).map(uneven);
        let sorted = |grouped: Rdd<(u64, Vec<u64>)>| {
            let mut grouped = grouped.collect().unwrap();
            grouped.sort_by_key(|(key, _)| *key);
            grouped
        };
        let lists = pairs.map_values(|n| vec![*n]);
        let joined = lists.reduce_by_key(|a, b| [&a[..], b].concat(), 2);
        assert_eq!(sorted(joined), expected, "{threads} threads, joined");
        let both = pairs.cogroup(&pairs, 2);
        let (ours, theirs) = (
            both.map_values(|both| both.0.clone()),
            both.map_values(|both| both.1.clone()),
        );
        assert_eq!(sorted(ours), expected, "{threads} threads, ours");
        assert_eq!(sorted(theirs), expected, "{threads} threads, theirs");
        assert_eq!(sorted(pairs.group_by_key(2)), expected, "{threads} threads");
        assert_eq!(slices(&executor) > 0, limit.is_some());
    }
}

#[test]
fn a_key_whose_values_have_no_room_fails_its_job_and_nothing_else() {
    let executor = executor(100_000);
    let pairs = pairs(&executor);
    for failed in [
        pairs.group_by_key(3).count(),
        pairs.cogroup(&pairs, 3).count(),
        pairs.join_index(&pairs.index_by_key()).count(),
    ] {
        let told = failed.unwrap_err().to_string();
        for part in ["may hold 100000", "one key", "reduce_by_key"] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(held(&executor), 0);
    }
    assert_eq!(pairs.reduce_by_key(|a, b| a + b, 3).count().unwrap(), 10);
}

#[test]
fn all_shuffles_count_together_and_only_where_there_is_a_limit() {
    let unlimited = Executor::new(2, 1).unwrap();
    let keys = |executor: &Executor| {
        let keys = Rdd::parallelize((0..30_000u64).collect(), 4, executor);
        keys.map(|n| (*n, ()))
    };
    let first = keys(&unlimited).reduce_by_key(|(), ()| (), 2);
    first.count().unwrap();
    assert_eq!(held(&unlimited), 0);

    let executor = executor(1 << 21);
    let keys = keys(&executor);
    let first = keys.reduce_by_key(|(), ()| (), 2);
    first.count().unwrap();
    let one = held(&executor);
    assert!(one > 30_000 * 16 && one <= 1 << 21, "{one}");
    assert_eq!(slices(&executor), 0);
    let others: Vec<_> = (0..4).map(|_| keys.reduce_by_key(|(), ()| (), 2)).collect();
    for rdd in &others {
        assert_eq!(rdd.count().unwrap(), 30_000);
    }
    assert!(slices(&executor) > 0, "five times {one} were held");
    drop((first, others));
    assert_eq!(held(&executor), 0);
}

#[test]
fn keys_that_are_text_count_by_their_length() {
    let executor = executor(1 << 30);
    let mut texts = TextBuffer::default();
    (0..100).for_each(|n| texts.push(&format!("{n:01000}")));
    let counts = Rdd::<str>::in_memory(vec![texts], &executor).count_by_value(2);
    assert_eq!(counts.count().unwrap(), 100);
    assert!(held(&executor) > 100_000);
}

#[test]
fn a_slice_of_a_slice_and_of_what_is_kept() {
    let executor = executor(60_000);
    let numbers: Vec<u64> = (0..20_000).collect();
    let twice = Rdd::parallelize(numbers, 4, &executor).map(|n| (n / 2, *n));
    // Both shuffles are too large, the second reads the first; what is kept is computed once.
    let sums = twice.reduce_by_key(|a, b| a + b, 4);
    let tens = sums
        .map(|(key, sum)| (key / 10, *sum))
        .reduce_by_key(|a, b| a + b, 2)
        .cache();
    let first: u64 = tens.values().collect().unwrap().iter().sum();
    let passes = slices(&executor);
    assert!(passes > 0);
    let second: u64 = tens.values().collect().unwrap().iter().sum();
    assert_eq!((first, second), (199_990_000, 199_990_000));
    assert_eq!(
        slices(&executor),
        passes,
        "what is kept isn't computed again"
    );
}

fn by_key<K: Key + Ord, V: Data + Ord>(rdd: &Rdd<(K, Vec<V>)>) -> BTreeMap<K, Vec<V>> {
    let mut all = BTreeMap::new();
    for (key, mut values) in rdd.collect().unwrap() {
        values.sort();
        assert!(all.insert(key, values).is_none(), "a key twice");
    }
    all
}

proptest! {
    #[test]
    fn slices_make_what_the_whole_makes(
        left in proptest::collection::vec((0u16..400, any::<u32>()), 0..3000),
        right in proptest::collection::vec((0u16..400, any::<u32>()), 0..500),
        inputs in 1usize..6,
        partitions in 1usize..5,
        limit in 12_000u64..60_000,
    ) {
        let make = |executor: &Executor| {
            let left = Rdd::parallelize(left.clone(), inputs, executor);
            let right = Rdd::parallelize(right.clone(), 2, executor);
            let mut joined = left.join(&right, partitions).collect().unwrap();
            joined.sort_unstable();
            let mut sums = left.reduce_by_key(|a, b| a.wrapping_add(*b), partitions).collect().unwrap();
            sums.sort_unstable();
            (by_key(&left.group_by_key(partitions)), joined, sums)
        };
        prop_assert_eq!(make(&executor(limit)), make(&Executor::new(2, 1).unwrap()));
    }
}
