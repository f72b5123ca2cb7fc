//! Streams with state: the tables of the original's suites in our own words, random programs against
//! naive models with kills in the middle, and what must not be done.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod half_done;
mod map_with_state;
mod models;
mod refused;
mod table;
mod update_state;
