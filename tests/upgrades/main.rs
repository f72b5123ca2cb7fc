//! Programs that change between two runs: operators added, removed, reordered, renamed and spread over other
//! partitions, windows of another length, types of state that changed, with a migration and without.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../support/mod.rs"]
mod support;

mod checkpointed;
mod edits;
mod operators;
mod past;
mod windows;

use tidemill::{DStream, StreamingContext};

use support::Feed;

fn add(new: &[u64], total: Option<&u64>) -> Option<u64> {
    Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
}

/// Lines from the receiver `input`, counted.
fn counts(context: &StreamingContext, input: &str) -> (Feed, DStream<(String, u64)>) {
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with(input, fed, Default::default());
    (feed, lines.count_by_value())
}
