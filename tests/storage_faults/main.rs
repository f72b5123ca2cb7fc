//! Faulty and full disks under a whole engine (R10): logs and outputs on a simulated disk, or a real small
//! one. Whatever fails and whenever: each acknowledged record is in exactly one batch's output.
//!
//! `TIDEMILL_CASES=all` tries each operation of the history rather than a sample; `TIDEMILL_SEED` replays.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../cli_support/mod.rs"]
mod cli_support;
mod failed_sync;
mod full_disk;
mod history;
mod memories;
mod nth;
#[path = "../support/report.rs"]
mod report;
mod small_disk;
#[path = "../support/mod.rs"]
mod support;
