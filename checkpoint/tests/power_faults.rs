//! Each operation of a short history fails once, in each way a disk can fail. What was written before stays
//! the newest, or the one in doubt is there whole, power cut or not; the store goes on; and a file
//! whose sync failed is never synced again (R10).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use std::sync::Arc;

use common::{draft, newest, options, partition};
use tidemill_checkpoint::{CheckpointStore, Error};
use tidemill_storage::{DiskObjects, Fault, Operation, OperationKind, SimDisk};

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

fn open(disk: &SimDisk) -> Result<CheckpointStore, Error> {
    let objects = DiskObjects::new(Arc::new(disk.clone()), "/store");
    CheckpointStore::open_objects(Arc::new(objects), "sim:/store", options())
}

/// Writes four checkpoints in two lives, as far as that goes; says which time was written last, and whether
/// a later one is in doubt.
fn live(disk: &SimDisk) -> (u64, u64) {
    let (mut written, mut tried) = (0, 0);
    for times in [[1, 2], [3, 4]] {
        let Ok(store) = open(disk) else { continue };
        if store.newest().is_err() {
            continue;
        }
        for time in times {
            tried = time;
            let value = time.to_string();
            let changes = partition(true, &[("a", Some(&value))]);
            if store.write(draft(time, vec![changes])).is_ok() {
                written = time;
            }
        }
    }
    (written, tried)
}

#[test]
fn any_operation_may_fail_in_any_way() {
    let whole = {
        let disk = SimDisk::new();
        assert_eq!(live(&disk), (4, 4));
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
            let (written, tried) = live(&disk);
            disk.clear_faults();
            let recorded = disk.recorded();
            let failed = &recorded[nth as usize];
            if failed.kind == OperationKind::SyncFile && kind.fault(failed).is_some() {
                let again = recorded[nth as usize + 1..]
                    .iter()
                    .find(|op| op.kind == OperationKind::SyncFile && op.path == failed.path);
                assert_eq!(again, None, "{kind:?} at {nth}: {failed:?}");
            }
            for cut in [None, Some(nth), Some(!nth)] {
                let disk = disk.snapshot();
                if let Some(seed) = cut {
                    disk.power_cut_torn(seed);
                }
                let store = open(&disk).unwrap();
                let found = newest(&store);
                let time = found.as_ref().map_or(0, |(time, _)| *time);
                assert!(
                    time >= written && time <= tried,
                    "{kind:?} at {nth}, {cut:?}: {found:?}, written {written}"
                );
                if let Some((time, state)) = found {
                    assert_eq!(state, format!("a={time}"), "{kind:?} at {nth}, {cut:?}");
                }
                let changes = partition(true, &[("a", Some("9"))]);
                store.write(draft(9, vec![changes])).unwrap();
                drop(store);
                disk.power_cut();
                let found = newest(&open(&disk).unwrap());
                assert_eq!(found, Some((9, "a=9".to_owned())));
            }
        }
    }
}
