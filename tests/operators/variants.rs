//! Operators beside their plain forms: with partitions, over windows, kept, saved, with broadcast values.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidemill::rdd::{ErrorPolicy, Partitioner, Partitioning, StorageLevel};
use tidemill::{Broadcast, DStream};

use super::support::SECOND;
use super::support::cases::cases;
use super::support::model::{batches, check, check_built, check_context, plans};
use super::{counts_of, last, words, words_of};

/// Words with their lengths.
fn keyed(lines: &DStream<str>) -> DStream<(String, u64)> {
    words(lines).map(|word| (word.to_owned(), word.len() as u64))
}

fn grouped(words: Vec<String>) -> BTreeMap<String, Vec<u64>> {
    let mut grouped: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for word in words {
        let length = word.len() as u64;
        grouped.entry(word).or_default().push(length);
    }
    grouped
}

fn sums(words: Vec<String>) -> Vec<(String, u64)> {
    let summed = grouped(words).into_iter();
    summed.map(|(word, all)| (word, all.iter().sum())).collect()
}

/// Words by their first letter.
struct ByLetter;

impl Partitioner<String> for ByLetter {
    fn partitions(&self) -> usize {
        3
    }
    fn partition(&self, word: &String) -> usize {
        usize::from(word.as_bytes()[0]) % 3
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(5)))]

    #[test]
    fn partitioned(batches in batches(), plan in plans(), partitions in 1usize..6) {
        check(&batches, &plan,
            |lines| words(lines).count_by_value_with(partitions),
            |n| Some(counts_of(words_of(&batches[n]))))?;
        check(&batches, &plan,
            |lines| keyed(lines).group_by_key_with(Partitioning::by(ByLetter)),
            |n| Some(grouped(words_of(&batches[n])).into_iter().collect()))?;
        check(&batches, &plan,
            |lines| keyed(lines).reduce_by_key_with(|a, b| a + b, partitions),
            |n| Some(sums(words_of(&batches[n]))))?;
        check(&batches, &plan,
            |lines| keyed(lines).combine_by_key_with(|v| *v, |sum, v| *sum += v, |a, b| *a += b, Partitioning::by(ByLetter)),
            |n| Some(sums(words_of(&batches[n]))))?;
        check(&batches, &plan,
            |lines| {
                let lengths = words(lines).map(|word| (word.len(), word.to_owned()));
                words(lines).map(|word| (word.len(), ())).transform_with(&lengths, move |a, b, _| a.join(b, partitions))
                    .map(|(_, ((), word))| word.clone())
            },
            |n| {
                let words = words_of(&batches[n]);
                Some(words.iter().flat_map(|a| words.iter().filter(|b| a.len() == b.len()).cloned()).collect())
            })?;
    }

    #[test]
    fn windowed(batches in batches(), plan in plans(), length in 1usize..5, slide in 1usize..4, partitions in 1usize..4) {
        let (window, every) = (SECOND * length as u32, SECOND * slide as u32);
        let due = |n: usize| (n + 1).is_multiple_of(slide);
        let held = |n: usize| words_of(&last(&batches, n, length));
        let sorted = |(word, mut all): (String, Vec<u64>)| { all.sort_unstable(); (word, all) };
        check(&batches, &plan,
            |lines| keyed(lines).group_by_key_and_window(window, every).map(move |pair| sorted(pair.clone())),
            |n| due(n).then(|| grouped(held(n)).into_iter().collect()))?;
        check(&batches, &plan,
            |lines| keyed(lines).group_by_key_and_window_with(window, every, Partitioning::by(ByLetter)).map(move |pair| sorted(pair.clone())),
            |n| due(n).then(|| grouped(held(n)).into_iter().collect()))?;
        check(&batches, &plan,
            |lines| keyed(lines).reduce_by_key_and_window_with(|a, b| a + b, window, every, partitions),
            |n| due(n).then(|| sums(held(n))))?;
        check(&batches, &plan,
            |lines| keyed(lines).reduce_by_key_and_window_inverse_with(
                |a, b| a + b, |a, b| a - b, window, every, |(_, sum)| *sum > 0, Partitioning::by(ByLetter)),
            |n| due(n).then(|| sums(held(n))))?;
        check(&batches, &plan,
            |lines| words(lines).count_by_value_and_window_with(window, every, partitions),
            |n| due(n).then(|| counts_of(held(n))))?;
        let lengths = |n: usize| held(n).into_iter().map(|word| word.len() as u64);
        check(&batches, &plan,
            |lines| words(lines).map(|word| word.len() as u64).reduce_by_window(|a, b| *a.max(b), window, every),
            |n| due(n).then(|| lengths(n).max().into_iter().collect()))?;
        // Once something came in a batch that a window reads there is a value, 0 when all of it has left.
        let is_read = |m: usize| (m..m + length).any(due);
        check(&batches, &plan,
            |lines| words(lines).map(|word| word.len() as u64).reduce_by_window_inverse(|a, b| a + b, |a, b| a - b, window, every),
            |n| due(n).then(|| {
                let came = (0..=n).any(|m| is_read(m) && !words_of(&batches[m]).is_empty());
                came.then(|| lengths(n).sum()).into_iter().collect()
            }))?;
    }

    #[test]
    fn states(batches in batches(), plan in plans(), partitions in 1usize..4) {
        let start = || vec![("a".to_owned(), 10u64), ("z".to_owned(), 7)];
        let totals = |n: usize| {
            let mut held: BTreeMap<String, u64> = start().into_iter().collect();
            for (word, count) in batches[..=n].iter().flat_map(|batch| counts_of(words_of(batch))) {
                *held.entry(word).or_default() += count;
            }
            Some(held.into_iter().collect())
        };
        let sum = |new: &[u64], held: Option<&u64>| Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>());
        check(&batches, &plan,
            |lines| words(lines).count_by_value().update_state_by_key_with(sum, partitions, start()), totals)?;
        check(&batches, &plan,
            |lines| words(lines).count_by_value().update_state_by_key_partitions(
                move |_, _| move |_: &String, new: &[u64], held: Option<&u64>| sum(new, held),
                Partitioning::by(ByLetter), start()), totals)?;
        // When each word came last.
        check(&batches, &plan,
            |lines| words(lines).count_by_value().update_state_by_key_with_time(
                |time, _, new, held: Option<&u64>| if new.is_empty() { held.copied() } else { Some(time.as_millis() / 1000) },
                partitions, Vec::new()),
            |n| {
                let mut came: BTreeMap<String, u64> = BTreeMap::new();
                for (m, batch) in batches[..=n].iter().enumerate() {
                    words_of(batch).into_iter().for_each(|word| { came.insert(word, 101 + m as u64); });
                }
                Some(came.into_iter().collect())
            })?;
    }

    #[test]
    fn kept_and_saved(
        batches in batches(), plan in plans(), every in 1u32..4, room in prop_oneof![Just(0u64), Just(500), Just(u64::MAX)],
        level in prop_oneof![Just(StorageLevel::MEMORY_ONLY), Just(StorageLevel::MEMORY_AND_DISK), Just(StorageLevel::DISK_ONLY)],
    ) {
        let scratch = tempfile::tempdir().unwrap();
        check_built(&batches, &plan,
            |builder| builder.scratch(scratch.path()).cached_memory(room),
            |_, lines| words(lines).map(str::to_owned).persist_with(level).window(SECOND * 3, SECOND),
            |n| Some(words_of(&last(&batches, n, 3))))?;
        check(&batches, &plan,
            |lines| words(lines).map(str::to_owned).cache().remember(SECOND * 2).window(SECOND * 2, SECOND * 2),
            |n| (n % 2 == 1).then(|| words_of(&last(&batches, n, 2))))?;
        // A window over a state: each batch's totals are read back, or made again upon the state before.
        let totals = |n: usize| counts_of(words_of(&batches[..=n].concat()));
        check(&batches, &plan,
            |lines| words(lines).count_by_value().update_state_by_key(|new: &[u64], held: Option<&u64>| {
                Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
            }).checkpoint(SECOND * every).window(SECOND * 2, SECOND),
            |n| Some(n.checked_sub(1).map(totals).unwrap_or_default().into_iter().chain(totals(n)).collect()))?;
    }

    #[test]
    fn broadcast_values(batches in batches(), plan in plans()) {
        check_context(&batches, &plan,
            |context, lines| {
                let names: Broadcast<BTreeMap<&str, u64>> = context.broadcast("names", || BTreeMap::from([("a", 1), ("b", 2)]));
                words(lines).flat_map::<u64>(move |word, out| {
                    if let Some(number) = names.value().get(word) {
                        out.emit(number);
                    }
                })
            },
            |n| Some(words_of(&batches[n]).iter().filter_map(|word| match word.as_str() {
                "a" => Some(1),
                "b" => Some(2),
                _ => None,
            }).collect()))?;
    }

    /// What fails is left out, whole.
    #[test]
    fn fallible(batches in batches(), plan in plans()) {
        let good = |n: usize| words_of(&batches[n]).into_iter().filter(|word| word != "b");
        let drop = ErrorPolicy::Drop;
        let is_b = |word: &str| match word {
            "b" => Err("it is b"),
            _ => Ok(word.to_owned()),
        };
        check(&batches, &plan,
            |lines| words(lines).try_map(move |word| is_b(word)).on_error(drop)
                .try_filter(|word| match word.as_str() { "a" => Err("it is a"), other => Ok(other != "c") }).on_error(drop),
            |n| Some(good(n).filter(|word| word != "a" && word != "c").collect()))?;
        check(&batches, &plan,
            |lines| words(lines).try_flat_map::<str, _>(move |word, out| {
                out.emit(word);
                is_b(word).map(|word| out.emit(&word))
            }).on_error(drop).map(str::to_owned),
            |n| Some(good(n).flat_map(|word| [word.clone(), word]).collect()))?;
        check(&batches, &plan,
            |lines| words(lines).map(|word| (word.len(), word.to_owned()))
                .try_map_values(move |word| is_b(word)).on_error(drop)
                .reduce_by_key(|a, b| a.max(b).clone()),
            |n| {
                let mut greatest: BTreeMap<usize, String> = BTreeMap::new();
                for word in good(n) {
                    let held = greatest.entry(word.len()).or_default();
                    *held = held.clone().max(word);
                }
                Some(greatest.into_iter().collect())
            })?;
    }
}
