//! Records that can't be processed: the batch fails, or they are written down once, or left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod command;
mod contents;
mod once;
mod pipelines;
mod policies;
mod requeue;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Feed, builder};
use tidemill::clock::ManualClock;
use tidemill::dead_letters::DeadLetter;
use tidemill::{DStream, StreamingContext};

fn lines_of(context: &StreamingContext) -> (DStream<str>, Feed) {
    let (feed, fed) = support::feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    (lines, feed)
}

/// The letters below `folder`, by the second of their batch.
fn letters(folder: &Path) -> BTreeMap<u64, Vec<DeadLetter>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            continue;
        }
        let time = name.strip_prefix("letters-").unwrap();
        let time: u64 = time.strip_suffix(".jsonl").unwrap().parse().unwrap();
        assert!(entry.path().join("_SUCCESS").exists(), "{name}");
        let text = std::fs::read_to_string(entry.path().join("part-00000")).unwrap();
        let read = |line| DeadLetter::from_line(line).unwrap();
        found.insert(time / 1000, text.lines().map(read).collect());
    }
    found
}

fn with_letters(url: &str, clock: &ManualClock, folder: &Path) -> tidemill::Builder {
    builder(url, clock).dead_letters(folder.display().to_string())
}
