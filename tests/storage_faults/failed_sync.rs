//! A sync that failed is final: the engine stops and says why, nothing is synced or acknowledged any more,
//! and the next start recovers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tidemill::ErrorKind;
use tidemill_storage::{Fault, OperationKind};

use crate::history::History;

/// A history whose syncs of files below `folder` fail, once or until the restart.
fn run(folder: &'static str, once: bool) {
    let what = format!("{folder}, once: {once}");
    let mut history = History::new(format!("failed-sync-{folder}-{once}"));
    let life = history.start(|builder| builder).unwrap();
    assert!(history.live(&life), "{what}");
    let (has_failed, after) = (AtomicBool::default(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&after);
    history.disk.set_faults(move |operation| {
        let is_sync = operation.kind == OperationKind::SyncFile;
        if !is_sync || !operation.path.starts_with(folder) {
            return None;
        }
        if !has_failed.swap(true, Ordering::SeqCst) {
            return Some(Fault::Errno(5));
        }
        counted.fetch_add(1, Ordering::SeqCst);
        (!once).then_some(Fault::Errno(5))
    });
    // A block needs both logs; a batch the driver's.
    assert!(!history.offer(&life, || false), "{what}");
    assert!(
        !history.offer(&life, || false),
        "{what}: acknowledged after a failed sync"
    );
    let obstacles = life.context.obstacles().join("; ");
    assert!(obstacles.contains("failed"), "{what}: {obstacles}");
    let error = life.end(true).expect("the engine stopped");
    assert_eq!(error.kind(), ErrorKind::Failed);
    let told = error.to_string();
    for part in [folder, ".wal", "check the device", "start again"] {
        assert!(told.contains(part), "{what}: {part} isn't in: {told}");
    }
    assert_eq!(
        after.load(Ordering::SeqCst),
        0,
        "{what}: the sync was tried again"
    );
    history.disk.power_cut_torn(7);
    history.disk.clear_faults();
    history.check(&what);
}

#[test]
fn a_failed_sync_of_a_log_is_final() {
    for folder in ["/wal/blocks", "/wal/driver"] {
        for once in [true, false] {
            run(folder, once);
        }
    }
}

#[test]
fn a_failed_sync_of_an_output_has_it_written_anew() {
    let mut history = History::new("failed-sync-of-output".to_owned());
    let life = history.start(|builder| builder).unwrap();
    assert!(history.offer(&life, || false));
    history.disk.fail_sync_once(|path| path.starts_with("/out"));
    assert!(history.tick(&life), "the batch is tried again");
    assert!(life.end(false).is_none());
    // What was synced at the second try is on the medium whole, though the first sync lost its bytes.
    history.disk.power_cut();
    history.check("output");
}
