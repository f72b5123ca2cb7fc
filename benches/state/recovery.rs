//! How fast a state is read back, beside a bare loop that reads, checksums and inserts the same bytes.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::time::Instant;

use foldhash::fast::FixedState;
use tidemill_checkpoint::Chunk;

use crate::UPDATES;
use crate::program::{Held, Keys, Program};
use crate::report::Report;

pub fn figure(name: &str, kind: Keys, keys: u64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    let mut held = Held::start(folder, Program::MapWithState, kind, keys);
    held.batches(21, UPDATES);
    let (dirty_bytes, _) = held.checkpoints();
    held.note_clock(folder);
    held.stop();
    let bare = match kind {
        Keys::Numbers => bare(folder, |key| rmp_serde::from_slice::<u64>(key).unwrap()),
        Keys::Texts | Keys::Words => {
            bare(folder, |key| rmp_serde::from_slice::<String>(key).unwrap())
        }
    };
    let began = Instant::now();
    let mut held = Held::start(folder, Program::MapWithState, kind, keys);
    let ready = began.elapsed().as_secs_f64();
    assert_eq!(held.size(), keys);
    let first = held.batches(1, 1)[0].ms;
    held.stop();
    Report::new(name)
        .number("keys", keys as f64)
        .number("ms_to_start", ready * 1_000.0)
        .number("keys_per_second", keys as f64 / ready)
        .number("bare_loop_keys_per_second", bare)
        .number("ratio", keys as f64 / ready / bare)
        .number("goal_ratio", 0.5)
        .number("first_batch_ms", first)
        .number("dirty_checkpoint_bytes", dirty_bytes)
        .number("bytes_per_dirty_key", dirty_bytes / (UPDATES * 10) as f64)
        .print();
}

/// Keys a second on one core.
fn bare<K: Hash + Eq>(folder: &Path, key_of: impl Fn(&[u8]) -> K) -> f64 {
    let mut map: HashMap<K, u64, FixedState> = HashMap::default();
    let began = Instant::now();
    for file in files(&folder.join("checkpoint/chunk")) {
        let bytes = std::fs::read(file).unwrap();
        let begins = bytes.windows(8).position(|eight| eight == b"tidechnk");
        let body = bytes::Bytes::from(bytes).slice(begins.unwrap()..);
        let length = u64::from_le_bytes(body[24..32].try_into().unwrap());
        let chunk = Chunk::decode(body.slice(..32 + length as usize)).unwrap();
        for (key, value) in &chunk {
            let state = value.map_or(0, |value| rmp_serde::from_slice(&value[10..]).unwrap());
            map.insert(key_of(key), state);
        }
    }
    let rate = map.len() as f64 / began.elapsed().as_secs_f64();
    drop(map);
    rate
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}
