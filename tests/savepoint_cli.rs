//! Savepoints of a daemon that is killed at every step of making one and of going back to one.
#![cfg(feature = "failpoints")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod cli_support;

use cli_support::{Daemon, Place, eventually, stderr, stdout};
use serde_json::Value;

fn place(store: &str) -> Place {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let text = text.replace("sled:data/checkpoint", store).replace(
        "{ op = \"count_by_value\" }",
        "{ op = \"count_by_value\" }, { op = \"update_state_by_key\", function = \"sum\" }",
    );
    std::fs::write(place.path("p.toml"), &text).unwrap();
    place
}

fn wait_for(place: &Place, line: &str) {
    eventually(line, || {
        place
            .output_lines()
            .contains(&line.to_owned())
            .then_some(())
    });
}

/// Starts a daemon that kills itself at a failpoint, and waits for that.
fn killed_at(place: &Place, point: &str, arguments: &[&str]) {
    let mut all = vec!["run", "p.toml"];
    all.extend(arguments);
    let mut command = place.command(&all);
    command.env("FAILPOINTS", format!("{point}=return"));
    let ended = command.output().unwrap();
    assert!(!ended.status.success(), "{point}: {}", stderr(&ended));
}

fn savepoints(place: &Place) -> Vec<String> {
    let list = place.run(&["checkpoint", "list", "p.toml", "--json"]);
    let list: Value = serde_json::from_str(&stdout(&list)).unwrap();
    let names = list["checkpoints"].as_array().unwrap().iter();
    names
        .filter_map(|checkpoint| checkpoint["name"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_daemon_killed_while_it_makes_or_goes_back_to_a_savepoint_loses_nothing() {
    for store in ["sled:data/checkpoint", "file:data/checkpoint"] {
        let place = place(store);
        for point in [
            "engine::before_savepoint_blocks",
            "engine::after_savepoint_blocks",
            "engine::before_checkpoint_write",
        ] {
            let mut command = place.command(&["run", "p.toml"]);
            // The first checkpoint is written by the start; a later one is asked for.
            let action = match point {
                "engine::before_checkpoint_write" => "1*off->return",
                _ => "return",
            };
            command.env("FAILPOINTS", format!("{point}={action}"));
            let mut daemon = Daemon::spawn(command);
            daemon.feed("a\n");
            let create = [
                "checkpoint",
                "create",
                "--name",
                "half",
                "--admin",
                &daemon.url(),
            ];
            assert_ne!(place.run(&create).status.code(), Some(0), "{point}");
            assert!(!daemon.wait().success());
            assert_eq!(savepoints(&place), [] as [&str; 0], "{point}");
        }
        let daemon = place.start(&[]);
        wait_for(&place, "(a,3)");
        let url = daemon.url();
        let create = ["checkpoint", "create", "--name", "v1", "--admin", &url];
        let created = place.run(&create);
        assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
        assert!(stdout(&created).contains("savepoint `v1`"));
        let again = place.run(&create);
        assert!(
            stderr(&again).contains("the savepoint `v1` at "),
            "{}",
            stderr(&again)
        );
        daemon.feed("a\na\n");
        wait_for(&place, "(a,5)");
        daemon.stop();
        assert_eq!(savepoints(&place), ["v1"]);
        let checked = place.run(&["check", "p.toml", "--against", "v1"]);
        assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));

        for point in [
            "recovery::before_savepoint_blocks",
            "recovery::after_savepoint_blocks",
            "recovery::before_first_checkpoint",
            "recovery::after_first_checkpoint",
        ] {
            killed_at(&place, point, &["--from", "v1"]);
        }
        let daemon = place.start(&["--from", "v1"]);
        daemon.feed("a\nb\n");
        wait_for(&place, "(a,4)");
        wait_for(&place, "(b,1)");
        daemon.stop();
        let daemon = place.start(&["--from", "v1"]);
        daemon.feed("b\n");
        wait_for(&place, "(b,2)");
        let url = daemon.url();
        eventually("it can be forgotten", || {
            let forget = ["checkpoint", "forget", "--name", "v1", "--admin", &url];
            (place.run(&forget).status.code() == Some(0)).then_some(())
        });
        daemon.stop();
        assert_eq!(savepoints(&place), [] as [&str; 0]);
        // The life that began from it goes on; another name is a mistake.
        place.start(&["--from", "v1"]).stop();
        let unknown = place.run(&["run", "p.toml", "--from", "v2"]);
        assert_eq!(unknown.status.code(), Some(1));
        assert!(
            stderr(&unknown).contains("no such savepoint"),
            "{}",
            stderr(&unknown)
        );
        let whole = place.run(&["fsck", "p.toml"]);
        assert_eq!(whole.status.code(), Some(0), "{}", stdout(&whole));
    }
}
