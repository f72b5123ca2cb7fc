//! Replays: a batch that is still retained, computed again with the state that there was. What is printed is what the
//! batch wrote then, and nothing is changed by it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod cli_support;
#[path = "support/files.rs"]
mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cli_support::{Daemon, Place, eventually, stderr, stdout};
use files::bytes_of;
use serde_json::Value;

/// Running totals.
fn totals() -> Place {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let stateless = "{ op = \"count_by_value\" }]";
    assert!(text.contains(stateless));
    let stateful =
        "{ op = \"count_by_value\" }, { op = \"update_state_by_key\", function = \"sum\" }]";
    // Checkpoints are cut when they are asked for.
    let text = text
        .replace(stateless, stateful)
        .replace("interval = \"1s\"", "interval = \"1h\"\nretain = 3");
    std::fs::write(place.path("p.toml"), text).unwrap();
    place
}

/// Feeds a line and waits until its batch, which is later than `after`, is complete; its time.
fn feed(daemon: &Daemon, line: &str, after: u64) -> u64 {
    daemon.feed(line);
    eventually("the batch is complete", || {
        let batches = "/api/v1/applications/wordcount/streaming/batches?status=completed";
        let batches = daemon.get(batches).json();
        let mut batches = batches.as_array()?.iter();
        let fed = batches.find(|batch| batch["inputSize"] != 0)?;
        fed["batchId"].as_u64().filter(|time| *time > after)
    })
}

/// What a batch wrote.
fn written(place: &Place, time: u64) -> Vec<String> {
    let folder = place.path(&format!("out/counts-{time}.txt"));
    let mut lines = Vec::new();
    for part in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(part.unwrap().path()).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.sort();
    lines
}

fn replayed(place: &Place, time: u64) -> (i32, Value, String) {
    let time = time.to_string();
    let done = place.run(&[
        "replay", "p.toml", "--batch", &time, "--json", "--output", "files",
    ]);
    let answer = serde_json::from_str(&stdout(&done)).unwrap_or(Value::Null);
    (done.status.code().unwrap(), answer, stderr(&done))
}

fn rows(answer: &Value) -> Vec<String> {
    let rows = answer["batch"]["outputs"][0]["first"].as_array().unwrap();
    let mut rows: Vec<String> = rows
        .iter()
        .map(|row| row.as_str().unwrap().to_owned())
        .collect();
    rows.sort();
    rows
}

fn cut(place: &Place, daemon: &Daemon) {
    let cut = place.run(&["checkpoint", "create", "--admin", &daemon.url()]);
    assert_eq!(cut.status.code(), Some(0), "{}", stderr(&cut));
}

/// What no replay may change.
fn all(place: &Place) -> [BTreeMap<PathBuf, Vec<u8>>; 2] {
    ["data", "out"].map(|folder| bytes_of(&place.path(folder)))
}

#[test]
fn every_retained_batch_comes_out_as_it_did_and_nothing_is_written() {
    let place = totals();
    let daemon = place.start(&[]);
    let mut times = Vec::new();
    for round in 0..6 {
        let last = times.last().copied().unwrap_or_default();
        times.push(feed(&daemon, "to be or not to be\n", last));
        if round % 2 == 1 {
            cut(&place, &daemon);
        }
    }
    // Beside the live driver: its newest batch.
    let newest = *times.last().unwrap();
    let (code, answer, error) = replayed(&place, newest);
    assert_eq!(code, 0, "{error}");
    assert_eq!(rows(&answer), written(&place, newest));
    assert_eq!(rows(&answer), ["(be,12)", "(not,6)", "(or,6)", "(to,12)"]);
    daemon.stop();

    let scratch = tempfile::tempdir().unwrap();
    let before = all(&place);
    let (mut can, mut cannot) = (0, 0);
    for time in &times {
        let (code, answer, error) = replayed(&place, *time);
        match code {
            0 => {
                assert_eq!(rows(&answer), written(&place, *time), "{time}: {answer:#}");
                can += 1;
            }
            code => {
                assert_eq!(code, 1, "{error}");
                assert!(
                    error.contains("contains it already; batches after"),
                    "{error}"
                );
                cannot += 1;
            }
        }
    }
    assert!(can >= 2 && cannot >= 1, "{can} and {cannot}");
    // As text, with a limit, and with its temporary files where they can be looked at.
    let mut command = place.command(&[
        "replay",
        "p.toml",
        "--rows",
        "1",
        "--batch",
        &newest.to_string(),
    ]);
    let told = command.env("TMPDIR", scratch.path()).output().unwrap();
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let text = stdout(&told);
    assert!(
        text.contains("files (save_as_text_files): 4 records"),
        "{text}"
    );
    assert!(
        text.contains("screen (print): 4 records") && text.contains("... and 3 more"),
        "{text}"
    );
    assert!(bytes_of(scratch.path()).is_empty());
    assert_eq!(all(&place), before, "a replay wrote");
}

#[test]
fn what_cannot_be_replayed_is_refused_with_what_can() {
    let place = totals();
    let refused = |time: &str, code: i32, reason: &str| {
        let done = place.run(&["replay", "p.toml", "--batch", time]);
        assert_eq!(done.status.code(), Some(code), "{}", stderr(&done));
        assert!(stderr(&done).contains(reason), "{}", stderr(&done));
        assert_eq!(stdout(&done), "");
    };
    refused("1000", 1, "there is no checkpoint at");
    assert_eq!(place.names(), ["p.toml"]);
    let daemon = place.start(&[]);
    let time = feed(&daemon, "a\n", 0);
    daemon.stop();
    let off = (time - 1).to_string();
    refused("1000", 1, "contains it already; batches after");
    refused(
        &off,
        1,
        "there is no batch of this time; the nearest that can be replayed: ",
    );
    refused("soon", 2, "invalid value 'soon'");
    let done = place.run(&["replay", "p.toml", "--batch", &off, "--output", "file"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        stderr(&done).contains("p.toml has no sink `file`: it has screen, files"),
        "{}",
        stderr(&done)
    );
}

#[test]
fn a_batch_that_fails_again_and_again_is_looked_at_beside_its_driver() {
    let place = totals();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text.replace(
        "batch_interval = \"100ms\"",
        "batch_interval = \"100ms\"\n[jobs]\nmax_failures = 1",
    );
    std::fs::write(place.path("p.toml"), text).unwrap();
    let daemon = place.start(&[]);
    let first = feed(&daemon, "a\n", 0);
    break_folder(&place.path("out"));
    daemon.feed("a\n");
    let failing = eventually("a batch fails", || {
        let batches = daemon.get("/api/v1/applications/wordcount/streaming/batches?status=failed");
        batches
            .json()
            .get(0)
            .and_then(|batch| batch["batchId"].as_u64())
    });
    assert!(failing > first);
    let (code, answer, error) = replayed(&place, failing);
    assert_eq!(code, 0, "{error}");
    let total = rows(&answer);
    assert!(total == ["(a,1)"] || total == ["(a,2)"], "{total:?}");
}

/// Puts a file in a folder's place: nothing can be written below it, by nobody.
fn break_folder(folder: &Path) {
    std::fs::rename(folder, folder.with_extension("aside")).unwrap();
    std::fs::write(folder, "no folder").unwrap();
}
