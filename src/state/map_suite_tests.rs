//! What a map of states must be, as the original's StateMapSuite asks it: every order of puts and removals,
//! over several batches, with what was before each batch as it was until the batch is complete.

use std::collections::BTreeMap;

use super::changes::{Before, Changes};
use super::mark::Touched;
use super::partition::PartitionState;
use crate::rdd::KeyHasher;
use crate::time::Time;

type Partition = PartitionState<u32, i64, Touched>;
/// Key to state, and when it was touched last.
type Model = BTreeMap<u32, (i64, u64)>;

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

/// A partition with the changes of the batch under way over it, as a function of the program sees them.
struct Map {
    hasher: KeyHasher,
    partition: Partition,
    changes: Changes<u32, i64, Touched>,
}

impl Map {
    fn new() -> Self {
        let partition = Partition::new(true);
        Self {
            hasher: KeyHasher::new(3),
            changes: partition.changes(),
            partition,
        }
    }

    fn had(&self, key: u32) -> Before {
        match self.partition.held.slot(self.hasher.hash(&key), &key) {
            Some(slot) => Before::At(slot),
            None => Before::New,
        }
    }

    fn put(&mut self, key: u32, state: i64, ms: u64) {
        let had = self.had(key);
        let hash = self.hasher.hash(&key);
        self.changes.set(hash, &key, Touched(at(ms)), state, had);
    }

    fn remove(&mut self, key: u32) {
        let had = self.had(key);
        self.changes.unset(self.hasher.hash(&key), &key, had);
    }

    fn get(&self, key: u32) -> Option<(i64, u64)> {
        let hash = self.hasher.hash(&key);
        if let Some(change) = self.changes.updated(hash, &key) {
            return Some((change.held.pair.1, change.held.mark.0.as_millis()));
        }
        if self.changes.has_removed(hash, &key) {
            return None;
        }
        self.before(key)
    }

    /// What a key had before the batch.
    fn before(&self, key: u32) -> Option<(i64, u64)> {
        let found = self.partition.held.find(self.hasher.hash(&key), &key)?;
        Some((found.pair.1, found.mark.0.as_millis()))
    }

    /// All keys without the batch's changes.
    fn all(&self) -> Model {
        let held = self.partition.held.iter();
        held.map(|held| (held.pair.0, (held.pair.1, held.mark.0.as_millis())))
            .collect()
    }

    /// The keys that were touched last before a time, without the batch's changes.
    fn touched_before(&self, ms: u64) -> Model {
        let mut found = Model::new();
        let due = self.partition.due.as_ref().unwrap();
        for hash in due.before(at(ms)) {
            let visited = self.partition.with_hash(None, hash, |held| {
                let touched = held.mark.0.as_millis();
                if touched < ms {
                    found.insert(held.pair.0, (held.pair.1, touched));
                }
            });
            assert!(visited.is_ok());
        }
        found
    }

    /// The batch is complete; what the next checkpoint says of it.
    fn complete(&mut self) -> BTreeMap<u32, Option<(i64, u64)>> {
        self.partition.apply(self.changes.clone());
        self.changes = self.partition.changes();
        let pending = self.partition.pending.take().into_latest();
        let change = |(mark, state): (Touched, i64)| (state, mark.0.as_millis());
        pending
            .into_iter()
            .map(|(_, key, noted)| (key, noted.map(change)))
            .collect()
    }

    /// Holds all there is to be asked against the model. What is touched by time is asked for at each.
    fn is(&self, model: &Model, before: &Model) {
        assert_eq!(&self.all(), before, "what was before the batch");
        assert_eq!(self.partition.len(), before.len());
        let keys = before.keys().chain(model.keys());
        for key in keys {
            assert_eq!(self.get(*key), model.get(key).copied(), "key {key}");
            assert_eq!(self.before(*key), before.get(key).copied(), "key {key}");
        }
    }

    fn is_by_time(&self, model: &Model, times: impl Iterator<Item = u64>) {
        for ms in times {
            let expected: Model = model
                .iter()
                .filter(|(_, (_, touched))| *touched < ms)
                .map(|(key, held)| (*key, *held))
                .collect();
            assert_eq!(self.touched_before(ms), expected, "touched before {ms}");
        }
    }
}

#[test]
fn an_empty_one_holds_nothing() {
    let mut map = Map::new();
    assert_eq!((map.get(1), map.all()), (None, Model::new()));
    assert!(map.touched_before(10_000).is_empty());
    map.remove(1);
    assert!(map.changes.is_empty());
    assert!(map.complete().is_empty());
}

#[test]
fn keys_are_put_got_found_by_time_and_removed() {
    let mut map = Map::new();
    map.put(1, 100, 10);
    map.complete();
    assert_eq!((map.get(1), map.get(2)), (Some((100, 10)), None));
    map.is_by_time(&Model::from([(1, (100, 10))]), 9..=11);
    map.put(2, 200, 20);
    map.complete();
    let both = Model::from([(1, (100, 10)), (2, (200, 20))]);
    map.is_by_time(&both, 9..=21);
    map.remove(1);
    assert_eq!(map.get(1), None);
    map.complete();
    let second = Model::from([(2, (200, 20))]);
    map.is(&second, &second);
    map.is_by_time(&second, 9..=21);
}

#[test]
fn a_batch_changes_nothing_before_it_is_complete() {
    let mut map = Map::new();
    map.put(1, 100, 1);
    map.put(2, 200, 2);
    map.remove(1);
    map.complete();
    let before = Model::from([(2, (200, 2))]);
    map.is(&before, &before);
    map.is_by_time(&before, 1..=10);

    map.put(3, 300, 3);
    map.put(4, 400, 4);
    let after = Model::from([(2, (200, 2)), (3, (300, 3)), (4, (400, 4))]);
    map.is(&after, &before);
    // One that the batch itself put, and one from before it.
    map.remove(4);
    map.remove(2);
    map.is(&Model::from([(3, (300, 3))]), &before);
    // Removed before the batch; removed in it; put twice in it; put, removed and put in it.
    map.put(1, 1000, 100);
    map.put(2, 2000, 200);
    map.put(3, 3000, 300);
    map.put(4, 4000, 400);
    let after: Model = (1..=4u32)
        .map(|key| (key, (i64::from(key) * 1000, u64::from(key) * 100)))
        .collect();
    map.is(&after, &before);
    map.remove(2);
    let told = map.complete();
    let expected = [1, 3, 4].map(|key| (key, after.get(&key).copied()));
    assert_eq!(told, expected.into_iter().chain([(2, None)]).collect());
    let after: Model = after.into_iter().filter(|(key, _)| *key != 2).collect();
    map.is(&after, &after);
    map.is_by_time(&after, [1, 100, 101, 300, 301, 400, 401].into_iter());
    map.put(2, 20_000, 200);
    assert_eq!(map.get(2), Some((20_000, 200)));
}

/// Three operations in each of three batches, each a put or a removal: a key for each of the 512 orders.
#[test]
fn every_order_of_puts_and_removals_over_several_batches() {
    const BATCHES: u32 = 3;
    const EACH: u32 = 3;
    let keys = 1u32 << (BATCHES * EACH);
    let mut map = Map::new();
    let (mut model, mut before) = (Model::new(), Model::new());
    // What checkpoints after each batch add up to, as a restart would read them.
    let mut read_back = Model::new();
    let mut ms = 1;
    for batch in 0..BATCHES {
        for step in 0..EACH {
            let bit = BATCHES * EACH - 1 - (batch * EACH + step);
            for key in 0..keys {
                ms += 1;
                if key >> bit & 1 == 0 {
                    let state = i64::from(key) * 7919 + i64::from(bit);
                    map.put(key, state, ms);
                    model.insert(key, (state, ms));
                } else {
                    map.remove(key);
                    model.remove(&key);
                }
            }
            map.is(&model, &before);
        }
        let told = map.complete();
        // Nothing is told of a key that was there neither before nor after.
        let is_known = |key: &u32| before.contains_key(key) || model.contains_key(key);
        assert!(told.keys().all(is_known));
        for (key, change) in told {
            match change {
                Some(held) => read_back.insert(key, held),
                None => read_back.remove(&key),
            };
        }
        before.clone_from(&model);
        map.is(&model, &before);
        map.is_by_time(&model, (0..=ms + 1).step_by(17));
        assert_eq!(
            read_back, model,
            "what checkpoints hold after batch {batch}"
        );
    }
    assert_eq!(model.len(), keys as usize / 2);
}

/// Keys go on and off for so many batches that most of what is filed by time is out of date.
#[test]
fn what_is_found_by_time_is_right_however_often_it_is_settled() {
    let mut map = Map::new();
    let mut model = Model::new();
    for ms in 1..=300u64 {
        for key in 0..50u32 {
            match (u64::from(key) * 31 + ms * 17) % 11 {
                0 | 1 => {
                    map.put(key, ms as i64, ms);
                    model.insert(key, (ms as i64, ms));
                }
                2 => {
                    map.remove(key);
                    model.remove(&key);
                }
                _ => {}
            }
        }
        map.complete();
        if ms % 7 == 0 {
            assert!(map.partition.settle(at(ms - 5)).is_ok());
        }
        map.is_by_time(&model, (ms.saturating_sub(20)..=ms + 1).step_by(3));
    }
    assert!(map.partition.due.as_ref().unwrap().len() <= 2 * 50);
}
