//! `tidemill fsck` and `wal repair`, with the real binary on what a real daemon left: each damage is told
//! with its place, and what repair says it loses is what is lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cli_support;

use std::fs;
use std::path::{Path, PathBuf};

use cli_support::{Daemon, Place, copy, eventually, stderr, stdout};
use serde_json::Value;

/// A pipeline whose checkpoints are plain files, so that they can be damaged.
fn place(batch_interval: &str) -> Place {
    let place = Place::new();
    let text = fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text
        .replace("sled:data", "file:data")
        .replace("\"100ms\"", &format!("\"{batch_interval}\""));
    fs::write(place.path("p.toml"), text).unwrap();
    place
}

fn fsck(place: &Place) -> (i32, Value) {
    let output = place.run(&["fsck", "p.toml", "--json"]);
    let text = stdout(&output);
    let report =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}\n{}", stderr(&output)));
    (output.status.code().unwrap(), report)
}

/// The findings of a severity, as `area: place: problem`.
fn of(report: &Value, severity: &str) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter();
    let of = all.filter(|finding| finding["severity"] == severity);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    of.map(|finding| {
        let [area, place, problem] = ["area", "place", "problem"].map(|key| text(finding, key));
        format!("{area}: {place}: {problem}")
    })
    .collect()
}

fn feed(place: &Place, daemon: &Daemon, lines: &[&str]) {
    for line in lines {
        let before = place.output_lines().len();
        daemon.feed(&format!("{line}\n"));
        eventually("it is counted", || {
            (place.output_lines().len() > before).then_some(())
        });
    }
}

/// Cuts a checkpoint and returns its time.
fn checkpoint(daemon: &Daemon) -> u64 {
    let cut = daemon.post("/api/v1/checkpoint", "");
    assert_eq!(cut.status, 200, "{}", cut.body);
    cut.json()["time"].as_u64().unwrap()
}

fn newest(folder: &Path) -> PathBuf {
    let names = fs::read_dir(folder).unwrap();
    names.map(|entry| entry.unwrap().path()).max().unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// The folders of batches, by time.
fn outputs(place: &Place) -> Vec<(u64, PathBuf)> {
    let names = fs::read_dir(place.path("out")).unwrap();
    let mut all: Vec<(u64, PathBuf)> = names
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.to_owned();
            let time = name.strip_prefix("counts-")?.strip_suffix(".txt")?;
            Some((time.parse().ok()?, path))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_whole_pipeline_is_whole_while_it_runs_and_after() {
    let place = place("100ms");
    let (code, report) = fsck(&place);
    assert_eq!(
        (code, &report["whole"]),
        (0, &Value::from(true)),
        "{report}"
    );
    let daemon = place.start(&[]);
    for round in 0..8 {
        feed(&place, &daemon, &["to be", "or not"]);
        if round % 3 == 0 {
            checkpoint(&daemon);
        }
        let (code, report) = fsck(&place);
        assert_eq!(code, 0, "live, round {round}: {report:#}");
    }
    daemon.stop();
    let (code, report) = fsck(&place);
    assert_eq!(code, 0, "{report:#}");
    assert!(report["checked"]["outputs"].as_u64().unwrap() > 3);
    assert!(report["checked"]["driverEntries"].as_u64().unwrap() > 3);
    let told = stdout(&place.run(&["fsck", "p.toml"]));
    assert!(told.contains("wordcount: whole; checked "), "{told}");
    assert_eq!(place.run(&["fsck", "nowhere.toml"]).status.code(), Some(2));
}

type Damage = (&'static str, fn(&Place), &'static str, &'static str);

/// A damage, the severity and a part of what is told.
const DAMAGES: &[Damage] = &[
    (
        "a flipped byte in the driver's log",
        |place| flip(&place.segments("driver")[0], 60),
        "error",
        "driver: data/wal/driver/00000000000000000000.wal, offset 40",
    ),
    (
        "a flipped byte in the block log",
        |place| flip(&place.segments("blocks")[0], 60),
        "error",
        "blocks: data/wal/blocks/00000000000000000000.wal, offset 40",
    ),
    (
        "the block log's end is lost",
        |place| {
            let segment = &place.segments("blocks")[0];
            let bytes = fs::read(segment).unwrap();
            fs::write(segment, &bytes[..40]).unwrap();
        },
        "error",
        "it ends before 0: its end was lost",
    ),
    (
        "the driver's log lost its end",
        |place| {
            for segment in place.segments("driver").iter().skip(1) {
                fs::remove_file(segment).unwrap();
            }
            let segment = &place.segments("driver")[0];
            let bytes = fs::read(segment).unwrap();
            fs::write(segment, &bytes[..40]).unwrap();
        },
        "error",
        "its end was lost",
    ),
    (
        "no log at all",
        |place| fs::remove_dir_all(place.path("data/wal")).unwrap(),
        "error",
        "there is no log at",
    ),
    (
        "the newest manifest",
        |place| flip(&newest(&place.path("data/checkpoint/manifest")), 30),
        "error",
        "checkpoints: checkpoint ",
    ),
    (
        "a claim",
        |place| flip(&newest(&place.path("data/checkpoint/epoch")), 30),
        "note",
        "checkpoints: data/checkpoint/epoch/",
    ),
    (
        "all checkpoints",
        |place| {
            for entry in fs::read_dir(place.path("data/checkpoint/manifest")).unwrap() {
                fs::write(entry.unwrap().path(), b"nonsense").unwrap();
            }
        },
        "error",
        "is damaged",
    ),
    (
        "an output without its mark",
        |place| {
            let (_, path) = outputs(place).pop().unwrap();
            fs::remove_file(path.join("_SUCCESS")).unwrap();
        },
        "error",
        "it has no _SUCCESS",
    ),
    (
        "an output without its first part",
        |place| {
            let (_, path) = outputs(place).pop().unwrap();
            fs::rename(path.join("part-00000"), path.join("part-00007")).unwrap();
        },
        "error",
        "without gaps",
    ),
    (
        "the newest output",
        |place| {
            let (_, path) = outputs(place).pop().unwrap();
            fs::remove_dir_all(path).unwrap();
        },
        "error",
        "its output is missing",
    ),
    (
        "the oldest output, which somebody cleared away",
        |place| {
            let (_, path) = outputs(place).remove(0);
            fs::remove_dir_all(path).unwrap();
        },
        "note",
        "",
    ),
    (
        "an output of a batch to come",
        |place| {
            let (time, path) = outputs(place).pop().unwrap();
            let to_come = path.with_file_name(format!("counts-{}.txt", time + 60_000));
            copy(&path, &to_come);
        },
        "error",
        "it is later than the last one",
    ),
    (
        "an output of no batch",
        |place| {
            let (time, path) = outputs(place).pop().unwrap();
            let stray = path.with_file_name(format!("counts-{}.txt", time - 1));
            copy(&path, &stray);
        },
        "error",
        "was ever cut",
    ),
    (
        "what an interrupted commit left",
        |place| fs::create_dir(place.path("out/.counts-99999999999999.txt.0.tmp")).unwrap(),
        "note",
        "an interrupted commit left it",
    ),
    (
        "another name",
        |place| {
            let text = fs::read_to_string(place.path("p.toml")).unwrap();
            let text = text.replace("name = \"wordcount\"", "name = \"other\"");
            fs::write(place.path("p.toml"), text).unwrap();
        },
        "error",
        "belongs to the application `wordcount`",
    ),
];

#[test]
fn each_damage_is_told_with_its_place() {
    let pristine = place("100ms");
    let daemon = pristine.start(&["--set", "checkpoint.retain=2"]);
    feed(&pristine, &daemon, &["one", "two", "three"]);
    checkpoint(&daemon);
    feed(&pristine, &daemon, &["four"]);
    daemon.stop();
    let (code, report) = fsck(&pristine);
    assert_eq!(code, 0, "{report:#}");
    for (what, damage, severity, told) in DAMAGES {
        let place = pristine.copy();
        damage(&place);
        let before = fs::read(place.path("p.toml")).unwrap();
        let (code, report) = fsck(&place);
        let findings = of(&report, severity);
        assert!(
            findings.iter().any(|finding| finding.contains(told)) || told.is_empty(),
            "{what}: {report:#}"
        );
        assert_eq!(
            code == 1,
            *severity == "error" || !of(&report, "error").is_empty(),
            "{what}"
        );
        assert!(*severity != "note" || code == 0, "{what}: {report:#}");
        assert_eq!(fs::read(place.path("p.toml")).unwrap(), before);
    }
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over_and_told_everywhere() {
    let place = place("100ms");
    let text = fs::read_to_string(place.path("p.toml")).unwrap();
    let stateful = text.replace(
        "{ op = \"count_by_value\" }",
        "{ op = \"count_by_value\" }, { op = \"update_state_by_key\", function = \"sum\" }",
    );
    fs::write(place.path("p.toml"), stateful).unwrap();
    let last_totals = |place: &Place| {
        let (_, path) = outputs(place).pop()?;
        let mut lines: Vec<String> = fs::read_to_string(path.join("part-00000"))
            .ok()?
            .lines()
            .map(str::to_owned)
            .collect();
        for part in 1.. {
            let Ok(text) = fs::read_to_string(path.join(format!("part-{part:05}"))) else {
                break;
            };
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort();
        Some(lines)
    };
    let wait = |place: &Place, meant: &[&str]| {
        eventually("the totals are there", || {
            (last_totals(place)? == meant).then_some(())
        });
    };
    let daemon = place.start(&["--set", "checkpoint.interval=1h"]);
    daemon.feed("a b\n");
    wait(&place, &["(a,1)", "(b,1)"]);
    checkpoint(&daemon);
    daemon.feed("a\n");
    wait(&place, &["(a,2)", "(b,1)"]);
    checkpoint(&daemon);
    daemon.feed("c\n");
    wait(&place, &["(a,2)", "(b,1)", "(c,1)"]);
    daemon.stop();
    flip(&newest(&place.path("data/checkpoint/manifest")), 40);

    let daemon = place.start(&[]);
    let status = daemon.get("/api/v1/checkpoint").json();
    let skipped = status["skippedAtRecovery"].as_array().unwrap();
    assert_eq!(skipped.len(), 1, "{status}");
    assert!(
        skipped[0]
            .as_str()
            .unwrap()
            .contains("data/checkpoint/manifest/")
    );
    let metrics = daemon.get("/metrics").body;
    assert!(
        metrics.contains("\ntidemill_checkpoint_skipped_at_recovery 1\n"),
        "{metrics}"
    );
    let told = stdout(&place.run(&["status", "--admin", &daemon.url()]));
    assert!(
        told.contains("WARNING     the start passed over a damaged checkpoint"),
        "{told}"
    );
    eventually("it is ready all the same", || {
        (daemon.get("/readyz").status == 200).then_some(())
    });
    daemon.feed("a\n");
    wait(&place, &["(a,3)", "(b,1)", "(c,1)"]);
    daemon.stop();
}
