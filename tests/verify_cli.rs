//! `tidemill wal verify`, `fsck`, `checkpoint verify` and `checkpoint list` never call whole what a start refuses, and say
//! so where they can't know: the real binary on what a real daemon left, damaged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cli_support;

use std::fs;
use std::path::{Path, PathBuf};

use cli_support::{Place, eventually, stderr, stdout};
use serde_json::Value;

/// What a daemon left that was stopped in good order, its checkpoints in a store of this kind.
fn stopped(kind: &str) -> Place {
    let place = Place::new();
    let text = fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text.replace("sled:data", &format!("{kind}:data"));
    fs::write(place.path("p.toml"), text).unwrap();
    let daemon = place.start(&["--set", "checkpoint.interval=1h"]);
    for round in 1..=3 {
        daemon.feed("word\n");
        eventually("it is counted", || {
            (place.output_lines().len() == round).then_some(())
        });
        if round < 3 {
            let cut = daemon.post("/api/v1/checkpoint", "");
            assert_eq!(cut.status, 200, "{}", cut.body);
        }
    }
    // The last one, cut now, still holds the last block.
    daemon.stop();
    place
}

/// What a command says on both streams, its exit code being as it must.
fn said(place: &Place, code: i32, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let all = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

fn json(place: &Place, code: i32, arguments: &[&str]) -> Value {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes)
        .unwrap();
}

fn flip_at_end(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn last(place: &Place, log: &str) -> PathBuf {
    place.segments(log).pop().unwrap()
}

fn remove_segments(place: &Place, log: &str) {
    let segments = place.segments(log);
    segments
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
}

const SYNCED: &str = "are known to have been synced, so this is no interrupted write";
const LOST: &str = "the end of the log was lost";

/// What is done to the logs, which one it is told of, and the words that `run`, `wal verify` and `fsck` share.
type Damage = (fn(&Place), &'static str, &'static str);

const DAMAGES: &[Damage] = &[
    (
        |place| flip_at_end(&last(place, "driver")),
        "driver",
        SYNCED,
    ),
    (|place| cut(&last(place, "driver"), 3), "driver", SYNCED),
    (
        |place| flip_at_end(&last(place, "blocks")),
        "blocks",
        SYNCED,
    ),
    (|place| cut(&last(place, "blocks"), 3), "blocks", SYNCED),
    (|place| remove_segments(place, "blocks"), "blocks", LOST),
    (|place| remove_segments(place, "driver"), "driver", LOST),
];

#[test]
fn a_log_whose_end_a_checkpoint_knows_is_damaged_without_it() {
    let whole = stopped("file");
    let sound = json(&whole, 0, &["wal", "verify", "p.toml", "--json"]);
    for log in ["driver", "blocks"] {
        assert!(sound[log]["knownEnd"].as_u64().unwrap() > 0, "{sound:#}");
    }
    for (place, (damage, log, words)) in DAMAGES.iter().enumerate() {
        let (what, place) = (format!("damage {place} of {log}"), whole.copy());
        damage(&place);
        let told = said(&place, 1, &["wal", "verify", "p.toml"]);
        let line = format!("{log} in data/wal/{log}: DAMAGED; ");
        assert!(
            told.contains(&line) && told.contains(words),
            "{what}: {told}"
        );
        assert!(!told.contains("harmless"), "{what}: {told}");
        let report = json(&place, 1, &["wal", "verify", "p.toml", "--json"]);
        let findings = report[log]["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{what}: {report:#}");
        let file = findings[0]["file"].as_str().unwrap();
        assert!(
            file.starts_with(&format!("data/wal/{log}")),
            "{what}: {file}"
        );
        let checked = said(&place, 1, &["fsck", "p.toml"]);
        assert!(checked.contains(words), "{what}: {checked}");
        assert!(
            !checked.contains("nothing of it was acknowledged"),
            "{what}: {checked}"
        );
        let refused = said(&place, 1, &["run", "p.toml"]);
        assert!(refused.contains(words), "{what}: {refused}");
    }
}

#[test]
fn a_log_that_is_gone_is_told_where_a_checkpoint_knows_of_it() {
    let place = stopped("sled");
    fs::remove_dir_all(place.path("data/wal/blocks")).unwrap();
    let told = said(&place, 1, &["wal", "verify", "p.toml"]);
    assert!(
        told.contains("blocks in data/wal/blocks: DAMAGED; 0 entries"),
        "{told}"
    );
    assert!(
        told.contains("the log isn't there, and all its entries before "),
        "{told}"
    );
    let report = json(&place, 1, &["wal", "verify", "p.toml", "--json"]);
    assert_eq!(report["blocks"]["findings"][0]["file"], "data/wal/blocks");
    for _ in 0..2 {
        let told = said(&place, 1, &["wal", "repair", "p.toml"]);
        assert!(
            told.contains("the block log at data/wal/blocks can't be repaired: it has no segment"),
            "{told}"
        );
        // The start makes the folder, and is refused.
        said(&place, 1, &["run", "p.toml"]);
    }
}

#[test]
fn without_checkpoints_it_says_what_can_t_be_known() {
    let place = stopped("file");
    cut(&last(&place, "driver"), 3);
    let told = said(&place, 0, &["wal", "verify", "data/wal"]);
    assert!(
        told.contains("driver in data/wal/driver: sound as far as it goes; "),
        "{told}"
    );
    assert!(
        told.contains("unless a checkpoint knows of it: then a start is refused"),
        "{told}"
    );
    assert!(
        told.contains("how far the logs went isn't known: "),
        "{told}"
    );
    let report = json(&place, 0, &["wal", "verify", "data/wal", "--json"]);
    assert_eq!(report["driver"]["knownEnd"], Value::Null, "{report:#}");
    let dumped = said(&place, 0, &["wal", "dump", "p.toml"]);
    assert!(
        dumped.contains("unless a checkpoint knows of it"),
        "{dumped}"
    );

    fs::remove_dir_all(place.path("data/checkpoint")).unwrap();
    let told = said(&place, 0, &["wal", "verify", "p.toml"]);
    let unknown = "how far the logs went isn't known: file:data/checkpoint holds no checkpoint";
    assert!(told.contains(unknown), "{told}");
}

#[test]
fn a_log_without_any_checkpoint_is_not_whole() {
    for kind in ["file", "sled"] {
        let place = stopped(kind);
        fs::remove_dir_all(place.path("data/checkpoint")).unwrap();
        let words = format!("{kind}:data/checkpoint holds no checkpoint to read them with");
        for empty in [false, true] {
            if empty {
                fs::create_dir(place.path("data/checkpoint")).unwrap();
            }
            let told = said(&place, 1, &["fsck", "p.toml"]);
            assert!(
                told.contains(&words) && told.contains("NOT WHOLE"),
                "{told}"
            );
            let pipeline = told.lines().find(|line| line.starts_with("pipeline "));
            assert!(pipeline.unwrap().ends_with("not checked"), "{told}");
        }
        let refused = said(&place, 1, &["run", "p.toml"]);
        assert!(refused.contains(&words), "{refused}");
    }
}

fn manifests(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.path("data/checkpoint/manifest")).unwrap();
    let mut all: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn damaged_checkpoints_are_listed_and_what_a_start_does_is_told() {
    let place = stopped("file");
    let whole = json(&place, 0, &["checkpoint", "verify", "p.toml", "--json"]);
    let newest = &whole["checkpoints"][0]["id"];
    assert_eq!(&whole["startsFrom"], newest, "{whole:#}");
    let older = whole["checkpoints"][1]["id"].clone();
    fs::write(manifests(&place).pop().unwrap(), b"nonsense").unwrap();

    let told = said(&place, 1, &["checkpoint", "verify", "p.toml"]);
    let starts = format!("a start would use checkpoint {older} and the log behind it");
    assert!(told.contains(&starts), "{told}");
    let verified = json(&place, 1, &["checkpoint", "verify", "p.toml", "--json"]);
    assert_eq!(verified["startsFrom"], older, "{verified:#}");
    let listed = said(&place, 0, &["checkpoint", "list", "p.toml"]);
    let row = listed.lines().nth(1).unwrap();
    assert!(
        row.contains(&newest.to_string()) && row.contains("DAMAGED"),
        "{listed}"
    );
    let list = json(&place, 0, &["checkpoint", "list", "p.toml", "--json"]);
    assert_eq!(&list["damaged"][0]["id"], newest, "{list:#}");
    assert_eq!(list["checkpoints"][0]["id"], older, "{list:#}");

    for manifest in manifests(&place) {
        fs::write(manifest, b"nonsense").unwrap();
    }
    let told = said(&place, 1, &["checkpoint", "verify", "p.toml"]);
    assert!(
        told.contains("can be gone on from: a start is refused; restore "),
        "{told}"
    );
    assert!(
        !told.contains("uses the newest checkpoint that is whole") && !told.contains("harmless"),
        "{told}"
    );
    let verified = json(&place, 1, &["checkpoint", "verify", "p.toml", "--json"]);
    assert_eq!(verified["startsFrom"], Value::Null, "{verified:#}");
    let listed = said(&place, 1, &["checkpoint", "list", "p.toml"]);
    assert_eq!(
        listed.matches("DAMAGED").count(),
        manifests(&place).len(),
        "{listed}"
    );
    let list = json(&place, 1, &["checkpoint", "list", "p.toml", "--json"]);
    assert_eq!(list["checkpoints"], Value::Array(Vec::new()));
    assert_eq!(
        list["damaged"].as_array().unwrap().len(),
        manifests(&place).len()
    );
    said(&place, 1, &["run", "p.toml"]);
}

#[test]
fn a_list_of_nothing_fails_whatever_the_store() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    for (location, words) in [
        ("file:empty", "file:empty holds no checkpoints"),
        ("sled:empty", "there is no checkpoint store at sled:empty"),
        (
            "file:nowhere",
            "there is no checkpoint store at file:nowhere",
        ),
        ("memory:", "in the memory of the running pipeline"),
    ] {
        let told = said(&place, 1, &["checkpoint", "list", location]);
        assert!(told.contains(words), "{location}: {told}");
        let list = json(&place, 1, &["checkpoint", "list", location, "--json"]);
        assert_eq!(list["location"], location);
        assert_eq!(list["checkpoints"], Value::Array(Vec::new()));
    }
}
