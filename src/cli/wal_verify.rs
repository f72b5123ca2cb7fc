//! `tidemill wal verify`: reads every byte of the logs, checksums and contents, and holds their ends against what the
//! checkpoints know of, where a pipeline says which these are.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use serde::Serialize;
use serde_json::{Value, json};
use tidemill_config::Pipeline;
use tidemill_wal::{Report, Sequence, TornTail};

use super::args::WalArgs;
use super::error::{CliError, Result};
use super::fsck::{BETWEEN, LOOKS};
use super::held::Checkpoints;
use super::load;
use super::location::{self, FoundLog, WhichLog};
use super::output::{self, Output};
use super::terminal::{Paint, Work};
use crate::block::{Block, Event, GIVEN_UP};
use crate::error::Error;

/// A log that was read.
struct Looked {
    which: WhichLog,
    place: String,
    report: Report,
    findings: Vec<Problem>,
    /// Entries whose checksums are right and whose contents this release can't read.
    unreadable: Vec<String>,
    /// All entries before this one are known to have been durable; `None` when nothing says how far the log went.
    known_end: Option<u64>,
}

/// What is wrong with a log's bytes.
#[derive(Serialize)]
struct Problem {
    file: String,
    offset: u64,
    problem: String,
}

/// The logs, and why it isn't known how far they went, if it isn't.
struct Look {
    logs: Vec<Looked>,
    unknown: Option<String>,
}

impl Looked {
    fn problems(&self) -> usize {
        self.findings.len() + self.unreadable.len()
    }
}

impl Look {
    fn problems(&self) -> usize {
        self.logs.iter().map(Looked::problems).sum()
    }
}

/// Reports all findings; fails when there is one.
pub(super) fn verify(args: &WalArgs) -> Result<()> {
    let pipeline = match location::is_pipeline(&args.location, &args.sets.set)? {
        true => Some(load::load(Path::new(&args.location), &args.sets.set)?),
        false => None,
    };
    let mut look = Look::at(args, pipeline.as_ref())?;
    for _ in 1..LOOKS {
        if pipeline.is_none() || look.problems() == 0 {
            break;
        }
        // A live driver may have gone on between the look at its checkpoints and that at its logs.
        thread::sleep(BETWEEN);
        look = Look::at(args, pipeline.as_ref())?;
    }
    let mut out = Output::new();
    if args.json {
        let all = look.logs.iter().map(|log| (log.which.name(), as_json(log)));
        out.json(&all.collect::<BTreeMap<_, _>>())?;
    } else {
        look.logs.iter().try_for_each(|log| show(&mut out, log))?;
        if let Some(unknown) = &look.unknown {
            out.line(format!("how far the logs went isn't known: {unknown}"))?;
        }
    }
    out.finish()?;
    match look.problems() {
        0 => Ok(()),
        1 => Err(CliError::Failed(
            "1 thing is wrong with the logs".to_owned(),
        )),
        n => Err(CliError::Failed(format!(
            "{n} things are wrong with the logs"
        ))),
    }
}

impl Look {
    /// Reads the checkpoints, then the driver's log, then the block log: what one knows of is in the next by then.
    fn at(args: &WalArgs, pipeline: Option<&Pipeline>) -> Result<Self> {
        let (held, unknown) = known(pipeline)?;
        let mut logs = location::logs(&args.location, &args.sets.set)?;
        let mut looked = Vec::new();
        let mut events = BTreeMap::new();
        for which in [WhichLog::Driver, WhichLog::Blocks] {
            let known_end = held.end_of(which, &events);
            let at = logs.iter().position(|log| log.which == which);
            match (at.map(|at| logs.remove(at)), known_end) {
                (Some(log), _) => looked.push(read(log, known_end, &mut events)?),
                (None, Some(end)) if end > 0 => looked.push(missing(args, which, end)?),
                (None, _) => {}
            }
        }
        Ok(Self {
            logs: looked,
            unknown,
        })
    }
}

/// The checkpoints of a pipeline, and why they don't say how far the logs went, if they don't.
fn known(pipeline: Option<&Pipeline>) -> Result<(Checkpoints, Option<String>)> {
    let Some(pipeline) = pipeline else {
        let unknown = "the checkpoints say so, and the PIPELINE.toml, given instead, where they are; an end \
                       that was lost can't be told from one that was never written here";
        return Ok((Checkpoints::default(), Some(unknown.to_owned())));
    };
    let url = &pipeline.checkpoint.url;
    let work = Work::on(format!("reading {url}"));
    let held = match Checkpoints::of_pipeline(pipeline, |bytes| work.read(bytes)) {
        Ok(held) => held,
        Err(CliError::Engine(Error::Checkpoint(error))) => {
            return Ok((Checkpoints::default(), Some(error.to_string())));
        }
        Err(error) => return Err(error),
    };
    let unknown = match (held.whole.is_empty(), held.verification.checkpoints.len()) {
        (false, _) => None,
        (true, 0) => Some(format!("{url} holds no checkpoint, which would say so")),
        (true, n) => Some(format!(
            "none of the {} at {url} can be used, which would say so; `tidemill checkpoint verify` tells why",
            output::count(n as u64, "checkpoint")
        )),
    };
    Ok((held, unknown))
}

/// Reads a log; the events of a driver's go to `events`.
fn read(
    mut log: FoundLog,
    known_end: Option<u64>,
    events: &mut BTreeMap<u64, Event>,
) -> Result<Looked> {
    log.reader = log.reader.knowing(Sequence(known_end.unwrap_or_default()));
    let what = format!("reading the log `{}`", log.which.name());
    let work = Work::through(what, log.reader.bytes());
    let report = log.reader.verify_with(|bytes| work.read(bytes));
    let report = report.map_err(|error| CliError::Failed(error.to_string()))?;
    work.say(format!("decoding the log `{}`", log.which.name()));
    let unreadable = contents(&log, known_end, events);
    let findings = report.findings.iter().map(|finding| Problem {
        file: log.file_of(finding),
        offset: finding.offset,
        problem: finding.problem.clone(),
    });
    Ok(Looked {
        which: log.which,
        findings: findings.collect(),
        place: log.place,
        report,
        unreadable,
        known_end,
    })
}

/// Tells entries whose contents this release can't read. Keeps the events that a start would read.
fn contents(
    log: &FoundLog,
    known_end: Option<u64>,
    events: &mut BTreeMap<u64, Event>,
) -> Vec<String> {
    let mut unreadable = Vec::new();
    let mut entries = log.reader.entries();
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else { continue };
        if entry.kind == GIVEN_UP {
            continue;
        }
        let read = match log.which {
            WhichLog::Driver => Event::decode(entry.kind, &entry.payload).map(|event| {
                if known_end.is_some_and(|known| entry.sequence.0 >= known) {
                    events.insert(entry.sequence.0, event);
                }
            }),
            WhichLog::Blocks => Block::from_payload(entry.payload).map(drop),
        };
        if let Err(reason) = read {
            let (file, offset) = entries.place(entry.position);
            unreadable.push(format!("{file}, offset {offset}: {reason}"));
        }
    }
    unreadable
}

/// A log of which entries are known, and that isn't there.
fn missing(args: &WalArgs, which: WhichLog, end: u64) -> Result<Looked> {
    let home = location::log_home(&args.location, &args.sets.set)?;
    let place = format!("{}/{}", home.place(), which.name());
    let problem = Problem {
        file: place.clone(),
        offset: 0,
        problem: format!(
            "the log isn't there, and all its entries before {end} are known to have been synced: a start is \
             refused; restore it from a copy, or start anew with --fresh"
        ),
    };
    Ok(Looked {
        which,
        place,
        report: Report::default(),
        findings: vec![problem],
        unreadable: Vec::new(),
        known_end: Some(end),
    })
}

fn show(out: &mut Output, log: &Looked) -> Result<()> {
    let paint = Paint::of_results();
    let report = &log.report;
    out.line(format!(
        "{} in {}: {}; {} in {}, {}",
        log.which.name(),
        log.place,
        match (log.problems(), log.known_end) {
            (0, Some(_)) => paint.good("sound"),
            (0, None) => paint.good("sound as far as it goes"),
            _ => paint.bad("DAMAGED"),
        },
        match report.entries {
            1 => "1 entry".to_owned(),
            n => format!("{n} entries"),
        },
        output::count(report.segments, "segment"),
        output::bytes(report.bytes),
    ))?;
    for finding in &log.findings {
        out.line(format!("  {}", finding.problem))?;
    }
    for problem in &log.unreadable {
        out.line(format!("  {problem}"))?;
    }
    match (&report.torn_tail, log.known_end) {
        (None, _) => Ok(()),
        (Some(torn), Some(_)) => out.line(format!("  harmless: {}", torn_tail(torn))),
        (Some(torn), None) => out.line(format!(
            "  {}, unless a checkpoint knows of it: then a start is refused",
            torn_tail(torn)
        )),
    }
}

/// What is known of an end that no checkpoint was held against, or that is behind all they know of.
pub(super) fn torn_tail(torn: &TornTail) -> String {
    format!(
        "{} ends in a half-written entry at offset {} ({} bytes), as an interrupted write leaves it, which \
         was never acknowledged; the next start cuts it off",
        torn.file, torn.offset, torn.bytes
    )
}

fn as_json(log: &Looked) -> Value {
    let torn = log.report.torn_tail.as_ref();
    json!({
        "folder": log.place,
        "segments": log.report.segments,
        "entries": log.report.entries,
        "bytes": log.report.bytes,
        "knownEnd": log.known_end,
        "findings": log.findings,
        "unreadable": log.unreadable,
        "tornTail": torn.map(|torn| json!({
            "file": torn.file, "offset": torn.offset, "bytes": torn.bytes,
        })),
    })
}
