//! Every operator against a naive model, over random batches, killed and started anew in the middle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod every_method;
mod joins;
mod memory;
mod mistakes;
mod queries;
mod tables;
mod try_partitions;
mod variants;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::SECOND;
use support::cases::cases;
use support::model::{batches, check, plans};
use tidemill::DStream;

fn words(lines: &DStream<str>) -> DStream<str> {
    lines.flat_map(|line, out| line.split_whitespace().for_each(|word| out.emit(word)))
}

fn words_of(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .flat_map(|line| line.split_whitespace())
        .map(str::to_owned)
        .collect()
}

fn counts_of(words: impl IntoIterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    words
        .into_iter()
        .for_each(|word| *counts.entry(word).or_default() += 1);
    counts.into_iter().collect()
}

fn last<T: Clone>(batches: &[Vec<T>], number: usize, length: usize) -> Vec<T> {
    let first = (number + 1).saturating_sub(length);
    batches[first..=number].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(12)))]

    #[test]
    fn narrow_steps(batches in batches(), plan in plans()) {
        check(&batches, &plan,
            |lines| words(lines).filter(|word| word != "b").map(|word| word.to_uppercase()),
            |n| Some(words_of(&batches[n]).into_iter().filter(|w| w != "b").map(|w| w.to_uppercase()).collect()))?;
        check(&batches, &plan,
            |lines| words(lines).repartition(3).map_partitions(|words| words).union(&words(lines).map(str::to_owned)),
            |n| Some([words_of(&batches[n]), words_of(&batches[n])].concat()))?;
        check(&batches, &plan,
            |lines| lines.repartition(1).glom().map(Vec::len),
            |n| Some(vec![batches[n].len()]))?;
    }

    #[test]
    fn aggregates(batches in batches(), plan in plans()) {
        check(&batches, &plan, DStream::count, |n| Some(vec![batches[n].len() as u64]))?;
        check(&batches, &plan,
            |lines| words(lines).count_by_value(),
            |n| Some(counts_of(words_of(&batches[n]))))?;
        check(&batches, &plan,
            |lines| lines.map(|line| line.len()).reduce(|a, b| a + b),
            |n| Some(batches[n].iter().map(String::len).reduce(|a, b| a + b).into_iter().collect()))?;
    }

    #[test]
    fn pairs(batches in batches(), plan in plans()) {
        let keyed = |lines: &DStream<str>| words(lines).map(|word| (word.to_owned(), word.len() as u64));
        let lengths = |n: usize| {
            let mut grouped: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            words_of(&batches[n]).into_iter().for_each(|w| grouped.entry(w.clone()).or_default().push(w.len() as u64));
            grouped
        };
        check(&batches, &plan, |lines| keyed(lines).group_by_key(), |n| Some(lengths(n).into_iter().collect()))?;
        check(&batches, &plan,
            |lines| keyed(lines).reduce_by_key(|a, b| a + b),
            |n| Some(lengths(n).into_iter().map(|(k, v)| (k, v.iter().sum())).collect()))?;
        check(&batches, &plan,
            |lines| keyed(lines).combine_by_key(|v| (*v, 1u64), |sum, v| { sum.0 += v; sum.1 += 1; }, |a, b| { a.0 += b.0; a.1 += b.1; }),
            |n| Some(lengths(n).into_iter().map(|(k, v)| (k, (v.iter().sum(), v.len() as u64))).collect()))?;
        check(&batches, &plan,
            |lines| keyed(lines).map_values(|v| v * 2).flat_map_values(|v| vec![*v, v + 1]),
            |n| Some(words_of(&batches[n]).into_iter().flat_map(|w| {
                let v = w.len() as u64 * 2;
                [(w.clone(), v), (w, v + 1)]
            }).collect()))?;
    }

    #[test]
    fn state(batches in batches(), plan in plans()) {
        // A key that hasn't come for two batches is dropped.
        let model = |n: usize| {
            let mut held: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for batch in &batches[..=n] {
                let new: BTreeMap<_, _> = counts_of(words_of(batch)).into_iter().collect();
                held.retain(|key, state| {
                    if !new.contains_key(key) {
                        state.1 += 1;
                    }
                    state.1 < 2
                });
                for (key, count) in new {
                    let state = held.entry(key).or_default();
                    *state = (state.0 + count, 0);
                }
            }
            Some(held.into_iter().collect())
        };
        check(&batches, &plan, |lines| {
            words(lines).count_by_value().update_state_by_key(|new, held: Option<&(u64, u64)>| {
                let (total, age) = held.copied().unwrap_or_default();
                let age = if new.is_empty() { age + 1 } else { 0 };
                (age < 2).then(|| (total + new.iter().sum::<u64>(), age))
            })
        }, model)?;
    }

    #[test]
    fn windows(batches in batches(), plan in plans(), length in 1usize..5, slide in 1usize..4) {
        let seconds = |n: usize| SECOND * n as u32;
        let due = |n: usize| (n + 1).is_multiple_of(slide);
        check(&batches, &plan,
            |lines| lines.window(seconds(length), seconds(slide)).map(str::to_owned),
            |n| due(n).then(|| last(&batches, n, length)))?;
        check(&batches, &plan,
            |lines| lines.count_by_window(seconds(length), seconds(slide)),
            |n| due(n).then(|| vec![last(&batches, n, length).len() as u64]))?;
        let counts = |n: usize| due(n).then(|| counts_of(words_of(&last(&batches, n, length))));
        check(&batches, &plan,
            |lines| words(lines).count_by_value().reduce_by_key_and_window(|a, b| a + b, seconds(length), seconds(slide)),
            counts)?;
        check(&batches, &plan,
            |lines| words(lines).count_by_value().reduce_by_key_and_window_inverse(
                |a, b| a + b, |a, b| a - b, seconds(length), seconds(slide), |(_, count)| *count > 0),
            counts)?;
        check(&batches, &plan,
            |lines| words(lines).count_by_value_and_window(seconds(length), seconds(slide)),
            counts)?;
    }
}
