//! Joins against a naive model: nested loops over both sides of a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::cases::cases;
use super::support::model::{Batches, batches, check, check_context, plans};
use super::words_of;
use proptest::prelude::*;
use tidemill::DStream;
use tidemill::rdd::{Partitioner, Partitioning};

type Left = (String, usize);
type Right = (String, char);

/// Words with their line's length, of lines of an even length.
fn left(lines: &DStream<str>) -> DStream<Left> {
    lines.flat_map(|line, out| {
        if line.len() % 2 == 0 {
            let pairs = line
                .split_whitespace()
                .map(|word| (word.to_owned(), line.len()));
            pairs.for_each(|pair| out.emit_owned(pair));
        }
    })
}

/// Words with their line's first letter, of lines that don't begin with `a`.
fn right(lines: &DStream<str>) -> DStream<Right> {
    lines.flat_map(|line, out| {
        if let Some(first) = line.chars().next().filter(|first| *first != 'a') {
            let pairs = line.split_whitespace().map(|word| (word.to_owned(), first));
            pairs.for_each(|pair| out.emit_owned(pair));
        }
    })
}

fn left_of(batch: &[String]) -> Vec<Left> {
    let even = batch.iter().filter(|line| line.len() % 2 == 0);
    even.flat_map(|line| {
        line.split_whitespace()
            .map(|word| (word.to_owned(), line.len()))
    })
    .collect()
}

fn right_of(batch: &[String]) -> Vec<Right> {
    let first = |line: &String| line.chars().next().filter(|first| *first != 'a');
    batch
        .iter()
        .filter_map(|line| Some((first(line)?, line)))
        .flat_map(|(first, line)| {
            line.split_whitespace()
                .map(move |word| (word.to_owned(), first))
        })
        .collect()
}

/// A row of a full outer join.
type Row = (String, (Option<usize>, Option<char>));

/// Every row of a full outer join.
fn rows(left: &[Left], right: &[Right]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (key, length) in left {
        let matches = right.iter().filter(|(other, _)| other == key);
        let before = rows.len();
        rows.extend(matches.map(|(_, letter)| (key.clone(), (Some(*length), Some(*letter)))));
        if rows.len() == before {
            rows.push((key.clone(), (Some(*length), None)));
        }
    }
    for (key, letter) in right {
        if !left.iter().any(|(other, _)| other == key) {
            rows.push((key.clone(), (None, Some(*letter))));
        }
    }
    rows
}

fn rows_of(batches: &Batches, n: usize) -> Vec<Row> {
    rows(&left_of(&batches[n]), &right_of(&batches[n]))
}

/// Words by their first byte.
struct ByByte;

impl Partitioner<String> for ByByte {
    fn partitions(&self) -> usize {
        3
    }
    fn partition(&self, key: &String) -> usize {
        usize::from(key.as_bytes()[0]) % 3
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(6)))]

    #[test]
    fn four_kinds(batches in batches(), plan in plans(), partitions in 1usize..6) {
        check(&batches, &plan,
            |lines| left(lines).join(&right(lines)),
            |n| Some(rows_of(&batches, n).into_iter()
                .filter_map(|(key, (a, b))| Some((key, (a?, b?)))).collect()))?;
        check(&batches, &plan,
            |lines| left(lines).left_outer_join_with(&right(lines), partitions),
            |n| Some(rows_of(&batches, n).into_iter()
                .filter_map(|(key, (a, b))| Some((key, (a?, b)))).collect()))?;
        check(&batches, &plan,
            |lines| left(lines).right_outer_join_with(&right(lines), Partitioning::by(ByByte)),
            |n| Some(rows_of(&batches, n).into_iter()
                .filter_map(|(key, (a, b))| Some((key, (a, b?)))).collect()))?;
        check(&batches, &plan,
            |lines| left(lines).full_outer_join(&right(lines)),
            |n| Some(rows_of(&batches, n)))?;
    }

    #[test]
    fn cogroups(batches in batches(), plan in plans(), partitions in 1usize..6) {
        let sorted = |(mut a, mut b): (Vec<usize>, Vec<char>)| { a.sort_unstable(); b.sort_unstable(); (a, b) };
        check(&batches, &plan,
            |lines| left(lines).cogroup_with(&right(lines), partitions)
                .map(move |(key, lists)| (key.clone(), sorted(lists.clone()))),
            |n| {
                let (left, right) = (left_of(&batches[n]), right_of(&batches[n]));
                let mut keys: Vec<&String> = left.iter().map(|l| &l.0).chain(right.iter().map(|r| &r.0)).collect();
                keys.sort();
                keys.dedup();
                Some(keys.into_iter().map(|key| (key.clone(), sorted((
                    left.iter().filter(|l| l.0 == *key).map(|l| l.1).collect(),
                    right.iter().filter(|r| r.0 == *key).map(|r| r.1).collect(),
                )))).collect())
            })?;
    }

    #[test]
    fn fixed_datasets(batches in batches(), plan in plans(), partitions in 1usize..6) {
        // `a` twice, `b` once, a key that never comes; `c` and `é` are unknown.
        let fixed = || vec![("a", 1), ("a", 2), ("b", 3), ("z", 4)];
        let of = |word: &str| fixed().into_iter().filter(|(key, _)| *key == word).map(|(_, n)| n).collect::<Vec<_>>();
        let expected = |n: usize| {
            let words = words_of(&batches[n]);
            words.into_iter().flat_map(|w| of(&w).into_iter().map(move |n| (w.clone(), n))).collect::<Vec<_>>()
        };
        let keyed = |lines: &DStream<str>| super::words(lines).map(|word| (word.to_owned(), ()));
        let owned = || fixed().into_iter().map(|(key, n)| (key.to_owned(), n)).collect::<Vec<_>>();
        check_context(&batches, &plan, |context, lines| {
            let fixed = context.parallelize(owned());
            keyed(lines).transform(move |words, _| words.join(&fixed, partitions))
                .map(|(word, ((), n))| (word.clone(), *n))
        }, |n| Some(expected(n)))?;
        check_context(&batches, &plan, |context, lines| {
            let fixed = context.parallelize(owned()).index_by_key();
            keyed(lines).transform(move |words, _| words.join_index(&fixed))
                .map(|(word, ((), n))| (word.clone(), *n))
        }, |n| Some(expected(n)))?;
        check_context(&batches, &plan, |context, lines| {
            let fixed = context.parallelize(owned()).index_by_key();
            keyed(lines).transform(move |words, _| words.left_outer_join_index(&fixed))
                .map(|(word, ((), n))| (word.clone(), *n))
        }, |n| Some(words_of(&batches[n]).into_iter().flat_map(|w| match of(&w) {
            none if none.is_empty() => vec![(w, None)],
            some => some.into_iter().map(|n| (w.clone(), Some(n))).collect(),
        }).collect()))?;
        let unknown = |n: usize| Some(words_of(&batches[n]).into_iter()
            .filter(|w| of(w).is_empty()).map(|w| (w, ())).collect());
        check_context(&batches, &plan, |context, lines| {
            let fixed = context.parallelize(owned());
            keyed(lines).transform(move |words, _| words.subtract_by_key(&fixed, partitions))
        }, unknown)?;
        check_context(&batches, &plan, |context, lines| {
            let fixed = context.parallelize(owned()).index_by_key();
            keyed(lines).transform(move |words, _| words.subtract_index(&fixed))
        }, unknown)?;
    }

    #[test]
    fn several_streams(batches in batches(), plan in plans()) {
        check_context(&batches, &plan, |context, lines| {
            let streams = [super::words(lines), lines.clone(), lines.filter(|line| line.is_empty())];
            context.union(&streams).map(str::to_owned)
        }, |n| {
            let empty = batches[n].iter().filter(|line| line.is_empty()).cloned();
            Some(words_of(&batches[n]).into_iter().chain(batches[n].clone()).chain(empty).collect())
        })?;
        check_context(&batches, &plan, |context, lines| {
            let (words, count) = (super::words(lines), lines.count());
            context.transform((&words, &count, lines), |(words, count, lines), time| {
                let second = time.as_millis() / 1000;
                let words = words.map(move |word| (second, word.len() as u64));
                words.union(&count.map(move |n| (0, *n))).union(&lines.map(|line| (1, line.len() as u64)))
            })
        }, |n| {
            let words = words_of(&batches[n]).into_iter().map(|word| (101 + n as u64, word.len() as u64));
            let lines = batches[n].iter().map(|line| (1, line.len() as u64));
            Some(words.chain([(0, batches[n].len() as u64)]).chain(lines).collect())
        })?;
    }
}

#[test]
fn an_index_is_made_once_for_all_batches() {
    use super::support::{Collected, SECOND, clock_at, run_to};
    let clock = clock_at(100);
    let context = tidemill::StreamingContext::builder("index", SECOND)
        .clock(clock.clone())
        .build()
        .unwrap();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    let fixed = context.parallelize((0..100u64).collect()).map(move |n| {
        counted.fetch_add(1, Ordering::SeqCst);
        (*n, n * n)
    });
    let index = fixed.index_by_key();
    let (numbers, queue) = context.queue_stream::<u64>();
    let seen = Collected::new();
    seen.collect(
        &numbers
            .map(|n| (*n, ()))
            .transform(move |batch, _| batch.join_index(&index)),
    );
    context.start().unwrap();
    for (second, n) in (101..).zip([3, 99, 100]) {
        queue.push_vec(vec![n]);
        run_to(&context, &clock, second);
    }
    assert_eq!(seen.at(101), [(3, ((), 9))]);
    assert_eq!(seen.at(102), [(99, ((), 9801))]);
    assert_eq!(seen.at(103), []);
    assert_eq!(visits.load(Ordering::SeqCst), 100);
    context.stop(false).unwrap();
}

#[test]
fn partitions_are_as_asked_for() {
    let executor = tidemill::rdd::Executor::new(2, 1).unwrap();
    let of =
        |n: u32| tidemill::rdd::Rdd::parallelize((0..n).map(|i| (i, i)).collect(), 3, &executor);
    let (a, b) = (of(10), of(20));
    for partitions in [1, 2, 7] {
        assert_eq!(a.cogroup(&b, partitions).partitions(), partitions);
        assert_eq!(
            a.join(&b, partitions).glom().collect().unwrap().len(),
            partitions
        );
    }
    // Alike partitioned keys come together whatever the type of the values.
    let joined = a
        .join(&b.map_values(|n| n.to_string()), 5)
        .glom()
        .collect()
        .unwrap();
    let reduced = a.reduce_by_key(|a, _| *a, 5).glom().collect().unwrap();
    for (joined, reduced) in joined.into_iter().zip(reduced) {
        let mut keys: Vec<u32> = joined.iter().map(|pair| pair.0).collect();
        let mut others: Vec<u32> = reduced.iter().map(|pair| pair.0).collect();
        keys.sort_unstable();
        others.sort_unstable();
        assert_eq!(keys, others);
    }
}

#[test]
fn a_failing_side_is_tried_again_and_then_fails_the_join() {
    let executor = tidemill::rdd::Executor::new(2, 2).unwrap();
    let numbers = tidemill::rdd::Rdd::parallelize((0..100u32).collect(), 4, &executor);
    let left = numbers.map(|n| (*n, ()));
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&failures);
    let once = numbers.map(move |n| {
        assert!(
            *n != 50 || counted.fetch_add(1, Ordering::SeqCst) > 0,
            "not yet"
        );
        (*n, ())
    });
    assert_eq!(left.join(&once, 3).count().unwrap(), 100);
    let always = numbers.map(|n| {
        assert_ne!(*n, 50, "poison");
        (*n, ())
    });
    let error = left.join(&always, 3).count().unwrap_err();
    assert!(error.to_string().contains("poison"), "{error}");
    let error = left.join_index(&always.index_by_key()).count().unwrap_err();
    assert!(error.to_string().contains("poison"), "{error}");
}
