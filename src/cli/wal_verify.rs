//! `tidemill wal verify`: reads every byte of the logs, checksums and contents.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidemill_wal::Report;

use super::args::WalArgs;
use super::error::{CliError, Result};
use super::location::{self, FoundLog, WhichLog};
use super::output::{self, Output};
use super::terminal::{Paint, Work};
use crate::block::{Block, Event, GIVEN_UP};

/// Reports all findings; fails when there is one.
pub(super) fn verify(args: &WalArgs) -> Result<()> {
    let mut out = Output::new();
    let mut findings = 0;
    let mut all = BTreeMap::new();
    for log in location::logs(&args.location, &args.sets.set)? {
        let what = format!("reading the log `{}`", log.which.name());
        let work = Work::through(what, log.reader.bytes());
        let report = log.reader.verify_with(|bytes| work.read(bytes));
        let report = report.map_err(|error| CliError::Failed(error.to_string()))?;
        work.say(format!("decoding the log `{}`", log.which.name()));
        let unreadable = unreadable(&log);
        drop(work);
        findings += report.findings.len() + unreadable.len();
        match args.json {
            true => {
                all.insert(log.which.name(), as_json(&log, &report, &unreadable));
            }
            false => show(&mut out, &log, &report, &unreadable)?,
        }
    }
    if args.json {
        out.json(&all)?;
    }
    out.finish()?;
    match findings {
        0 => Ok(()),
        1 => Err(CliError::Failed(
            "1 thing is wrong with the logs".to_owned(),
        )),
        n => Err(CliError::Failed(format!(
            "{n} things are wrong with the logs"
        ))),
    }
}

/// Entries whose checksums are right and whose contents this release can't read.
fn unreadable(log: &FoundLog) -> Vec<String> {
    let mut unreadable = Vec::new();
    let mut entries = log.reader.entries();
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else { continue };
        if entry.kind == GIVEN_UP {
            continue;
        }
        let read = match log.which {
            WhichLog::Driver => Event::decode(entry.kind, &entry.payload).map(drop),
            WhichLog::Blocks => Block::from_payload(entry.payload).map(drop),
        };
        if let Err(reason) = read {
            let (file, offset) = entries.place(entry.position);
            unreadable.push(format!("{file}, offset {offset}: {reason}"));
        }
    }
    unreadable
}

fn show(out: &mut Output, log: &FoundLog, report: &Report, unreadable: &[String]) -> Result<()> {
    let paint = Paint::of_results();
    let sound = report.findings.is_empty() && unreadable.is_empty();
    out.line(format!(
        "{} in {}: {}; {} in {}, {}",
        log.which.name(),
        log.place,
        match sound {
            true => paint.good("sound"),
            false => paint.bad("DAMAGED"),
        },
        match report.entries {
            1 => "1 entry".to_owned(),
            n => format!("{n} entries"),
        },
        output::count(report.segments, "segment"),
        output::bytes(report.bytes),
    ))?;
    for finding in &report.findings {
        out.line(format!("  {}", finding.problem))?;
    }
    for problem in unreadable {
        out.line(format!("  {problem}"))?;
    }
    if let Some(torn) = &report.torn_tail {
        out.line(format!(
            "  harmless: {} ends in a half-written entry at offset {} ({} bytes), which was never \
             acknowledged; the next start cuts it off",
            torn.file, torn.offset, torn.bytes
        ))?;
    }
    Ok(())
}

fn as_json(log: &FoundLog, report: &Report, unreadable: &[String]) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({ "file": finding.file, "offset": finding.offset, "problem": finding.problem })
    });
    let torn = report.torn_tail.as_ref();
    json!({
        "folder": log.place,
        "segments": report.segments,
        "entries": report.entries,
        "bytes": report.bytes,
        "findings": findings.collect::<Vec<_>>(),
        "unreadable": unreadable,
        "tornTail": torn.map(|torn| json!({
            "file": torn.file, "offset": torn.offset, "bytes": torn.bytes,
        })),
    })
}
