//! Appends of 256 B from 64 tasks, against a bare loop that writes and syncs groups of the same size.
//!
//! The two are measured in turns on the same disk, so that what else the machine does meets both.
//! Prints one JSON line: appends per second of each, and their ratio (the median over the turns).
//! `cargo bench -p tidemill-wal --bench append [-- DIRECTORY]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidemill_storage::{Disk, LocalDisk};
use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};

const PAYLOAD_BYTES: usize = 256;
const TASKS: usize = 64;
const TURNS: usize = 7;
const TURN: Duration = Duration::from_millis(1_500);

/// Appends per second and the average group of one turn.
async fn through_the_log(wal: &Wal) -> (f64, f64) {
    let before = wal.status();
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let wal = wal.clone();
            tokio::spawn(async move {
                let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
                while started.elapsed() < TURN {
                    wal.append(1, vec![payload.clone()]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    let after = wal.status();
    let appends = (after.appends - before.appends) as f64;
    (
        appends / took,
        appends / (after.syncs - before.syncs) as f64,
    )
}

/// Appends per second of a loop that does nothing but write and sync groups of `group` frames.
fn bare(dir: &Path, turn: usize, group: f64) -> f64 {
    let frame = PAYLOAD_BYTES + 17;
    let bytes = vec![7_u8; (group * frame as f64) as usize];
    let path = dir.join(format!("bare-{turn}"));
    let mut file = LocalDisk.create_new(&path).unwrap();
    let started = Instant::now();
    let mut groups = 0;
    while started.elapsed() < TURN {
        file.append(&mut [IoSlice::new(&bytes)]).unwrap();
        file.sync_data().unwrap();
        groups += 1;
    }
    let rate = f64::from(groups) * group / started.elapsed().as_secs_f64();
    LocalDisk.remove_file(&path).unwrap();
    rate
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(folder).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = WalOptions::new(LogKind(1), 1);
    let (wal, _) = Wal::open(Arc::new(LocalDisk), &dir.path().join("log"), options).unwrap();
    let (mut ours, mut theirs, mut groups, mut ratios) = (vec![], vec![], vec![], vec![]);
    for turn in 0..TURNS {
        let (rate, group) = runtime.block_on(through_the_log(&wal));
        let raw = bare(dir.path(), turn, group);
        ours.push(rate);
        theirs.push(raw);
        groups.push(group);
        ratios.push(rate / raw);
        wal.truncate_before(Sequence(u64::MAX)).unwrap();
    }
    let line = serde_json::json!({
        "benchmark": "wal_append_256_from_64_tasks",
        "appends_per_second": median(&mut ours).round(),
        "bare_appends_per_second": median(&mut theirs).round(),
        "appends_per_group": (median(&mut groups) * 10.0).round() / 10.0,
        "ratio": (median(&mut ratios) * 1_000.0).round() / 1_000.0,
    });
    println!("{line}");
}
