//! The ledger test: the real daemon is fed numbered records and killed, at random moments and at every
//! named failpoint, also while it recovers. In the end every acknowledged record is in exactly one batch,
//! each output is in place once and whole, totals are the fold over all records, and windows are what
//! they would have been without any kill.
//!
//! `TIDEMILL_SEED` repeats a run, `TIDEMILL_KILLS` sets the kills of each test of random moments. The
//! moments are random, the system's scheduling is, too: a seed repeats what the test does, and most
//! often what it finds. A violation keeps the trial's folder and names it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests, helpers included"
)]

#[cfg(feature = "failpoints")]
mod asking;
mod checker;
mod daemon;
#[cfg(feature = "failpoints")]
mod failpoints;
mod feeder;
mod fencing;
mod http;
mod killer;
#[path = "../support/object_servers/mod.rs"]
mod object_servers;
mod output;
mod ownership;
mod place;
#[cfg(feature = "failpoints")]
mod reach;
mod records;
#[cfg(feature = "failpoints")]
#[path = "../support/report.rs"]
mod report;
mod rng;
mod rules;
mod savepoints;
#[cfg(feature = "failpoints")]
mod soak;
mod tally;
mod torn;
#[cfg(feature = "failpoints")]
mod torture;
mod trial;
mod wide;
mod wide_checker;
mod workload;

use killer::random_kills;
use workload::{Pipeline, Store};

#[cfg(feature = "failpoints")]
#[test]
fn random_kills_slow_wordcount_sled() {
    killer::random_kills_on_slow_disk("slow-wordcount-sled", Pipeline::WordCount, Store::Sled);
}

#[cfg(feature = "failpoints")]
#[test]
fn random_kills_slow_stateful_file() {
    killer::random_kills_on_slow_disk("slow-stateful-file", Pipeline::Stateful, Store::File);
}

#[cfg(feature = "failpoints")]
#[test]
fn random_kills_slow_windowed_sled() {
    killer::random_kills_on_slow_disk("slow-windowed-sled", Pipeline::Windowed, Store::Sled);
}

#[cfg(feature = "failpoints")]
#[test]
fn random_kills_slow_wide_sled() {
    killer::random_kills_on_slow_disk("slow-wide-sled", Pipeline::Wide, Store::Sled);
}

/// Seeds that once found something.
#[test]
fn random_kills_that_found_something() {
    // A kill while sled wrote its index snapshot: the location never opened again.
    killer::kill_with_seed(
        "found-1",
        Pipeline::Windowed,
        Store::Sled,
        513_387_013_559,
        None,
    );
    // A stop that doesn't wait, between a block and its answer: reported as a failed log.
    killer::kill_with_seed(
        "found-2",
        Pipeline::WordCount,
        Store::Sled,
        536_556_197_339,
        None,
    );
}

/// A seed that found windows left out: records came in while missed batches were made up for.
#[cfg(feature = "failpoints")]
#[test]
fn random_kills_that_found_something_on_a_slow_disk() {
    killer::kill_with_seed(
        "found-3",
        Pipeline::Windowed,
        Store::Sled,
        602_763_556_758,
        Some(killer::SLOW_DISK),
    );
}

#[test]
fn random_kills_wordcount_sled() {
    random_kills("wordcount-sled", Pipeline::WordCount, Store::Sled);
}

#[test]
fn random_kills_wordcount_file() {
    random_kills("wordcount-file", Pipeline::WordCount, Store::File);
}

#[test]
fn random_kills_wordcount_bucket() {
    random_kills("wordcount-bucket", Pipeline::WordCount, Store::Bucket);
}

#[test]
fn random_kills_stateful_sled() {
    random_kills("stateful-sled", Pipeline::Stateful, Store::Sled);
}

#[test]
fn random_kills_stateful_file() {
    random_kills("stateful-file", Pipeline::Stateful, Store::File);
}

#[test]
fn random_kills_windowed_sled() {
    random_kills("windowed-sled", Pipeline::Windowed, Store::Sled);
}

#[test]
fn random_kills_windowed_file() {
    random_kills("windowed-file", Pipeline::Windowed, Store::File);
}

#[test]
fn random_kills_wide_file() {
    random_kills("wide-file", Pipeline::Wide, Store::File);
}
