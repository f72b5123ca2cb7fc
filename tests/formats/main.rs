//! `docs/formats.md` says what the code does: its tables and dumps are read and compared with constants,
//! golden files, decoders, and what a running program leaves on the disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod dumps;
mod fields;
mod kinds;
mod layouts;
mod messagepack;
mod newer;
mod page;
mod program;
#[path = "../support/mod.rs"]
mod support;
