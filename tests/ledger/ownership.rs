//! One driver a location, and a program that changed.

use std::fs::File;
use std::process::ExitStatus;

use super::daemon::PATIENCE;
use super::rng::{Rng, seed};
use super::trial::Trial;
use super::workload::{Pipeline, Store};

fn trial(name: &str, store: Store) -> Trial {
    let seed = seed();
    println!("{name}: TIDEMILL_SEED={seed}");
    Trial::new(
        name,
        Pipeline::Stateful,
        store,
        seed,
        &Rng::new(seed).part(77 + store as u64),
    )
}

/// Runs a daemon that is expected to end by itself; its status and what it said.
fn run_to_end(trial: &Trial, file: &str, port: u16) -> (ExitStatus, String) {
    let said = trial.root().join("refused.log");
    let launch = super::daemon::Launch {
        port,
        ..trial.launch.clone()
    };
    let mut command = launch.command(&trial.root().join(file));
    let mut child = command
        .stderr(File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Too late for one that should have ended, harmless for one that has.
    let _ = child.kill();
    (
        child.wait().unwrap(),
        std::fs::read_to_string(said).unwrap(),
    )
}

fn second_driver(name: &str, store: Store) {
    let trial = trial(name, store);
    let mut first = trial.launch.start(None);
    first.expect_ready();
    let other_port = super::daemon::free_port(&Rng::new(u64::from(trial.launch.port)));
    let (status, said) = run_to_end(&trial, "pipeline.toml", other_port);
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(
        said.contains(&first.pid().to_string()),
        "the holder isn't named: {said}"
    );
    assert!(
        first.ended().is_none(),
        "the first was disturbed\n{}",
        first.last_words()
    );
    first.kill();
    let mut next = trial.launch.start(None);
    next.expect_ready();
    next.kill();
    trial.finish();
}

#[test]
fn a_second_driver_is_refused_and_a_dead_one_forgotten_sled() {
    second_driver("second-driver-sled", Store::Sled);
}

#[test]
fn a_second_driver_is_refused_and_a_dead_one_forgotten_file() {
    second_driver("second-driver-file", Store::File);
}

#[test]
fn a_program_without_a_kept_state_is_refused_and_the_old_one_goes_on() {
    let mut trial = trial("changed", Store::Sled);
    let mut first = trial.launch.start(None);
    first.expect_ready();
    // A checkpoint of some state must be there, or nothing would be missed.
    let deadline = std::time::Instant::now() + PATIENCE;
    while trial
        .outputs
        .batches
        .values()
        .filter(|counts| !counts.records.is_empty())
        .count()
        < 5
    {
        assert!(
            std::time::Instant::now() < deadline,
            "no output\n{}",
            first.last_words()
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
        trial.look();
    }
    first.kill();
    let text = Pipeline::Stateful.text();
    let kept = text
        .lines()
        .filter(|line| !line.contains("update_state_by_key\""));
    let changed: Vec<&str> = kept.collect();
    assert_eq!(
        changed.len() + 1,
        text.lines().count(),
        "the example has changed"
    );
    std::fs::write(trial.root().join("changed.toml"), changed.join("\n")).unwrap();
    let (status, said) = run_to_end(&trial, "changed.toml", trial.launch.port);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(
        said.contains("counts.update_state_by_key"),
        "the state isn't named: {said}"
    );
    trial.finish();
}
