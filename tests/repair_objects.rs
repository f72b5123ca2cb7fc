//! `tidemill fsck`, `wal verify`, `checkpoint verify` and `wal repair`, with the real binary on what a real
//! daemon left in a bucket of a real server: checkpoints, logs and outputs.

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

use std::process::Output;

use bytes::Bytes;
use cli_support::{eventually, stderr, stdout};
use remote::Remote;
use serde_json::Value;

/// A pipeline that cuts checkpoints only when it is asked to.
fn hourly(batch_interval: &str) -> Remote {
    Remote::new(|text| {
        text.replace("\"1s\"", "\"1h\"")
            .replace("\"100ms\"", &format!("\"{batch_interval}\""))
    })
}

impl Remote {
    /// The slots of a log that hold entries.
    fn groups(&self, log: &str) -> Vec<String> {
        let listed = self.objects.list(&format!("wal/{log}/slot")).unwrap();
        let groups = listed.into_iter().filter(|(_, bytes)| *bytes > 40);
        groups.map(|(name, _)| name).collect()
    }

    fn fsck(&self) -> (i32, Value) {
        let output = self.run(&["fsck", "p.toml", "--json"]);
        let text = stdout(&output);
        let report = serde_json::from_str(&text);
        let report = report.unwrap_or_else(|_| panic!("{text}\n{}", stderr(&output)));
        (code(&output), report)
    }

    /// What looks at bytes alone.
    fn verifies(&self) -> [Output; 2] {
        ["wal", "checkpoint"].map(|what| self.run(&[what, "verify", "p.toml"]))
    }

    fn repair(&self, more: &[&str]) -> (Output, Value) {
        let output = self.run(&[&["wal", "repair", "p.toml", "--json"], more].concat());
        let report = serde_json::from_str(&stdout(&output)).unwrap_or_default();
        (output, report)
    }

    fn is_sound(&self, what: &str) {
        for output in self.verifies() {
            assert_eq!(code(&output), 0, "{what}: {}", stdout(&output));
        }
        let (code, report) = self.fsck();
        assert_eq!(code, 0, "{what}: {report:#}");
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

const QUARANTINE: [&str; 3] = ["--quarantine", "--yes", "--driver-is-stopped"];

/// A pipeline that has counted some lines and was stopped.
fn counted() -> Remote {
    let remote = hourly("1s");
    let daemon = remote.start();
    for (number, pair) in [["one", "two"], ["three", "four"]].iter().enumerate() {
        pair.iter()
            .for_each(|line| daemon.feed(&format!("{line}\n")));
        eventually("they are counted", || {
            (remote.output_lines().len() == 2 * (number + 1)).then_some(())
        });
        if number == 0 {
            assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
        }
    }
    daemon.stop();
    remote
}

/// A damage, and what is said about it: a part of what `fsck` finds, and of what `wal verify` or
/// `checkpoint verify` says.
struct Damage {
    what: &'static str,
    name: String,
    fsck: String,
    verify: Option<String>,
}

#[test]
fn each_damage_in_a_bucket_is_told_with_its_place() {
    let remote = counted();
    remote.is_sound("pristine");
    let dump = remote.run(&["wal", "dump", "p.toml"]);
    assert_eq!(code(&dump), 0, "{}", stderr(&dump));
    let (sound, report) = remote.repair(&[]);
    assert_eq!(code(&sound), 0, "{report:#}");
    let pristine = remote.snapshot();

    let (blocks, driver) = (remote.groups("blocks"), remote.groups("driver"));
    let part = remote.names("out");
    let part = part.iter().rfind(|name| {
        name.ends_with("/part-00000") && !name.contains("/.") && !remote.get(name).is_empty()
    });
    let part = part.unwrap().clone();
    let folder = part.rsplit_once('/').unwrap().0.to_owned();
    let manifest = remote.names("checkpoint/manifest").pop().unwrap();
    let in_log = |name: &String| Some(format!("app/{name}"));
    let damages = [
        Damage {
            what: "a deleted slot",
            name: driver[driver.len() - 2].clone(),
            fsck: format!("app/{}", driver[driver.len() - 2]),
            verify: in_log(&driver[driver.len() - 2]),
        },
        Damage {
            what: "a flipped byte of a slot",
            name: blocks[blocks.len() - 1].clone(),
            fsck: format!("app/{}", blocks[blocks.len() - 1]),
            verify: in_log(&blocks[blocks.len() - 1]),
        },
        Damage {
            what: "a flipped byte of a manifest",
            name: manifest,
            fsck: "checkpoint ".to_owned(),
            verify: Some("is damaged".to_owned()),
        },
        Damage {
            what: "a deleted part",
            name: part,
            fsck: format!("app/{folder}"),
            verify: None,
        },
    ];
    for damage in damages {
        let Damage { what, name, .. } = &damage;
        match what.contains("deleted") {
            true => remote.objects.delete(name).unwrap(),
            false => remote.flip(name, 60),
        }
        let (code_of, report) = remote.fsck();
        assert_eq!(code_of, 1, "{what}: {report:#}");
        let findings = report["findings"].as_array().unwrap();
        let errors = findings
            .iter()
            .filter(|finding| finding["severity"] == "error");
        let mut told = errors.map(ToString::to_string);
        assert!(
            told.any(|told| told.contains(&damage.fsck)),
            "{what}, {name}: {report:#}"
        );
        if let Some(meant) = &damage.verify {
            let failed = remote
                .verifies()
                .into_iter()
                .find(|output| code(output) == 1);
            let failed = failed.unwrap_or_else(|| panic!("{what}: nothing is found"));
            let text = stdout(&failed);
            assert!(text.contains(meant), "{what}: {text}{}", stderr(&failed));
        }
        remote.restore(&pristine);
    }
    let time: u64 = folder
        .trim_start_matches("out/counts-")
        .trim_end_matches(".txt")
        .parse()
        .unwrap();
    // Behind a batch that is known: what lies before the first one may have been forgotten.
    let foreign = format!("out/counts-{}.txt", time + 1);
    for name in ["part-00000", "_SUCCESS"] {
        let name = format!("{foreign}/{name}");
        remote.objects.put(&name, Bytes::new()).unwrap();
    }
    let (code, report) = remote.fsck();
    assert_eq!(code, 1, "{report:#}");
    assert!(report.to_string().contains(&foreign), "{report:#}");
    remote.restore(&pristine);
    remote.is_sound("restored");
}

/// A daemon takes three lines that no batch reads before it is killed.
fn three_lines_and_a_kill() -> Remote {
    let remote = hourly("1h");
    let daemon = remote.start();
    for line in ["one\n", "two\n", "three\n"] {
        daemon.feed(line);
    }
    drop(daemon);
    remote
}

#[test]
fn a_lost_block_in_a_bucket_is_named_and_the_others_are_processed() {
    let remote = three_lines_and_a_kill();
    let slot = remote.groups("blocks")[1].clone();
    remote.flip(&slot, 60);
    let damaged = remote.snapshot();
    let (told, report) = remote.repair(&[]);
    assert_eq!((code(&told), &report["loses"]), (1, &"data".into()));
    let lost = &report["logs"][1]["losses"][0]["blocks"];
    assert_eq!(lost[0]["records"], 1, "{report:#}");
    let text = stdout(&remote.run(&["wal", "repair", "p.toml"]));
    assert!(text.contains(&format!("app/{slot}, offset 40")), "{text}");
    assert!(text.contains("1 record of 1 block lost"), "{text}");
    let (refused, _) = remote.repair(&["--quarantine", "--yes"]);
    assert_eq!(code(&refused), 2, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--driver-is-stopped"));
    assert_eq!(
        remote.snapshot(),
        damaged,
        "nothing is changed before it is told to"
    );

    let (done, report) = remote.repair(&QUARANTINE);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let quarantine = report["logs"][1]["quarantine"].as_str().unwrap();
    let prefix = format!("{}/app/", remote.bucket.url);
    let quarantine = quarantine.strip_prefix(&prefix).expect(quarantine);
    let name = slot.strip_prefix("wal/blocks/").unwrap();
    let kept = remote.get(&format!("{quarantine}/{name}"));
    assert!(damaged.contains(&(slot, kept)));
    let kept: Value =
        serde_json::from_slice(&remote.get(&format!("{quarantine}/report.json"))).unwrap();
    assert!(!kept["log"]["losses"].as_array().unwrap().is_empty());
    remote.is_sound("repaired");
    let mut daemon = remote.start();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert_eq!(remote.output_lines(), ["(one,1)", "(three,1)"]);
}

#[test]
fn a_lost_head_is_made_again() {
    let remote = three_lines_and_a_kill();
    remote.objects.delete("wal/driver/head").unwrap();
    let failed = remote.run(&["wal", "verify", "p.toml"]);
    assert_ne!(code(&failed), 0);
    let text = stdout(&remote.run(&["wal", "repair", "p.toml"]));
    assert!(
        text.contains("app/wal/driver/head, offset 0: it is missing"),
        "{text}"
    );
    assert!(text.contains("no entry is lost"), "{text}");
    let (done, _) = remote.repair(&QUARANTINE);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    remote.is_sound("repaired");
    remote.start().stop();
    assert_eq!(remote.output_lines(), ["(one,1)", "(three,1)", "(two,1)"]);
}

/// Killed at each durable step, and run again.
#[cfg(feature = "failpoints")]
#[test]
fn a_repair_in_a_bucket_that_is_killed_can_be_run_again() {
    use std::os::unix::process::ExitStatusExt;

    let remote = three_lines_and_a_kill();
    let slot = remote.groups("driver")[1].clone();
    remote.flip(&slot, 60);
    let damaged = remote.snapshot();
    let bytes = remote.get(&slot);
    let repair = [&["wal", "repair", "p.toml"], &QUARANTINE[..]].concat();
    let points = tidemill_wal::FAILPOINTS
        .iter()
        .filter(|point| point.contains("repair") || point.contains("quarantine_put"));
    let mut killed = 0;
    for point in points {
        remote.restore(&damaged);
        let output = remote.run_with(&repair, &[("FAILPOINTS", &format!("{point}=return"))]);
        assert_eq!(
            output.status.signal(),
            Some(9),
            "{point}: {}",
            stderr(&output)
        );
        killed += 1;
        let done = remote.run(&repair);
        assert_eq!(code(&done), 0, "{point}: {}", stderr(&done));
        remote.is_sound(point);
        let name = slot.strip_prefix("wal/driver/").unwrap();
        let kept = remote.names("wal/driver").into_iter();
        let mut kept = kept.filter(|kept| kept.contains("/quarantine-") && kept.ends_with(name));
        assert!(kept.any(|kept| remote.get(&kept) == bytes), "{point}");
    }
    assert_eq!(killed, 10);
    remote.start().stop();
    assert_eq!(remote.output_lines(), ["(one,1)"]);
}
