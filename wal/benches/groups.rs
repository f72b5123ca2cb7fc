//! Groups of 4 KiB, 64 KiB and 1 MiB through the log, against a bare loop that writes and syncs as many
//! bytes; then replaying a log, against reading and checksumming the same bytes.
//!
//! Log and loop are measured in turns on the same disk, so that what else the machine does meets both.
//! Prints one JSON line a figure. `cargo bench -p tidemill-wal --bench groups [-- DIRECTORY]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs::File;
use std::io::{IoSlice, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidemill_storage::{Disk, LocalDisk};
use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};

/// What a frame adds to its payload.
const FRAME: usize = 17;
/// Bytes of a segment before its frames.
const HEADER: usize = 40;
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(700);
/// Threads that append and wait: what one has appended is written while the next one's waits, as under
/// any load.
const APPENDERS: usize = 2;
/// Bytes of the log that is replayed.
const REPLAYED: usize = 256 << 20;
/// How much the bare loop reads at once.
const WINDOW: usize = 256 << 10;

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Bytes a second of groups of `group` bytes.
fn through_the_log(wal: &Wal, group: usize) -> f64 {
    let before = wal.status();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..APPENDERS {
            scope.spawn(|| {
                let payload = Bytes::from(vec![7; group - FRAME]);
                while started.elapsed() < TURN {
                    wal.append(1, vec![payload.clone()]).wait().unwrap();
                }
            });
        }
    });
    let took = started.elapsed().as_secs_f64();
    let after = wal.status();
    let groups = after.syncs - before.syncs;
    let bytes = after.synced_bytes - before.synced_bytes;
    assert_eq!(bytes, groups * group as u64, "a group of another size");
    bytes as f64 / took
}

/// Bytes a second of a loop that does nothing but write and sync, behind the first `start` bytes of a file:
/// a segment's frames begin behind its header, so each group touches one page more than one that begins at
/// a page's edge.
fn bare(dir: &Path, start: usize, group: usize) -> f64 {
    let bytes = vec![7_u8; group];
    let path = dir.join("bare");
    let mut file = LocalDisk.create_new(&path).unwrap();
    file.append(&mut [IoSlice::new(&vec![7; start])]).unwrap();
    file.sync_data().unwrap();
    let started = Instant::now();
    let mut written = 0;
    while started.elapsed() < TURN {
        file.append(&mut [IoSlice::new(&bytes)]).unwrap();
        file.sync_data().unwrap();
        written += group;
    }
    let rate = written as f64 / started.elapsed().as_secs_f64();
    LocalDisk.remove_file(&path).unwrap();
    rate
}

fn groups(dir: &Path, group: usize) {
    let mut options = WalOptions::new(LogKind(1), 1);
    options.max_group_bytes = 1;
    let home = dir.join(format!("log-{group}"));
    let (wal, _) = Wal::open(Arc::new(LocalDisk), &home, options).unwrap();
    let (mut ours, mut theirs, mut ratios, mut aligned) = (vec![], vec![], vec![], vec![]);
    for _ in 0..TURNS {
        let rate = through_the_log(&wal, group);
        let raw = bare(dir, HEADER, group);
        aligned.push(rate / bare(dir, 0, group));
        ours.push(rate);
        theirs.push(raw);
        ratios.push(rate / raw);
        wal.truncate_before(Sequence(u64::MAX)).unwrap();
    }
    let line = serde_json::json!({
        "benchmark": format!("wal_groups_of_{}_KiB", group >> 10),
        "groups_per_second": (median(&mut ours) / group as f64).round(),
        "bare_groups_per_second": (median(&mut theirs) / group as f64).round(),
        "ratio": (median(&mut ratios) * 1_000.0).round() / 1_000.0,
        "ratio_to_page_aligned": (median(&mut aligned) * 1_000.0).round() / 1_000.0,
        "goal": 0.9,
    });
    println!("{line}");
}

/// Reads and checksums the segments frame by frame, and does nothing else; bytes a second.
fn read_and_checksum(home: &Path) -> f64 {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let started = Instant::now();
    let (mut total, mut sum) = (0, 0_u32);
    let mut window = vec![0_u8; WINDOW];
    for path in paths {
        let mut file = File::open(path).unwrap();
        let mut filled = 0;
        let mut header = 40;
        loop {
            let read = file.read(&mut window[filled..]).unwrap();
            filled += read;
            total += read;
            let mut at = header;
            header = 0;
            while let Some(length) = window[..filled].get(at..at + 4) {
                let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
                let Some(frame) = window[..filled].get(at..at + FRAME + length) else {
                    break;
                };
                sum ^= crc32fast::hash(&frame[8..]);
                at += FRAME + length;
            }
            window.copy_within(at..filled, 0);
            filled -= at;
            if read == 0 {
                break;
            }
        }
    }
    std::hint::black_box(sum);
    total as f64 / started.elapsed().as_secs_f64()
}

fn replay(dir: &Path, payload: usize) {
    let home = dir.join(format!("replay-{payload}"));
    let options = WalOptions::new(LogKind(1), 1);
    let (wal, _) = Wal::open(Arc::new(LocalDisk), &home, options).unwrap();
    let entries = REPLAYED / (payload + FRAME);
    let payload = Bytes::from(vec![7; payload]);
    let mut last = None;
    for number in 0..entries {
        let append = wal.append(1, vec![payload.clone()]);
        // So that memory doesn't hold the whole log.
        if number % 1_000 == 999 {
            append.wait().unwrap();
        } else {
            last = Some(append);
        }
    }
    last.unwrap().wait().unwrap();
    let bytes = wal.status().bytes as f64;
    let (mut ours, mut theirs, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..TURNS {
        let started = Instant::now();
        let mut seen = 0;
        for entry in wal.replay(Sequence(0)).unwrap() {
            std::hint::black_box(&entry.unwrap().payload);
            seen += 1;
        }
        assert_eq!(seen, entries);
        let rate = bytes / started.elapsed().as_secs_f64();
        let raw = read_and_checksum(&home);
        ours.push(rate);
        theirs.push(raw);
        ratios.push(rate / raw);
    }
    let line = serde_json::json!({
        "benchmark": format!("replay_of_{}_B_entries", payload.len()),
        "mib_per_second": (median(&mut ours) / f64::from(1 << 20)).round(),
        "read_and_checksum_mib_per_second": (median(&mut theirs) / f64::from(1 << 20)).round(),
        "ratio": (median(&mut ratios) * 1_000.0).round() / 1_000.0,
        "goal": 0.7,
    });
    println!("{line}");
    std::fs::remove_dir_all(home).unwrap();
}

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(folder).unwrap();
    for group in [4 << 10, 64 << 10, 1 << 20] {
        groups(dir.path(), group);
    }
    for payload in [256, 4 << 10, 64 << 10] {
        replay(dir.path(), payload);
    }
}
