//! `tidemill checkpoint list` and `verify`: what a location holds, and whether it is as it was written.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidemill_checkpoint::{
    CheckpointId, CheckpointReader, Listing, Start, Summary, Verification, Verified,
};
use tidemill_storage::Location;

use super::args::{CheckpointArgs, ListArgs};
use super::error::{CliError, Result};
use super::location;
use super::output::{self, Output};
use super::terminal::{Paint, Work};
use crate::clock::wall_clock;
use crate::error::Error;
use crate::time::{Time, millis};
use crate::utc;

/// Opens a location for reading, beside its driver if there is one.
pub(super) fn open(args: &CheckpointArgs) -> Result<(CheckpointReader, String)> {
    let location = location::checkpoint(&args.location, &args.sets.set)?;
    Ok((open_at(&location)?, location.to_string()))
}

fn open_at(location: &Location) -> Result<CheckpointReader> {
    match location {
        Location::Memory(_) => Err(CliError::Failed(format!(
            "the checkpoints are in the memory of the running pipeline (`{location}`): there is nothing to read"
        ))),
        location => Ok(CheckpointReader::open(location)?),
    }
}

/// What a location holds, and whether that is anything that can be read.
type Look = (Option<CheckpointReader>, Listing, Result<()>);

fn look(location: &Location) -> Result<Look> {
    let reader = match open_at(location) {
        Ok(reader) => reader,
        // There is nothing, for sure.
        Err(
            error @ (CliError::Failed(_)
            | CliError::Engine(Error::Checkpoint(tidemill_checkpoint::Error::NoStore {
                ..
            }))),
        ) => return Ok((None, Listing::default(), Err(error))),
        Err(error) => return Err(error),
    };
    let listing = reader.listing()?;
    let failure = match (listing.checkpoints.len(), listing.damaged.len()) {
        (0, 0) => Err(format!("{location} holds no checkpoints")),
        (0, n) => Err(format!(
            "none of the {} at {location} can be read; `tidemill checkpoint verify` says what that means",
            output::count(n as u64, "checkpoint")
        )),
        _ => Ok(()),
    };
    let outcome = failure.map_err(CliError::Failed);
    Ok((Some(reader), listing, outcome))
}

/// Newest first.
pub(super) fn list(args: &ListArgs) -> Result<()> {
    let location = location::checkpoint(&args.at.location, &args.at.sets.set)?;
    let (reader, listing, outcome) = look(&location)?;
    let summaries = &listing.checkpoints;
    let verification = match reader.filter(|_| args.verify && !summaries.is_empty()) {
        Some(reader) => {
            let work = Work::on(format!("reading {location}"));
            Some(reader.verify_with(|bytes| work.read(bytes))?)
        }
        None => None,
    };
    let whole = |summary: &Summary| {
        let mut verified = verification.as_ref()?.checkpoints.iter();
        let verified = verified.find(|verified| verified.id == summary.id)?;
        Some(verified.findings.is_empty())
    };
    let mut out = Output::new();
    if args.at.json {
        let as_json = |summary| as_json(summary, whole(summary));
        let checkpoints: Vec<Value> = summaries.iter().map(as_json).collect();
        let damaged = listing.damaged.iter();
        let damaged: Vec<Value> = damaged
            .map(|one| json!({ "id": one.id, "findings": one.findings }))
            .collect();
        out.json(&json!({
            "location": location.to_string(),
            "checkpoints": checkpoints,
            "damaged": damaged,
        }))?;
        out.finish()?;
        return outcome;
    }
    let row = |summary: &Summary| {
        let mut row = vec![
            summary.id.to_string(),
            summary.time_ms.to_string(),
            utc::for_people(Time::from_millis(summary.time_ms)),
            output::length(age(summary)),
            summary.epoch.to_string(),
            output::bytes(summary.bytes),
            output::bytes(summary.new_bytes),
            entries(summary).to_string(),
        ];
        if args.verify {
            let told = match whole(summary) {
                Some(true) => "whole",
                Some(false) => "DAMAGED",
                // It has been retired since.
                None => "gone",
            };
            row.push(told.to_owned());
        }
        row.push(summary.name.clone().unwrap_or_default());
        row
    };
    let readable = summaries.iter().map(|summary| (summary.id, row(summary)));
    let damaged = listing.damaged.iter().map(|one| {
        let unknown = String::new;
        let told = "DAMAGED, can't be read".to_owned();
        (one.id, vec![one.id.to_string(), unknown(), told])
    });
    let rows: BTreeMap<CheckpointId, Vec<String>> = readable.chain(damaged).collect();
    let rows: Vec<Vec<String>> = rows.into_values().rev().collect();
    if rows.is_empty() {
        return outcome;
    }
    let mut head = vec![
        "ID",
        "TIME_MS",
        "COMPLETE THROUGH (UTC)",
        "AGE",
        "EPOCH",
        "SIZE",
        "NEW",
        "ENTRIES",
    ];
    head.extend(args.verify.then_some("VERIFIED"));
    head.push("NAME");
    out.table(&head, &rows)?;
    out.finish()?;
    outcome
}

fn age(summary: &Summary) -> u64 {
    millis(wall_clock().since(Time::from_millis(summary.created_ms)))
}

fn entries(summary: &Summary) -> u64 {
    summary.series.iter().map(|series| series.entries).sum()
}

/// `whole` when it has been verified.
fn as_json(summary: &Summary, whole: Option<bool>) -> Value {
    json!({
        "id": summary.id,
        "time": summary.time_ms,
        "created": summary.created_ms,
        "age": age(summary),
        "epoch": summary.epoch,
        "bytes": summary.bytes,
        "newBytes": summary.new_bytes,
        "chunks": summary.chunks,
        "entries": entries(summary),
        "series": summary.series,
        "name": summary.name,
        "whole": whole,
    })
}

/// Reads every byte; fails when something is damaged.
pub(super) fn verify(args: &CheckpointArgs) -> Result<()> {
    let (reader, location) = open(args)?;
    let work = Work::on(format!("reading {location}"));
    let verification = reader.verify_with(|bytes| work.read(bytes))?;
    drop(work);
    let mut out = Output::new();
    if args.json {
        let checkpoints: Vec<Value> = verification
            .checkpoints
            .iter()
            .map(verified_as_json)
            .collect();
        out.json(&json!({
            "location": location,
            "whole": verification.is_whole(),
            "newestIsWhole": verification.newest_is_whole(),
            "startsFrom": match verification.start {
                Start::From(id) => Some(id),
                Start::Anew | Start::Refused => None,
            },
            "checkpoints": checkpoints,
            "claims": verification.claims,
            "orphans": verification.orphans,
        }))?;
    } else {
        show(&mut out, &verification)?;
    }
    out.finish()?;
    match verification.is_whole() {
        true => Ok(()),
        false => Err(CliError::Failed(meaning(&verification))),
    }
}

/// What damage means for a start.
fn meaning(verification: &Verification) -> String {
    let all = &verification.checkpoints;
    match (verification.start, verification.newest_is_whole()) {
        (Start::From(_), true) => {
            "older checkpoints are damaged; the newest is whole and would be used".to_owned()
        }
        (Start::From(id), false) => format!(
            "the newest checkpoint is damaged; a start would use checkpoint {id} and the log behind it, which \
             costs time and no data if the log is whole (`tidemill fsck` checks both)"
        ),
        (Start::Anew | Start::Refused, _) => {
            let savepoint = all.iter().find_map(|one| match one.findings.is_empty() {
                true => one.name.as_ref(),
                false => None,
            });
            let way_back = savepoint
                .map(|name| format!(", go back to the savepoint `{name}` (run --from {name})"))
                .unwrap_or_default();
            format!(
                "none of the {} can be gone on from: a start is refused; restore the location from a \
                 copy{way_back}, or start anew with --fresh",
                output::count(all.len() as u64, "checkpoint")
            )
        }
    }
}

fn show(out: &mut Output, verification: &Verification) -> Result<()> {
    let paint = Paint::of_results();
    if verification.checkpoints.is_empty() {
        out.line("there are no checkpoints")?;
    }
    for checkpoint in &verification.checkpoints {
        let time = checkpoint
            .time_ms
            .map(|ms| format!(", time {ms} ms"))
            .unwrap_or_default();
        let (id, chunks) = (checkpoint.id, checkpoint.chunks);
        let chunks = output::count(chunks as u64, "chunk");
        match checkpoint.findings.is_empty() {
            true => out.line(format!(
                "checkpoint {id}{time}: {}; {chunks} checked",
                paint.good("whole")
            ))?,
            false => out.line(format!("checkpoint {id}{time}: {}", paint.bad("DAMAGED")))?,
        }
        for finding in &checkpoint.findings {
            out.line(format!("  {}: {}", finding.place, finding.problem))?;
        }
    }
    for claim in &verification.claims {
        out.line(format!(
            "harmless: {}: {}; an epoch counts by its claim's name, its contents only say whose it was",
            claim.place, claim.problem
        ))?;
    }
    if !verification.orphans.is_empty() {
        let chunks = output::count(verification.orphans.len() as u64, "chunk");
        out.line(match verification.all_manifests_are_read() {
            true => {
                format!("harmless: {chunks} of an interrupted write, which the next write sweeps")
            }
            false => format!(
                "{chunks} that no readable checkpoint names: of those that can't be read, or of an interrupted write"
            ),
        })?;
    }
    Ok(())
}

fn verified_as_json(checkpoint: &Verified) -> Value {
    json!({
        "id": checkpoint.id,
        "time": checkpoint.time_ms,
        "chunks": checkpoint.chunks,
        "findings": checkpoint.findings,
    })
}
