//! `tidemill wal dump`: the logs, entry by entry: one JSON object a line, or as a story.
//!
//! Works beside a live driver: what it is just about to write ends the dump, and what it cleans up
//! meanwhile is left out.

mod entry;
mod filter;
mod story;

use std::io::Write;

use super::args::DumpArgs;
use super::error::{CliError, Result};
use super::location::{self, FoundLog};
use super::output::{Fields, Output};
use super::terminal::Work;
use super::wal_verify::torn_tail;
use entry::Told;
use filter::Filter;
use story::Story;

pub(super) use entry::block_info;

/// An entry and where it is.
struct Found<'a> {
    log: &'a FoundLog,
    sequence: u64,
    /// The first entry of its segment.
    segment: u64,
    file: String,
    offset: u64,
    /// Bytes of its payload.
    bytes: u64,
    told: Told,
}

/// Prints every entry of the driver's log, then of the block log, each in its order.
pub(super) fn dump(args: &DumpArgs) -> Result<()> {
    let logs = location::logs(&args.location, &args.sets.set)?;
    let mut filter = Filter::new(args)?;
    if filter.needs_batches() {
        let work = Work::on("looking for what is asked for");
        for log in &logs {
            // What can't be read is told when it is printed.
            walk(log, |found| {
                work.read(found.bytes);
                filter.learn(&found.told);
                Ok(())
            })?;
        }
    }
    let mut out = Output::new();
    let mut failures = Vec::new();
    let mut story = args.story.then(|| Story::new(&logs));
    for log in &logs {
        filter.begin();
        failures.extend(walk(log, |found| {
            if !filter.takes(&found.told) {
                return Ok(());
            }
            match &mut story {
                Some(story) => story.tell(&found, &mut out),
                None => out.json_line(&line(&found)),
            }
        })?);
    }
    if let Some(story) = story {
        story.end(&mut out)?;
    }
    out.finish()?;
    match failures.is_empty() {
        true => Ok(()),
        false => Err(CliError::Failed(format!(
            "not all of it could be read:\n{}",
            failures.join("\n")
        ))),
    }
}

/// Gives every entry to `take`; returns what couldn't be read.
fn walk(log: &FoundLog, mut take: impl FnMut(Found<'_>) -> Result<()>) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    let mut entries = log.reader.entries();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                failures.push(format!("{}: {error}", log.which.name()));
                continue;
            }
        };
        let (file, offset) = entries.place(entry.position);
        let bytes = entry.payload.len() as u64;
        match Told::read(log.which, entry.kind, entry.payload) {
            Ok(told) => take(Found {
                log,
                sequence: entry.sequence.0,
                segment: entry.position.segment.0,
                file,
                offset,
                bytes,
                told,
            })?,
            Err(reason) => failures.push(format!(
                "{}: {file}, offset {offset}: {reason}",
                log.which.name()
            )),
        }
    }
    if let Some(torn) = entries.torn_tail() {
        // Standard error that is closed is no reason to say nothing else.
        let _ = writeln!(
            std::io::stderr(),
            "{}: {}, unless a checkpoint knows of it (`tidemill wal verify PIPELINE.toml` tells)",
            log.which.name(),
            torn_tail(torn)
        );
    }
    Ok(failures)
}

/// An entry with its place in front.
fn line(found: &Found<'_>) -> Fields {
    Fields::default()
        .with("log", found.log.which.name())
        .with("sequence", found.sequence)
        .with("file", found.file.as_str())
        .with("offset", found.offset)
        .and(found.told.fields())
}
