//! `tidemill fsck`: logs, checkpoints and what the sinks hold, each checked and held against the others.
//!
//! It only reads, and works beside a live driver. That is a moving target: whatever looks wrong is looked
//! for again, and told only when it stays.

mod checkpoints;
mod finding;
mod logs;
mod outputs;

use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tidemill_config::Pipeline;

use super::args::FsckArgs;
use super::error::{CliError, Result};
use super::held::Checkpoints;
use super::output::{Output, count};
use super::terminal::{Paint, Work};
use super::{load, location};
use crate::StreamingContext;
use crate::error::Error;
use finding::{Finding, Findings, Severity};
use logs::Logs;
use outputs::Batches;

/// How often what looks wrong is looked at, and how long is waited in between.
pub(super) const LOOKS: usize = 3;
pub(super) const BETWEEN: Duration = Duration::from_millis(300);

/// What was read.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    checkpoints: u64,
    chunks: u64,
    driver_entries: u64,
    block_entries: u64,
    outputs: u64,
    /// Whether there was a checkpoint to hold the pipeline against.
    #[serde(skip)]
    is_compared: bool,
}

/// Checks a pipeline; fails when something is wrong.
pub(super) fn fsck(args: &FsckArgs) -> Result<()> {
    let loaded = load::pipeline(&args.pipeline)?;
    let context = load::program(&loaded)?;
    let work = Work::on("checking");
    let (mut findings, mut checked) = look(args, &loaded, &context, &work)?;
    for _ in 1..LOOKS {
        if findings
            .iter()
            .all(|finding| finding.severity == Severity::Note)
        {
            break;
        }
        work.say("looking again at what looks wrong");
        thread::sleep(BETWEEN);
        let (again, read) = look(args, &loaded, &context, &work)?;
        findings.retain(|finding| again.contains(finding));
        checked = read;
    }
    drop(work);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let of = |severity| {
        let all = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        all.count() as u64
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let mut out = Output::new();
    match args.json {
        true => out.json(&json!({
            "pipeline": loaded.file.to_string(),
            "whole": errors == 0,
            "errors": errors,
            "warnings": warnings,
            "checked": checked,
            "findings": findings,
        }))?,
        false => tell(&mut out, &loaded, &findings, &checked)?,
    }
    out.finish()?;
    match errors {
        0 => Ok(()),
        n => Err(CliError::Failed(format!("{} found", count(n, "error")))),
    }
}

fn tell(
    out: &mut Output,
    loaded: &Pipeline,
    findings: &[Finding],
    checked: &Checked,
) -> Result<()> {
    let paint = Paint::of_results();
    looked_at(out, findings, checked, paint)?;
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => paint.bad("ERROR"),
            Severity::Warning => paint.warning("WARNING"),
            Severity::Note => "note".to_owned(),
        };
        out.line(format!("\n{severity}  {}: {}", finding.area, finding.place))?;
        out.line(format!("  what    {}", finding.problem))?;
        out.line(format!("  means   {}", finding.meaning))?;
        out.line(format!("  to do   {}", finding.advice))?;
    }
    let errors = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    out.line(format!(
        "\n{}: {}; checked {} in {}, {} of the driver's log, {} of the block log, {}",
        loaded.name,
        match errors {
            true => paint.bad("NOT WHOLE"),
            false => paint.good("whole"),
        },
        count(checked.checkpoints, "checkpoint"),
        count(checked.chunks, "chunk"),
        entries(checked.driver_entries),
        entries(checked.block_entries),
        count(checked.outputs, "output folder"),
    ))
}

/// A line for each part, with the worst that was found of it.
fn looked_at(
    out: &mut Output,
    findings: &[Finding],
    checked: &Checked,
    paint: Paint,
) -> Result<()> {
    let parts = [
        (
            "checkpoints",
            "checkpoints",
            count(checked.checkpoints, "checkpoint"),
        ),
        ("driver", "driver's log", entries(checked.driver_entries)),
        ("blocks", "block log", entries(checked.block_entries)),
        ("sinks", "sinks", count(checked.outputs, "output folder")),
        (
            "pipeline",
            "pipeline",
            "against the newest checkpoint".to_owned(),
        ),
    ];
    for (area, name, what) in parts {
        let of_area = findings.iter().filter(|finding| {
            let found = finding.area.split('.').next().unwrap_or_default();
            // Both logs are missed together.
            found == area || (found == "logs" && matches!(area, "driver" | "blocks"))
        });
        let worst = of_area.map(|finding| finding.severity).max();
        let verdict = match worst {
            Some(Severity::Error) => paint.bad("ERROR"),
            Some(Severity::Warning) => paint.warning("warning"),
            Some(Severity::Note) => "ok, with a note".to_owned(),
            None if area == "pipeline" && !checked.is_compared => "not checked".to_owned(),
            None => paint.good("ok"),
        };
        out.line(format!("{name:14}{what:32}{verdict}"))?;
    }
    Ok(())
}

fn entries(number: u64) -> String {
    match number {
        1 => "1 entry".to_owned(),
        n => format!("{n} entries"),
    }
}

/// Looks at everything once.
fn look(
    args: &FsckArgs,
    loaded: &Pipeline,
    context: &StreamingContext,
    work: &Work,
) -> Result<(Vec<Finding>, Checked)> {
    let mut findings = Vec::new();
    work.say("checking the checkpoints");
    let readable = checkpoints_of(loaded, context, &mut findings, work)?;
    let is_readable = readable.is_some();
    let held = readable.unwrap_or_default();
    // What a checkpoint calls complete is there by now; what is there by now has been logged when the
    // log is read.
    work.say("listing what the sinks hold");
    let mut listed = Vec::new();
    for sink in &loaded.sinks {
        match outputs::list(sink) {
            Ok(found) => listed.extend(found.map(|found| (sink, found))),
            Err(error) => Findings::of(&format!("sinks.{}", sink.name), &mut findings).add(
                Severity::Error,
                sink.name.to_string(),
                error.to_string(),
                "what the sink holds can't be listed",
                "make it readable, and check again",
            ),
        }
    }
    work.say("checking the logs");
    let logs = logs_of(args, &held, is_readable, &mut findings, work)?;
    checkpoints::bytes(&held, &mut findings);
    if is_readable {
        checkpoints::are_there(&held, &logs, &loaded.checkpoint.url, &mut findings);
    }
    let tracker = checkpoints::against_logs(&held, &logs, &mut findings);
    checkpoints::against_pipeline(&held, loaded, context, &mut findings);
    let newest = held.whole.first().map(|newest| &newest.metadata);
    logs.check_additions(newest.zip(tracker.as_ref()), &mut findings);
    let batches = Batches::of(&held, &logs, tracker.as_ref());
    for (sink, listed) in &listed {
        outputs::check(sink, listed, &batches, &held, loaded, &mut findings);
    }
    let chunks = held.verification.checkpoints.iter();
    let checked = Checked {
        checkpoints: held.verification.checkpoints.len() as u64,
        chunks: chunks.map(|checkpoint| checkpoint.chunks as u64).sum(),
        driver_entries: logs.driver.map_or(0, |extent| extent.entries),
        block_entries: logs.blocks.map_or(0, |extent| extent.entries),
        outputs: listed.iter().map(|(_, listed)| listed.len() as u64).sum(),
        is_compared: newest.is_some(),
    };
    Ok((findings, checked))
}

/// The checkpoints; a location that can't be read as one is a finding, and gives `None`.
fn checkpoints_of(
    loaded: &Pipeline,
    context: &StreamingContext,
    findings: &mut Vec<Finding>,
    work: &Work,
) -> Result<Option<Checkpoints>> {
    let url = loaded.checkpoint.url.to_string();
    let at = location::checkpoint(&url, &[])?;
    let read = Checkpoints::read(&at, context.renames(), |bytes| work.read(bytes));
    match read {
        Ok(held) => Ok(Some(held)),
        Err(CliError::Engine(Error::Checkpoint(error))) => {
            Findings::of("checkpoints", findings).add(
                Severity::Error,
                url,
                error.to_string(),
                "no checkpoint can be read: a start is refused",
                "restore the location from a copy, or start anew with --fresh",
            );
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The logs; without any there must be no checkpoint either.
fn logs_of(
    args: &FsckArgs,
    held: &Checkpoints,
    is_readable: bool,
    findings: &mut Vec<Finding>,
    work: &Work,
) -> Result<Logs> {
    let path = args.pipeline.pipeline.display().to_string();
    match location::logs(&path, &args.pipeline.sets.set) {
        Ok(logs) => Logs::read(logs, held, findings, |bytes| work.read(bytes))
            .map_err(|error| CliError::Failed(error.to_string())),
        Err(CliError::Failed(reason)) => {
            let has_none = is_readable && held.verification.checkpoints.is_empty();
            let (severity, meaning) = match has_none {
                true => (Severity::Note, "the pipeline hasn't run yet"),
                false => (
                    Severity::Error,
                    "the checkpoints can't be gone on from without them",
                ),
            };
            let advice = match severity {
                Severity::Note => "nothing",
                _ => "restore them from a copy",
            };
            Findings::of("logs", findings).add(severity, path, reason, meaning, advice);
            Ok(Logs::default())
        }
        Err(other) => Err(other),
    }
}
