//! Damage, end to end: with any byte of a log or of a checkpoint flipped, or any file of them cut, a start
//! either comes to the same results or is refused with an error that names the place. Never other
//! results, never a panic.
//!
//! The one exception is what no log can tell: damage within the last group of the driver's log, or a file
//! cut behind what the newest checkpoint contains, looks like a write that a crash interrupted. It is cut
//! off and told, and what is left is a prefix of what was there.
//!
//! Each case takes milliseconds and there are many: a stride is taken through them unless
//! `TIDEMILL_CASES=all` is set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "support/report.rs"]
mod report;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{Collected, Feed, builder, clock_at, pairs, run_to, totals};
use tidemill::clock::ManualClock;
use tidemill::{Error, StreamingContext};
use tidemill_storage::{
    Disk, DiskObjects, FileLock, Holder, Location, LockError, Objects, durable, memory_disk,
    open_objects, read_holder,
};

/// A pipeline's life so far: the files of its logs and the objects of its checkpoints.
#[derive(Clone)]
struct Life {
    files: BTreeMap<PathBuf, Vec<u8>>,
    objects: BTreeMap<String, Vec<u8>>,
}

fn program(name: &str, clock: &ManualClock) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let builder = builder(&format!("memory:{name}"), clock)
        .segment_bytes(700)
        .checkpoint_retain(2);
    totals(builder)
}

/// Lives, and stops with two lines acknowledged that are in no batch yet.
fn live(name: &str) -> Life {
    let clock = clock_at(100);
    let (context, feed, _) = program(name, &clock);
    context.start().unwrap();
    for (second, line) in (101..).zip(["a", "b", "a", "c"]) {
        feed.send(&clock, &[line]);
        run_to(&context, &clock, second);
        context.checkpoint_now(Duration::from_secs(60)).unwrap();
    }
    feed.send(&clock, &["b"]);
    feed.send(&clock, &["d"]);
    context.stop(false).unwrap();
    drop((context, feed));
    let mut life = Life {
        files: BTreeMap::new(),
        objects: BTreeMap::new(),
    };
    let disk = memory_disk(&format!("{name}/wal"));
    for log in ["driver", "blocks"] {
        let folder = Path::new("/wal").join(log);
        for entry in disk.read_dir(&folder).unwrap() {
            let path = folder.join(entry.name);
            let bytes = disk.read(&path).unwrap().to_vec();
            life.files.insert(path, bytes);
        }
    }
    let objects = open_objects(&Location::Memory(name.to_owned())).unwrap();
    for (object, _) in objects.list("").unwrap() {
        let bytes = objects.get(&object).unwrap().unwrap().to_vec();
        life.objects.insert(object, bytes);
    }
    life
}

impl Life {
    /// Goes on from here, elsewhere; the totals two batches on, or why it was refused.
    fn go_on(&self) -> Result<Vec<(String, u64)>, Error> {
        let name = "damage-case";
        let disk = memory_disk(&format!("{name}/wal"));
        disk.remove_dir_all(Path::new("/wal")).unwrap();
        for (path, bytes) in &self.files {
            durable::create_dir_all_durable(&disk, path.parent().unwrap()).unwrap();
            durable::write_durable(&disk, path, bytes).unwrap();
        }
        let objects = open_objects(&Location::Memory(name.to_owned())).unwrap();
        for (object, _) in objects.list("").unwrap() {
            objects.delete(&object).unwrap();
        }
        for (object, bytes) in &self.objects {
            objects.put(object, bytes.clone().into()).unwrap();
        }
        let clock = clock_at(104);
        let (context, _feed, seen) = program(name, &clock);
        context.start()?;
        run_to(&context, &clock, 106);
        context.stop(false).unwrap();
        Ok(seen.last().unwrap_or_default())
    }
}

/// Each damage: the bytes as they become, and what it is called.
fn damages(bytes: &[u8], stride: usize) -> Vec<(String, usize, Vec<u8>)> {
    let flipped = |at: usize| {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        (format!("byte {at} flipped"), at, damaged)
    };
    let cut = |at: usize| (format!("cut to {at}"), at, bytes[..at].to_vec());
    let places = |from: usize| (from..bytes.len()).step_by(stride);
    places(0)
        .map(flipped)
        .chain(places(stride / 2).map(cut))
        .collect()
}

fn stride() -> usize {
    match std::env::var("TIDEMILL_CASES").as_deref() {
        Ok("all") => 1,
        _ => 17,
    }
}

/// What the stream came to without damage.
fn meant() -> Vec<(String, u64)> {
    pairs(&[("a", 2), ("b", 2), ("c", 1), ("d", 1)])
}

/// The group of the driver's log that was written last: what no checkpoint contains and nothing follows.
fn last_group(life: &Life) -> (PathBuf, usize) {
    let driver = |path: &&PathBuf| path.starts_with("/wal/driver");
    let last = life.files.keys().rfind(driver).unwrap().clone();
    let reader = tidemill_wal::LogReader::open(
        std::sync::Arc::new(memory_disk("damage-base/wal")),
        Path::new("/wal/driver"),
    );
    let entries = reader.unwrap().entries();
    let offset = entries.last().unwrap().unwrap().position.offset;
    (last, offset as usize)
}

#[test]
fn any_damage_leads_to_the_same_results_or_to_an_error_that_names_the_place() {
    let life = live("damage-base");
    assert_eq!(life.go_on().unwrap(), meant());
    let (last, last_group) = last_group(&life);
    let mut count = 0;
    let (mut same, mut refused, mut torn) = (0, 0, 0);
    // With the last line gone, and with both that came behind the newest checkpoint.
    let prefixes = [("b", 2), ("b", 1)].map(|b| pairs(&[("a", 2), b, ("c", 1)]));
    let mut check = |damaged: &Life, what: &str, place: &str, torn_to: &[Vec<_>]| {
        count += 1;
        match damaged.go_on() {
            Ok(totals) if totals == meant() => same += 1,
            Ok(totals) => {
                assert!(torn_to.contains(&totals), "{what}: {totals:?}");
                torn += 1;
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(place), "{what}: {text} doesn't name {place}");
                refused += 1;
            }
        }
    };
    for (path, bytes) in &life.files {
        for (what, at, bytes) in damages(bytes, stride()) {
            let mut damaged = life.clone();
            damaged.files.insert(path.clone(), bytes);
            let torn_to = match *path == last {
                true if what.starts_with("cut") => &prefixes[..],
                true if at >= last_group => &prefixes[..1],
                _ => &[],
            };
            let folder = path.parent().unwrap().display().to_string();
            let what = format!("{}: {what}", path.display());
            check(&damaged, &what, &folder, torn_to);
        }
    }
    for (object, bytes) in &life.objects {
        for (what, _, bytes) in damages(bytes, stride()) {
            let mut damaged = life.clone();
            damaged.objects.insert(object.clone(), bytes);
            check(&damaged, &format!("{object}: {what}"), "damage-case", &[]);
        }
    }
    println!("{count} damages: {same} harmless, {refused} refused, {torn} cut off as torn");
    let fault = "a byte flipped or a file cut, of logs and checkpoints";
    report::report("engine", fault, count as u64, 0);
    assert!(same > 0 && refused > 0);
}

/// The damages of [`damages`], as the commands see them.
#[test]
fn the_same_damage_is_found_by_the_readers_behind_the_verify_commands() {
    let life = live("damage-read");
    let folder = tempfile::tempdir().unwrap();
    let local = DiskObjects::new(
        std::sync::Arc::new(tidemill_storage::LocalDisk),
        folder.path(),
    );
    for (object, bytes) in &life.objects {
        local.put(object, bytes.clone().into()).unwrap();
    }
    let location = Location::File(folder.path().to_owned());
    let reader = tidemill_checkpoint::CheckpointReader::open(&location).unwrap();
    assert!(reader.verify().unwrap().is_whole());
    for (object, good) in &life.objects {
        for (what, _, bytes) in damages(good, stride()) {
            local.put(object, bytes.into()).unwrap();
            let verified = reader.verify().unwrap();
            let mut findings = verified.checkpoints.iter().flat_map(|one| &one.findings);
            let is_found = match object.starts_with("epoch/") {
                true => verified.claims.len() == 1,
                false => findings.any(|finding| finding.place.ends_with(object.as_str())),
            };
            assert!(is_found, "{object}: {what}");
        }
        local.put(object, good.clone().into()).unwrap();
    }
    let disk = memory_disk("damage-readers/wal");
    for (path, good) in &life.files {
        let whole = path.parent().unwrap();
        durable::create_dir_all_durable(&disk, whole).unwrap();
        durable::write_durable(&disk, path, good).unwrap();
    }
    for (path, good) in &life.files {
        let log = path.parent().unwrap();
        for (what, at, bytes) in damages(good, stride()) {
            durable::write_durable(&disk, path, &bytes).unwrap();
            let reader =
                tidemill_wal::LogReader::open(std::sync::Arc::new(disk.clone()), log).unwrap();
            let report = reader.verify().unwrap();
            let is_last = life.files.keys().rfind(|other| other.starts_with(log)) == Some(path);
            // A last segment that ends between two frames looks as if it had never been longer.
            let is_told = !report.findings.is_empty() || report.torn_tail.is_some();
            let ends_early = is_last && what.starts_with("cut") && at >= 40;
            assert!(is_told || ends_early, "{}: {what}", path.display());
        }
        durable::write_durable(&disk, path, good).unwrap();
    }
}

/// A lock's file only describes its holder: whatever is in it, nobody is kept out and nothing fails.
#[test]
fn the_lock_file_is_harmless_whatever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(tidemill_checkpoint::LOCK_FILE);
    let holder = Holder::current("damaged", 1_504_665_716_000);
    drop(FileLock::acquire(&path, &holder).unwrap());
    let held = FileLock::acquire(&path, &holder).unwrap();
    let good = std::fs::read(&path).unwrap();
    assert_eq!(read_holder(&path).unwrap(), Some(holder.clone()));
    for (what, _, bytes) in damages(&good, 1) {
        std::fs::write(&path, &bytes).unwrap();
        read_holder(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        // Whoever is live is still found out.
        let refused = FileLock::acquire(&path, &holder).unwrap_err();
        assert!(
            matches!(refused, LockError::Held { .. }),
            "{what}: {refused}"
        );
    }
    drop(held);
    for (what, _, bytes) in damages(&good, 7) {
        std::fs::write(&path, &bytes).unwrap();
        let lock = FileLock::acquire(&path, &holder);
        lock.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}
