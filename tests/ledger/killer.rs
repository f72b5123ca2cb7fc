//! Kills at random moments: while it runs, while it recovers, twice in a row, before a rest, with the
//! last write cut short.

use std::time::Duration;

use super::rng::{Rng, seed};
use super::torn::tear_logs;
use super::trial::Trial;
use super::workload::{Pipeline, Store};

/// SIGKILLs in each test, unless `TIDEMILL_KILLS` says otherwise.
const KILLS: u64 = 18;

/// Kills a fed pipeline again and again, then checks everything it ever put out.
pub fn random_kills(name: &str, pipeline: Pipeline, store: Store) {
    let seed = seed();
    let kills = std::env::var("TIDEMILL_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    println!("{name}: {kills} kills, TIDEMILL_SEED={seed}");
    // Tests of one run share the seed, but not what they draw from it.
    let rng = Rng::new(seed).part(pipeline as u64 * 2 + store as u64);
    let mut dice = rng.part(1);
    let mut trial = Trial::new(name, pipeline, store, seed, &rng);
    let mut killed = 0;
    while killed < kills {
        killed += strike(&trial, &mut dice);
        trial.look();
    }
    trial.finish();
}

/// Starts a daemon and ends it in one way or another; returns how many SIGKILLs that took.
fn strike(trial: &Trial, dice: &mut Rng) -> u64 {
    let interval = trial.launch.places.pipeline.batch_interval();
    let mut daemon = trial.launch.start(None);
    let mut kills = 1;
    match dice.below(0..100) {
        // While it recovers, or soon after.
        0..30 => std::thread::sleep(dice.millis(0..150)),
        // Twice in quick succession.
        30..40 => {
            std::thread::sleep(dice.millis(0..60));
            daemon.kill();
            daemon = trial.launch.start(None);
            std::thread::sleep(dice.millis(0..60));
            kills += 1;
        }
        // While it runs.
        choice => {
            assert!(
                daemon.wait_ready(),
                "it ended at once\n{}",
                daemon.last_words()
            );
            std::thread::sleep(dice.millis(30..600));
            if choice >= 95 {
                daemon.terminate();
                return 0;
            }
            if choice >= 90 {
                daemon.stop_now();
                return 0;
            }
        }
    }
    daemon.kill();
    if dice.chance(15) {
        tear_logs(&trial.launch.places.wal(), dice);
    }
    rest(dice, interval);
    kills
}

/// Now and then it is down for several batches.
fn rest(dice: &mut Rng, interval: Duration) {
    if dice.chance(15) {
        std::thread::sleep(interval * dice.below(2..9) as u32);
    }
}
