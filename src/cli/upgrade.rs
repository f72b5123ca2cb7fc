//! `tidemill check --against`: what a restart of this pipeline would do with a checkpoint.

use super::args::CheckArgs;
use super::error::{CliError, Result};
use super::output::{self, Output};
use super::terminal::Work;
use super::{location, rehearse};
use crate::StreamingContext;
use crate::context::Which;
use crate::error::Error;
use crate::recovery::{OperatorPlan, UpgradePlan};

/// Prints the plan; fails as a start would when the restart would be refused.
pub(super) fn check(args: &CheckArgs, context: &StreamingContext) -> Result<()> {
    let against = args.against.as_deref().unwrap_or_default();
    let sets: &[String] = match is_file(against) {
        true => &args.pipeline.sets.set,
        false => &[],
    };
    let savepoint = Some(against).filter(|text| !text.contains(':') && !is_file(text));
    let location = match savepoint {
        Some(_) => None,
        None => Some(location::checkpoint(against, sets)?),
    };
    let nothing = || {
        CliError::Failed(format!(
            "{against} holds no checkpoint: a start would begin with nothing"
        ))
    };
    let mut out = Output::new();
    let Some(batches) = args.rehearse else {
        let plan = context.examine(location.as_ref(), Which::named(savepoint))?;
        let plan = plan.ok_or_else(nothing)?;
        match args.json {
            true => out.json(&plan)?,
            false => show(&mut out, &plan)?,
        }
        out.finish()?;
        return possible(plan);
    };
    let work = Work::on("rehearsing on a fork of the checkpoint");
    let rehearsal = context.rehearse_on(location.as_ref(), savepoint, batches.get());
    drop(work);
    let rehearsal = rehearsal?;
    let rehearsal = rehearsal.ok_or_else(nothing)?;
    match args.json {
        true => out.json(&rehearsal)?,
        false => {
            show(&mut out, &rehearsal.plan)?;
            rehearse::show(&mut out, &rehearsal)?;
        }
    }
    out.finish()?;
    let failure = rehearse::failure(&rehearsal);
    possible(rehearsal.plan)?;
    failure.map_or(Ok(()), |reason| Err(CliError::Failed(reason)))
}

/// Fails as a start would.
fn possible(plan: UpgradePlan) -> Result<()> {
    match plan.is_possible() {
        true => Ok(()),
        false => Err(CliError::Engine(Error::Incompatible {
            location: plan.location,
            differences: plan.refusals,
        })),
    }
}

/// Whether a location is a pipeline's file, for which `--set` counts as for the pipeline itself.
fn is_file(text: &str) -> bool {
    text.ends_with(".toml") || std::path::Path::new(text).is_file()
}

fn show(out: &mut Output, plan: &UpgradePlan) -> Result<()> {
    out.line(format!(
        "against checkpoint {} at {}\n",
        plan.checkpoint, plan.location
    ))?;
    let rows: Vec<Vec<String>> = plan.operators.iter().map(row).collect();
    out.table(
        &[
            "CHANGE",
            "UID",
            "KIND",
            "ENTRIES",
            "SIZE",
            "PARTITIONS",
            "NOTE",
        ],
        &rows,
    )?;
    out.line(match plan.is_possible() {
        true => "\na restart would go on from it",
        false => "\na restart would be refused",
    })
}

fn row(plan: &OperatorPlan) -> Vec<String> {
    let state = |show: &dyn Fn(&crate::StatePlan) -> String| {
        plan.state.as_ref().map(show).unwrap_or_default()
    };
    vec![
        plan.change.to_string(),
        plan.uid.to_string(),
        plan.kind.clone(),
        state(&|state| state.entries.to_string()),
        state(&|state| output::bytes(state.bytes)),
        state(&|state| match state.new_partitions {
            Some(new) if new != state.partitions => format!("{} → {new}", state.partitions),
            _ => state.partitions.to_string(),
        }),
        plan.notes.join("; "),
    ]
}
