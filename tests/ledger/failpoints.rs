//! A kill at every named failpoint: in the first run, while the next process recovers, while the one after
//! that recovers from the recovery, and some time later; then everything must be as if nothing had happened.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use super::daemon::{Daemon, PATIENCE};
use super::rng::{Rng, seed};
use super::tally::Tally;
use super::torn::tear_logs;
use super::trial::Trial;
use super::workload::{Pipeline, Store};

/// Failpoints that these daemons never pass, with the reason.
const UNREACHABLE: &[(&str, Option<Store>, &str)] = &[
    ("storage::before_object_put", None, "all stores are local"),
    ("storage::after_object_put", None, "all stores are local"),
    (
        "sink::before_staging",
        None,
        "outputs go to a disk, which has a rename",
    ),
    (
        "sink::before_decision",
        None,
        "outputs go to a disk, which has a rename",
    ),
    (
        "sink::after_decision",
        None,
        "outputs go to a disk, which has a rename",
    ),
    (
        "sink::before_publishing",
        None,
        "outputs go to a disk, which has a rename",
    ),
    (
        "wal::before_head_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::after_head_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::before_fence_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::after_fence_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::before_slot_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::after_slot_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::before_run_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::after_run_put",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::before_object_delete",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
    (
        "wal::after_object_delete",
        None,
        "the logs are files: only in an object store a segment is an object",
    ),
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
        "checkpoint::before_pack_delete",
        Some(Store::File),
        "there are no packs",
    ),
    (
        "checkpoint::after_pack_delete",
        Some(Store::File),
        "there are no packs",
    ),
    (
        "checkpoint::before_index_update",
        Some(Store::File),
        "there is no index",
    ),
    (
        "checkpoint::after_index_update",
        Some(Store::File),
        "there is no index",
    ),
    (
        "checkpoint::before_index_aside",
        None,
        "only a damaged index or an older format's is moved aside, and a kill damages none",
    ),
    (
        "checkpoint::after_index_aside",
        None,
        "only a damaged index or an older format's is moved aside, and a kill damages none",
    ),
    (
        "checkpoint::before_chunk",
        Some(Store::Sled),
        "so small a state lies in packs",
    ),
    (
        "checkpoint::after_chunk",
        Some(Store::Sled),
        "so small a state lies in packs",
    ),
    (
        "checkpoint::before_chunk_delete",
        Some(Store::Sled),
        "so small a state lies in packs",
    ),
    (
        "checkpoint::after_chunk_delete",
        Some(Store::Sled),
        "so small a state lies in packs",
    ),
];

/// Failpoints that only a start upon a log passes, or one behind an interrupted write. A kill leaves none,
/// the page cache outlives it: so the test interrupts one.
const NEEDS_TORN_LOG: &[&str] = &[
    "wal::before_tail_cut",
    "wal::after_tail_cut",
    "wal::before_tail_rewrite",
    "wal::after_tail_rewrite",
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
    kill_at_each_with(points, store, seed());
}

/// The same with a seed of its own; says what was done.
pub fn kill_at_each_with(points: &[&str], store: Store, seed: u64) -> Tally {
    println!(
        "{} failpoints on {store:?}: TIDEMILL_SEED={seed}",
        points.len()
    );
    let mut tally = Tally::default();
    for (number, point) in points.iter().enumerate() {
        tally.absorb(&kill_at(
            point,
            store,
            seed,
            &Rng::new(seed).part(number as u64),
        ));
    }
    tally
}

/// In which life of the location a point kills.
const PHASES: [&str; 3] = ["first run", "recovery", "recovery of the recovery"];

fn kill_at(point: &str, store: Store, seed: u64, rng: &Rng) -> Tally {
    let name = format!("{}-{store:?}", point.replace("::", "-"));
    let mut dice = rng.part(1);
    let mut tally = Tally::default();
    let mut trial = Trial::new(&name, Pipeline::Stateful, store, seed, rng);
    let needs_torn_log = NEEDS_TORN_LOG.contains(&point);
    if needs_torn_log {
        let mut daemon = trial.launch.start(None);
        daemon.expect_ready();
        std::thread::sleep(dice.millis(100..300));
        daemon.kill();
    }
    let at_once = format!("{point}=return");
    let is_reachable = is_reachable(point, store);
    for phase in PHASES {
        if needs_torn_log {
            tear_logs(&trial.launch.places.wal(), &mut dice);
        }
        let is_first = phase == PHASES[0];
        let limit = match (is_reachable, is_first) {
            (true, true) => PATIENCE,
            (true, false) => TRY,
            (false, _) => NEVER,
        };
        let mut daemon = trial.launch.start(Some(&at_once));
        let reached = dies(&mut daemon, limit);
        let said = daemon.last_words();
        assert!(
            reached == is_reachable || (is_reachable && !is_first),
            "seed {seed}, {point} on {store:?}: reached: {reached}\n{said}"
        );
        if reached {
            tally.count(format!("SIGKILL at a failpoint, {phase}"));
        }
        end(daemon);
        trial.look();
        if !is_reachable {
            break;
        }
    }
    if is_reachable {
        let later = format!("{point}={}*off->return", dice.below(1..12));
        if needs_torn_log {
            tear_logs(&trial.launch.places.wal(), &mut dice);
        }
        let mut daemon = trial.launch.start(Some(&later));
        if dies(&mut daemon, TRY) {
            tally.count("SIGKILL at a failpoint, passed some times before");
        }
        end(daemon);
        trial.look();
    }
    trial.finish();
    tally
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
