//! A program that runs for two batches, and what it leaves on the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill_checkpoint::{CheckpointReader, Location};
use tidemill_storage::LocalDisk;
use tidemill_wal::LogReader;

use crate::support::{Collected, Feed, SECOND, builder, clock_at, feed, run_to};
use tidemill::clock::ManualClock;

/// What it wrote, by kind of record.
pub struct Written {
    pub events: Vec<Vec<u8>>,
    pub blocks: Vec<Vec<u8>>,
    pub manifests: Vec<Vec<u8>>,
    pub metadata: Vec<Vec<u8>>,
    pub claims: Vec<Vec<u8>>,
}

/// A running count of words, with checkpoints below `folder`; a batch takes time, so that it has a rate.
pub fn program(folder: &Path, clock: &ManualClock) -> (StreamingContext, Feed) {
    program_from(folder, clock, None)
}

/// As [`program`], going back to a savepoint.
fn program_from(
    folder: &Path,
    clock: &ManualClock,
    savepoint: Option<&str>,
) -> (StreamingContext, Feed) {
    let url = format!("file:{}/checkpoint", folder.display());
    let mut builder = builder(&url, clock).backpressure(true);
    if let Some(savepoint) = savepoint {
        builder = builder.from_savepoint(savepoint);
    }
    let context = builder.build().unwrap();
    let (feed, fed) = feed();
    let totals = context
        .receiver_stream_with("lines", fed, Default::default())
        .count_by_value()
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .uid("totals")
        .state_version(2);
    Collected::new().collect(&totals);
    Collected::new().collect(&totals.count_by_window(2 * SECOND, SECOND));
    let clock = clock.clone();
    totals.for_each_rdd(move |_, _| -> Result<(), BoxError> {
        clock.advance(Duration::from_millis(7));
        Ok(())
    });
    (context, feed)
}

/// Runs it in a folder of its own, and stops it.
pub fn stopped() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock_at(100);
    let (context, feed) = program(folder.path(), &clock);
    context.start().unwrap();
    for seconds in 101..104 {
        feed.send(&clock, &["one", "two"]);
        run_to(&context, &clock, seconds);
    }
    context.stop(true).unwrap();
    folder
}

pub fn run() -> Written {
    let folder = stopped();
    let folder = folder.path();
    // A savepoint, and a life that goes back to it.
    let clock = clock_at(104);
    for (savepoint, until) in [(None, 106), (Some("kept"), 108)] {
        let (context, feed) = program_from(folder, &clock, savepoint);
        context.start().unwrap();
        feed.send(&clock, &["one"]);
        run_to(&context, &clock, until);
        if savepoint.is_none() {
            let limit = Duration::from_secs(60);
            context.create_savepoint("kept", limit).unwrap();
        }
        context.stop(true).unwrap();
    }
    let files = |name: &str| {
        let entries = std::fs::read_dir(folder.join("checkpoint").join(name)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| std::fs::read(path).unwrap()).collect()
    };
    let log = |name: &str| {
        let folder = folder.join("wal").join(name);
        let reader = LogReader::open(Arc::new(LocalDisk), &folder).unwrap();
        let entries = reader
            .entries()
            .map(|entry| entry.unwrap().payload.to_vec());
        entries.collect()
    };
    let location = Location::File(folder.join("checkpoint"));
    let reader = CheckpointReader::open(&location).unwrap();
    let metadata = reader.list().unwrap().into_iter().map(|summary| {
        let manifest = reader.manifest(summary.id).unwrap();
        manifest.metadata.to_vec()
    });
    Written {
        events: log("driver"),
        blocks: log("blocks"),
        manifests: files("manifest"),
        metadata: metadata.collect(),
        claims: files("epoch"),
    }
}
