//! The recipes, with the power cut (and an operation failing) at every single step: once so that nothing
//! unsynced is left, and in many ways that leave part of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::sync::Arc;

use tidemill_storage::durable::{
    create_dir_all_durable, create_durable, rename_durable, sweep_temporaries, write_durable,
};
use tidemill_storage::temporary::is_temporary;
use tidemill_storage::{Disk, Fault, PutOutcome, Result, SimDisk};

const FILE: &str = "/dir/file";

/// A disk with a durable folder, in which `FILE` durably holds "old" if asked.
fn disk(old: bool) -> SimDisk {
    let disk = SimDisk::new();
    create_dir_all_durable(&disk, Path::new("/dir")).unwrap();
    if old {
        write_durable(&disk, Path::new(FILE), b"old").unwrap();
    }
    disk
}

/// How many torn power cuts are tried at each step.
const SEEDS: u64 = 40;

/// Runs `work` once for each of its operations, which fails; hands over what each kind of power cut right
/// then leaves, and whether `work` said `Ok`. Then once without a fault.
fn at_every_step<T>(
    prepared: &SimDisk,
    work: impl Fn(&SimDisk) -> Result<T>,
    check: impl Fn(&SimDisk, Option<&T>),
) {
    for step in 0.. {
        let disk = prepared.snapshot();
        let start = disk.operations();
        // From this step on nothing works: as if the power had been cut there.
        disk.set_faults(move |op| (op.number >= start + step).then_some(Fault::Errno(5)));
        let result = work(&disk);
        let ran_out = disk.operations() <= start + step;
        disk.clear_faults();
        let result = result.ok();
        for seed in 0..SEEDS {
            let torn = disk.snapshot();
            torn.power_cut_torn(seed);
            check(&torn, result.as_ref());
        }
        disk.power_cut();
        check(&disk, result.as_ref());
        if ran_out {
            assert!(step > 0);
            return;
        }
    }
}

fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    disk.read(Path::new(path)).ok().map(|bytes| bytes.to_vec())
}

#[test]
fn a_replaced_file_is_old_or_new_and_new_once_said() {
    let write = |disk: &SimDisk| write_durable(disk, Path::new(FILE), b"new");
    at_every_step(&disk(true), write, |disk, done| {
        match read(disk, FILE).as_deref() {
            Some(b"old") => assert!(done.is_none()),
            Some(b"new") => {}
            other => panic!("{other:?}"),
        }
    });
    at_every_step(&disk(false), write, |disk, done| {
        match read(disk, FILE).as_deref() {
            None => assert!(done.is_none()),
            Some(b"new") => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_created_file_is_absent_or_whole_and_never_replaced() {
    let create = |disk: &SimDisk| create_durable(disk, Path::new(FILE), b"new");
    at_every_step(&disk(false), create, |disk, done| {
        match read(disk, FILE).as_deref() {
            None => assert!(done.is_none()),
            Some(b"new") => assert!(matches!(done, None | Some(&PutOutcome::Written))),
            other => panic!("{other:?}"),
        }
    });
    at_every_step(&disk(true), create, |disk, done| {
        assert_eq!(read(disk, FILE).as_deref(), Some(&b"old"[..]));
        assert!(matches!(done, None | Some(&PutOutcome::Conflict)));
    });
}

#[test]
fn a_creation_that_failed_halfway_can_be_repeated() {
    let disk = disk(false);
    for step in 0..20 {
        let start = disk.operations();
        disk.set_faults(move |op| (op.number == start + step).then_some(Fault::Errno(5)));
        let _ = create_durable(&disk, Path::new(FILE), b"new");
        disk.clear_faults();
        assert_eq!(
            create_durable(&disk, Path::new(FILE), b"new").unwrap(),
            PutOutcome::Written
        );
        assert_eq!(
            create_durable(&disk, Path::new(FILE), b"other").unwrap(),
            PutOutcome::Conflict
        );
        let after = disk.snapshot();
        after.power_cut();
        assert_eq!(read(&after, FILE).as_deref(), Some(&b"new"[..]));
        disk.remove_file(Path::new(FILE)).unwrap();
    }
}

#[test]
fn every_level_of_a_new_folder_is_durable_even_behind_a_killed_process() {
    let make = |disk: &SimDisk| create_dir_all_durable(disk, Path::new("/a/b/c"));
    let check = |disk: &SimDisk, done: Option<&()>| {
        let found = disk.metadata(Path::new("/a/b/c")).unwrap();
        assert!(done.is_none() || found.is_some_and(|metadata| metadata.is_dir));
    };
    at_every_step(&SimDisk::new(), make, check);
    // A process that was killed before it synced the parent: the name is there, but not durable.
    let half = SimDisk::new();
    half.create_dir(Path::new("/a")).unwrap();
    at_every_step(&half, make, check);
    write_durable(&half, Path::new("/a/f"), b"").unwrap();
    create_dir_all_durable(&half, Path::new("/a/f/g")).unwrap_err();
}

#[test]
fn a_renamed_folder_has_one_of_its_names_and_the_new_once_said() {
    let prepared = disk(true);
    create_dir_all_durable(&prepared, Path::new("/other")).unwrap();
    let rename = |disk: &SimDisk| rename_durable(disk, Path::new("/dir"), Path::new("/other/dir"));
    at_every_step(&prepared, rename, |disk, done| {
        let (old, new) = (read(disk, FILE), read(disk, "/other/dir/file"));
        assert!(old.is_some() || new.is_some());
        assert!(done.is_none() || (new.is_some() && old.is_none()));
    });
}

#[test]
fn what_crashes_leave_behind_is_swept() {
    let prepared = disk(true);
    let write = |disk: &SimDisk| write_durable(disk, Path::new(FILE), b"new");
    at_every_step(&prepared, write, |disk, _| {
        sweep_temporaries(disk, Path::new("/dir")).unwrap();
        let entries = disk.read_dir(Path::new("/dir")).unwrap();
        assert!(entries.iter().all(|entry| !is_temporary(&entry.name)));
        assert_eq!(entries.len(), 1);
    });
    let disk: Arc<dyn Disk> = Arc::new(prepared);
    disk.create_new(Path::new("/dir/.file.1-1.tmp")).unwrap();
    assert_eq!(sweep_temporaries(&*disk, Path::new("/dir")).unwrap(), 1);
}
