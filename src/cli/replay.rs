//! `tidemill replay`: one retained batch, computed again and printed.

use tidemill_config::Pipeline;

use super::args::ReplayArgs;
use super::error::{CliError, Result};
use super::load;
use super::output::{self, Output};
use super::rehearse::failure_of;
use super::terminal::Work;
use crate::dstream::Shown;
use crate::engine::RehearsedOutput;
use crate::time::Time;
use crate::utc;
use crate::{OperatorUid, Replay, StreamingContext};

/// Replays a batch and prints it; fails when the batch does.
pub(super) fn replay(args: &ReplayArgs) -> Result<()> {
    let loaded = load::pipeline(&args.pipeline)?;
    let context = load::program(&loaded)?;
    let only = args.output.as_deref();
    let only = only.map(|name| output_of(name, &loaded, &context));
    let only = only.transpose()?;
    let shown = Shown {
        rows: args.rows.unwrap_or(usize::MAX),
        characters: usize::MAX,
    };
    let work = Work::on(format!("replaying the batch at {}", args.batch));
    let replay = context.replay_shown(Time::from_millis(args.batch), shown);
    drop(work);
    let mut replay = replay?;
    if let Some(uid) = only {
        replay.batch.outputs.retain(|output| output.uid == uid);
    }
    let mut out = Output::new();
    match args.json {
        true => out.json(&replay)?,
        false => show(&mut out, &replay)?,
    }
    out.finish()?;
    match failure_of(&replay.batch) {
        Some(reason) => Err(CliError::Failed(format!(
            "the batch at {} failed: {reason}",
            replay.batch.batch_time.as_millis()
        ))),
        None => Ok(()),
    }
}

/// The output of a sink, which may have another uid than the name: its own, or another one's name comes first.
fn output_of(name: &str, loaded: &Pipeline, context: &StreamingContext) -> Result<OperatorUid> {
    let outputs = context.graph().outputs;
    let mut outputs = loaded.sinks.iter().zip(outputs);
    let found = outputs.find(|(sink, _)| sink.name.as_str() == name);
    found.map(|(_, output)| output.uid).ok_or_else(|| {
        let known: Vec<&str> = loaded.sinks.iter().map(|sink| sink.name.as_str()).collect();
        CliError::Usage(format!(
            "{} has no sink `{name}`: it has {}",
            loaded.file,
            known.join(", ")
        ))
    })
}

/// The batch as the console shows one, once for each output.
fn show(out: &mut Output, replay: &Replay) -> Result<()> {
    let batch = &replay.batch;
    out.line(format!(
        "batch {} ({} UTC), {}; from checkpoint {} and {} before it; nothing was committed",
        batch.batch_time.as_millis(),
        utc::for_people(batch.batch_time),
        output::count(batch.records, "record"),
        replay.checkpoint,
        match replay.batches_before {
            1 => "1 batch".to_owned(),
            n => format!("{n} batches"),
        },
    ))?;
    batch
        .outputs
        .iter()
        .try_for_each(|output| shown(out, output))
}

fn shown(out: &mut Output, output: &RehearsedOutput) -> Result<()> {
    const LINE: &str = "-------------------------------------------";
    let records = output::count(output.rows, "record");
    out.line(format!(
        "{LINE}\n{} ({}): {records}\n{LINE}",
        output.uid, output.kind
    ))?;
    let mut rows = output.first.iter();
    rows.try_for_each(|row| out.line(row))?;
    let left = output.rows.saturating_sub(output.first.len() as u64);
    match (&output.error, output.first.is_empty(), left) {
        (Some(error), ..) => out.line(format!("failed: {error}")),
        (None, _, 0) => Ok(()),
        (None, true, _) => out.line("(this output can't show its records)"),
        (None, false, left) => out.line(format!("... and {left} more")),
    }
}
