//! What the recorded process writes: deltas, folds, tombstones, small and large chunks, several starts.

use std::collections::BTreeMap;
use std::ops::Range;

use tidemill_checkpoint::{ChunkBuilder, Draft, PartitionChanges, SeriesChanges};

use crate::common::Model;
use crate::rng::Rng;

pub const SERIES: &str = "counts";
pub const SESSIONS: u64 = 4;
const PER_SESSION: u64 = 14;
const PARTITIONS: u64 = 3;

/// A history of checkpoints: what the one of a time holds, and what is handed in for it.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    pub model: fn(u64) -> Model,
    pub draft: fn(u64) -> Draft,
}

/// Starts on a fresh location.
pub const FRESH: Workload = Workload { model, draft };

/// The checkpoints of one start of the process.
pub fn times(session: u64) -> Range<u64> {
    session * PER_SESSION + 1..(session + 1) * PER_SESSION + 1
}

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What the checkpoint of this time changes in a partition, and whether that is all there is.
fn changes(time: u64, partition: u64) -> (bool, Changes) {
    let mut rng = Rng::new(7).part(time * PARTITIONS + partition);
    // Few and small, some kilobytes, and now and then more than fits a database entry.
    let (keys, count, size) = match partition {
        0 => (20, 4, 40),
        1 => (24, 6, 3000),
        _ => (4, u64::from(time.is_multiple_of(6)), 80_000),
    };
    let mut changes = Changes::new();
    for _ in 0..count {
        let key = format!("key {}", rng.below(keys)).into_bytes();
        let stays = rng.chance(85);
        let value = (0..size).map(|_| rng.next().to_le_bytes()[0]).collect();
        changes.insert(key, stays.then_some(value));
    }
    (time == 1 || time % 17 == partition, changes)
}

pub fn draft(time: u64) -> Draft {
    let partitions = (0..PARTITIONS).map(|partition| {
        let (full, changes) = changes(time, partition);
        let mut builder = ChunkBuilder::new();
        for (key, value) in &changes {
            builder.push(key, value.as_deref());
        }
        PartitionChanges { full, builder }
    });
    Draft {
        time_ms: time,
        created_ms: time,
        series: vec![SeriesChanges {
            name: SERIES.to_owned(),
            format: 1,
            partitions: partitions.collect(),
        }],
        ..Draft::default()
    }
}

/// What the checkpoint of this time holds.
fn model(time: u64) -> Model {
    let mut model = vec![BTreeMap::new(); PARTITIONS as usize];
    for time in 1..=time {
        for (map, partition) in model.iter_mut().zip(0..) {
            let (full, changes) = changes(time, partition);
            if full {
                map.clear();
            }
            for (key, value) in changes {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
        }
    }
    model
}
