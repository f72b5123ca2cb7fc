//! What the machine can do at most: the limits that figures are held against.
//!
//! Only ratios hold on a shared machine, so a limit is measured right before and right after the figure
//! that it belongs to, see [`around`].

use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::lines::Lines;

/// How long a limit is measured at a time.
const TURN: Duration = Duration::from_millis(1_500);

/// Measures `limits` before and after `figure`; returns the means and what `figure` made of the first.
pub fn around<const N: usize, R>(
    limits: impl Fn() -> [f64; N],
    figure: impl FnOnce([f64; N]) -> R,
) -> ([f64; N], R) {
    let before = limits();
    let result = figure(before);
    let after = limits();
    (
        std::array::from_fn(|n| f64::midpoint(before[n], after[n])),
        result,
    )
}

/// Seconds of processor time that this process has used, all threads, in hundredths.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit(") ").next().unwrap();
    let ticks = behind_name.split(' ').skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

/// A loop that does nothing but split at blanks and count, with a hash table a core: lines a second, and
/// lines a second of processor time.
pub fn count_loop(lines: &Lines, cores: usize) -> [f64; 2] {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let counted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|core| {
                let half = lines.len() / cores;
                let text = lines.slice(core * half..(core + 1) * half).as_bytes();
                scope.spawn(move || count_for(TURN, text) * half)
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    let counted = counted as f64;
    [
        counted / started.elapsed().as_secs_f64(),
        counted / (cpu_seconds() - cpu),
    ]
}

/// Counts the words of `text` over and over; returns how often.
fn count_for(length: Duration, text: &[u8]) -> usize {
    let started = Instant::now();
    let hasher = FixedState::with_seed(1);
    let mut table: HashTable<(u64, &[u8], u64)> = HashTable::new();
    let mut turns = 0;
    while started.elapsed() < length {
        let mut rest = text;
        let mut at = 0;
        while at < rest.len() {
            if rest[at] > b' ' {
                at += 1;
                continue;
            }
            let word = &rest[..at];
            let mut state = hasher.build_hasher();
            state.write(word);
            let hash = state.finish();
            match table.find_mut(hash, |entry| entry.1 == word) {
                Some(entry) => entry.2 += 1,
                None => {
                    table.insert_unique(hash, (hash, word, 1), |entry| entry.0);
                }
            }
            rest = &rest[at + 1..];
            at = 0;
        }
        turns += 1;
    }
    std::hint::black_box(table.iter().map(|entry| entry.2).sum::<u64>());
    turns
}

/// Bytes a second of writing groups of `group` bytes to a new file, each synced.
pub fn write_sync(dir: &Path, group: usize) -> f64 {
    let path = dir.join("raw-write");
    let mut file = File::create(&path).unwrap();
    let bytes = vec![b'x'; group];
    let started = Instant::now();
    let mut written = 0;
    while started.elapsed() < TURN {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        written += group;
    }
    let rate = written as f64 / started.elapsed().as_secs_f64();
    std::fs::remove_file(&path).unwrap();
    rate
}

/// Bytes a second of copying from memory to memory, in pieces that no cache holds.
pub fn memory_copy() -> f64 {
    let from = vec![1_u8; 128 << 20];
    let mut to = vec![0_u8; 128 << 20];
    let started = Instant::now();
    let mut copied = 0;
    while started.elapsed() < TURN {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
        copied += from.len();
    }
    copied as f64 / started.elapsed().as_secs_f64()
}

/// Milliseconds that each write of `group` bytes and its sync took.
pub fn sync_times(dir: &Path, group: usize) -> Vec<f64> {
    let path = dir.join("raw-sync");
    let mut file = File::create(&path).unwrap();
    let bytes = vec![b'x'; group];
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < TURN {
        let from = Instant::now();
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        times.push(from.elapsed().as_secs_f64() * 1_000.0);
    }
    std::fs::remove_file(&path).unwrap();
    times
}
