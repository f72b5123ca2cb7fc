//! `tidemill wal repair`, with the real binary on what a real daemon left: nothing is changed before it is
//! told to, what it says would be lost is what is lost, and the damaged bytes are kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cli_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use cli_support::{Place, copy, eventually, stderr, stdout};
use serde_json::Value;

fn place(batch_interval: &str) -> Place {
    let place = Place::new();
    let text = fs::read_to_string(place.path("p.toml")).unwrap();
    let interval = format!("\"{batch_interval}\"");
    fs::write(place.path("p.toml"), text.replace("\"100ms\"", &interval)).unwrap();
    place
}

/// A daemon takes three lines that no batch reads before it is killed.
fn three_lines_and_a_kill() -> Place {
    let place = place("1h");
    let daemon = place.start(&["--set", "checkpoint.interval=1h"]);
    for line in ["one\n", "two\n", "three\n"] {
        daemon.feed(line);
    }
    drop(daemon);
    place
}

fn repair(place: &Place, more: &[&str]) -> (Output, Value) {
    let arguments = [&["wal", "repair", "p.toml", "--json"], more].concat();
    let output = place.run(&arguments);
    let report = serde_json::from_str(&stdout(&output)).unwrap_or_default();
    (output, report)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Flips a byte of the payload of an entry; returns the segment.
fn damage(place: &Place, log: &str, sequence: u64) -> PathBuf {
    let dump = stdout(&place.run(&["wal", "dump", "p.toml"]));
    let entries = dump
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut of_log = entries.filter(|entry| entry["log"] == log);
    let entry = of_log.find(|entry| entry["sequence"] == sequence).unwrap();
    let path = place.path(entry["file"].as_str().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[entry["offset"].as_u64().unwrap() as usize + 20] ^= 1;
    fs::write(&path, bytes).unwrap();
    path
}

fn quarantine(segment: &Path) -> PathBuf {
    let names = fs::read_dir(segment.parent().unwrap()).unwrap();
    let mut folders = names.filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?.to_owned();
        name.starts_with("quarantine-").then_some(path)
    });
    let folder = folders.next().expect("there is a quarantine");
    assert!(folders.next().is_none());
    folder
}

/// Repairs, after making sure that nothing was changed before.
fn repair_for_good(place: &Place, segment: &Path) -> Value {
    let damaged = fs::read(segment).unwrap();
    let (told, _) = repair(place, &[]);
    assert_eq!(code(&told), 1, "{}", stderr(&told));
    assert_eq!(fs::read(segment).unwrap(), damaged);
    let folder = segment.parent().unwrap().display().to_string();
    let blind = place.run(&["wal", "repair", &folder, "--quarantine", "--yes"]);
    assert_eq!(code(&blind), 2, "{}", stderr(&blind));

    let (done, report) = repair(place, &["--quarantine"]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let folder = quarantine(segment);
    assert_eq!(
        fs::read(folder.join(segment.file_name().unwrap())).unwrap(),
        damaged
    );
    let kept: Value =
        serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert!(!kept["log"]["losses"].as_array().unwrap().is_empty());
    let again = place.run(&["wal", "repair", "p.toml", "--quarantine", "--yes"]);
    assert_eq!(code(&again), 0, "{}", stderr(&again));
    assert_eq!(quarantine(segment), folder);
    let verified = place.run(&["wal", "verify", "p.toml"]);
    assert_eq!(code(&verified), 0, "{}", stdout(&verified));
    assert_eq!(code(&place.run(&["wal", "dump", "p.toml"])), 0);
    let checked = place.run(&["fsck", "p.toml"]);
    assert_eq!(code(&checked), 0, "{}", stdout(&checked));
    report
}

#[test]
fn a_log_whose_damage_every_checkpoint_covers_loses_nothing() {
    let place = place("100ms");
    let daemon = place.start(&["--set", "checkpoint.retain=2"]);
    let live = place.run(&["wal", "repair", "p.toml", "--quarantine", "--yes"]);
    assert_eq!(code(&live), 3, "{}", stderr(&live));
    for line in ["one\n", "two\n"] {
        daemon.feed(line);
        eventually("it is counted", || {
            place
                .output_lines()
                .iter()
                .any(|found| found.contains(line.trim()))
                .then_some(())
        });
        assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
    }
    assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
    daemon.stop();
    let (sound, report) = repair(&place, &[]);
    assert_eq!(
        (code(&sound), &report["damaged"]),
        (0, &Value::from(false)),
        "{report}"
    );

    let segment = damage(&place, "driver", 0);
    let (told, report) = repair(&place, &[]);
    assert_eq!(code(&told), 1);
    assert!(
        stderr(&told).contains("would lose nothing"),
        "{}",
        stderr(&told)
    );
    assert_eq!(report["loses"], "nothing", "{report:#}");
    let loss = &report["logs"][0]["losses"][0];
    assert_eq!(
        (&loss["from"], &loss["to"]),
        (&0.into(), &1.into()),
        "{report:#}"
    );
    let text = stdout(&place.run(&["wal", "repair", "p.toml"]));
    assert!(
        text.contains("every kept checkpoint contains these entries"),
        "{text}"
    );
    repair_for_good(&place, &segment);

    let daemon = place.start(&[]);
    daemon.feed("three\n");
    eventually("it goes on", || {
        place
            .output_lines()
            .contains(&"(three,1)".to_owned())
            .then_some(())
    });
    daemon.stop();
    let lines = ["(one,1)", "(three,1)", "(two,1)"];
    assert_eq!(place.output_lines(), lines);
}

#[test]
fn a_lost_block_is_named_and_the_others_are_processed() {
    let place = three_lines_and_a_kill();
    let segment = damage(&place, "blocks", 1);
    let (_, report) = repair(&place, &[]);
    assert_eq!(report["loses"], "data");
    let lost = &report["logs"][1]["losses"][0]["blocks"];
    assert_eq!(lost.as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(lost[0]["stream"], "lines");
    assert_eq!(lost[0]["records"], 1);
    assert_eq!(lost[0]["isNeeded"], true);
    let text = stdout(&place.run(&["wal", "repair", "p.toml"]));
    assert!(text.contains("1 record of 1 block lost"), "{text}");
    assert!(
        text.contains("block 1-1 of `lines`: 1 record, waiting for a batch"),
        "{text}"
    );
    repair_for_good(&place, &segment);
    let mut daemon = place.start(&[]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(
        daemon.log().contains("given up by `wal repair`"),
        "{}",
        daemon.log()
    );
    assert_eq!(place.output_lines(), ["(one,1)", "(three,1)"]);
}

#[test]
fn a_lost_event_cuts_the_drivers_log_there() {
    let place = three_lines_and_a_kill();
    let segment = damage(&place, "driver", 1);
    let refused = place.run(&["run", "p.toml"]);
    assert_eq!(code(&refused), 1, "{}", stderr(&refused));
    let file = "data/wal/driver/00000000000000000000.wal is damaged at offset ";
    assert!(stderr(&refused).contains(file), "{}", stderr(&refused));
    let (_, report) = repair(&place, &[]);
    assert_eq!(report["loses"], "data");
    let driver = &report["logs"][0];
    assert_eq!(driver["cutAt"], 1, "{report:#}");
    let readable = &driver["losses"][1];
    assert_eq!(readable["isReadable"], true, "{report:#}");
    assert_eq!(readable["additions"]["lines"]["records"], 1, "{report:#}");
    repair_for_good(&place, &segment);
    place.start(&[]).stop();
    assert_eq!(place.output_lines(), ["(one,1)"]);
}

/// The log is under both names, and the checkpoint under the old one.
#[test]
fn renames_are_followed() {
    let place = place("1h");
    let set = |from: &str, to: &str| {
        let text = fs::read_to_string(place.path("p.toml")).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(place.path("p.toml"), text.replace(from, to)).unwrap();
    };
    set("sled:data/checkpoint", "file:data/checkpoint");
    let slow = ["--set", "checkpoint.interval=1h"];
    let daemon = place.start(&slow);
    for line in ["one\n", "two\n", "three\n"] {
        daemon.feed(line);
    }
    drop(daemon);
    copy(&place.path("data/checkpoint"), &place.path("kept"));
    set("[sources.lines]", "[sources.posts]");
    set("from = \"lines\"", "from = \"posts\"");
    set(
        "interval = \"1s\"",
        "interval = \"1s\"\nrenames = { lines = \"posts\" }",
    );
    let quick = ["--set", "batch_interval=100ms"];
    let daemon = place.start(&[slow, quick].concat());
    eventually("they are in a batch", || {
        (place.output_lines().len() == 3).then_some(())
    });
    drop(daemon);
    fs::remove_dir_all(place.path("data/checkpoint")).unwrap();
    fs::rename(place.path("kept"), place.path("data/checkpoint")).unwrap();
    let checked = place.run(&[&["fsck", "p.toml"][..], &quick].concat());
    assert_eq!(code(&checked), 0, "{}", stdout(&checked));
    damage(&place, "blocks", 1);
    let (_, report) = repair(&place, &quick);
    let lost = &report["logs"][1]["losses"][0]["blocks"][0];
    assert_eq!(lost["records"], 1, "{report:#}");
    assert!(lost["batch"].is_u64(), "{report:#}");
}

#[test]
fn what_cannot_be_repaired_is_said() {
    let place = place("100ms");
    let daemon = place.start(&[]);
    daemon.feed("one\n");
    eventually("it is counted", || {
        (!place.output_lines().is_empty()).then_some(())
    });
    daemon.stop();
    for segment in place.segments("driver") {
        fs::remove_file(segment).unwrap();
    }
    let refused = place.run(&["wal", "repair", "p.toml", "--quarantine", "--yes"]);
    assert_eq!(code(&refused), 1);
    let text = stderr(&refused);
    assert!(text.contains("it has no segment; restore"), "{text}");

    // Nobody can tell whether a driver is live.
    let remote = ["--set", "checkpoint.url=s3://bucket/checkpoint", "--set"];
    let logs = ["wal.url=file:data/wal", "--quarantine", "--yes"];
    let refused = place.run(&[&["wal", "repair", "p.toml"][..], &remote, &logs].concat());
    assert_eq!(code(&refused), 2);
    let text = stderr(&refused);
    assert!(text.contains("--driver-is-stopped"), "{text}");
}

#[test]
fn places_without_logs_are_refused_with_the_reason() {
    let place = Place::new();
    for (at, exit_code, reason) in [
        ("memory:", 1, "in the memory of the running pipeline"),
        ("sled:data", 2, "or an object store's URL"),
        ("nowhere.toml", 2, ""),
        ("p.toml", 1, "there are no logs at "),
    ] {
        let output = place.run(&["wal", "repair", at]);
        let text = stderr(&output);
        assert_eq!(code(&output), exit_code, "{at}: {text}");
        assert!(text.contains(reason), "{at}: {text}");
    }
}

/// Killed at each durable step, and run again.
#[cfg(feature = "failpoints")]
#[test]
fn a_repair_that_is_killed_can_be_run_again() {
    use std::os::unix::process::ExitStatusExt;

    let pristine = place("1h");
    let daemon = pristine.start(&["--set", "wal.segment_size=1KiB"]);
    for number in 1..20 {
        daemon.feed(&format!("line-{number}\n"));
    }
    drop(daemon);
    assert!(pristine.segments("driver").len() > 1);
    let segment = damage(&pristine, "driver", 1);
    let damaged = fs::read(&segment).unwrap();
    let name = segment.strip_prefix(pristine.path("")).unwrap().to_owned();
    let points = tidemill_wal::FAILPOINTS
        .iter()
        .filter(|point| point.contains("quarantine") && !point.ends_with("_put"));
    let mut killed = 0;
    for point in points {
        let place = Place::new();
        fs::copy(pristine.path("p.toml"), place.path("p.toml")).unwrap();
        copy(&pristine.path("data"), &place.path("data"));
        let again = ["wal", "repair", "p.toml", "--quarantine", "--yes"];
        let mut command = place.command(&again);
        let output = command
            .env("FAILPOINTS", format!("{point}=return"))
            .output();
        let output = output.unwrap();
        assert_eq!(
            output.status.signal(),
            Some(9),
            "{point}: {}",
            stderr(&output)
        );
        killed += 1;
        let done = place.run(&again);
        assert_eq!(code(&done), 0, "{point}: {}", stderr(&done));
        let verified = place.run(&["wal", "verify", "p.toml"]);
        assert_eq!(code(&verified), 0, "{point}: {}", stdout(&verified));
        let folder = place.path(name.parent().unwrap().to_str().unwrap());
        let quarantines = fs::read_dir(folder).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path();
            path.join("report.json").exists().then_some(path)
        });
        let file = name.file_name().unwrap();
        let mut kept = quarantines.filter_map(|folder| fs::read(folder.join(file)).ok());
        assert!(
            kept.any(|bytes| bytes == damaged),
            "{point}: the damaged bytes are gone"
        );
        place.start(&[]).stop();
        assert_eq!(place.output_lines(), ["(line-1,1)"], "{point}");
    }
    assert_eq!(killed, 5);
}
