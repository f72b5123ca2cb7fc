//! What a log does when the disk fails it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::*;
use tidemill_storage::{Fault, OperationKind, SimDisk};
use tidemill_wal::{Error, Sequence};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn a_failed_sync_poisons_and_nothing_is_synced_again() {
    for kind in [OperationKind::SyncFile, OperationKind::Append] {
        for errno in [EIO, ENOSPC] {
            if (kind, errno) == (OperationKind::Append, ENOSPC) {
                continue; // has a test of its own
            }
            let disk = SimDisk::new();
            let wal = open(&disk);
            append(&wal, "good");
            let failed = AtomicBool::new(false);
            disk.set_faults(move |op| {
                assert!(
                    !failed.load(Ordering::Relaxed) || !op.kind.changes_something(),
                    "touched after the failure: {op:?}"
                );
                let fails = op.kind == kind;
                failed.fetch_or(fails, Ordering::Relaxed);
                fails.then_some(Fault::Errno(errno))
            });
            let failed = wal.append(1, payload("bad")).wait().unwrap_err();
            assert!(matches!(failed, Error::Poisoned { .. }), "{failed}");
            assert!(failed.to_string().contains("/log/0"), "{failed}");
            let later = wal.append(1, payload("later")).wait().unwrap_err();
            assert!(matches!(later, Error::Poisoned { .. }), "{later}");
            assert!(wal.status().poisoned.is_some());
            assert_eq!(texts(&wal, 0), ["good"]);
            assert!(wal.close().is_err());
            disk.clear_faults();
            disk.power_cut();
            assert_eq!(texts(&open(&disk), 0), ["good"]);
        }
    }
}

#[test]
fn a_full_disk_refuses_the_group_and_the_log_goes_on_without_a_gap() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    append(&wal, "good");
    disk.set_faults(|op| {
        let fault = Fault::ShortAppend {
            bytes: op.bytes / 2,
            errno: ENOSPC,
        };
        (op.kind == OperationKind::Append).then_some(fault)
    });
    for _ in 0..3 {
        let refused = wal.append(1, payload("refused")).wait().unwrap_err();
        assert!(matches!(refused, Error::Full { .. }), "{refused}");
    }
    let crashed = disk.snapshot();
    disk.clear_faults();
    assert_eq!(append(&wal, "again").sequence, Sequence(1));
    assert_eq!(texts(&wal, 0), ["good", "again"]);
    wal.close().unwrap();
    disk.power_cut();
    assert_eq!(texts(&open(&disk), 0), ["good", "again"]);
    crashed.power_cut();
    let (wal, recovered) = try_open(&crashed, options()).unwrap();
    assert_eq!(recovered.torn_tail, None);
    assert_eq!(texts(&wal, 0), ["good"]);
}

#[test]
fn no_space_for_a_new_segment_refuses_too() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    for kind in [OperationKind::Create, OperationKind::Append] {
        disk.set_faults(move |op| (op.kind == kind).then_some(Fault::Errno(ENOSPC)));
        let refused = wal.append(1, payload("refused")).wait().unwrap_err();
        assert!(matches!(refused, Error::Full { .. }), "{refused}");
    }
    disk.clear_faults();
    assert_eq!(append(&wal, "first").sequence, Sequence(0));
}

#[test]
fn a_cut_back_that_fails_poisons() {
    let disk = SimDisk::new();
    let wal = open(&disk);
    append(&wal, "good");
    disk.set_faults(|op| match op.kind {
        OperationKind::Append => Some(Fault::ShortAppend {
            bytes: 20,
            errno: ENOSPC,
        }),
        OperationKind::SetLen => Some(Fault::Errno(EIO)),
        _ => None,
    });
    let failed = wal.append(1, payload("bad")).wait().unwrap_err();
    assert!(matches!(failed, Error::Poisoned { .. }), "{failed}");
}

/// Every operation of a short life, in turn, is the last that works; then the power is cut.
#[test]
fn the_power_may_go_at_any_operation() {
    for step in 0.. {
        let disk = SimDisk::new();
        disk.set_faults(move |op| (op.number >= step).then_some(Fault::Errno(EIO)));
        let mut answered = Vec::new();
        for life in 0..2 {
            let options = tidemill_wal::WalOptions {
                epoch: life,
                segment_bytes: 80,
                ..options()
            };
            let opened = tidemill_wal::Wal::open(Arc::new(disk.clone()), Path::new(DIR), options);
            let Ok((wal, _)) = opened else { break };
            for number in 0..4 {
                let text = format!("{life}/{number}");
                if wal.append(1, payload(&text)).wait().is_ok() {
                    answered.push(text);
                }
            }
            let _ = wal.truncate_before(Sequence(2));
            let _ = wal.roll(0);
        }
        let finished = disk.operations() <= step;
        disk.clear_faults();
        disk.power_cut();
        let (wal, recovered) = try_open(
            &disk,
            tidemill_wal::WalOptions {
                epoch: 9,
                ..options()
            },
        )
        .unwrap();
        let oldest = recovered.oldest_sequence.0;
        assert!(oldest <= 2);
        let found = texts(&wal, oldest);
        let kept = answered.iter().skip(oldest as usize);
        assert!(
            found
                .iter()
                .zip(kept)
                .all(|(found, answered)| found == answered)
        );
        assert!(found.len() as u64 + oldest >= answered.len() as u64);
        append(&wal, "goes on");
        if finished {
            assert_eq!(answered.len(), 8);
            return;
        }
    }
}
