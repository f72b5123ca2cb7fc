//! sled under power loss: record what a process really does to its files, then rebuild the folder as a
//! power cut at any moment could have left it, and hold the contract of the store against that.
//!
//! sled does its own file I/O, so the simulated disk never sees it. Therefore a child process writes
//! checkpoints under `strace` ([`trace`] reads what it did); [`history`] keeps each file's writes and
//! syncs and each folder's names; [`cut`] rebuilds the folder: what was synced is there, of the rest any
//! 512-byte sectors and any names. `sync_file_range` counts as no sync at all, since it leaves the disk's
//! cache alone.
//!
//! `TIDEMILL_CASES` sets the number of cuts, `TIDEMILL_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "tests, helpers included"
)]

#[path = "../common/mod.rs"]
mod common;
mod cut;
mod format_1;
mod history;
mod plain;
mod record;
#[path = "../../../tests/support/report.rs"]
mod report;
mod rng;
mod trace;
mod workload;

use std::path::Path;

use cut::{Cut, Kept};
use history::History;
use rng::Rng;
use tidemill_checkpoint::{CheckpointReader, CheckpointStore, Location};
use workload::Workload;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// What a cut left, opened: the reported checkpoint (or the one that was being written) is the newest,
/// two whole ones are there, what they hold is what was written, and the store goes on from there.
fn check(folder: &Path, reported: u64, workload: Workload) -> Result<(), String> {
    let location = Location::Sled(folder.join(record::STORE));
    let store = CheckpointStore::open(&location, common::options())
        .map_err(|error| format!("can't be opened: {error}"))?;
    let newest = store
        .newest()
        .map_err(|error| format!("no newest: {error}"))?;
    let time = newest.manifest.as_ref().map_or(0, |found| found.time_ms);
    if time != reported && time != reported + 1 {
        return Err(format!("{time} is the newest: {:?}", newest.skipped));
    }
    if !newest.skipped.is_empty() {
        return Err(format!("skipped {:?}", newest.skipped));
    }
    let mut whole = 0;
    for summary in store.list().map_err(|error| error.to_string())? {
        let reader = CheckpointReader::open(&location).map_err(|error| error.to_string())?;
        let manifest = reader
            .manifest(summary.id)
            .map_err(|error| error.to_string())?;
        if manifest
            .chunks()
            .any(|reference| store.read_chunk(reference).is_err())
        {
            continue; // One that had been retired, and came back in part.
        }
        whole += 1;
        let found = common::restore(&store, &manifest, workload::SERIES);
        if found != (workload.model)(summary.time_ms) {
            return Err(format!("{} holds something else", summary.time_ms));
        }
    }
    if whole < time.min(2) {
        return Err(format!("{whole} of {time} checkpoints are whole"));
    }
    let next = time + 1;
    store
        .write((workload.draft)(next))
        .map_err(|error| format!("takes no checkpoint: {error}"))?;
    drop(store);
    let store = CheckpointStore::open(&location, common::options())
        .map_err(|error| format!("can't be opened again: {error}"))?;
    let manifest = store.newest().map_err(|error| error.to_string())?.manifest;
    let manifest = manifest.ok_or("nothing is left after another checkpoint")?;
    let found = common::restore(&store, &manifest, workload::SERIES);
    if manifest.time_ms != next || found != (workload.model)(next) {
        return Err("the checkpoint after it is another".to_owned());
    }
    Ok(())
}

/// Cuts a history at `cases` moments; the ways in which the contract was broken.
fn violations(history: &History, workload: Workload, cases: u64, seed: u64) -> Vec<String> {
    let (first, end) = (history.first_report(), history.end());
    let mut found = Vec::new();
    for case in 0..cases {
        let mut rng = Rng::new(seed).part(case);
        let moment = first + rng.below(end - first);
        let kept = Kept::any(&mut rng);
        let cut = Cut { moment, kept };
        let folder = record::scratch();
        cut.rebuild(history, &mut rng, folder.path());
        let reported = history.reported(moment);
        if let Err(problem) = check(folder.path(), reported, workload) {
            found.push(format!("case {case}: {cut:?} after {reported}: {problem}"));
        }
    }
    found
}

/// Records a history, and finds the contract kept after each of its cuts.
fn hold(child: &str, workload: Workload, cases: u64) {
    let Some(history) = record::history(child) else {
        return;
    };
    let (cases, seed) = (number("TIDEMILL_CASES", cases), number("TIDEMILL_SEED", 1));
    println!(
        "{cases} cuts of {} calls: TIDEMILL_SEED={seed}",
        history.end()
    );
    println!("{}", history.summary());
    let found = violations(&history, workload, cases, seed);
    report::report("sled location", "power cut", cases, found.len() as u64);
    assert!(
        found.is_empty(),
        "{} of {cases} cuts, TIDEMILL_SEED={seed}:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// The cuts are sharp: had the same calls been made without the syncs, checkpoints would be lost.
#[test]
fn without_its_syncs_the_same_history_would_lose_checkpoints() {
    if let Some(mut history) = record::history("child_of_the_store") {
        history.forget_syncs();
        assert!(!violations(&history, workload::FRESH, 20, 1).is_empty());
    }
}

#[test]
fn a_power_cut_at_any_moment_leaves_what_was_reported() {
    hold("child_of_the_store", workload::FRESH, 150);
}

#[test]
fn a_power_cut_while_format_1_is_sealed_leaves_what_was_there() {
    hold("format_1::child", format_1::SEALED, 60);
}

/// The recorded process: not a test of its own.
#[test]
#[ignore = "started by the tests above"]
fn child_of_the_store() {
    record::in_child(|location, report| {
        report(0);
        for session in 0..workload::SESSIONS {
            let store = CheckpointStore::open(location, common::options()).unwrap();
            store.newest().unwrap();
            for time in workload::times(session) {
                store.write((workload::FRESH.draft)(time)).unwrap();
                report(time);
            }
        }
    });
}
