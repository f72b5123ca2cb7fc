//! Two machines and one bucket: one driver takes over from another that is dead, alive, or held up for a
//! while and believes that it is still the one (R11).

use std::sync::Arc;
use std::time::Duration;

use super::daemon::Daemon;
use super::object_servers::{Protocol, bucket};
use super::rng::{Rng, seed};
use super::trial::Trial;
use super::workload::Pipeline;

/// What the driver before is doing while the next one starts.
#[derive(Debug, Clone, Copy)]
enum Before {
    Dead,
    Alive,
    /// Stopped with SIGSTOP, and let go on only when the next one has run for a while.
    HeldUp,
}

/// Starts a driver on another machine, with the one before in some condition; returns the new one when
/// the old has ended.
fn hand_over(trial: &mut Trial, old: Daemon, before: Before, rng: &Rng) -> Daemon {
    let mut dice = rng.part(1);
    std::thread::sleep(dice.millis(50..600));
    trial.move_to_another_machine(rng);
    let old = match before {
        Before::Dead => {
            old.kill();
            None
        }
        Before::Alive => Some(old),
        Before::HeldUp => {
            old.signal("-STOP");
            Some(old)
        }
    };
    let mut new = trial.launch.start(None);
    new.expect_ready();
    if let Some(old) = old {
        if matches!(before, Before::HeldUp) {
            std::thread::sleep(dice.millis(0..2_500));
            old.signal("-CONT");
        }
        old.expect_succeeded();
    }
    trial.look();
    new
}

/// A pipeline moves from machine to machine, its predecessors in each of these conditions.
fn moves(name: &str, pipeline: Pipeline, protocol: Protocol, befores: &[Before]) {
    let seed = seed();
    println!("{name}: TIDEMILL_SEED={seed}");
    move_with_seed(name, pipeline, protocol, befores, seed);
}

fn move_with_seed(
    name: &str,
    pipeline: Pipeline,
    protocol: Protocol,
    befores: &[Before],
    seed: u64,
) {
    let rng = Rng::new(seed).part(pipeline as u64 + 500);
    let bucket = Arc::new(bucket(protocol));
    let mut trial = Trial::in_bucket(name, pipeline, bucket, seed, &rng);
    let mut daemon = trial.launch.start(None);
    daemon.expect_ready();
    for (number, before) in (1..).zip(befores) {
        daemon = hand_over(&mut trial, daemon, *before, &rng.part(number));
    }
    std::thread::sleep(Duration::from_millis(300));
    daemon.terminate();
    trial.look();
    trial.finish();
}

/// So many hand-overs as the dice fall; says what was done.
#[cfg(feature = "failpoints")]
pub fn random_moves(protocol: Protocol, seed: u64, moves: u64) -> super::tally::Tally {
    let mut dice = Rng::new(seed).part(protocol as u64);
    let pipelines = [Pipeline::WordCount, Pipeline::Stateful, Pipeline::Wide];
    let pipeline = pipelines[dice.below(0..3) as usize];
    let kinds = [Before::Dead, Before::Alive, Before::HeldUp];
    let befores: Vec<Before> = (0..moves)
        .map(|_| kinds[dice.below(0..3) as usize])
        .collect();
    let name = format!("moves-{protocol:?}");
    move_with_seed(&name, pipeline, protocol, &befores, seed);
    let mut tally = super::tally::Tally::default();
    for before in befores {
        tally.count(match before {
            Before::Dead => "SIGKILL, and a start on another machine",
            Before::Alive => "a start on another machine while it runs",
            Before::HeldUp => "SIGSTOP, a start on another machine, SIGCONT",
        });
    }
    tally
}

#[test]
fn a_pipeline_moves_between_machines_by_s3() {
    use Before::{Alive, Dead, HeldUp};
    moves(
        "moves-s3",
        Pipeline::WordCount,
        Protocol::S3,
        &[HeldUp, Dead, Alive, HeldUp],
    );
}

/// With letters that are put back and savepoints that are made meanwhile.
#[test]
fn a_wide_pipeline_moves_between_machines() {
    use Before::{Alive, HeldUp};
    let befores = [Alive, HeldUp];
    moves("moves-wide", Pipeline::Wide, Protocol::Gcs, &befores);
}

#[test]
fn a_pipeline_moves_between_machines_by_gcs() {
    use Before::{Alive, Dead, HeldUp};
    moves(
        "moves-gcs",
        Pipeline::Stateful,
        Protocol::Gcs,
        &[Alive, HeldUp, Dead, HeldUp],
    );
}

#[test]
fn a_pipeline_moves_between_machines_by_azure() {
    use Before::{Alive, Dead, HeldUp};
    moves(
        "moves-azure",
        Pipeline::WordCount,
        Protocol::Azure,
        &[Dead, HeldUp, Alive, HeldUp],
    );
}
