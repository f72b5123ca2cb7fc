//! A kill at every named failpoint: in the first run, while the next process recovers, while the one after
//! that recovers from the recovery, and some time later; then everything must be as if nothing had happened.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use super::asking::Asking;
use super::daemon::{Daemon, PATIENCE};
use super::reach;
use super::rng::{Rng, seed};
use super::tally::Tally;
use super::torn::tear_logs;
use super::trial::Trial;
use super::workload::{Pipeline, Store};

/// How long a daemon runs that need not come to its failpoint.
const TRY: Duration = Duration::from_millis(1200);
/// The same where each step is a request.
const TRY_IN_BUCKET: Duration = Duration::from_secs(5);

/// How long one runs that must never come to it.
const NEVER: Duration = Duration::from_secs(2);

/// Kills a daemon of its own at each of `points`.
fn kill_at_each(points: &[&str], store: Store) {
    kill_at_each_with(points, pipeline_on(store), store, seed());
}

/// The same with a seed of its own; says what was done.
pub fn kill_at_each_with(points: &[&str], pipeline: Pipeline, store: Store, seed: u64) -> Tally {
    println!(
        "{} failpoints of {pipeline:?} on {store:?}: TIDEMILL_SEED={seed}",
        points.len()
    );
    let mut tally = Tally::default();
    for (number, point) in points.iter().enumerate() {
        tally.absorb(&kill_at(
            point,
            pipeline,
            store,
            seed,
            &Rng::new(seed).part(number as u64),
        ));
    }
    tally
}

/// With state every batch that was missed is run, and a slow server makes for many.
pub fn pipeline_on(store: Store) -> Pipeline {
    match store {
        Store::Bucket => Pipeline::WordCount,
        Store::Sled | Store::File => Pipeline::Stateful,
    }
}

fn limit_of(store: Store) -> Duration {
    match store {
        Store::Bucket => TRY_IN_BUCKET,
        Store::Sled | Store::File => TRY,
    }
}

/// In which life of the location a point kills.
const PHASES: [&str; 3] = ["first run", "recovery", "recovery of the recovery"];

fn kill_at(point: &str, pipeline: Pipeline, store: Store, seed: u64, rng: &Rng) -> Tally {
    let name = format!("{}-{pipeline:?}-{store:?}", point.replace("::", "-"));
    let mut dice = rng.part(1);
    let mut tally = Tally::default();
    let mut trial = Trial::new(&name, pipeline, store, seed, rng);
    let address = trial.launch.address();
    let asking = trial.has_letters().then(|| Asking::start(address));
    let needs_torn_log = reach::needs_torn_log(point);
    if needs_torn_log {
        let mut daemon = trial.launch.start(None);
        daemon.expect_ready();
        std::thread::sleep(dice.millis(100..300));
        daemon.kill();
    }
    let at_once = format!("{point}=return");
    let is_reachable = reach::is_passed(point, pipeline, store);
    for phase in PHASES {
        if needs_torn_log {
            tear_logs(&trial.launch.places.wal(), &mut dice);
        }
        let is_first = phase == PHASES[0];
        let limit = match (is_reachable, is_first) {
            (true, true) => PATIENCE,
            (true, false) => limit_of(store),
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
        if dies(&mut daemon, limit_of(store)) {
            tally.count("SIGKILL at a failpoint, passed some times before");
        }
        end(daemon);
        trial.look();
    }
    drop(asking);
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

/// A few of those that only a bucket's daemon passes; `make torture` takes all.
#[test]
fn kills_at_failpoints_bucket() {
    let seed = seed();
    let all = [
        tidemill_wal::FAILPOINTS,
        tidemill_checkpoint::FAILPOINTS,
        tidemill::FAILPOINTS,
    ]
    .concat();
    let points: Vec<&str> = all
        .into_iter()
        .filter(|point| reach::is_passed(point, pipeline_on(Store::Bucket), Store::Bucket))
        .filter(|point| !reach::is_passed(point, pipeline_on(Store::File), Store::File))
        .collect();
    let points = some(points, 5, seed);
    kill_at_each_with(&points, pipeline_on(Store::Bucket), Store::Bucket, seed);
}

/// Some of those that only dead letters and savepoints pass; `make torture` takes all.
#[test]
fn kills_at_failpoints_of_letters_and_savepoints() {
    let seed = seed();
    let points = some(reach::ONLY_WIDE.to_vec(), 3, seed);
    kill_at_each_with(&points, Pipeline::Wide, Store::Sled, seed);
}

/// A few while dead letters are put back; `make torture` takes all.
#[test]
fn kills_at_failpoints_wide() {
    let seed = seed();
    let points = [
        tidemill_wal::FAILPOINTS,
        tidemill_checkpoint::FAILPOINTS,
        tidemill::FAILPOINTS,
    ]
    .concat();
    let passed = |point: &&str| reach::is_passed(point, Pipeline::Wide, Store::File);
    let points = some(points.into_iter().filter(passed).collect(), 2, seed);
    kill_at_each_with(&points, Pipeline::Wide, Store::File, seed);
}

/// So many of the points.
pub fn some(mut points: Vec<&str>, count: usize, seed: u64) -> Vec<&str> {
    let mut dice = Rng::new(seed);
    while points.len() > count {
        let out = dice.below(0..points.len() as u64) as usize;
        points.swap_remove(out);
    }
    points
}
