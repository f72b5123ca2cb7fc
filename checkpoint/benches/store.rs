//! What checkpoints cost, one JSON line a figure: chunks of a million entries, opening a store with
//! and without them, the memory of an idle owner, and a small checkpoint beside the raw cost of a sync.
//!
//! `cargo bench -p tidemill-checkpoint`; `TIDEMILL_BENCH_DIR` names the folder to work in.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidemill_checkpoint::{
    CheckpointReader, CheckpointStore, Chunk, ChunkBuilder, Draft, Holder, Location,
    PartitionChanges, SeriesChanges, StoreOptions, Tombstones, merge,
};

const KEYS: u64 = 1_000_000;
const PARTITIONS: u64 = 16;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("idle") {
        return idle(&arguments.next().map(PathBuf::from).unwrap());
    }
    chunks();
    let root =
        std::env::var_os("TIDEMILL_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(root).unwrap();
    stores(folder.path());
}

fn report(figure: &str, value: f64, unit: &str) {
    println!(
        "{{\"bench\":\"checkpoint\",\"figure\":\"{figure}\",\"value\":{value:.3},\"unit\":\"{unit}\"}}"
    );
}

/// The best of a few runs.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let time = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    };
    (0..5)
        .map(time)
        .min()
        .unwrap_or(Duration::MAX)
        .as_secs_f64()
        * 1e3
}

fn key(number: u64) -> [u8; 12] {
    // Scattered, so that pushes come in no order.
    let mut key = *b"word........";
    key[4..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

fn builder(numbers: impl Iterator<Item = u64>, value: u64) -> ChunkBuilder {
    let mut builder = ChunkBuilder::new();
    for number in numbers {
        builder.push(&key(number), Some(&value.to_le_bytes()));
    }
    builder
}

fn chunks() {
    report(
        "build_1m_unsorted",
        best(|| builder(0..KEYS, 1).finish()),
        "ms",
    );
    let bytes = builder(0..KEYS, 1).finish();
    report("chunk_1m_bytes", bytes.len() as f64, "bytes");
    let count = |bytes: &bytes::Bytes| {
        let chunk = Chunk::decode(bytes.clone()).unwrap();
        chunk
            .iter()
            .map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len))
            .sum::<usize>()
    };
    report("decode_and_iterate_1m", best(|| count(&bytes)), "ms");
    let base = Chunk::decode(bytes).unwrap();
    let delta = |nth: u64| builder((0..50_000).map(|at| at * 20 + nth), nth).build();
    let deltas: Vec<Chunk> = (0..8).map(delta).collect();
    let all = || merge(std::iter::once(&base).chain(&deltas), Tombstones::Drop);
    report("merge_1m_with_8_deltas_of_50k", best(all), "ms");
}

fn open(location: &Location) -> CheckpointStore {
    CheckpointStore::open(location, StoreOptions::new(Holder::current("bench", 0))).unwrap()
}

fn draft(full: bool, per_partition: u64, value: u64) -> Draft {
    let partition = |partition: u64| {
        let numbers = (0..per_partition).map(move |at| at * PARTITIONS + partition);
        PartitionChanges {
            full,
            builder: builder(numbers, value),
        }
    };
    let partitions = (0..PARTITIONS).map(partition).collect();
    let series = SeriesChanges {
        name: "counts".to_owned(),
        format: 1,
        partitions,
    };
    Draft {
        series: vec![series],
        metadata: vec![7; 4000].into(),
        ..Draft::default()
    }
}

fn stores(folder: &Path) {
    report("raw_write_and_fsync", raw_sync(&folder.join("raw")), "ms");
    for (kind, make) in [
        ("sled", Location::Sled as fn(PathBuf) -> Location),
        ("file", Location::File),
    ] {
        let path = folder.join(kind);
        let location = make(path.clone());
        let figure = |figure: &str, value, unit| report(&format!("{kind}_{figure}"), value, unit);
        figure("open_new", milliseconds(|| open(&location)), "ms");
        figure("open_empty", best(|| open(&location)), "ms");
        figure("idle_rss_empty", resident(kind, &path), "MB");
        let store = open(&location);
        let full = draft(true, KEYS / PARTITIONS, 1);
        figure(
            "write_1m_keys_full",
            milliseconds(|| store.write(full).unwrap()),
            "ms",
        );
        for changed in [10, 100, 1000] {
            let times = (0..20).map(|round| {
                let changes = draft(false, changed / 10, round);
                milliseconds(|| store.write(changes).unwrap())
            });
            let mut times: Vec<f64> = times.collect();
            times.sort_by(f64::total_cmp);
            let keys = changed / 10 * PARTITIONS;
            figure(
                &format!("write_{keys}_changed_keys_median"),
                times[times.len() / 2],
                "ms",
            );
        }
        let reader = best(|| CheckpointReader::open(&location).unwrap().list().unwrap());
        figure("reader_list_while_live", reader, "ms");
        drop(store);
        figure("open_1m_keys", best(|| open(&location)), "ms");
        let store = open(&location);
        figure(
            "newest_verified_1m_keys",
            best(|| store.newest().unwrap()),
            "ms",
        );
        let manifest = store.newest().unwrap().manifest.unwrap();
        let read = || {
            let chunks = manifest
                .chunks()
                .map(|chunk| store.read_chunk(chunk).unwrap());
            chunks.map(|chunk| chunk.iter().count()).sum::<usize>()
        };
        figure("read_1m_keys", best(read), "ms");
        drop(store);
        figure("idle_rss_1m_keys", resident(kind, &path), "MB");
        long_run(kind, &make(folder.join(format!("{kind}-long"))));
    }
}

/// Whether a store that has been written to often stays small and quick to open.
fn long_run(kind: &str, location: &Location) {
    let figure = |figure: &str, value, unit| report(&format!("{kind}_{figure}"), value, unit);
    let store = open(location);
    for round in 0..2000 {
        store.write(draft(round == 0, 20, round)).unwrap();
    }
    drop(store);
    figure("open_after_2000_checkpoints", best(|| open(location)), "ms");
    let bytes = folder_bytes(location.local_path().unwrap());
    figure("disk_after_2000_checkpoints", bytes as f64 / 1e6, "MB");
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            folder_bytes(&entry.path())
        } else {
            metadata.len()
        }
    });
    bytes.sum()
}

fn milliseconds<T>(run: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(run());
    start.elapsed().as_secs_f64() * 1e3
}

fn raw_sync(path: &Path) -> f64 {
    let mut file = std::fs::File::create(path).unwrap();
    let bytes = [7; 4096];
    best(|| {
        file.write_all(&bytes).unwrap();
        file.sync_all().unwrap();
    })
}

/// The resident memory of a process that has opened a store, asked for its newest checkpoint, and idles.
fn resident(kind: &str, path: &Path) -> f64 {
    let mut location = std::ffi::OsString::from(format!("{kind}:"));
    location.push(path);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.arg("idle").arg(location).output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

fn idle(location: &Path) {
    let location: Location = location.to_str().unwrap().parse().unwrap();
    let store = open(&location);
    black_box(store.newest().unwrap().manifest.map(|manifest| manifest.id));
    std::thread::sleep(Duration::from_millis(300));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{}", kilobytes / 1024.0);
}
