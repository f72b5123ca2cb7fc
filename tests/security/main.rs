//! Who may do what to a daemon, and what clients who mean no good can't do to it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../cli_support/mod.rs"]
mod cli_support;

mod audit;
mod crowds;
mod paths;
mod roles;
#[cfg(feature = "tls")]
mod tls;
