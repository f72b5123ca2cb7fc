//! `tidemill check --against`: a pipeline that changed, held against a checkpoint that stays as it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod cli_support;
#[path = "support/files.rs"]
mod files;

use cli_support::{Place, eventually, stderr, stdout};
use files::bytes_of;
use serde_json::Value;

/// A place where running totals of words were counted and the daemon has stopped.
fn totals(store: &str) -> Place {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text.replace("sled:data/checkpoint", store).replace(
        "{ op = \"count_by_value\" }",
        "{ op = \"count_by_value\" }, { op = \"update_state_by_key\", function = \"sum\" }",
    );
    std::fs::write(place.path("p.toml"), &text).unwrap();
    let daemon = place.start(&[]);
    daemon.feed("to be or not to be\n");
    eventually("a batch is written", || {
        place
            .output_lines()
            .contains(&"(to,2)".to_owned())
            .then_some(())
    });
    daemon.stop();
    place
}

fn rewrite(place: &Place, name: &str, change: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    std::fs::write(place.path(name), change(text)).unwrap();
}

#[test]
fn a_plan_is_told_without_touching_anything() {
    for store in ["sled:data/checkpoint", "file:data/checkpoint"] {
        let place = totals(store);
        let before = bytes_of(&place.path("data"));
        let same = place.run(&["check", "p.toml", "--against", "p.toml"]);
        assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
        let text = stdout(&same);
        assert!(text.contains("a restart would go on from it"), "{text}");
        let state = "counts.update_state_by_key";
        let line = text
            .lines()
            .find(|line| line.contains(&format!("{state} ")))
            .unwrap();
        assert!(
            line.starts_with("keep") && line.contains("update_state_by_key"),
            "{text}"
        );

        rewrite(&place, "without.toml", |text| {
            text.replace(", { op = \"update_state_by_key\", function = \"sum\" }", "")
        });
        let refused = place.run(&["check", "without.toml", "--against", store, "--json"]);
        assert_eq!(refused.status.code(), Some(2));
        let plan: Value = serde_json::from_str(&stdout(&refused)).unwrap();
        let of = |plan: &Value, uid: &str| {
            let operators = plan["operators"].as_array().unwrap();
            operators
                .iter()
                .find(|operator| operator["uid"] == uid)
                .unwrap()
                .clone()
        };
        assert_eq!(of(&plan, state)["change"], "refuse");
        assert_eq!(of(&plan, state)["state"]["entries"], 4);
        assert!(
            stderr(&refused).contains(&format!("--drop '{state}'")),
            "{}",
            stderr(&refused)
        );
        let drop = [
            "check",
            "without.toml",
            "--against",
            "p.toml",
            "--drop",
            state,
            "--json",
        ];
        let dropped = place.run(&drop);
        assert_eq!(dropped.status.code(), Some(0), "{}", stderr(&dropped));
        let plan: Value = serde_json::from_str(&stdout(&dropped)).unwrap();
        assert_eq!(of(&plan, state)["change"], "drop");

        rewrite(&place, "renamed.toml", |text| {
            text.replace("[streams.counts]", "[streams.sums]")
                .replace("from = \"counts\"", "from = \"sums\"")
                .replace(
                    "interval = \"1s\"",
                    "interval = \"1s\"\nrenames = { \"counts.update_state_by_key\" = \"sums.update_state_by_key\" }",
                )
        });
        let renamed = place.run(&["check", "renamed.toml", "--against", "p.toml", "--json"]);
        assert_eq!(renamed.status.code(), Some(0), "{}", stderr(&renamed));
        let plan: Value = serde_json::from_str(&stdout(&renamed)).unwrap();
        let sums = of(&plan, "sums.update_state_by_key");
        assert_eq!(
            (&sums["change"], &sums["renamedFrom"]),
            (&"keep".into(), &state.into())
        );
        assert_eq!(bytes_of(&place.path("data")), before, "{store}");

        let daemon = cli_support::Daemon::spawn(place.command(&["run", "renamed.toml"]));
        daemon.feed("to\n");
        eventually("the total went on", || {
            place
                .output_lines()
                .contains(&"(to,3)".to_owned())
                .then_some(())
        });
        // Beside a live driver.
        let live = place.run(&["check", "renamed.toml", "--against", "renamed.toml"]);
        assert_eq!(live.status.code(), Some(0), "{}", stderr(&live));
        daemon.stop();
    }
}

#[test]
fn a_location_without_a_checkpoint_is_told() {
    let place = Place::new();
    let nothing = place.run(&["check", "p.toml", "--against", "p.toml"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        stderr(&nothing).contains("holds no checkpoint"),
        "{}",
        stderr(&nothing)
    );
    assert_eq!(place.names(), ["p.toml"]);
}

#[test]
fn the_next_batches_are_rehearsed_beside_a_live_driver_and_after_it() {
    let place = totals("sled:data/checkpoint");
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let rehearse = |arguments: &[&str]| {
        let mut command = place.command(&["check"]);
        command.args(arguments).env("TMPDIR", &scratch);
        let output = command.output().unwrap();
        assert!(bytes_of(&scratch).is_empty(), "the fork is gone");
        output
    };
    let untouched = || (bytes_of(&place.path("data")), bytes_of(&place.path("out")));
    let before = untouched();
    let ran = rehearse(&["p.toml", "--against", "p.toml", "--rehearse", "2"]);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let text = stdout(&ran);
    assert!(text.contains("a restart would go on from it"), "{text}");
    assert!(text.contains("nothing was committed"), "{text}");
    let of_files = text
        .lines()
        .filter(|line| line.contains("save_as_text_files "));
    assert_eq!(of_files.count(), 2, "{text}");
    assert!(text.contains("    (to,2)"), "{text}");
    assert!(
        !text.contains("Time:"),
        "the console's sink was called: {text}"
    );

    rewrite(&place, "without.toml", |text| {
        text.replace(", { op = \"update_state_by_key\", function = \"sum\" }", "")
    });
    let refused = rehearse(&[
        "without.toml",
        "--against",
        "p.toml",
        "--rehearse",
        "--json",
    ]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let rehearsal: Value = serde_json::from_str(&stdout(&refused)).unwrap();
    assert_eq!(rehearsal["batches"].as_array().unwrap().len(), 0);
    assert_eq!(rehearsal["plan"]["refusals"].as_array().unwrap().len(), 1);
    let without_plan = rehearse(&["p.toml", "--rehearse"]);
    assert_eq!(without_plan.status.code(), Some(2));
    assert_eq!(untouched(), before);

    // Beside a live driver, whose batches go on.
    let daemon = place.start(&[]);
    daemon.feed("to\n");
    eventually("the total went on", || {
        let lines = place.output_lines();
        lines.contains(&"(to,3)".to_owned()).then_some(())
    });
    let live = rehearse(&["p.toml", "--against", "p.toml", "--rehearse", "--json"]);
    assert_eq!(live.status.code(), Some(0), "{}", stderr(&live));
    let rehearsal: Value = serde_json::from_str(&stdout(&live)).unwrap();
    let batch = &rehearsal["batches"][0];
    assert_eq!(batch["error"], Value::Null, "{batch}");
    let outputs = batch["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 2, "{batch}");
    assert!(outputs.iter().all(|output| output["rows"] == 4), "{batch}");
    daemon.feed("to\n");
    eventually("the total went on after the rehearsal", || {
        let lines = place.output_lines();
        lines.contains(&"(to,4)".to_owned()).then_some(())
    });
    daemon.stop();
}

#[test]
fn a_program_that_fails_on_what_waits_is_found_out() {
    let place = Place::new();
    rewrite(&place, "p.toml", |text| {
        text.replace("batch_interval = \"100ms\"", "batch_interval = \"1h\"")
            .replace("interval = \"1s\"", "interval = \"1h\"")
    });
    let mut daemon = place.start(&[]);
    daemon.feed("1\n2\nthree\n");
    // It waits for a batch that never came.
    daemon.signal("KILL");
    daemon.wait();
    // The daemon's start had made a folder of outputs.
    let _ = std::fs::remove_dir(place.path("out"));
    let before = bytes_of(&place.path("data"));
    let rehearse = |file: &str| place.run(&["check", file, "--against", "p.toml", "--rehearse"]);
    let fine = rehearse("p.toml");
    assert_eq!(fine.status.code(), Some(0), "{}", stderr(&fine));
    let text = stdout(&fine);
    assert!(text.contains("(three,1)"), "{text}");
    rewrite(&place, "fails.toml", |text| {
        text.replace(
            "{ op = \"split\" }",
            "{ op = \"map\", function = \"parse_int\", on_error = \"fail\" }",
        )
    });
    let fails = rehearse("fails.toml");
    assert_eq!(fails.status.code(), Some(1), "{}", stdout(&fails));
    let text = stderr(&fails);
    assert!(
        text.contains("failed in the rehearsal") && text.contains("`screen` failed"),
        "{text}"
    );
    assert!(stdout(&fails).contains("failed: "), "{}", stdout(&fails));
    assert_eq!(bytes_of(&place.path("data")), before);
    assert!(!place.names().contains(&"out".to_owned()));
}
