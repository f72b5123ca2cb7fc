//! sled by itself: the same cuts without the care that the store takes around it. This is the finding
//! that the store's design rests on, kept as a test so that another version of sled is asked again.

use std::path::Path;

use tidemill_checkpoint::Location;

use crate::cut::{Cut, Kept};
use crate::record;
use crate::rng::Rng;

const WRITES: u64 = 40;
/// Above a quarter of a log segment, where sled puts a value into a file of its own.
const LARGE: usize = 200_000;

fn config(folder: &Path) -> sled::Config {
    sled::Config::new().path(folder).flush_every_ms(None)
}

fn value(time: u64, size: usize) -> Vec<u8> {
    let mut rng = Rng::new(3).part(time);
    (0..size).map(|_| rng.next().to_le_bytes()[0]).collect()
}

/// Every entry that was flushed is there and is what was written.
fn check(folder: &Path, reported: u64, size: usize) -> Result<(), &'static str> {
    let look = || {
        let database = config(folder).open().map_err(|_| "doesn't open")?;
        for time in 1..=reported {
            match database.get(time.to_be_bytes()) {
                Ok(Some(found)) if found == value(time, size) => {}
                Ok(Some(_)) => return Err("gives other bytes"),
                Ok(None) => return Err("lost a flushed entry"),
                Err(_) => return Err("can't read a flushed entry"),
            }
        }
        Ok(())
    };
    std::panic::catch_unwind(look).unwrap_or(Err("panics"))
}

/// How often each kind of violation was met.
fn violations(
    child: &str,
    size: usize,
    kept: impl Fn(&mut Rng) -> Kept,
) -> Vec<(&'static str, u64)> {
    let history = record::history(child);
    let mut found = std::collections::BTreeMap::new();
    for (case, history) in history
        .iter()
        .flat_map(|history| (0..40).map(move |case| (case, history)))
    {
        let mut rng = Rng::new(5).part(case);
        let cut = Cut {
            moment: rng.below(history.end()),
            kept: kept(&mut rng),
        };
        let folder = record::scratch();
        cut.rebuild(history, &mut rng, folder.path());
        if let Err(problem) = check(
            &folder.path().join(record::STORE),
            history.reported(cut.moment),
            size,
        ) {
            *found.entry(problem).or_default() += 1;
        }
    }
    found.into_iter().collect()
}

/// sled's threads hold its lock for a moment after the last handle is gone.
fn open(folder: &Path) -> sled::Db {
    for _ in 0..500 {
        match config(folder).open() {
            Err(error) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays locked", folder.display());
}

fn child(size: usize) {
    record::in_child(|location, report| {
        let Location::Sled(folder) = location else {
            unreachable!()
        };
        for session in 0..2 {
            let database = open(folder);
            for time in session * WRITES / 2 + 1..=(session + 1) * WRITES / 2 {
                database
                    .insert(time.to_be_bytes(), value(time, size))
                    .unwrap();
                database.flush().unwrap();
                report(time);
            }
        }
    });
}

#[test]
fn sled_alone_outlives_kills_but_no_power_cuts() {
    let kills = violations("plain::child_small", 1000, |_| Kept::All);
    let small = violations("plain::child_small", 1000, Kept::any);
    let large = violations("plain::child_large", LARGE, Kept::any);
    println!("of 40 each: kills {kills:?}, power cuts {small:?}, with large values {large:?}");
    if std::env::var_os("TIDEMILL_WITHOUT_STRACE").is_none() {
        assert!(!small.is_empty() && !large.is_empty());
    }
}

/// Not a test of its own.
#[test]
#[ignore = "started by the test above"]
fn child_small() {
    child(1000);
}

/// Not a test of its own.
#[test]
#[ignore = "started by the test above"]
fn child_large() {
    child(LARGE);
}
