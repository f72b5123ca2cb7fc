//! Appends of 256 B from 64 tasks, against a bare loop that writes and syncs groups of the same size.
//!
//! In turns, so that what else the machine does meets both. `wal/benches/append.rs` is the longer
//! measurement of the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidemill_storage::LocalDisk;
use tidemill_wal::{LogKind, Wal, WalOptions};

use crate::raw;
use crate::report::{Report, percentile};
use crate::word_count::Run;

const PAYLOAD: usize = 256;
/// What a frame adds to its payload.
const FRAME: usize = 17;
const TASKS: usize = 64;
const TURNS: usize = 5;
const TURN: Duration = Duration::from_millis(1_500);

pub fn figure(with: Run<'_>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = WalOptions::new(LogKind(1), 1);
    let (wal, _) = Wal::open(Arc::new(LocalDisk), &with.dir.join("log"), options).unwrap();
    let (mut ours, mut raws, mut ratios, mut groups) = (vec![], vec![], vec![], vec![]);
    for _ in 0..TURNS {
        let (rate, group) = runtime.block_on(turn(&wal));
        let bytes = (group * (PAYLOAD + FRAME) as f64) as usize;
        let raw = raw::write_sync(with.dir, bytes) / bytes as f64 * group;
        ours.push(rate);
        raws.push(raw);
        groups.push(group);
        ratios.push(rate / raw);
    }
    wal.close().unwrap();
    Report::new("wal_append_256B_64tasks")
        .number("appends_per_second", percentile(&ours, 0.5))
        .number("appends_per_group", percentile(&groups, 0.5))
        .number("raw_appends_per_second", percentile(&raws, 0.5))
        .number("ratio", percentile(&ratios, 0.5))
        .number("goal", 0.8)
        .print();
}

/// Appends a second and appends a group of one turn.
async fn turn(wal: &Wal) -> (f64, f64) {
    let before = wal.status();
    let started = Instant::now();
    let append = |wal: Wal| async move {
        let payload = Bytes::from(vec![7; PAYLOAD]);
        while started.elapsed() < TURN {
            wal.append(1, vec![payload.clone()]).await.unwrap();
        }
    };
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(append(wal.clone())))
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
