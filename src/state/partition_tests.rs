use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rdd::KeyHasher;
use crate::state::faulty::{Faulty, NEVER};
use crate::state::finished;

type Partition = PartitionState<String, u64, ()>;

/// All that a partition holds, hot and cold.
fn all(partition: &Partition) -> Result<BTreeMap<String, u64>, TaskError> {
    let mut found = BTreeMap::new();
    let mut add = |held: &Held<String, u64, ()>| {
        let (key, state) = held.pair.clone();
        assert!(
            found.insert(key, state).is_none(),
            "{:?} is there twice",
            held.pair
        );
    };
    partition.held.iter().for_each(&mut add);
    finished(partition.with_cold(|cold| match cold {
        Some(cold) => partition.each_cold(cold, |held| {
            add(&held);
            Ok(())
        }),
        None => Ok(()),
    }))?;
    Ok(found)
}

#[derive(Debug, Clone)]
enum Step {
    Put(u16, u64),
    Remove(u16),
    MakeRoom,
    /// From now on the disk fails after as many steps.
    Break(u64),
    Heal,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0u16..400, any::<u64>()).prop_map(|(key, state)| Step::Put(key, state)),
        4 => (0u16..400).prop_map(Step::Remove),
        3 => Just(Step::MakeRoom),
        1 => (0u64..60).prop_map(Step::Break),
        1 => Just(Step::Heal),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the disk does, the partition is what a map is, as soon as the disk can be read.
    #[test]
    fn a_partition_with_little_memory_is_a_map(steps in steps(), memory in 0usize..20_000) {
        let hasher = KeyHasher::new(5);
        let scratch = Faulty::new();
        let mut partition = Partition::new(false);
        partition.limit(memory, Cold::new(scratch.clone(), 4096));
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, state) => {
                    let key = format!("key {key}");
                    let hash = hasher.hash(&key);
                    let Ok(is_there) = partition.has(hash, &key) else { continue };
                    prop_assert_eq!(is_there, model.contains_key(&key));
                    partition.put(Held::new(hash, (), (key.clone(), state)), !is_there);
                    model.insert(key, state);
                }
                Step::Remove(key) => {
                    let key = format!("key {key}");
                    let hash = hasher.hash(&key);
                    let Ok(is_there) = partition.has(hash, &key) else { continue };
                    prop_assert_eq!(is_there, model.remove(&key).is_some());
                    if is_there {
                        partition.remove(hash, &key);
                    }
                }
                Step::MakeRoom => {
                    let made = partition.make_room();
                    let is_whole = scratch.is_whole();
                    prop_assert!(made.is_ok() || !is_whole, "{made:?}");
                    if made.is_ok() {
                        let within = partition.held.len() == 0 || memory_of(&partition.held) <= memory;
                        prop_assert!(within);
                    }
                }
                Step::Break(good) => scratch.fail_after(good),
                Step::Heal => scratch.fail_after(NEVER),
            }
            prop_assert_eq!(partition.len(), model.len());
        }
        scratch.fail_after(NEVER);
        prop_assert_eq!(&all(&partition).unwrap(), &model);
        partition.make_room().unwrap();
        prop_assert_eq!(&all(&partition).unwrap(), &model);
    }
}

#[test]
fn an_error_of_the_disk_says_what_to_do() {
    let scratch = Faulty::new();
    let mut partition = Partition::new(false);
    partition.limit(0, Cold::new(scratch.clone(), 4096));
    let hasher = KeyHasher::new(5);
    let key = "a".to_owned();
    let hash = hasher.hash(&key);
    let pair = (key, 1);
    partition.put(Held::new(hash, (), pair), true);
    scratch.fail_after(3);
    let error = finished(partition.make_room()).unwrap_err().to_string();
    assert!(
        error.contains("scratch folder") && error.contains("Nothing is lost"),
        "{error}"
    );
    assert_eq!(partition.held.len(), 1);
    scratch.fail_after(NEVER);
    partition.make_room().unwrap();
    assert_eq!(partition.held.len(), 0);
    assert_eq!(all(&partition).unwrap().len(), 1);
}

/// Changes made beside the state are in it once applied, whether or not the slots that they name are still good.
#[test]
fn changes_are_applied_in_place_or_wherever_their_keys_are_by_then() {
    let hasher = KeyHasher::new(5);
    let held = |key: u64, state: u64| {
        let key = format!("key {key}");
        Held::new(hasher.hash(&key), (), (key, state))
    };
    for moved in [false, true] {
        let mut partition = Partition::new(false);
        (0..1000).for_each(|key| partition.put(held(key, key), true));
        let mut changes = partition.changes();
        for key in 0..1500 {
            let new = held(key, key + 1);
            let (hash, name) = (new.hash(), new.pair.0.clone());
            let before = match partition.held.slot(hash, &name) {
                Some(_) if key % 5 == 0 => Before::Somewhere,
                Some(slot) => Before::At(slot),
                None => Before::New,
            };
            match key % 3 {
                0 => changes.unset(hash, &name, before),
                _ => changes.set(hash, &name, (), new.pair.1, before),
            }
        }
        // Many more keys make every shelf grow.
        let others = if moved { 2000..9000 } else { 2000..2000 };
        others
            .clone()
            .for_each(|key| partition.put(held(key, key), true));
        partition.apply(changes);
        let changed = (0..1500)
            .filter(|key| key % 3 != 0)
            .map(|key| (key, key + 1));
        let expected: BTreeMap<String, u64> = changed
            .chain(others.map(|key| (key, key)))
            .map(|(key, state)| (format!("key {key}"), state))
            .collect();
        assert_eq!(all(&partition).unwrap(), expected);
        assert_eq!(partition.len(), expected.len());
        let noted = partition.pending.take().into_latest();
        assert_eq!(noted.iter().filter(|note| note.2.is_none()).count(), 334);
        assert_eq!(noted.len(), 1334);
    }
}
