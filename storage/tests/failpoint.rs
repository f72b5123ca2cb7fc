//! A failpoint that is told to `return` kills its process on the spot.

#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use tidemill_storage::durable::write_durable;
use tidemill_storage::{Disk, LocalDisk, failpoints_from_env};

/// What the killed process does; alone it is a test that writes nothing.
#[test]
fn victim() {
    let Some(path) = std::env::var_os("VICTIM_WRITES") else {
        return;
    };
    failpoints_from_env();
    write_durable(&LocalDisk, Path::new(&path), b"new").unwrap();
}

fn run_victim(path: &Path, failpoint: &str) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim"])
        .env("VICTIM_WRITES", path)
        .env("FAILPOINTS", format!("{failpoint}=return"))
        .output()
        .unwrap()
        .status
}

#[test]
fn the_process_dies_by_sigkill_before_or_after_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    assert_eq!(
        run_victim(&path, "storage::before_rename").signal(),
        Some(9)
    );
    assert!(LocalDisk.metadata(&path).unwrap().is_none());
    assert_eq!(run_victim(&path, "storage::after_rename").signal(), Some(9));
    assert_eq!(LocalDisk.read(&path).unwrap().as_ref(), b"new");
    assert!(run_victim(&path, "storage::no_such_point").success());
}
