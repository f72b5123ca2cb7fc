//! A location of format 1, whose next owner seals what lies in its database.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use tidemill_checkpoint::{CheckpointStore, Draft};

use crate::common::{Model, draft as draft_of, options, partition};
use crate::record;
use crate::workload::Workload;

/// The newest checkpoint in the golden location.
const GOLDEN: u64 = 4;

/// Goes on from the golden location.
pub const SEALED: Workload = Workload { model, draft };

fn model(time: u64) -> Model {
    let mut small = BTreeMap::new();
    let a = if time < GOLDEN { "2" } else { "4" };
    small.insert(b"a".to_vec(), a.as_bytes().to_vec());
    small.insert(b"c".to_vec(), "5".repeat(5000).into_bytes());
    for time in GOLDEN + 1..=time {
        small.insert(b"time".to_vec(), time.to_string().into_bytes());
    }
    let mut large = BTreeMap::new();
    large.insert(b"large".to_vec(), "l".repeat(70_000).into_bytes());
    large.insert(b"d".to_vec(), b"3".to_vec());
    vec![small, large]
}

fn draft(time: u64) -> Draft {
    let value = time.to_string();
    let entries = [("time", Some(value.as_str()))];
    draft_of(
        time,
        vec![partition(false, &entries), partition(false, &[])],
    )
}

/// Copies a folder so that it outlives a power cut.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::write(&to, fs::read(&path).unwrap()).unwrap();
            let file = File::options().write(true).open(&to).unwrap();
            if path.ends_with("index/db") {
                // The zeros behind what sled wrote aren't kept with the sources.
                file.set_len(524_287).unwrap();
            }
            file.sync_all().unwrap();
        }
    }
    File::open(to).unwrap().sync_all().unwrap();
}

/// Not a test of its own.
#[test]
#[ignore = "started by a test of this binary"]
fn child() {
    record::in_child(|location, report| {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sled-v1");
        let folder = location.local_path().unwrap();
        copy(&golden, folder);
        File::open(folder.parent().unwrap())
            .unwrap()
            .sync_all()
            .unwrap();
        report(GOLDEN);
        for time in [GOLDEN + 1, GOLDEN + 3] {
            let store = CheckpointStore::open(location, options()).unwrap();
            store.newest().unwrap();
            for time in time..time + 2 {
                store.write(draft(time)).unwrap();
                report(time);
            }
        }
    });
}
