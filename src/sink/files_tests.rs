//! The file sink on a disk that fails and loses power: a batch is there whole, or not at all.

use std::io::IoSlice;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tidemill_storage::{Disk, Fault, OperationKind, SimDisk};

use super::part_files::SUCCESS;
use super::{BatchIdentity, Sink, TextFiles};
use crate::rdd::{Executor, Rdd};
use crate::time::Time;
use crate::uid::OperatorUid;

fn batch() -> BatchIdentity {
    BatchIdentity {
        application: "test".to_owned(),
        output: OperatorUid::new("files"),
        time: Time::from_millis(7000),
    }
}

fn sink(disk: &SimDisk) -> TextFiles {
    TextFiles::on_disk("/out/counts", Some("txt"), Arc::new(disk.clone()))
}

fn words(words: &[&str]) -> Rdd<String> {
    let executor = Executor::new(1, 1).unwrap();
    Rdd::parallelize(
        words.iter().map(|word| (*word).to_owned()).collect(),
        2,
        &executor,
    )
}

/// The lines of the batch's folder; `None` when there is no folder.
fn committed(disk: &SimDisk) -> Option<Vec<String>> {
    let folder = Path::new("/out/counts-7000.txt");
    disk.metadata(folder).unwrap()?;
    let names: Vec<_> = disk
        .read_dir(folder)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert!(names.contains(&SUCCESS.to_owned()), "not whole: {names:?}");
    let parts = names.iter().filter(|name| name.starts_with("part-"));
    let text = parts
        .map(|name| disk.read(&folder.join(name)).unwrap().to_vec())
        .collect::<Vec<_>>();
    let text = String::from_utf8(text.concat()).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn a_batch_is_committed_once() {
    let disk = SimDisk::new();
    sink(&disk)
        .commit(&batch(), &words(&["a", "b", "c"]))
        .unwrap();
    sink(&disk).commit(&batch(), &words(&["other"])).unwrap();
    disk.power_cut();
    assert_eq!(committed(&disk).unwrap(), ["a", "b", "c"]);
}

#[test]
fn an_empty_batch_leaves_an_empty_part() {
    let disk = SimDisk::new();
    let executor = Executor::new(1, 1).unwrap();
    sink(&disk)
        .commit(&batch(), &Rdd::<String>::empty(&executor))
        .unwrap();
    assert_eq!(
        disk.read(Path::new("/out/counts-7000.txt/part-00000"))
            .unwrap()
            .len(),
        0
    );
    assert!(committed(&disk).unwrap().is_empty());
}

#[test]
fn a_folder_of_somebody_elses_is_left_alone() {
    let disk = SimDisk::new();
    tidemill_storage::durable::create_dir_all_durable(&disk, Path::new("/out/counts-7000.txt"))
        .unwrap();
    let error = sink(&disk).commit(&batch(), &words(&["a"])).unwrap_err();
    assert!(error.to_string().contains("move it away"), "{error}");
}

#[test]
fn any_operation_may_fail_and_the_power_may_go_with_it() {
    let operations = {
        let disk = SimDisk::new();
        sink(&disk)
            .commit(&batch(), &words(&["a", "b", "c"]))
            .unwrap();
        disk.operations()
    };
    assert!(operations > 10);
    for power_goes in [false, true] {
        for number in 0..operations {
            let disk = SimDisk::new();
            disk.set_faults(move |operation| {
                (operation.number == number).then_some(Fault::Errno(5))
            });
            let first = sink(&disk).commit(&batch(), &words(&["a", "b", "c"]));
            disk.clear_faults();
            if power_goes {
                disk.power_cut();
            }
            let seen = committed(&disk);
            if first.is_ok() {
                assert_eq!(
                    seen.as_deref().map(<[_]>::len),
                    Some(3),
                    "operation {number}"
                );
            }
            // Run again, as after a restart: whole, and the same.
            sink(&disk)
                .commit(&batch(), &words(&["a", "b", "c"]))
                .unwrap();
            disk.power_cut();
            assert_eq!(
                committed(&disk).unwrap(),
                ["a", "b", "c"],
                "operation {number}"
            );
        }
    }
}

/// Where a folder's sync has failed, a second one may answer with success and mean nothing, unless something
/// in the folder has changed since.
#[test]
fn a_failed_folder_sync_is_never_repeated_and_believed() {
    #[derive(Default)]
    struct Seen {
        renamed: bool,
        failed: bool,
        changed_since: bool,
        believed: bool,
    }
    let out = Path::new("/out");
    let disk = SimDisk::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watched = Arc::clone(&seen);
    disk.set_faults(move |operation| {
        let mut seen = watched.lock().unwrap();
        let inside = operation.path.parent() == Some(out);
        if operation.kind == OperationKind::SyncDir && operation.path == out && seen.renamed {
            if !seen.failed {
                seen.failed = true;
                return Some(Fault::Errno(5));
            }
            seen.believed |= !seen.changed_since;
        }
        seen.renamed |= operation.kind == OperationKind::Rename && inside;
        // Removing what isn't there changes nothing.
        let adds = matches!(
            operation.kind,
            OperationKind::CreateDir | OperationKind::Create | OperationKind::Rename
        );
        seen.changed_since |= seen.failed && inside && adds;
        None
    });
    sink(&disk).commit(&batch(), &words(&["a"])).unwrap_err();
    assert_eq!(
        committed(&disk).unwrap(),
        ["a"],
        "it is there, if not durable"
    );
    sink(&disk).commit(&batch(), &words(&["a"])).unwrap();
    {
        let seen = seen.lock().unwrap();
        assert!(seen.failed && seen.changed_since);
        assert!(!seen.believed, "the sync that failed was only repeated");
    }
    let names = disk.read_dir(out).unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    disk.power_cut();
    assert_eq!(committed(&disk).unwrap(), ["a"]);
}

#[test]
fn hidden_folders_are_known_by_their_names() {
    for (hidden, folder) in [
        (".counts-7000.txt.0.tmp", Some("counts-7000.txt")),
        (".counts-7000.12.tmp", Some("counts-7000")),
        (".counts-7000.txt.commit", Some("counts-7000.txt")),
        (".counts-7000.txt.tmp", None),
        (".tidemill-probe", None),
        ("counts-7000.txt", None),
    ] {
        assert_eq!(super::folder_of_hidden(hidden), folder, "{hidden}");
    }
}

/// Whatever attempts that died have left behind.
#[test]
fn hidden_folders_of_other_attempts_go_with_the_commit() {
    let disk = SimDisk::new();
    for number in 0..3 {
        let path = format!("/out/.counts-7000.txt.{number}.tmp");
        tidemill_storage::durable::create_dir_all_durable(&disk, Path::new(&path)).unwrap();
        // A power cut may take the name of any file.
        if number != 1 {
            disk.create_new(&Path::new(&path).join(SUCCESS)).unwrap();
        }
        let mut part = disk
            .create_new(&Path::new(&path).join("part-00009"))
            .unwrap();
        part.append(&mut [IoSlice::new(b"stale\n")]).unwrap();
    }
    sink(&disk).commit(&batch(), &words(&["a", "b"])).unwrap();
    assert_eq!(committed(&disk).unwrap(), ["a", "b"]);
    let names: Vec<_> = disk.read_dir(Path::new("/out")).unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
}

/// Found by random kills: three attempts died, the fourth committed and died in the middle of tidying up,
/// and the hidden folder behind the gap that it left stayed for ever.
#[test]
fn hidden_folders_go_though_tidying_up_is_interrupted_anywhere() {
    let hidden = |disk: &SimDisk| {
        let names = disk.read_dir(Path::new("/out")).unwrap().into_iter();
        names.filter(|entry| entry.name.starts_with('.')).count()
    };
    let died = |disk: &SimDisk| {
        for number in 0..3 {
            let folder = format!("/out/.counts-7000.txt.{number}.tmp");
            tidemill_storage::durable::create_dir_all_durable(disk, Path::new(&folder)).unwrap();
            drop(disk.create_new(&Path::new(&folder).join(SUCCESS)).unwrap());
        }
    };
    let operations = {
        let disk = SimDisk::new();
        died(&disk);
        let before = disk.operations();
        sink(&disk).commit(&batch(), &words(&["a"])).unwrap();
        before..disk.operations()
    };
    for number in operations {
        let disk = SimDisk::new();
        died(&disk);
        // From here on it is dead: nothing more is done.
        disk.set_faults(move |operation| (operation.number >= number).then_some(Fault::Killed));
        let _ = sink(&disk).commit(&batch(), &words(&["a"]));
        disk.clear_faults();
        sink(&disk).commit(&batch(), &words(&["a"])).unwrap();
        assert_eq!(hidden(&disk), 0, "killed at operation {number}");
        assert_eq!(committed(&disk).unwrap(), ["a"]);
    }
}
