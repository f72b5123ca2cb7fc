//! A log in an object store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod faults;
mod golden;
mod life;
mod model;
mod owners;
mod repair;
mod support;
