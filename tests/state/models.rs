//! Random programs with state against naive models, killed in the middle.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidemill::DStream;
use tidemill::state::{State, StateSpec};

use crate::support::SECOND;
use crate::support::cases::cases;
use crate::support::model::{Batches, Plan, batches, check, plans};

/// Lines of many different words, some of them again and again.
fn numbers() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![(0u32..2000), (0u32..20)].prop_map(|n| format!("key-{n}"));
    let line = proptest::collection::vec(word, 0..40).prop_map(|words| words.join(" "));
    proptest::collection::vec(line, 0..8)
}

/// What a program yields: a key, its running count, and what became of the key.
type Told = (String, u64, &'static str);

fn words(lines: &DStream<str>) -> DStream<(String, u64)> {
    lines.flat_map::<(String, u64)>(|line, out| {
        line.split_whitespace()
            .for_each(|word| out.emit_owned((word.to_owned(), 1)));
    })
}

/// Counts; the key `b` is removed when its count reaches three, `c` is never updated again.
#[expect(
    clippy::ptr_arg,
    reason = "it is handed over as a function of the key type"
)]
fn step(key: &String, value: Option<&u64>, state: &mut State<'_, u64>) -> Told {
    if state.is_timing_out() {
        return (key.clone(), *state.get(), "out");
    }
    let now = state.get_option().copied().unwrap_or_default() + value.copied().unwrap_or_default();
    match key.as_str() {
        "b" if now >= 3 => {
            if state.exists() {
                state.remove();
            }
            (key.clone(), now, "removed")
        }
        "c" if state.exists() => (key.clone(), now, "left"),
        _ => {
            state.update(now);
            (key.clone(), now, "updated")
        }
    }
}

/// What `step` yields and leaves, batch by batch.
fn model(batches: &Batches, timeout: Option<usize>, n: usize) -> (Vec<Told>, Vec<(String, u64)>) {
    let mut held: BTreeMap<String, (u64, usize)> = BTreeMap::new();
    let mut told = Vec::new();
    for (now, batch) in batches[..=n].iter().enumerate() {
        told.clear();
        for word in batch.iter().flat_map(|line| line.split_whitespace()) {
            let before = held.get(word).map(|held| held.0);
            let count = before.unwrap_or_default() + 1;
            let (what, after) = match (word, before) {
                ("b", _) if count >= 3 => ("removed", None),
                ("c", Some(before)) => ("left", Some(before)),
                _ => ("updated", Some(count)),
            };
            told.push((word.to_owned(), count, what));
            match after {
                Some(after) => held.insert(word.to_owned(), (after, now)),
                None => held.remove(word),
            };
        }
        if let Some(timeout) = timeout {
            held.retain(|key, (count, touched)| {
                let stays = *touched + timeout >= now;
                if !stays {
                    told.push((key.clone(), *count, "out"));
                }
                stays
            });
        }
    }
    let snapshot = held.into_iter().map(|(key, (count, _))| (key, count));
    (told, snapshot.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(12)))]

    #[test]
    fn map_with_state(batches in batches(), plan in plans(), timeout in proptest::option::of(1usize..3), partitions in 1usize..4) {
        let program = |lines: &DStream<str>| {
            let spec = StateSpec::function(step).num_partitions(partitions);
            words(lines).map_with_state(match timeout {
                Some(timeout) => spec.timeout(SECOND * timeout as u32),
                None => spec,
            })
        };
        check(&batches, &plan, |lines| program(lines).into(), |n| Some(model(&batches, timeout, n).0))?;
        check(&batches, &plan, |lines| program(lines).state_snapshots(), |n| Some(model(&batches, timeout, n).1))?;
    }

    #[test]
    fn many_keys_in_little_memory(batches in proptest::collection::vec(numbers(), 1..8), plan in plans(), memory in 0u64..60_000, timeout in proptest::option::of(1usize..3)) {
        let plan = Plan { state_memory: Some(memory), ..plan };
        let spec = || {
            let spec = StateSpec::function(step);
            match timeout {
                Some(timeout) => spec.timeout(SECOND * timeout as u32),
                None => spec,
            }
        };
        check(&batches, &plan, |lines| words(lines).map_with_state(spec()).into(), |n| Some(model(&batches, timeout, n).0))?;
        check(&batches, &plan, |lines| words(lines).map_with_state(spec()).state_snapshots(), |n| Some(model(&batches, timeout, n).1))?;
        // Each key's count; one that hasn't come for two batches is dropped.
        let counts = |n: usize| {
            let mut held: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for batch in &batches[..=n] {
                let mut new: BTreeMap<&str, u64> = BTreeMap::new();
                batch.iter().flat_map(|line| line.split_whitespace()).for_each(|word| *new.entry(word).or_default() += 1);
                held.values_mut().for_each(|held| held.1 += 1);
                for (word, n) in new {
                    let held = held.entry(word.to_owned()).or_default();
                    *held = (held.0 + n, 0);
                }
                held.retain(|_, held| held.1 < 2);
            }
            Some(held.into_iter().collect())
        };
        check(&batches, &plan, |lines| {
            words(lines).update_state_by_key(|new: &[u64], held: Option<&(u64, u64)>| {
                let (total, quiet) = held.copied().unwrap_or_default();
                let quiet = if new.is_empty() { quiet + 1 } else { 0 };
                (quiet < 2).then(|| (total + new.len() as u64, quiet))
            })
        }, counts)?;
    }
}
