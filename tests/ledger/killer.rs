//! Kills at random moments: while it runs, while it recovers, twice in a row, before a rest, with the
//! last write cut short.

use std::time::Duration;

use super::daemon::Daemon;
use super::rng::{Rng, seed};
use super::tally::Tally;
use super::torn::tear_logs;
use super::trial::Trial;
use super::workload::{Pipeline, Store};

/// SIGKILLs in each test, unless `TIDEMILL_KILLS` says otherwise.
const KILLS: u64 = 24;

/// Waits at durable steps, as a slow disk would: what is between two of them takes no time otherwise, and
/// hardly a kill falls there, nor does anything else come in between. Batches overrun their interval.
#[cfg(feature = "failpoints")]
pub const SLOW_DISK: &str = "wal::after_group_write=30%sleep(40);sink::before_commit=40%sleep(180);\
    engine::before_checkpoint_write=20%sleep(50);checkpoint::before_publish=30%sleep(30);\
    storage::before_dir_sync=10%sleep(20)";

/// Kills a fed pipeline again and again, then checks everything it ever put out.
pub fn random_kills(name: &str, pipeline: Pipeline, store: Store) {
    kill_with_seed(name, pipeline, store, seed(), None);
}

/// The same on a slow disk.
#[cfg(feature = "failpoints")]
pub fn random_kills_on_slow_disk(name: &str, pipeline: Pipeline, store: Store) {
    kill_with_seed(name, pipeline, store, seed(), Some(SLOW_DISK));
}

/// The same with a seed of its own, and with these failpoints.
pub fn kill_with_seed(
    name: &str,
    pipeline: Pipeline,
    store: Store,
    seed: u64,
    failpoints: Option<&str>,
) {
    // Requests to a server take longer than writes to a disk.
    let usual = match (store, pipeline) {
        (Store::Bucket, _) => KILLS / 3,
        // It ends with more starts and kills of its own.
        (_, Pipeline::Wide) => KILLS / 2,
        (Store::Sled | Store::File, _) => KILLS,
    };
    let kills = std::env::var("TIDEMILL_KILLS").map_or(usual, |kills| kills.parse().unwrap());
    println!("{name}: {kills} kills, TIDEMILL_SEED={seed}");
    kill_so_often(name, pipeline, store, seed, failpoints, kills);
}

/// One trial of so many kills; says what it did.
pub fn kill_so_often(
    name: &str,
    pipeline: Pipeline,
    store: Store,
    seed: u64,
    failpoints: Option<&str>,
    kills: u64,
) -> Tally {
    // Tests of one run share the seed, but not what they draw from it.
    let rng = Rng::new(seed).part(pipeline as u64 * 2 + store as u64);
    let mut dice = rng.part(1);
    let mut trial = Trial::new(name, pipeline, store, seed, &rng);
    let mut tally = Tally::default();
    while tally.kills() < kills {
        strike(&trial, failpoints, &mut dice, &mut tally);
        trial.look();
    }
    // However the dice fell: a stop of each kind, and a start behind it.
    for gracefully in [true, false] {
        let daemon = running(&trial, failpoints);
        std::thread::sleep(dice.millis(30..300));
        if gracefully {
            daemon.terminate()
        } else {
            daemon.stop_now()
        }
        trial.look();
    }
    trial.finish();
    tally
}

/// Starts a daemon and ends it in one way or another, and counts how.
fn strike(trial: &Trial, failpoints: Option<&str>, dice: &mut Rng, tally: &mut Tally) {
    let interval = trial.launch.places.batch_interval();
    let mut daemon = trial.launch.start(failpoints);
    let disk = if failpoints.is_some() {
        " on a slow disk"
    } else {
        ""
    };
    let kind = match dice.below(0..100) {
        0..30 => {
            std::thread::sleep(dice.millis(0..150));
            "while it recovers or soon after"
        }
        30..40 => {
            std::thread::sleep(dice.millis(0..60));
            daemon.kill();
            tally.count(format!("SIGKILL twice in quick succession{disk}"));
            daemon = trial.launch.start(failpoints);
            std::thread::sleep(dice.millis(0..60));
            "twice in quick succession"
        }
        choice => {
            daemon.expect_ready();
            std::thread::sleep(dice.millis(30..600));
            if choice >= 95 {
                daemon.terminate();
                return tally.count("graceful stop");
            }
            if choice >= 90 {
                daemon.stop_now();
                return tally.count("stop at once");
            }
            if trial.has_letters() && dice.chance(40) {
                trial.requeue_and_kill(daemon, dice);
                tally.count(format!("SIGKILL while letters are put back{disk}"));
                rest(dice, interval);
                return;
            }
            "while it runs"
        }
    };
    daemon.kill();
    tally.count(format!("SIGKILL {kind}{disk}"));
    if dice.chance(15) {
        tear_logs(&trial.launch.places.wal(), dice);
        tally.count("last write of each log cut short");
    }
    rest(dice, interval);
}

fn running(trial: &Trial, failpoints: Option<&str>) -> Daemon {
    let mut daemon = trial.launch.start(failpoints);
    daemon.expect_ready();
    daemon
}

/// Now and then it is down for several batches.
fn rest(dice: &mut Rng, interval: Duration) {
    if dice.chance(15) {
        std::thread::sleep(interval * dice.below(2..9) as u32);
    }
}
