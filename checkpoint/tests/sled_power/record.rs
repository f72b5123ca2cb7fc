//! Running a process under `strace`, and where its files and ours are.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tidemill_checkpoint::Location;

use crate::history::History;
use crate::trace;

/// The location's folder below the recorded one.
pub const STORE: &str = "checkpoint";
/// A line for each checkpoint that was reported as written.
pub const REPORTS: &str = "reports";

const RECORDED: &str = "TIDEMILL_TEST_RECORDED";
const CALLS: &str = "openat,creat,lseek,pwrite64,pwritev,pwritev2,write,writev,ftruncate,fallocate,rename,renameat,\
     renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,sync_file_range,close,\
     copy_file_range,sendfile";

/// A folder for what is rebuilt: in memory where the system offers that, since nothing there has to last.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(memory)
    {
        return folder;
    }
    tempfile::tempdir().unwrap()
}

/// Records what the (ignored) test `child` of this binary does. `None` where that is not wanted, because
/// processes can't be traced.
pub fn history(child: &str) -> Option<History> {
    if std::env::var_os("TIDEMILL_WITHOUT_STRACE").is_some() {
        println!("left out: no strace");
        return None;
    }
    // The syncs only have to be called: what they do is up to the rebuilding.
    let (folder, home) = (tempfile::tempdir().unwrap(), scratch());
    let recorded = home.path().join("recorded");
    std::fs::create_dir(&recorded).unwrap();
    let trace = folder.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "100000000", "-e"])
        .arg(format!("trace={CALLS}"))
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(RECORDED, &recorded)
        .stdout(Stdio::null())
        .status();
    let status = status.unwrap_or_else(|error| {
        panic!(
            "strace can't be started ({error}): `make tools` installs it, \
             TIDEMILL_WITHOUT_STRACE=1 leaves this test out"
        )
    });
    assert!(status.success(), "{child} under strace: {status}");
    let text = std::fs::read_to_string(trace).unwrap();
    Some(History::of(&trace::read(&text), &recorded))
}

/// The other side of [`history`]: runs `work` on a store below the recorded folder. It is handed the
/// function that notes a checkpoint as reported.
pub fn in_child(work: impl FnOnce(&Location, &mut dyn FnMut(u64))) {
    let Some(folder) = std::env::var_os(RECORDED).map(PathBuf::from) else {
        return;
    };
    let mut reports = std::fs::File::create(folder.join(REPORTS)).unwrap();
    let location = Location::Sled(folder.join(STORE));
    work(&location, &mut |time| {
        reports.write_all(format!("{time}\n").as_bytes()).unwrap();
    });
}
