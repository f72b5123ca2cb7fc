//! All that a program can remember, together: states that lie on the disk for the most part, windows with and
//! without an inverse, saved datasets under a window, kept datasets that are let go; several outputs. Its disk dies
//! at any operation, the power is cut, it is stopped with and without grace: in the end every output of every batch
//! is what the batches' lines make it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidemill::rdd::StorageLevel;
use tidemill::sink::TextFiles;
use tidemill::{Builder, DStream};
use tidemill_storage::Fault;

use crate::history::History;
use crate::support::SECOND;
use crate::support::cases::cases;

const EIO: i32 = 5;

/// Lives before the last.
const LIVES: u64 = 4;

/// The key of a line, and what it counts for.
fn pair(line: &str) -> (u64, u64) {
    let number = line.rsplit('-').next().and_then(|n| n.parse().ok());
    let number: u64 = number.unwrap_or_default();
    (number % 3, number)
}

fn program(lines: &DStream<str>, files: &dyn Fn(&str) -> TextFiles) {
    lines.sink(files("lines"));
    let pairs = lines.map(pair).persist_with(StorageLevel::MEMORY_AND_DISK);
    let totals = pairs.update_state_by_key(|new: &[u64], total: Option<&u64>| {
        Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
    });
    let totals = totals.uid("totals").checkpoint(SECOND * 2);
    totals.sink(files("totals"));
    let over = totals.reduce_by_key_and_window(|a, b| a + b, SECOND * 2, SECOND);
    over.sink(files("over"));
    let subtracted = pairs.reduce_by_key_and_window_inverse(
        |a, b| a + b,
        |a, b| a - b,
        SECOND * 3,
        SECOND,
        |(_, sum)| *sum > 0,
    );
    subtracted.sink(files("subtracted"));
    let combined = pairs.reduce_by_key_and_window(|a, b| *a.max(b), SECOND * 4, SECOND * 2);
    combined.sink(files("combined"));
    pairs.window(SECOND * 3, SECOND).sink(files("window"));
}

type Pairs = Vec<(u64, u64)>;

/// What the outputs must be, by what `lines` has put out in each batch.
struct Expected<'a>(&'a BTreeMap<u64, Vec<String>>);

impl Expected<'_> {
    /// The pairs of the batches up to and with a second, of at most so many.
    fn pairs(&self, second: u64, batches: u64) -> Pairs {
        let lines = self.0.range(second.saturating_sub(batches - 1)..=second);
        let lines = lines.flat_map(|(_, lines)| lines);
        let mut pairs: Pairs = lines.map(|line| pair(line)).collect();
        pairs.sort_unstable();
        pairs
    }

    fn folded(pairs: Pairs, fold: impl Fn(u64, u64) -> u64) -> Pairs {
        let mut folded: BTreeMap<u64, u64> = BTreeMap::new();
        for (key, value) in pairs {
            folded
                .entry(key)
                .and_modify(|held| *held = fold(*held, value))
                .or_insert(value);
        }
        folded.into_iter().collect()
    }

    fn of(&self, output: &str, second: u64) -> Pairs {
        let add = |a, b| a + b;
        match output {
            "totals" => Self::folded(self.pairs(second, second), add),
            "over" => {
                let first = *self.0.keys().next().unwrap();
                let totals = (second.saturating_sub(1).max(first)..=second)
                    .flat_map(|second| self.of("totals", second));
                Self::folded(totals.collect(), add)
            }
            "subtracted" => Self::folded(self.pairs(second, 3), add),
            "combined" => Self::folded(self.pairs(second, 4), u64::max),
            _ => self.pairs(second, 3),
        }
    }
}

fn parsed(lines: &[String]) -> Pairs {
    let parse = |line: &String| {
        let inner = line
            .strip_prefix('(')
            .and_then(|line| line.strip_suffix(')'));
        let (key, value) = inner.and_then(|inner| inner.split_once(',')).unwrap();
        (key.parse().unwrap(), value.parse().unwrap())
    };
    let mut pairs: Pairs = lines.iter().map(parse).collect();
    pairs.sort_unstable();
    pairs
}

/// Settings with which next to nothing is held in memory.
fn tight(folder: &Path) -> impl Fn(Builder) -> Builder + '_ {
    |builder| {
        builder
            .cached_memory(16)
            .scratch(folder.join("kept"))
            .state_memory(1)
            .state_scratch(folder.join("states"))
    }
}

/// One life, whose disk dies at some operation if the dice say so; then it ends in one way or another.
fn live(history: &mut History, folder: &Path, mut dice: impl FnMut(u64) -> u64) {
    let dies_at = (dice(2) == 0).then(|| dice(150));
    let count = AtomicU64::new(0);
    history.disk.set_faults(move |_| {
        let is_dead = dies_at.is_some_and(|at| count.fetch_add(1, Ordering::SeqCst) >= at);
        is_dead.then_some(Fault::Errno(EIO))
    });
    if let Ok(life) = history.start(tight(folder)) {
        let goes_well = (0..2 + dice(6)).all(|_| match dice(3) {
            0 => history.tick(&life),
            _ => history.offer(&life, || false) || !life.is_broken(),
        });
        // One that is stuck would be waited for.
        life.end(goes_well && dice(2) == 0);
    }
    history.disk.clear_faults();
    if dice(3) > 0 {
        history.disk.power_cut_torn(dice(u64::MAX));
    }
    // Down for some batches, which are made up for.
    history
        .clock
        .advance(SECOND * u32::try_from(dice(3)).unwrap());
}

#[test]
fn all_that_is_remembered_survives_what_a_disk_and_its_power_do() {
    let given = std::env::var("TIDEMILL_SEED").ok();
    let given: Option<u64> = given.map(|seed| seed.parse().expect("TIDEMILL_SEED is a number"));
    #[allow(clippy::disallowed_methods)]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).as_nanos() as u64;
    for case in 0..u64::from(cases(6)) {
        let seed = given.unwrap_or(now % 1_000_000_000) + case;
        let what = format!("TIDEMILL_SEED={seed} TIDEMILL_CASES=1");
        println!("{what}");
        let mut state = seed;
        let mut dice = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let scratch = tempfile::tempdir().unwrap();
        let mut history = History::of(format!("memories-{seed}"), program);
        for _ in 0..LIVES {
            live(&mut history, scratch.path(), &mut dice);
        }
        history.check_with(&what, tight(scratch.path()));
        let lines = history.batches("lines");
        let seconds: Vec<u64> = lines.keys().copied().collect();
        assert!(
            seconds.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{what}: {seconds:?}"
        );
        let expected = Expected(&lines);
        for output in ["totals", "over", "subtracted", "combined", "window"] {
            let batches = history.batches(output);
            let slide = if output == "combined" { 2 } else { 1 };
            let times: Vec<u64> = batches.keys().copied().collect();
            let step = slide as u64;
            assert!(
                times.windows(2).all(|pair| pair[0] + step == pair[1])
                    && (seconds.len() / slide..=seconds.len().div_ceil(slide))
                        .contains(&times.len()),
                "{what}: {output} at {times:?} of {seconds:?}"
            );
            for (second, found) in batches {
                let meant = expected.of(output, second);
                assert_eq!(parsed(&found), meant, "{what}: {output} at {second}");
            }
        }
        for folder in ["kept", "states/test"] {
            let entries = std::fs::read_dir(scratch.path().join(folder));
            let left: Vec<_> = entries.into_iter().flatten().collect();
            assert!(left.is_empty(), "{what}: {left:?}");
        }
    }
}
