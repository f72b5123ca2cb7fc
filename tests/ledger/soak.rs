//! The soak: a pipeline under load for an hour, killed each minute and at last left alone for a while. What the
//! daemon takes up must not grow, neither from life to life nor within one: resident memory, open files, disk.
//! Figures go to standard output, a JSON line each; the ledger is checked as in any trial.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::rng::Rng;
use super::tally::Tally;
use super::trial::Trial;
use super::workload::{Pipeline, Store};

/// Time between two kills at most; a short soak has shorter lives.
const LIFE: Duration = Duration::from_secs(60);
/// Parts of the time: each but the last few is a life that ends by a kill, those are one life.
const PARTS: u32 = 9;
const LAST_PARTS: u32 = 2;
/// Clients beside a trial's usual ones, in threes.
const MORE_FEEDERS: u32 = 2;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// What neither noise nor warming up adds.
const MEMORY_SLACK_MIB: f64 = 24.0;
const FILES_SLACK: f64 = 24.0;
const DISK_SLACK_MIB: f64 = 48.0;
/// No pipeline of a few thousand small records a second needs more for checkpoints and logs.
const DISK_MIB: f64 = 512.0;

/// What a daemon takes up at a moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Since the soak began.
    minutes: f64,
    resident_mib: f64,
    open_files: f64,
    /// Of checkpoints and logs; what the pipeline puts out stays and isn't counted.
    disk_mib: f64,
}

type Measure = fn(&Sample) -> f64;

/// What is looked at, by name, and how much it may be above where it began.
const MEASURES: [(&str, Measure, f64); 3] = [
    (
        "resident_mib",
        |sample| sample.resident_mib,
        MEMORY_SLACK_MIB,
    ),
    ("open_files", |sample| sample.open_files, FILES_SLACK),
    ("disk_mib", |sample| sample.disk_mib, DISK_SLACK_MIB),
];

/// Soaks for so long; says what it did.
pub fn soak(length: Duration, seed: u64) -> Tally {
    let rng = Rng::new(seed).part(7);
    let mut trial = Trial::new("soak", Pipeline::Windowed, Store::Sled, seed, &rng);
    (0..MORE_FEEDERS).for_each(|n| trial.feed_more(&rng.part(u64::from(n))));
    let life = LIFE.min(length / PARTS);
    let started = Instant::now();
    let (mut tally, mut ends) = (Tally::default(), Vec::new());
    while started.elapsed() + life * LAST_PARTS < length {
        let daemon = ready(&trial);
        let samples = watch(&daemon, &trial, started, life);
        ends.extend(samples.last());
        daemon.kill();
        tally.count("SIGKILL under load");
        trial.look();
    }
    let daemon = ready(&trial);
    let mut last = watch(&daemon, &trial, started, life * LAST_PARTS);
    daemon.terminate();
    trial.look();
    // Until memory has been used for the first time and logs have turned over.
    last.drain(..last.len() / 5);
    let flat = is_flat("from_life_to_life", &ends).and(is_flat("in_the_last_life", &last));
    trial.expect(flat);
    trial.finish();
    tally
}

fn ready(trial: &Trial) -> Daemon {
    let mut daemon = trial.launch.start(None);
    daemon.expect_ready();
    daemon
}

/// Looks at a daemon for so long.
fn watch(daemon: &Daemon, trial: &Trial, started: Instant, length: Duration) -> Vec<Sample> {
    let places = &trial.launch.places;
    let folders = [places.wal(), places.root.join("checkpoint")];
    let (until, mut samples) = (Instant::now() + length, Vec::new());
    while Instant::now() < until {
        std::thread::sleep(SAMPLE_EVERY);
        samples.push(Sample {
            minutes: started.elapsed().as_secs_f64() / 60.0,
            resident_mib: resident_mib(daemon.pid()),
            open_files: count(&format!("/proc/{}/fd", daemon.pid())),
            disk_mib: folders.iter().map(bytes_in).sum::<u64>() as f64 / f64::from(1 << 20),
        });
    }
    samples
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap();
    kib / 1024.0
}

fn count(folder: &str) -> f64 {
    std::fs::read_dir(folder).unwrap().count() as f64
}

/// The bytes of all files below; those that go meanwhile count as gone.
fn bytes_in(folder: &PathBuf) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |path: &Path| std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_in(&entry.path()),
            _ => bytes(&entry.path()),
        })
        .sum()
}

/// Reports each measure with its slope; what has grown from the first third to the last is a violation.
fn is_flat(when: &str, samples: &[Sample]) -> Result<(), String> {
    let third = samples.len() / 3;
    if third == 0 {
        return Err(format!("{when}: only {} samples", samples.len()));
    }
    let mut grown = Vec::new();
    for (what, measure, slack) in MEASURES {
        let points: Vec<[f64; 2]> = samples.iter().map(|s| [s.minutes, measure(s)]).collect();
        let (first, last) = (
            mean(&points[..third]),
            mean(&points[points.len() - third..]),
        );
        let highest = points.iter().map(|point| point[1]).fold(0.0, f64::max);
        println!(
            "{{\"soak\":\"{when}\",\"measure\":\"{what}\",\"samples\":{},\"minutes\":{:.1},\"first_third\":{first:.2},\
             \"last_third\":{last:.2},\"highest\":{highest:.2},\"slope_per_hour\":{:.3}}}",
            points.len(),
            points[points.len() - 1][0] - points[0][0],
            slope(&points) * 60.0,
        );
        if last > first * 1.25 + slack {
            grown.push(format!("{when}: {what} grew from {first:.2} to {last:.2}"));
        }
        if what == "disk_mib" && highest > DISK_MIB {
            grown.push(format!(
                "{when}: checkpoints and logs took {highest:.0} MiB"
            ));
        }
    }
    match grown.is_empty() {
        true => Ok(()),
        false => Err(grown.join("; ")),
    }
}

fn mean(points: &[[f64; 2]]) -> f64 {
    points.iter().map(|point| point[1]).sum::<f64>() / points.len() as f64
}

/// Of the line with the least squares; 0 where all points lie over one place.
fn slope(points: &[[f64; 2]]) -> f64 {
    let middle = points.iter().map(|point| point[0]).sum::<f64>() / points.len() as f64;
    let height = mean(points);
    let (mut over, mut under) = (0.0, 0.0);
    for [x, y] in points {
        over += (x - middle) * (y - height);
        under += (x - middle) * (x - middle);
    }
    if under > 0.0 { over / under } else { 0.0 }
}

#[test]
fn growth_is_found_and_noise_is_not() {
    let samples = |resident: fn(f64) -> f64| -> Vec<Sample> {
        let sample = |minute| Sample {
            minutes: f64::from(minute),
            resident_mib: resident(f64::from(minute)),
            open_files: 40.0,
            disk_mib: 3.0,
        };
        (0..60).map(sample).collect()
    };
    assert_eq!(
        is_flat("noisy", &samples(|x| 50.0 + 9.0 * (x % 3.0))),
        Ok(())
    );
    let grown = is_flat("leaky", &samples(|x| 50.0 + 2.0 * x)).unwrap_err();
    assert!(
        grown.contains("resident_mib grew from 69.00 to 149.00"),
        "{grown}"
    );
    let filled = Sample {
        disk_mib: 600.0,
        ..samples(|_| 50.0)[0]
    };
    assert!(is_flat("full", &[filled; 3]).is_err());
    assert!(is_flat("short", &[filled; 2]).is_err());
    let line: Vec<[f64; 2]> = (0..5).map(|x| [f64::from(x), 3.0 * f64::from(x)]).collect();
    assert!((slope(&line) - 3.0).abs() < 1e-9);
}
