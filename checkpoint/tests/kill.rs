//! Kills a writing process with SIGKILL at every failpoint, again and again on the same location, and
//! asks each time for the newest checkpoint: it is the last one reported, or the one that was being
//! written. Needs the feature `failpoints`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, helpers included"
)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use common::{draft, options, partition, restore};
use tidemill_checkpoint::{CheckpointReader, CheckpointStore, FAILPOINTS, Location};

const LOCATION: &str = "TIDEMILL_TEST_LOCATION";
const WRITES: u64 = 6;
/// Above what a database entry takes, so that both homes of chunks are killed at.
const PADDING: usize = 70_000;

/// The writing process: not a test of its own.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let Ok(location) = std::env::var(LOCATION) else {
        return;
    };
    tidemill_storage::failpoints_from_env();
    let store = CheckpointStore::open(&location.parse().unwrap(), options()).unwrap();
    let last = store
        .newest()
        .unwrap()
        .manifest
        .map_or(0, |manifest| manifest.time_ms);
    for time in last + 1..=last + WRITES {
        let padding = "p".repeat(if time % 2 == 0 { PADDING } else { 10 });
        let entries = [("time", Some(time.to_string())), ("padding", Some(padding))];
        let entries = entries
            .each_ref()
            .map(|(key, value)| (*key, value.as_deref()));
        store
            .write(draft(time, vec![partition(time % 3 == 0, &entries)]))
            .unwrap();
        println!("\nwritten {time}");
    }
}

/// Runs the writing process; the time of the last checkpoint it reported, and whether it was killed.
fn run(location: &Location, point: &str, passes: u32) -> (Option<u64>, bool) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(LOCATION, location.to_string())
        .env("FAILPOINTS", format!("{point}={passes}*off->return"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let reported = text
        .lines()
        .filter_map(|line| line.strip_prefix("written ")?.parse().ok())
        .next_back();
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.success(), "{point}: {text}");
    (reported, killed)
}

#[test]
fn a_kill_at_any_failpoint_costs_at_most_what_was_not_reported() {
    let points = || FAILPOINTS.iter().chain(tidemill_storage::FAILPOINTS);
    for place in [common::sled(), common::file()] {
        let mut reported = 0;
        let mut killed = Vec::new();
        for &point in points() {
            for passes in [0, 1, 4] {
                let (last, was_killed) = run(&place.location, point, passes);
                if was_killed {
                    killed.push(point);
                }
                reported = last.unwrap_or(reported);
                let store = place.open();
                let newest = store.newest().unwrap();
                assert!(newest.skipped.is_empty(), "{point}: {newest:?}");
                let Some(manifest) = newest.manifest else {
                    assert_eq!(reported, 0, "{point}");
                    continue;
                };
                let time = manifest.time_ms;
                assert!(
                    time == reported || (was_killed && time == reported + 1),
                    "{point}: {time} is the newest, {reported} was the last reported"
                );
                let entries = restore(&store, &manifest, "counts").remove(0);
                assert_eq!(
                    entries[&b"time"[..]],
                    time.to_string().into_bytes(),
                    "{point}"
                );
                reported = time;
            }
        }
        // One more write sweeps what all the kills left.
        place
            .open()
            .write(draft(
                reported + 1,
                vec![partition(true, &[("a", Some("1"))])],
            ))
            .unwrap();
        let verification = CheckpointReader::open(&place.location)
            .unwrap()
            .verify()
            .unwrap();
        assert!(
            verification.is_whole() && verification.orphans.is_empty(),
            "{verification:?}"
        );
        killed.dedup();
        assert!(
            killed.len() > points().count() / 2,
            "killed only at {killed:?}"
        );
    }
}

/// An index that is damaged at each start, and a kill while the start makes it anew or moves it aside.
#[test]
fn a_kill_while_a_damaged_index_is_made_anew_costs_nothing() {
    let place = common::sled();
    let index = place.location.local_path().unwrap().join("index");
    let mut reported = 0;
    let mut killed = 0;
    for point in [
        "checkpoint::before_index_aside",
        "checkpoint::after_index_aside",
    ]
    .iter()
    .chain(tidemill_storage::FAILPOINTS)
    .chain(&[
        "checkpoint::before_index_update",
        "checkpoint::after_index_update",
    ]) {
        for passes in [0, 1] {
            if let Ok(file) = std::fs::OpenOptions::new()
                .write(true)
                .open(index.join("db"))
            {
                file.set_len(700).unwrap();
            }
            let (last, was_killed) = run(&place.location, point, passes);
            killed += u32::from(was_killed);
            reported = last.unwrap_or(reported);
            let store = place.open();
            let newest = store.newest().unwrap();
            assert!(newest.skipped.is_empty(), "{point}: {newest:?}");
            let time = newest.manifest.map_or(0, |manifest| manifest.time_ms);
            assert!(
                time == reported || (was_killed && time == reported + 1),
                "{point}: {time} is the newest, {reported} was the last reported"
            );
            reported = time;
        }
    }
    assert!(killed > 10, "killed only {killed} times");
}
