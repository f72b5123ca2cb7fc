//! Text files in object stores: what a reader sees while drivers are interrupted, paused, and overtaken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod codecs;
mod engine;
mod layout;
mod overtaken;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use tidemill::OperatorUid;
use tidemill::Time;
use tidemill::rdd::{BoxError, Executor, Rdd};
use tidemill::sink::{BatchIdentity, Sink, TextFiles};
use tidemill_storage::{Objects, RemoteObjects};

const FOLDER: &str = "out/counts-7000.txt";

fn batch() -> BatchIdentity {
    BatchIdentity {
        application: "test".to_owned(),
        output: OperatorUid::new("files"),
        time: Time::from_millis(7000),
    }
}

fn in_memory() -> Arc<dyn Objects> {
    Arc::new(RemoteObjects::in_memory().unwrap())
}

/// How a driver deals out the records 0 to 8: where each of its partitions ends.
type Layout = &'static [usize];

/// Two of them begin alike, so that a late driver finds nothing amiss before the end.
const LAYOUTS: [Layout; 5] = [&[9], &[5, 9], &[5, 9, 9], &[3, 6, 9], &[2, 4, 6, 8, 9]];

/// Commits the records as a driver of its own: requests come one after the other.
fn commit(objects: Arc<dyn Objects>, layout: Layout) -> Result<(), BoxError> {
    let executor = Executor::new(1, 1)?;
    let all = all_records();
    let mut start = 0;
    let partitions = layout
        .iter()
        .map(|end| all[std::mem::replace(&mut start, *end)..*end].to_vec())
        .collect();
    TextFiles::on_objects("out/counts", Some("txt"), objects)
        .commit(&batch(), &Rdd::<String>::in_memory(partitions, &executor))
}

/// The records in parts, in order.
fn records(parts: &[bytes::Bytes]) -> Vec<String> {
    let text = String::from_utf8(parts.concat()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// All that was committed, in order.
fn all_records() -> Vec<String> {
    (0..9).map(|n| format!("record {n}")).collect()
}
