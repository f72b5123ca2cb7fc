//! What commands print for people: help, manual pages, completions, colours, and the figures.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cli_support::{Place, eventually, stderr, stdout};
use serde_json::Value;

/// A command's standard output, which must end well.
fn told(place: &Place, arguments: &[&str]) -> String {
    let done = place.run(arguments);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{arguments:?}: {}",
        stderr(&done)
    );
    stdout(&done)
}

#[test]
fn shells_and_man_get_what_they_read() {
    let place = Place::new();
    for (shell, part) in [
        ("bash", "complete -F _tidemill"),
        ("zsh", "#compdef tidemill"),
        ("fish", "complete -c tidemill"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = told(&place, &["completions", shell]);
        assert!(
            script.contains(part) && script.contains("dead-letters"),
            "{shell}"
        );
    }
    let refused = place.run(&["completions", "tcsh"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(told(&place, &["man", "deep/man"]), "");
    let page = std::fs::read_to_string(place.path("deep/man/tidemill-wal-dump.1")).unwrap();
    assert!(page.contains(".SH EXAMPLES"), "{page}");
    let refused = place.run(&["man", "p.toml/man"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("can't write p.toml/man"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn help_says_what_is_written_and_how_it_ends() {
    let place = Place::new();
    let help = told(&place, &["wal", "repair", "--help"]);
    for part in [
        "Usage: tidemill wal repair",
        "Writes: ",
        "Examples:\n  tidemill wal repair",
        "Exit codes:\n  0  done\n  1  ",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(!help.contains('\x1b'), "colours in a pipe");
    let coloured = told(&place, &["--color", "always", "wal", "repair", "--help"]);
    assert!(coloured.contains('\x1b'), "{coloured}");
    let wrong = place.run(&["wal", "repare"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("'repair'"), "{}", stderr(&wrong));
}

#[test]
fn colours_are_for_whoever_asks_for_them() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.stop();
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.command(&[&["wal", "verify", "p.toml"], arguments].concat());
        for name in ["NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let done = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        stdout(&done).contains("\x1b[32msound\x1b[0m")
    };
    assert!(!coloured(&[], &[]), "it isn't a terminal");
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color=never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn the_logs_tell_a_story_and_can_be_searched() {
    let place = Place::new();
    let daemon = place.start(&["--set", "checkpoint.interval=1h"]);
    daemon.feed("to be\nor not\n");
    let batch = eventually("the batch is complete", || {
        let batches =
            daemon.get("/api/v1/applications/wordcount/streaming/batches?status=completed");
        let batches = batches.json();
        let mut batches = batches.as_array()?.iter();
        let fed = batches.find(|batch| batch["inputSize"] != 0)?;
        fed["batchId"].as_u64()
    });
    daemon.feed("later\n");
    let live = told(&place, &["wal", "dump", "p.toml", "--story"]);
    assert!(live.contains("epoch 1 begins, at entry 0"), "{live}");
    assert!(
        live.contains("received   2 records, 11 B of `lines` in block 1-0"),
        "{live}"
    );
    let of_batch = format!("batch      {batch} is `lines` 2 records, block 1-0");
    assert!(live.contains(&of_batch), "{live}");
    daemon.stop();

    let batch = batch.to_string();
    let only = told(
        &place,
        &["wal", "dump", "p.toml", "--story", "--batch", &batch],
    );
    assert!(
        only.contains(&of_batch) && only.contains("in block 1-0"),
        "{only}"
    );
    assert!(
        !only.contains("1-1") && !only.contains("without records"),
        "{only}"
    );
    let entries = |arguments: &[&str]| -> Vec<Value> {
        let text = told(&place, &[&["wal", "dump", "p.toml"], arguments].concat());
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let of_batch = entries(&["--batch", &batch]);
    let of = |log: &str| of_batch.iter().filter(|entry| entry["log"] == log).count();
    assert_eq!((of("driver"), of("blocks")), (2, 1), "{of_batch:?}");
    let blocks = |entries: &[Value]| {
        let of_source = entries.iter().filter(|entry| entry["log"] == "blocks");
        of_source.count()
    };
    assert_eq!(blocks(&entries(&["--source", "lines"])), 2);
    assert_eq!(entries(&["--source", "files"]).len(), 0);
    assert_eq!(entries(&["--since", "1"]).len(), entries(&[]).len());
    assert_eq!(entries(&["--since", "9999999999999"]).len(), 0);

    // A half-written end is told, with its place, and is no failure.
    let segment = place.segments("driver").pop().unwrap();
    let whole = std::fs::metadata(&segment).unwrap().len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&segment)
        .unwrap();
    file.set_len(whole - 3).unwrap();
    let torn = place.run(&["wal", "dump", "p.toml"]);
    assert_eq!(torn.status.code(), Some(0), "{}", stderr(&torn));
    assert!(
        stderr(&torn).contains("ends in a half-written entry at offset "),
        "{}",
        stderr(&torn)
    );
}

#[test]
fn checkpoints_are_listed_with_whether_they_are_whole() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("a\n");
    let named = place.run(&[
        "checkpoint",
        "create",
        "--name",
        "kept",
        "--admin",
        &daemon.url(),
    ]);
    assert_eq!(named.status.code(), Some(0), "{}", stderr(&named));
    daemon.stop();
    let plain = told(&place, &["checkpoint", "list", "p.toml"]);
    assert!(
        plain.contains("COMPLETE THROUGH (UTC)") && plain.contains("kept"),
        "{plain}"
    );
    assert!(!plain.contains("VERIFIED"), "{plain}");
    let verified = told(&place, &["checkpoint", "list", "p.toml", "--verify"]);
    assert_eq!(
        verified.lines().count(),
        1 + verified.matches(" whole").count(),
        "{verified}"
    );
    let list = told(
        &place,
        &["checkpoint", "list", "p.toml", "--verify", "--json"],
    );
    let list: Value = serde_json::from_str(&list).unwrap();
    let whole = list["checkpoints"].as_array().unwrap().iter();
    assert!(
        whole.clone().count() >= 2 && whole.clone().all(|one| one["whole"] == true),
        "{list:#}"
    );
}

#[test]
fn fsck_says_what_it_looked_at() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("a\n");
    daemon.stop();
    let sound = told(&place, &["fsck", "p.toml"]);
    for part in [
        "checkpoints ",
        "driver's log ",
        "block log ",
        "sinks ",
        "pipeline ",
    ] {
        let line = sound.lines().find(|line| line.starts_with(part));
        assert!(
            line.is_some_and(|line| line.ends_with("ok")),
            "{part}: {sound}"
        );
    }
    let segment = place.segments("driver").remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = place.run(&["fsck", "p.toml"]);
    assert_eq!(damaged.status.code(), Some(1));
    let text = stdout(&damaged);
    let log = text
        .lines()
        .find(|line| line.starts_with("driver's log "))
        .unwrap();
    assert!(log.ends_with("ERROR"), "{text}");
    assert!(
        text.contains("\nERROR  driver: ") && text.contains("\n  to do   "),
        "{text}"
    );
}

#[test]
fn status_follows_a_pipeline_through_a_restart() {
    let place = Place::new();
    let daemon = place.start(&[]);
    let listen = format!("admin.listen={}", daemon.address);
    let mut watch = place
        .command(&["status", "--watch", "1", "--json", "--admin", &daemon.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut looks = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut look = || -> Value { serde_json::from_str(&looks.next().unwrap().unwrap()).unwrap() };
    assert_eq!(look()["ready"], true);
    let first = look()["application"]["attempts"][0]["startTime"].clone();
    daemon.stop();
    let mut errors = BufReader::new(watch.stderr.take().unwrap()).lines();
    let error = errors.next().unwrap().unwrap();
    assert!(error.contains("no answer from "), "{error}");
    let daemon = place.start(&["--set", &listen]);
    eventually("the new run is shown", || {
        (look()["application"]["attempts"][0]["startTime"] != first).then_some(())
    });
    watch.kill().unwrap();
    watch.wait().unwrap();
    let text = told(&place, &["status", "--admin", &daemon.url()]);
    assert!(
        text.contains("  receiver    lines: active, 0 records, 0 restarts; "),
        "{text}"
    );
    let refused = place.run(&["status", "--watch", "0"]);
    assert_eq!(refused.status.code(), Some(2));
    daemon.stop();
}
