//! The streaming page in a real browser, on the real binary; and what it is made of.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod alarms;
mod browser;
#[path = "../cli_support/mod.rs"]
mod cli_support;
mod events;
mod files;
mod history;
mod overview;
mod screenshots;
mod steering;
mod token;
mod usable;
