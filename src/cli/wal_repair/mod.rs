//! `tidemill wal repair`: what a damaged log would lose, said first; then, with `--quarantine`, the damaged
//! segments set aside and a log left that can be gone on with.
//!
//! Without `--quarantine` nothing is written. With it a pipeline must be named: only its checkpoints say
//! what is still needed, and only its lock whether a driver is live.

mod home;
mod known;
mod losses;
mod survey;
mod tell;

use std::io::{IsTerminal, Write, stderr, stdin};

use tidemill_config::StoreUrl;
use tidemill_wal::repair::QuarantineReport;

use super::args::WalRepairArgs;
use super::error::{CliError, Result};
use super::output::Output;
use super::run::owner;
use super::terminal::Work;
use crate::clock::wall_clock;
use losses::Verdict;
use survey::{Survey, Surveyed};

/// Says what is damaged and what would be lost; sets it aside when told to.
pub(super) fn repair(args: &WalRepairArgs) -> Result<()> {
    let pipeline = survey::pipeline(&args.at)?;
    let _lock = match (&pipeline, args.quarantine) {
        (Some(pipeline), true) => {
            let url = &pipeline.checkpoint.url;
            if matches!(url, StoreUrl::Object { .. }) && !args.driver_is_stopped {
                return Err(CliError::Usage(format!(
                    "nothing has been changed: checkpoints at {url} have no lock that tells whether a \
                     driver is live; make sure that none is, and add --driver-is-stopped"
                )));
            }
            owner::take(pipeline, None)?
        }
        (None, true) => {
            return Err(CliError::Usage(format!(
                "--quarantine needs the PIPELINE.toml instead of `{}`: its checkpoints say what of the \
                 log is still needed, and its lock whether a driver is live",
                args.at.location
            )));
        }
        _ => None,
    };
    let work = Work::on("reading the logs and the checkpoints");
    let mut survey = Survey::of(&args.at, pipeline.as_ref(), &work)?;
    drop(work);
    let is_damaged = survey.logs.iter().any(|log| !log.plan.is_whole());
    let mut out = Output::new();
    if !args.at.json {
        tell::story(&mut out, &survey)?;
    }
    if !is_damaged || !args.quarantine {
        if args.at.json {
            out.json(&tell::as_json(&survey))?;
        }
        out.finish()?;
        return match is_damaged {
            false => Ok(()),
            true => Err(CliError::Failed(next_step(&survey, args))),
        };
    }
    // What is said must be seen before it is agreed to.
    out.finish()?;
    confirm(args, survey.verdict())?;
    let now = wall_clock().as_millis().to_string();
    for log in survey.logs.iter_mut().filter(|log| !log.plan.is_whole()) {
        quarantine(log, &now)?;
    }
    let mut out = Output::new();
    match args.at.json {
        true => out.json(&tell::as_json(&survey))?,
        false => tell::done(&mut out, &survey, &args.at.location)?,
    }
    out.finish()
}

fn quarantine(log: &mut Surveyed, name: &str) -> Result<()> {
    let report = serde_json::to_vec_pretty(&tell::report(log, name));
    let json = report.map_err(|error| CliError::Failed(error.to_string()))?;
    let report = QuarantineReport { name, json: &json };
    let done = log.home.carry_out(&log.plan, report);
    log.done = Some(done.map_err(|error| {
        CliError::Failed(format!(
            "{error}\nevery segment is either as it was or repaired, and nothing is lost that the \
             quarantine hasn't: run `wal repair` again"
        ))
    })?);
    Ok(())
}

fn next_step(survey: &Survey, args: &WalRepairArgs) -> String {
    let what = match survey.verdict() {
        Verdict::Nothing => "the logs are damaged, and repairing them would lose nothing",
        Verdict::OlderCheckpoints => {
            "the logs are damaged; repairing them would lose no data as long as the newest checkpoint \
             stays whole"
        }
        Verdict::Data => {
            "the logs are damaged, and repairing them would lose what is listed; restore the files \
             from a copy if there is one"
        }
    };
    let how = match args.at.location.ends_with(".toml") {
        true => "add --quarantine to repair them",
        false => "run it with the PIPELINE.toml and --quarantine to repair them",
    };
    format!("{what}; nothing has been changed, {how}")
}

/// Asks where somebody can answer. Elsewhere `--quarantine` is the answer: nothing is deleted by it.
fn confirm(args: &WalRepairArgs, verdict: Verdict) -> Result<()> {
    if args.yes || args.at.json || !stdin().is_terminal() {
        return Ok(());
    }
    let question = match verdict {
        Verdict::Data => "Go on and lose what is listed above?",
        _ => "Go on?",
    };
    // Nobody who can't see the question will answer it with yes.
    let _ = write!(stderr(), "{question} [yes/no] ");
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    match read {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(CliError::Failed("nothing has been changed".to_owned())),
    }
}
