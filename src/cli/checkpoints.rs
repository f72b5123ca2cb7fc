//! `tidemill checkpoint list` and `verify`: what a location holds, and whether it is as it was written.

use serde_json::{Value, json};
use tidemill_checkpoint::{CheckpointReader, Summary, Verification, Verified};

use super::args::{CheckpointArgs, ListArgs};
use super::error::{CliError, Result};
use super::location;
use super::output::{self, Output};
use super::terminal::{Paint, Work};
use crate::clock::wall_clock;
use crate::time::{Time, millis};
use crate::utc;

/// Opens a location for reading, beside its driver if there is one.
pub(super) fn open(args: &CheckpointArgs) -> Result<(CheckpointReader, String)> {
    let location = location::checkpoint(&args.location, &args.sets.set)?;
    Ok((CheckpointReader::open(&location)?, location.to_string()))
}

/// Newest first.
pub(super) fn list(args: &ListArgs) -> Result<()> {
    let (reader, location) = open(&args.at)?;
    let summaries = reader.list()?;
    let verification = match args.verify {
        true => {
            let work = Work::on(format!("reading {location}"));
            Some(reader.verify_with(|bytes| work.read(bytes))?)
        }
        false => None,
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
        out.json(&json!({ "location": location, "checkpoints": checkpoints }))?;
        return out.finish();
    }
    if summaries.is_empty() {
        out.line(format!("{location} holds no checkpoint that can be read"))?;
        return out.finish();
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
    let rows: Vec<Vec<String>> = summaries.iter().map(row).collect();
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
    out.finish()
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
            "checkpoints": checkpoints,
            "claims": verification.claims,
            "orphans": verification.orphans,
        }))?;
    } else {
        show(&mut out, &verification)?;
    }
    out.finish()?;
    if verification.is_whole() {
        return Ok(());
    }
    Err(CliError::Failed(match verification.newest_is_whole() {
        true => "older checkpoints are damaged; the newest is whole and would be used".to_owned(),
        false => "the newest checkpoint is damaged; a start would use an older one and the log \
                  behind it, which costs time and no data"
            .to_owned(),
    }))
}

fn show(out: &mut Output, verification: &Verification) -> Result<()> {
    let paint = Paint::of_results();
    if verification.checkpoints.is_empty() {
        out.line("there are no checkpoints yet")?;
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
        out.line(format!(
            "harmless: {} chunks of an interrupted write, which the next write sweeps",
            verification.orphans.len()
        ))?;
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
