//! The local disk and the simulated one do the same, operation for operation; and the simulated one
//! forgets exactly what wasn't synced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tidemill_storage::{Disk, ErrorKind, Fault, LocalDisk, OperationKind, SimDisk};

#[derive(Debug, Clone)]
enum Step {
    Create(usize, Vec<u8>),
    Append(usize, Vec<u8>),
    Cut(usize, u8),
    Rewrite(usize, u8, Vec<u8>),
    Read(usize, u8, u8),
    Rename(usize, usize),
    Link(usize, usize),
    Remove(usize),
    RemoveAll(usize),
    CreateDir(usize),
    ReadDir(usize),
    Metadata(usize),
    SyncDir(usize),
}

const PATHS: [&str; 8] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "missing/a"];

fn step() -> impl Strategy<Value = Step> {
    let path = || 0..PATHS.len();
    let bytes = || prop::collection::vec(any::<u8>(), 0..8);
    prop_oneof![
        (path(), bytes()).prop_map(|(p, b)| Step::Create(p, b)),
        (path(), bytes()).prop_map(|(p, b)| Step::Append(p, b)),
        (path(), 0..12_u8).prop_map(|(p, n)| Step::Cut(p, n)),
        (path(), 0..12_u8, bytes()).prop_map(|(p, o, b)| Step::Rewrite(p, o, b)),
        (path(), 0..12_u8, 0..12_u8).prop_map(|(p, o, n)| Step::Read(p, o, n)),
        (path(), path()).prop_map(|(a, b)| Step::Rename(a, b)),
        (path(), path()).prop_map(|(a, b)| Step::Link(a, b)),
        path().prop_map(Step::Remove),
        path().prop_map(Step::RemoveAll),
        path().prop_map(Step::CreateDir),
        path().prop_map(Step::ReadDir),
        path().prop_map(Step::Metadata),
        path().prop_map(Step::SyncDir),
    ]
}

/// Does a step and describes what came of it.
fn apply(disk: &dyn Disk, root: &Path, step: &Step) -> String {
    let at = |index: usize| root.join(PATHS[index]);
    let append = |file: &mut dyn tidemill_storage::DiskFile, bytes: &[u8]| {
        let (left, right) = bytes.split_at(bytes.len() / 2);
        file.append(&mut [IoSlice::new(&[]), IoSlice::new(left), IoSlice::new(right)])?;
        file.sync_all()
    };
    let result = match step {
        Step::Create(path, bytes) => disk
            .create_new(&at(*path))
            .and_then(|mut file| append(&mut *file, bytes))
            .map(|()| String::new()),
        Step::Append(path, bytes) => disk
            .open(&at(*path))
            .and_then(|mut file| append(&mut *file, bytes).and_then(|()| file.len()))
            .map(|len| len.to_string()),
        Step::Cut(path, len) => disk
            .open(&at(*path))
            .and_then(|mut file| file.set_len(u64::from(*len)))
            .map(|()| String::new()),
        Step::Rewrite(path, offset, bytes) => disk
            .rewrite(&at(*path), u64::from(*offset), bytes)
            .map(|()| String::new()),
        Step::Read(path, offset, len) => disk
            .read_range(&at(*path), u64::from(*offset), usize::from(*len))
            .and_then(|range| Ok(format!("{range:?} {:?}", disk.read(&at(*path))?))),
        Step::Rename(from, to) => disk.rename(&at(*from), &at(*to)).map(|()| String::new()),
        Step::Link(from, to) => disk.link_new(&at(*from), &at(*to)).map(|()| String::new()),
        Step::Remove(path) => disk.remove_file(&at(*path)).map(|()| String::new()),
        Step::RemoveAll(path) => disk.remove_dir_all(&at(*path)).map(|()| String::new()),
        Step::CreateDir(path) => disk.create_dir(&at(*path)).map(|()| String::new()),
        Step::ReadDir(path) => disk.read_dir(&at(*path)).map(|entries| {
            let entry = |e: &tidemill_storage::DirEntry| {
                format!("{} {} {}", e.name, e.metadata.len, e.metadata.is_dir)
            };
            entries.iter().map(entry).collect::<Vec<_>>().join(", ")
        }),
        Step::Metadata(path) => disk
            .metadata(&at(*path))
            .map(|found| format!("{:?}", found.map(|m| (m.len, m.is_dir)))),
        // Syncing a file by its folder's call is allowed by the system, and nobody does it.
        Step::SyncDir(path)
            if !disk
                .metadata(&at(*path))
                .is_ok_and(|m| m.is_some_and(|m| m.is_dir)) =>
        {
            return "no folder".to_owned();
        }
        Step::SyncDir(path) => disk.sync_dir(&at(*path)).map(|()| String::new()),
    };
    match result {
        Ok(text) => text,
        // Which of several reasons is named first is the system's choice.
        Err(_) => "failed".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_disks_do_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let sim = SimDisk::new();
        for step in &steps {
            // What a sync of a file answers, or a folder removed as a file, is the system's affair.
            let local = apply(&LocalDisk, dir.path(), step);
            let simulated = apply(&sim, Path::new("/"), step);
            prop_assert_eq!(local, simulated, "{:?}", step);
        }
    }
}

fn write(disk: &SimDisk, path: &str, bytes: &[u8]) -> Box<dyn tidemill_storage::DiskFile> {
    let mut file = disk.create_new(Path::new(path)).unwrap();
    file.append(&mut [IoSlice::new(bytes)]).unwrap();
    file
}

fn names(disk: &SimDisk, path: &str) -> Vec<String> {
    disk.read_dir(Path::new(path))
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

#[test]
fn a_power_cut_takes_unsynced_bytes_and_names() {
    let disk = SimDisk::new();
    let mut synced = write(&disk, "/synced", b"one");
    synced.sync_data().unwrap();
    synced.append(&mut [IoSlice::new(b"two")]).unwrap();
    let mut nameless = write(&disk, "/nameless", b"bytes");
    nameless.sync_data().unwrap();
    disk.remove_file(Path::new("/nameless")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    write(&disk, "/empty", b"never synced");
    disk.sync_dir(Path::new("/")).unwrap();
    write(&disk, "/late", b"x").sync_all().unwrap();
    let before = disk.snapshot();
    disk.power_cut();
    assert_eq!(names(&disk, "/"), ["empty", "synced"]);
    assert_eq!(disk.read(Path::new("/synced")).unwrap().as_ref(), b"one");
    assert!(disk.read(Path::new("/empty")).unwrap().is_empty());
    assert!(
        synced.append(&mut [IoSlice::new(b"x")]).is_err(),
        "its process is dead"
    );
    assert_eq!(names(&before, "/"), ["empty", "late", "synced"]);
    assert_eq!(
        before.read(Path::new("/synced")).unwrap().as_ref(),
        b"onetwo"
    );
}

#[test]
fn a_cut_is_durable_only_when_synced() {
    let disk = SimDisk::new();
    let mut file = write(&disk, "/f", b"abcdef");
    file.sync_all().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.set_len(2).unwrap();
    let unsynced = disk.snapshot();
    unsynced.power_cut();
    assert_eq!(unsynced.read(Path::new("/f")).unwrap().as_ref(), b"abcdef");
    file.append(&mut [IoSlice::new(b"X")]).unwrap();
    file.sync_all().unwrap();
    disk.power_cut();
    assert_eq!(disk.read(Path::new("/f")).unwrap().as_ref(), b"abX");
}

#[test]
fn bytes_of_a_failed_sync_are_lost_though_the_next_one_succeeds() {
    let disk = SimDisk::new();
    let mut file = write(&disk, "/f", b"one");
    file.sync_all().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.append(&mut [IoSlice::new(b"two")]).unwrap();
    disk.set_faults(|operation| {
        (operation.kind == OperationKind::SyncFile).then_some(Fault::Errno(5))
    });
    assert_eq!(file.sync_data().unwrap_err().kind, ErrorKind::Io);
    disk.clear_faults();
    file.sync_data().unwrap();
    assert_eq!(disk.read(Path::new("/f")).unwrap().as_ref(), b"onetwo");
    disk.power_cut();
    assert_eq!(disk.read(Path::new("/f")).unwrap().as_ref(), b"one\0\0\0");
}

#[test]
fn the_nth_operation_fails_and_a_short_append_leaves_its_part() {
    let disk = SimDisk::new();
    let mut file = write(&disk, "/f", b"");
    let seen = AtomicU64::new(0);
    disk.set_faults(move |operation| {
        assert_eq!(operation.path, PathBuf::from("/f"));
        (seen.fetch_add(1, Ordering::Relaxed) == 1).then_some(Fault::ShortAppend {
            bytes: 2,
            errno: 28,
        })
    });
    file.append(&mut [IoSlice::new(b"one")]).unwrap();
    assert!(
        file.append(&mut [IoSlice::new(b"two")])
            .unwrap_err()
            .is_full()
    );
    assert_eq!(disk.read(Path::new("/f")).unwrap().as_ref(), b"onetw");
}
