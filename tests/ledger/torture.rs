//! The long form, `make torture`: trial after trial in a few lanes, until there were enough kills; then
//! every failpoint on both stores. A violation is noted with its seed, and the run goes on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::failpoints::{kill_at_each_with, pipeline_on, some};
use super::fencing::random_moves;
use super::killer::{SLOW_DISK, kill_so_often};
use super::object_servers::Protocol;
use super::report::report;
use super::rng::{Rng, seed};
use super::soak::soak;
use super::tally::Tally;
use super::workload::{Pipeline, Store};

/// Random kills, unless `TIDEMILL_TORTURE_KILLS` says otherwise.
const KILLS: u64 = 10_000;
/// Kills of one trial: so many that it is checked now and then, so few that a seed is soon repeated.
const KILLS_A_TRIAL: u64 = 60;
/// Hand-overs of one trial.
const MOVES_A_TRIAL: u64 = 8;
/// Trials at once, unless `TIDEMILL_TORTURE_LANES` says otherwise: daemons wait for disks and ticks most of
/// the time.
const LANES: u64 = 8;

/// What all lanes have in common.
#[derive(Default)]
struct Run {
    kills: AtomicU64,
    tally: Mutex<Tally>,
    violations: Mutex<Vec<String>>,
}

impl Run {
    /// Does a trial; what it panics with is a violation.
    fn attempt(&self, what: &str, trial: impl FnOnce() -> Tally) {
        match catch_unwind(AssertUnwindSafe(trial)) {
            Ok(tally) => self.tally.lock().unwrap().absorb(&tally),
            Err(panic) => {
                let said = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()))
                    .unwrap_or_default();
                println!("VIOLATION in {what}: {said}");
                let mut violations = self.violations.lock().unwrap();
                violations.push(format!("{what}: {said}"));
            }
        }
    }

    fn end(self, suite: &str) {
        let violations = self.violations.into_inner().unwrap();
        for (fault, count) in self.tally.into_inner().unwrap().iter() {
            println!("{suite}: {fault}: {count}");
            report(suite, fault, count, 0);
        }
        report(suite, "all of these", 0, violations.len() as u64);
        assert!(violations.is_empty(), "{}", violations.join("\n\n"));
    }
}

/// The trial of this number, with so many kills where nothing speaks against it.
fn trial(run: &Run, number: u64, seed: u64, usual: u64) {
    let mut dice = Rng::new(seed).part(number);
    let pipelines = [
        Pipeline::WordCount,
        Pipeline::Stateful,
        Pipeline::Windowed,
        Pipeline::Wide,
    ];
    let pipeline = pipelines[dice.below(0..4) as usize];
    let (pipeline, store, kills) = match dice.below(0..20) {
        // Each batch takes dozens of requests to a slow server, and the others run every missed one.
        0 if pipeline == Pipeline::Wide => (pipeline, Store::Bucket, usual.div_ceil(10)),
        0 => (Pipeline::WordCount, Store::Bucket, usual.div_ceil(5)),
        1..11 => (pipeline, Store::Sled, usual),
        _ => (pipeline, Store::File, usual),
    };
    let slow = (store != Store::Bucket && dice.chance(25)).then_some(SLOW_DISK);
    let own_seed = dice.below(0..1_000_000_000_000);
    let name = format!("torture-{number}");
    let what = format!(
        "{pipeline:?} on {store:?}, slow: {}, seed {own_seed}",
        slow.is_some()
    );
    run.attempt(&what, || {
        kill_so_often(&name, pipeline, store, own_seed, slow, kills)
    });
}

#[test]
#[ignore = "long: make torture"]
fn torture_random_kills() {
    let wanted =
        std::env::var("TIDEMILL_TORTURE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let lanes =
        std::env::var("TIDEMILL_TORTURE_LANES").map_or(LANES, |lanes| lanes.parse().unwrap());
    let seed = seed();
    println!("at least {wanted} kills, TIDEMILL_SEED={seed}");
    let usual = (wanted / lanes).clamp(1, KILLS_A_TRIAL);
    let (run, next) = (Run::default(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while run.kills.load(Ordering::Relaxed) < wanted {
                    trial(&run, next.fetch_add(1, Ordering::Relaxed), seed, usual);
                    let kills = run.tally.lock().unwrap().kills();
                    run.kills.store(kills, Ordering::Relaxed);
                    println!("{kills} of {wanted} kills");
                }
            });
        }
    });
    run.end("random kills of the daemon");
}

#[test]
#[ignore = "long: make torture"]
fn torture_failpoints() {
    every_failpoint(&[Store::Sled, Store::File]);
}

/// Each step is a request to a server that isn't fast: this takes the longest.
#[test]
#[ignore = "long: make torture"]
fn torture_bucket_failpoints() {
    every_failpoint(&[Store::Bucket]);
}

/// Every failpoint, or as many of them as `TIDEMILL_TORTURE_POINTS` says.
fn every_failpoint(stores: &[Store]) {
    let seed = seed();
    let count = std::env::var("TIDEMILL_TORTURE_POINTS").unwrap_or_else(|_| "all".to_owned());
    println!("failpoints: {count}, TIDEMILL_SEED={seed}");
    let points = [
        tidemill_storage::FAILPOINTS,
        tidemill_wal::FAILPOINTS,
        tidemill_checkpoint::FAILPOINTS,
        tidemill::FAILPOINTS,
    ]
    .concat();
    let points = match count.as_str() {
        "all" => points,
        count => some(points, count.parse().unwrap(), seed),
    };
    let run = Run::default();
    std::thread::scope(|scope| {
        for &store in stores {
            for (half, points) in (0..).zip(points.chunks(points.len().div_ceil(2))) {
                let run = &run;
                scope.spawn(move || {
                    for (number, point) in (0..).zip(points) {
                        // Trials that run at once need ports and words of their own.
                        let own_seed = seed + number * 8 + half * 4 + store as u64;
                        let what = format!("{point} on {store:?}, seed {own_seed}");
                        let kill =
                            |pipeline| kill_at_each_with(&[point], pipeline, store, own_seed);
                        run.attempt(&what, || kill(pipeline_on(store)));
                        if store == Store::File {
                            let what = format!("{what}, letters put back");
                            run.attempt(&what, || kill(Pipeline::Wide));
                        }
                    }
                });
            }
        }
    });
    let places = match stores {
        [Store::Bucket] => "every failpoint of the daemon, in a bucket",
        _ => "every failpoint of the daemon",
    };
    run.end(places);
}

/// Hand-overs of each protocol, unless `TIDEMILL_TORTURE_MOVES` says otherwise.
const MOVES: u64 = 40;

#[test]
#[ignore = "long: make torture"]
fn torture_moves() {
    let wanted =
        std::env::var("TIDEMILL_TORTURE_MOVES").map_or(MOVES, |moves| moves.parse().unwrap());
    let seed = seed();
    println!("{wanted} hand-overs of each protocol, TIDEMILL_SEED={seed}");
    let run = Run::default();
    std::thread::scope(|scope| {
        for protocol in Protocol::ALL {
            let run = &run;
            scope.spawn(move || {
                let moves = wanted.min(MOVES_A_TRIAL);
                for number in 0..wanted.div_ceil(MOVES_A_TRIAL) {
                    let own_seed = seed + number;
                    let what = format!("hand-overs by {protocol:?}, seed {own_seed}");
                    run.attempt(&what, || random_moves(protocol, own_seed, moves));
                }
            });
        }
    });
    run.end("hand-overs between machines");
}

/// Minutes of the soak, unless `TIDEMILL_TORTURE_MINUTES` says otherwise.
const MINUTES: u64 = 60;

#[test]
#[ignore = "long: make torture, make soak"]
fn torture_soak() {
    let minutes =
        std::env::var("TIDEMILL_TORTURE_MINUTES").map_or(MINUTES, |count| count.parse().unwrap());
    let seed = seed();
    println!("{minutes} minutes, TIDEMILL_SEED={seed}");
    let run = Run::default();
    run.attempt(&format!("soak, seed {seed}"), || {
        soak(Duration::from_secs(60 * minutes), seed)
    });
    run.end("daemon under load for long");
}

/// Prints the table of what all suites reported to the file that `TIDEMILL_TORTURE_REPORT` names.
#[test]
#[ignore = "the end of make torture"]
fn torture_summary() {
    let path = std::env::var("TIDEMILL_TORTURE_REPORT").expect("TIDEMILL_TORTURE_REPORT is set");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut rows: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let words = |name: &str| line[name].as_str().unwrap().to_owned();
        let row = rows.entry((words("suite"), words("fault"))).or_default();
        row[0] += line["faults"].as_u64().unwrap();
        row[1] += line["violations"].as_u64().unwrap();
    }
    println!("| suite | fault | injected | violations |\n|---|---|---:|---:|");
    let mut total = [0, 0];
    for ((suite, fault), [faults, violations]) in &rows {
        println!("| {suite} | {fault} | {faults} | {violations} |");
        total[0] += faults;
        total[1] += violations;
    }
    println!("| all | | {} | {} |", total[0], total[1]);
    assert_eq!(total[1], 0, "violations");
}
