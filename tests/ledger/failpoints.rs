//! A kill at every named failpoint: the first time it is passed, some time later, and again while the
//! next process recovers; then everything must be as if nothing had happened.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use super::daemon::{Daemon, PATIENCE};
use super::rng::{Rng, seed};
use super::torn::tear_logs;
use super::trial::Trial;
use super::workload::{Pipeline, Store};

/// Failpoints that these daemons never pass, with the reason.
const UNREACHABLE: &[(&str, Option<Store>, &str)] = &[
    (
        "checkpoint::before_fence",
        None,
        "a lock keeps others out of a local store: nothing to fence",
    ),
    (
        "checkpoint::after_fence",
        None,
        "a lock keeps others out of a local store: nothing to fence",
    ),
    (
        "checkpoint::before_flush",
        Some(Store::File),
        "there is no database",
    ),
    (
        "checkpoint::after_flush",
        Some(Store::File),
        "there is no database",
    ),
    (
        "checkpoint::before_file_sync",
        Some(Store::File),
        "there is no database",
    ),
    (
        "checkpoint::after_file_sync",
        Some(Store::File),
        "there is no database",
    ),
];

/// Failpoints that only a start behind an interrupted write passes. A kill leaves none, the page cache
/// outlives it: so the test interrupts one.
const NEEDS_TORN_LOG: &[&str] = &[
    "wal::before_tail_cut",
    "wal::after_tail_cut",
    "wal::after_tail_sync",
];

/// How long a daemon runs that need not come to its failpoint.
const TRY: Duration = Duration::from_millis(1200);

/// How long one runs that must never come to it.
const NEVER: Duration = Duration::from_secs(2);

fn is_reachable(point: &str, store: Store) -> bool {
    let stands_for = |listed: &(&str, Option<Store>, &str)| {
        listed.0 == point && listed.1.is_none_or(|only| only == store)
    };
    !UNREACHABLE.iter().any(stands_for)
}

/// Kills a daemon of its own at each of `points`.
fn kill_at_each(points: &[&str], store: Store) {
    let seed = seed();
    println!(
        "{} failpoints on {store:?}: TIDEMILL_SEED={seed}",
        points.len()
    );
    for (number, point) in points.iter().enumerate() {
        kill_at(point, store, seed, &Rng::new(seed).part(number as u64));
    }
}

fn kill_at(point: &str, store: Store, seed: u64, rng: &Rng) {
    let name = format!("{}-{store:?}", point.replace("::", "-"));
    let mut dice = rng.part(1);
    let mut trial = Trial::new(&name, Pipeline::Stateful, store, seed, rng);
    let needs_torn_log = NEEDS_TORN_LOG.contains(&point);
    if needs_torn_log {
        let mut daemon = trial.launch.start(None);
        daemon.expect_ready();
        std::thread::sleep(dice.millis(100..300));
        daemon.kill();
        tear_logs(&trial.launch.places.wal(), &mut dice);
    }
    let at_once = format!("{point}=return");
    let is_reachable = is_reachable(point, store);
    let mut daemon = trial.launch.start(Some(&at_once));
    let reached = dies(&mut daemon, if is_reachable { PATIENCE } else { NEVER });
    let said = daemon.last_words();
    assert_eq!(
        reached, is_reachable,
        "seed {seed}, {point} on {store:?}: reached?\n{said}"
    );
    end(daemon);
    trial.look();
    if is_reachable {
        let later = format!("{point}={}*off->return", dice.below(1..12));
        for armed in [&later, &at_once] {
            if needs_torn_log {
                tear_logs(&trial.launch.places.wal(), &mut dice);
            }
            let mut daemon = trial.launch.start(Some(armed));
            dies(&mut daemon, TRY);
            end(daemon);
            trial.look();
        }
    }
    trial.finish();
}

/// Whether SIGKILL ended it within `limit`; nobody but its failpoint sends that. Any other end fails.
fn dies(daemon: &mut Daemon, limit: Duration) -> bool {
    let Some(status) = daemon.wait_end(limit) else {
        return false;
    };
    assert_eq!(
        status.signal(),
        Some(9),
        "{status:?}\n{}",
        daemon.last_words()
    );
    true
}

/// Kills it, if its failpoint hasn't.
fn end(mut daemon: Daemon) {
    if daemon.ended().is_none() {
        daemon.kill();
    }
}

#[test]
fn kills_at_failpoints_storage_sled() {
    kill_at_each(tidemill_storage::FAILPOINTS, Store::Sled);
}

#[test]
fn kills_at_failpoints_storage_file() {
    kill_at_each(tidemill_storage::FAILPOINTS, Store::File);
}

#[test]
fn kills_at_failpoints_wal_sled() {
    kill_at_each(tidemill_wal::FAILPOINTS, Store::Sled);
}

#[test]
fn kills_at_failpoints_checkpoint_sled() {
    kill_at_each(tidemill_checkpoint::FAILPOINTS, Store::Sled);
}

#[test]
fn kills_at_failpoints_checkpoint_file() {
    kill_at_each(tidemill_checkpoint::FAILPOINTS, Store::File);
}

#[test]
fn kills_at_failpoints_engine_sled() {
    kill_at_each(tidemill::FAILPOINTS, Store::Sled);
}

#[test]
fn every_point_said_to_be_unreachable_exists() {
    let all = [
        tidemill_storage::FAILPOINTS,
        tidemill_wal::FAILPOINTS,
        tidemill_checkpoint::FAILPOINTS,
        tidemill::FAILPOINTS,
    ];
    let all = all.concat();
    let special = UNREACHABLE
        .iter()
        .map(|(point, ..)| point)
        .chain(NEEDS_TORN_LOG);
    let unknown: Vec<&&str> = special.filter(|point| !all.contains(point)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
