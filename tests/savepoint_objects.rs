//! Savepoints, rehearsals and replays of a pipeline whose checkpoints, logs and outputs are in a bucket of a real server,
//! and which reads files, a rate and a queue beside what is posted to it: going back reads again what these
//! sources once named, a rehearsal writes nothing, and retention leaves a savepoint alone.

#![cfg(feature = "s3")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cli_support;
#[path = "support/object_servers/mod.rs"]
mod object_servers;
#[path = "cli_support/remote.rs"]
mod remote;

use std::collections::BTreeMap;

use cli_support::{Daemon, eventually, stderr, stdout};
use remote::Remote;
use serde_json::Value;

/// Lines of the rate and of the queue, when all have come.
const RATED: u64 = 30;
const QUEUED: u64 = 12;

/// Totals of what all kinds of sources give.
fn totals() -> Remote {
    let queue = vec![r#"["q"]"#; QUEUED as usize].join(", ");
    let sources = format!(
        r#"
[sources.rate]
type = "rate"
records_per_second = 4
words_per_line = 1
vocabulary = 1
limit = {RATED}

[sources.files]
type = "files"
path = "in"

[sources.queue]
type = "queue"
lines = [{queue}]
one_at_a_time = true

[streams.counts]
from = ["lines", "rate", "files", "queue"]
"#
    );
    let remote = Remote::new(|text| {
        text.replace("\"100ms\"", "\"1s\"")
            .replace("\n[streams.counts]\nfrom = \"lines\"\n", &sources)
            .replace(
                "{ op = \"count_by_value\" }",
                "{ op = \"count_by_value\" }, { op = \"update_state_by_key\", function = \"sum\" }",
            )
    });
    std::fs::create_dir(remote.place.path("in")).unwrap();
    remote
}

/// A file for the watched folder, there at once.
fn put_file(remote: &Remote, name: &str, text: &str) {
    let hidden = remote.place.path(name);
    std::fs::write(&hidden, text).unwrap();
    std::fs::rename(hidden, remote.place.path("in").join(name)).unwrap();
}

/// A batch's totals; `rate` is what the rate made, under a word of its own.
fn parsed(lines: &[String]) -> BTreeMap<String, u64> {
    let pair = |line: &String| {
        let pair = line.trim_matches(['(', ')']);
        let (word, total) = pair.rsplit_once(',').unwrap();
        let is_made = word.len() > 1 && word != "gone";
        let word = if is_made { "rate" } else { word };
        (word.to_owned(), total.parse().unwrap())
    };
    lines.iter().map(pair).collect()
}

fn last(remote: &Remote) -> BTreeMap<String, u64> {
    let batches = remote.batches();
    batches
        .last()
        .map(|(_, lines)| parsed(lines))
        .unwrap_or_default()
}

fn wait_for(remote: &Remote, daemon: &Daemon, wanted: &[(&str, u64)]) {
    let is_there = |found: &BTreeMap<String, u64>| {
        let mut wanted = wanted.iter();
        wanted.all(|(word, total)| found.get(*word) == Some(total))
    };
    let mut found = BTreeMap::new();
    let what = format!("the totals hold {wanted:?}");
    eventually(&what, || {
        let now = last(remote);
        if now != found {
            println!("{now:?}");
            found.clone_from(&now);
        }
        is_there(&now).then_some(())
    });
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

/// The number of each checkpoint that has no name, and that of the savepoint.
fn checkpoints(remote: &Remote) -> (Vec<u64>, Option<u64>) {
    let list = remote.run(&["checkpoint", "list", "p.toml", "--json"]);
    let list: Value = serde_json::from_str(&stdout(&list)).unwrap();
    let (mut plain, mut named) = (Vec::new(), None);
    for checkpoint in list["checkpoints"].as_array().unwrap() {
        let id = checkpoint["id"].as_u64().unwrap();
        match checkpoint["name"].as_str() {
            Some(name) => {
                assert_eq!(name, "v1");
                named = Some(id);
            }
            None => plain.push(id),
        }
    }
    (plain, named)
}

/// Rehearses a batch, which must leave the bucket as it is; its time, and what its output would have got.
fn rehearsed(remote: &Remote, against: &str) -> (u64, Vec<String>) {
    let before = remote.snapshot();
    let plan = remote.run(&["check", "p.toml", "--against", against]);
    assert_eq!(plan.status.code(), Some(0), "{}", stderr(&plan));
    let check = [
        "check",
        "p.toml",
        "--against",
        against,
        "--rehearse",
        "2",
        "--json",
    ];
    let output = remote.run(&check);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        remote.snapshot(),
        before,
        "{against}: a rehearsal wrote to the bucket"
    );
    let rehearsal: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(rehearsal["batches"].as_array().unwrap().len(), 2);
    let batch = &rehearsal["batches"][0];
    let outputs = batch["outputs"].as_array().unwrap();
    let files = outputs
        .iter()
        .find(|output| output["kind"] == "save_as_text_files")
        .unwrap();
    let first = files["first"].as_array().unwrap().iter();
    let mut first: Vec<String> = first.map(|row| row.as_str().unwrap().to_owned()).collect();
    assert_eq!(files["rows"], first.len(), "all of it is shown");
    first.sort();
    (batch["batchTime"].as_u64().unwrap(), first)
}

/// What the batch at a time put out.
fn batch_at(remote: &Remote, time: u64) -> Vec<String> {
    let name = format!("out/counts-{time}.txt");
    eventually(&name, || {
        let mut batches = remote.batches().into_iter();
        batches
            .find(|(folder, _)| *folder == name)
            .map(|(_, lines)| lines)
    })
}

#[test]
fn a_savepoint_in_a_bucket_is_kept_and_gone_back_to_with_all_sources() {
    let remote = totals();
    let daemon = remote.start();
    put_file(&remote, "one.txt", "f f\n");
    daemon.feed("a a\n");
    wait_for(&remote, &daemon, &[("a", 2), ("f", 2)]);
    let url = daemon.url();
    let create = ["checkpoint", "create", "--name", "v1", "--admin", &url];
    let created = remote.run(&create);
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    let then = last(&remote);
    daemon.feed("gone\n");
    put_file(&remote, "two.txt", "f\n");
    wait_for(&remote, &daemon, &[("gone", 1), ("f", 3)]);
    let (oldest, savepoint) = eventually("checkpoints after it have gone as well", || {
        let (plain, named) = checkpoints(&remote);
        let (oldest, named) = (
            *plain.iter().min()?,
            named.expect("retention took the savepoint"),
        );
        (oldest > named + 1).then_some((oldest, named))
    });
    println!("savepoint {savepoint}, the oldest checkpoint beside it is {oldest}");
    daemon.stop();
    let verified = remote.run(&["checkpoint", "verify", "p.toml"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stdout(&verified));
    put_file(&remote, "three.txt", "f\n");

    // What the rehearsals say is what a restart then does: on from where it was, ...
    let url = format!("{}/app/checkpoint", remote.bucket.url);
    let (on, back) = (rehearsed(&remote, &url), rehearsed(&remote, "v1"));
    let pristine = remote.snapshot();
    let daemon = remote.start();
    assert_eq!(batch_at(&remote, on.0), on.1);
    assert_eq!(parsed(&on.1)["f"], 4);
    drop(daemon);
    remote.restore(&pristine);

    // ... or back, whatever is killed on the way.
    #[cfg(feature = "failpoints")]
    for point in [
        "recovery::before_savepoint_blocks",
        "recovery::after_savepoint_blocks",
        "recovery::before_first_checkpoint",
        "recovery::after_first_checkpoint",
    ] {
        let killed = remote.run_with(
            &["run", "p.toml", "--from", "v1"],
            &[("FAILPOINTS", &format!("{point}=return"))],
        );
        assert!(!killed.status.success(), "{point}: {}", stderr(&killed));
    }
    let daemon = remote.start_with(&["--from", "v1"]);
    assert_eq!(batch_at(&remote, back.0), back.1);
    let first = parsed(&back.1);
    assert_eq!((first.get("gone"), first["a"], first["f"]), (None, 2, 4));
    // The savepoint's batch may be one behind the totals that were looked at when it was made.
    assert!(
        (then["q"]..=then["q"] + 2).contains(&first["q"]),
        "{then:?}, {first:?}"
    );
    daemon.feed("b\n");
    let all = [("a", 2), ("b", 1), ("f", 4), ("q", QUEUED), ("rate", RATED)];
    wait_for(&remote, &daemon, &all);
    daemon.stop();
    // Once more with the same settings: on from there.
    let daemon = remote.start_with(&["--from", "v1"]);
    daemon.feed("b\n");
    wait_for(&remote, &daemon, &[("b", 2)]);
    daemon.stop();
    let all: BTreeMap<String, u64> = [("a", 2), ("b", 2), ("f", 4), ("q", QUEUED), ("rate", RATED)]
        .map(|(word, total)| (word.to_owned(), total))
        .into();
    assert_eq!(last(&remote), all);
    for check in [
        ["fsck", "p.toml"].as_slice(),
        &["checkpoint", "verify", "p.toml"],
        &["wal", "verify", "p.toml"],
    ] {
        let checked = remote.run(check);
        assert_eq!(
            checked.status.code(),
            Some(0),
            "{check:?}: {}",
            stdout(&checked)
        );
    }
}

/// Replays a batch, which must leave the bucket as it is where nobody else writes there: how it ended, its output's rows
/// and what is said of it.
fn replayed(remote: &Remote, time: u64) -> (Option<i32>, Vec<String>, String) {
    let time = time.to_string();
    let replay = [
        "replay", "p.toml", "--batch", &time, "--output", "files", "--rows", "1000", "--json",
    ];
    let done = remote.run(&replay);
    let answer: Value = serde_json::from_str(&stdout(&done)).unwrap_or_default();
    let first = answer["batch"]["outputs"][0]["first"].as_array();
    let row = |row: &Value| row.as_str().unwrap().to_owned();
    let mut rows: Vec<String> = first.into_iter().flatten().map(row).collect();
    rows.sort();
    (done.status.code(), rows, stderr(&done))
}

#[test]
fn batches_in_a_bucket_are_replayed_with_all_sources_and_nothing_is_written() {
    let remote = totals();
    let hourly = ["--set", "checkpoint.interval=1h"];
    let daemon = remote.start_with(&hourly);
    put_file(&remote, "one.txt", "f f\n");
    daemon.feed("a a\n");
    wait_for(&remote, &daemon, &[("a", 2), ("f", 2)]);
    let url = daemon.url();
    let created = remote.run(&["checkpoint", "create", "--admin", &url]);
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    put_file(&remote, "two.txt", "f\n");
    daemon.feed("a\n");
    wait_for(&remote, &daemon, &[("a", 3), ("f", 3)]);
    let time = |folder: &str| -> u64 {
        let time = folder.strip_prefix("out/counts-").unwrap();
        time.strip_suffix(".txt").unwrap().parse().unwrap()
    };
    let batches = |remote: &Remote| -> Vec<(u64, Vec<String>)> {
        let batches = remote.batches().into_iter();
        batches
            .map(|(folder, lines)| (time(&folder), lines))
            .collect()
    };

    // Beside the live driver: the newest one.
    let (newest, written) = batches(&remote).pop().unwrap();
    let (code, rows, error) = replayed(&remote, newest);
    assert_eq!((code, &rows), (Some(0), &written), "{error}");
    daemon.stop();

    let before = remote.snapshot();
    let (mut can, mut cannot) = (0, 0);
    for (time, written) in batches(&remote) {
        let (code, rows, error) = replayed(&remote, time);
        if code == Some(0) {
            assert_eq!(rows, written, "{time}");
            can += 1;
        } else {
            assert!(error.contains("contains it already"), "{error}");
            cannot += 1;
        }
    }
    println!("{can} batches are replayed, {cannot} are too old");
    assert!(can >= 1);
    assert_eq!(remote.snapshot(), before, "a replay wrote to the bucket");

    // Where the log lacks what was posted, it is named, and nothing is made up.
    let blocks = before.iter().map(|(name, _)| name);
    for name in blocks.filter(|name| name.starts_with("wal/blocks/")) {
        remote.objects.delete(name).unwrap();
    }
    let damaged = remote.snapshot();
    let mut refused = Vec::new();
    for (time, written) in batches(&remote) {
        let (code, rows, error) = replayed(&remote, time);
        match code {
            Some(0) => assert_eq!(rows, written, "{time}"),
            _ => refused.push(error),
        }
    }
    assert!(refused.len() > cannot, "the newest post's batch is refused");
    let names_it = |error: &String| error.contains("the block log");
    assert!(refused.iter().any(names_it), "{refused:#?}");
    assert_eq!(remote.snapshot(), damaged);
}

#[test]
fn a_rehearsal_beside_a_live_driver_leaves_its_bucket_alone() {
    let remote = Remote::new(|text| {
        text.replace("\"1s\"", "\"1h\"")
            .replace("\"100ms\"", "\"1h\"")
    });
    let daemon = remote.start();
    daemon.feed("one\ntwo two\n");
    let url = format!("{}/app/checkpoint", remote.bucket.url);
    let (time, rows) = rehearsed(&remote, &url);
    assert_eq!(rows, ["(one,1)", "(two,2)"]);
    daemon.feed("two\n");
    daemon.stop();
    let batches = remote.batches();
    assert_eq!(batches.len(), 1, "{batches:?}");
    assert_eq!(batches[0].1, ["(one,1)", "(two,3)"]);
    assert!(time > 0);
}
