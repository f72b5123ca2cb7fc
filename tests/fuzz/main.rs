//! Fuzz targets: what reads bytes gets bytes that were never written.
//!
//! Each target starts from valid encodings (made by the code, and the files of `corpus/TARGET/`), changes
//! them, puts checksums and lengths right again in half of the cases, so that what lies behind a checksum
//! is reached, and then holds the reader to its rules: no panic, no allocation that a length field alone
//! asked for, errors that name a place, what is read can be written and read again, and a log keeps the
//! entries before the damage. A case that is answered in a new way becomes a start for further ones.
//!
//! `make test` runs a fixed number of cases from a fixed seed. `TIDEMILL_FUZZ_CASES=1000000` runs more,
//! from a seed of its own (`TIDEMILL_SEED` repeats it). A case that breaks a rule is put into the corpus,
//! which is run first, every time: it stays there as the test of the repair.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests, helpers included"
)]

mod checkpoint;
mod engine;
mod ingest;
mod log_model;
mod mutate;
mod records;
mod repair;
#[allow(dead_code, reason = "shared with the ledger test")]
#[path = "../ledger/rng.rs"]
mod rng;
mod run;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod text;
mod wal;
mod wal_objects;
