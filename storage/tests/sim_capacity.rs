//! Room on a disk: what a full one does, and what each kind says of itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::IoSlice;
use std::path::Path;

use tidemill_storage::{Disk, LocalDisk, SimDisk};

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new();
    assert_eq!(disk.free_space(Path::new("/")).unwrap(), None);
    disk.set_capacity(Some(10));
    let mut file = disk.create_new(Path::new("/f")).unwrap();
    file.append(&mut [IoSlice::new(b"sixsix")]).unwrap();
    assert_eq!(disk.free_bytes(), Some(4));
    let error = file
        .append(&mut [IoSlice::new(b"abc"), IoSlice::new(b"def")])
        .unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(
        disk.read(Path::new("/f")).unwrap().as_ref(),
        b"sixsixabcd",
        "what fits is written, across buffers"
    );
    assert_eq!(disk.free_space(Path::new("/")).unwrap(), Some(0));
    file.set_len(6).unwrap();
    file.append(&mut [IoSlice::new(b"abcd")]).unwrap();
    // A second name costs nothing, and the bytes are free when the last name goes.
    disk.link_new(Path::new("/f"), Path::new("/g")).unwrap();
    assert_eq!(disk.free_bytes(), Some(0));
    disk.remove_file(Path::new("/f")).unwrap();
    assert_eq!(disk.free_bytes(), Some(0));
    disk.remove_file(Path::new("/g")).unwrap();
    assert_eq!(disk.free_bytes(), Some(10));
    disk.set_capacity(Some(4));
    let mut file = disk.create_new(Path::new("/h")).unwrap();
    assert!(file.append(&mut [IoSlice::new(b"12345")]).is_err());
    disk.set_capacity(None);
    file.append(&mut [IoSlice::new(b"12345")]).unwrap();
    assert_eq!(disk.free_bytes(), None);
}

#[test]
fn the_local_disk_knows_its_room() {
    let dir = tempfile::tempdir().unwrap();
    assert!(LocalDisk.free_space(dir.path()).unwrap().is_some());
    let missing = LocalDisk.free_space(&dir.path().join("missing"));
    assert!(missing.unwrap_err().is_not_found());
    assert!(
        SimDisk::new()
            .free_space(Path::new("/missing"))
            .unwrap_err()
            .is_not_found()
    );
}
