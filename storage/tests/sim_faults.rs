//! The simulated disk's other faults: syncs that fail, reads that fail, operations that take long.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::IoSlice;
use std::path::Path;
use std::time::Duration;

use tidemill_storage::{Disk, ErrorKind, Fault, Gate, Operation, OperationKind, SimDisk};

#[test]
fn a_sync_fails_once_or_for_ever_and_only_where_it_should() {
    let disk = SimDisk::new();
    let mut picked = disk.create_new(Path::new("/picked")).unwrap();
    let mut other = disk.create_new(Path::new("/other")).unwrap();
    let is_picked = |path: &Path| path == Path::new("/picked");
    disk.record();
    disk.fail_sync_once(is_picked);
    other.sync_all().unwrap();
    assert_eq!(picked.sync_all().unwrap_err().kind, ErrorKind::Io);
    picked.sync_all().unwrap();
    disk.fail_sync_for_ever(is_picked);
    other.sync_all().unwrap();
    for _ in 0..3 {
        assert!(picked.sync_data().is_err());
    }
    disk.fail_sync_once(|path| path == Path::new("/"));
    assert!(disk.sync_dir(Path::new("/")).is_err());
    disk.sync_dir(Path::new("/")).unwrap();
    let recorded = disk.recorded();
    let syncs = |path: &str| {
        let is_it = |op: &&Operation| op.path == Path::new(path);
        recorded.iter().filter(is_it).count()
    };
    assert_eq!((syncs("/picked"), syncs("/other"), syncs("/")), (5, 2, 2));
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_synced_again() {
    let disk = SimDisk::new();
    let mut file = disk.create_new(Path::new("/f")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.append(&mut [IoSlice::new(b"abcdef")]).unwrap();
    disk.fail_sync_once(|_| true);
    file.sync_data().unwrap_err();
    disk.rewrite(Path::new("/f"), 2, b"cd").unwrap();
    file.sync_data().unwrap();
    disk.power_cut();
    assert_eq!(disk.read(Path::new("/f")).unwrap().as_ref(), b"\0\0cd\0\0");
}

#[test]
fn a_read_can_fail_and_be_tried_again() {
    let disk = SimDisk::new();
    drop(disk.create_new(Path::new("/f")).unwrap());
    disk.set_faults(|op| (op.kind == OperationKind::Read).then_some(Fault::Errno(5)));
    assert_eq!(disk.read(Path::new("/f")).unwrap_err().kind, ErrorKind::Io);
    assert!(disk.read_range(Path::new("/f"), 0, 1).is_err());
    disk.clear_faults();
    disk.read(Path::new("/f")).unwrap();
}

#[test]
fn a_slow_operation_succeeds_while_others_go_on() {
    let disk = SimDisk::new();
    let mut slow = disk.create_new(Path::new("/slow")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    slow.append(&mut [IoSlice::new(b"bytes")]).unwrap();
    let gate = Gate::default();
    let held = gate.clone();
    disk.set_faults(move |op| {
        let slow = op.kind == OperationKind::SyncFile;
        slow.then(|| Fault::Stall(held.clone()))
    });
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| slow.sync_data());
        gate.await_arrival();
        assert_eq!(disk.read(Path::new("/slow")).unwrap().len(), 5);
        let unsynced = disk.snapshot();
        unsynced.power_cut();
        assert_eq!(unsynced.read(Path::new("/slow")).unwrap().len(), 0);
        gate.open();
        slow.join().unwrap().unwrap();
    });
    disk.set_faults(|_| Some(Fault::Delay(Duration::from_millis(1))));
    disk.read(Path::new("/slow")).unwrap();
    disk.power_cut();
    assert_eq!(disk.read(Path::new("/slow")).unwrap().as_ref(), b"bytes");
}

#[test]
fn a_file_whose_power_was_cut_while_it_waited_is_dead() {
    let disk = SimDisk::new();
    let mut file = disk.create_new(Path::new("/f")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.append(&mut [IoSlice::new(b"bytes")]).unwrap();
    let gate = Gate::default();
    let held = gate.clone();
    disk.set_faults(move |_| Some(Fault::Stall(held.clone())));
    let late = std::thread::scope(|scope| {
        let late = scope.spawn(|| file.sync_data());
        gate.await_arrival();
        disk.power_cut();
        gate.open();
        late.join().unwrap()
    });
    assert!(late.unwrap_err().to_string().contains("power"));
    assert!(disk.read(Path::new("/f")).unwrap().is_empty());
}

#[test]
fn a_killed_process_leaves_what_it_wrote_to_the_next_one() {
    let disk = SimDisk::new();
    let mut file = disk.create_new(Path::new("/f")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.append(&mut [IoSlice::new(b"bytes")]).unwrap();
    disk.set_faults(|_| Some(Fault::Killed));
    file.sync_data().unwrap_err();
    file.append(&mut [IoSlice::new(b"more")]).unwrap_err();
    disk.clear_faults();
    let mut file = disk.open(Path::new("/f")).unwrap();
    file.sync_data().unwrap();
    disk.power_cut();
    assert_eq!(disk.read(Path::new("/f")).unwrap().as_ref(), b"bytes");
}
