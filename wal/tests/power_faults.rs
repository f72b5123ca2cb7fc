//! Each operation of a short history fails once, in each way a disk can fail. What was acknowledged is found
//! by the next owner, power cut or not, and a file whose sync failed is never synced again by the
//! process that saw it fail (R10).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::PathBuf;

use common::*;
use tidemill_storage::{Fault, Operation, OperationKind, SimDisk};
use tidemill_wal::{Error, Sequence, WalOptions};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Errno(i32),
    Short(i32),
    /// Only syncs fail.
    Sync,
}

const KINDS: [Kind; 5] = [
    Kind::Errno(EIO),
    Kind::Errno(ENOSPC),
    Kind::Short(EIO),
    Kind::Short(ENOSPC),
    Kind::Sync,
];

impl Kind {
    fn fault(self, op: &Operation) -> Option<Fault> {
        let sync = matches!(op.kind, OperationKind::SyncFile | OperationKind::SyncDir);
        match self {
            Self::Errno(errno) => Some(Fault::Errno(errno)),
            Self::Short(errno) => {
                (op.kind == OperationKind::Append).then_some(Fault::ShortAppend {
                    bytes: op.bytes / 2,
                    errno,
                })
            }
            Self::Sync => sync.then_some(Fault::Errno(EIO)),
        }
    }
}

fn at(epoch: u64) -> WalOptions {
    WalOptions {
        epoch,
        segment_bytes: 200,
        ..options()
    }
}

/// Opens, appends, truncates, leaves the newest segment, closes, and opens again, as far as that goes. Returns what was answered.
fn live(disk: &SimDisk) -> Vec<(u64, String)> {
    let mut answered = Vec::new();
    for epoch in 1..3 {
        let Ok((wal, _)) = try_open(disk, at(epoch)) else {
            return answered;
        };
        for number in 0..4 {
            let text = format!("{epoch}/{number} {}", "x".repeat(60));
            match wal.append(1, payload(&text)).wait() {
                Ok(position) => answered.push((position.sequence.0, text)),
                Err(Error::Full { .. } | Error::Poisoned { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let _ = wal.truncate_before(Sequence(2));
        let _ = wal.roll(0);
        match wal.append(1, payload("behind")).wait() {
            Ok(position) => answered.push((position.sequence.0, "behind".to_owned())),
            Err(Error::Full { .. } | Error::Poisoned { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let _ = wal.roll(0);
        if wal.close().is_err() {
            // A process that is told so ends.
            return answered;
        }
    }
    answered
}

/// The file behind a name that it has until its header is durable, too.
fn file(op: &Operation) -> PathBuf {
    PathBuf::from(op.path.to_string_lossy().trim_end_matches(".new"))
}

#[test]
fn any_operation_may_fail_in_any_way() {
    let whole = {
        let disk = SimDisk::new();
        assert_eq!(live(&disk).len(), 10);
        disk.operations()
    };
    for kind in KINDS {
        for nth in 0..whole {
            let disk = SimDisk::new();
            disk.record();
            disk.set_faults(move |op| {
                if op.number == nth {
                    kind.fault(op)
                } else {
                    None
                }
            });
            let answered = live(&disk);
            disk.clear_faults();
            let recorded = disk.recorded();
            if let Some(failed) = recorded.get(nth as usize)
                && failed.kind == OperationKind::SyncFile
                && kind.fault(failed).is_some()
            {
                let again = recorded[nth as usize + 1..]
                    .iter()
                    .find(|op| op.kind == OperationKind::SyncFile && file(op) == file(failed));
                assert_eq!(again, None, "{kind:?} at {nth}: {failed:?}");
            }
            for cut in [None, Some(nth), Some(!nth)] {
                let disk = disk.snapshot();
                if let Some(seed) = cut {
                    disk.power_cut_torn(seed);
                }
                let (wal, recovered) = try_open(&disk, at(9))
                    .unwrap_or_else(|error| panic!("{kind:?} at {nth}, {cut:?}: {error}"));
                let oldest = recovered.oldest_sequence.0;
                assert!(oldest <= 2);
                let found = texts(&wal, oldest);
                for (sequence, text) in answered.iter().filter(|(number, _)| *number >= oldest) {
                    assert_eq!(
                        found.get((sequence - oldest) as usize),
                        Some(text),
                        "{kind:?} at {nth}, {cut:?}"
                    );
                }
                append(&wal, "goes on");
                wal.close().unwrap();
                disk.power_cut();
                let (wal, recovered) = try_open(&disk, at(10)).unwrap();
                let again = texts(&wal, recovered.oldest_sequence.0);
                let (last, before) = again.split_last().unwrap();
                assert_eq!(last, "goes on");
                assert!(before.ends_with(&found), "{kind:?} at {nth}, {cut:?}");
            }
        }
    }
}
