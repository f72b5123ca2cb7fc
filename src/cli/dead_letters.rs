//! `tidemill dead-letters list` and `requeue`: the records that couldn't be processed, and putting them back.

use std::path::Path;
use std::time::Duration;

use super::args::{DeadLettersArgs, RequeueArgs};
use super::client::Client;
use super::error::{CliError, Result};
use super::output::{self, Output};
use super::{load, location};
use crate::RequeuedBatch;
use crate::dead_letters::{DeadLetter, read};
use crate::time::Time;
use crate::utc;

/// How long the daemon may take to make durable what it puts back.
const REQUEUE_LIMIT: Duration = Duration::from_secs(60);

/// Lists letters, oldest batch first.
pub(super) fn list(args: &DeadLettersArgs) -> Result<()> {
    let (text, sets) = (args.location.as_str(), args.sets.set.as_slice());
    let url = match location::is_pipeline(text, sets)? {
        false => text.to_owned(),
        true => {
            let pipeline = load::load(Path::new(text), sets)?;
            pipeline.dead_letters.url.ok_or_else(|| {
                CliError::Usage(format!(
                    "{text} has no `url` in [dead_letters]: its records don't become dead letters"
                ))
            })?
        }
    };
    let letters = read(&url).map_err(|error| CliError::Failed(error.to_string()))?;
    let is_wanted = |time: &Time| args.batch.is_none_or(|batch| time.as_millis() == batch);
    let wanted = letters.iter().filter(|(time, _)| is_wanted(time));
    let wanted: Vec<&DeadLetter> = wanted.flat_map(|(_, letters)| letters).collect();
    let mut out = Output::new();
    if args.json {
        wanted
            .into_iter()
            .try_for_each(|letter| out.json_line(letter))?;
        return out.finish();
    }
    let row = |letter: &&DeadLetter| {
        let unknown = || "?".to_owned();
        let block = letter.block.as_ref();
        let offset = letter
            .offset
            .map_or_else(unknown, |offset| offset.to_string());
        vec![
            letter.batch_time.as_millis().to_string(),
            utc::for_people(letter.batch_time),
            letter.operator.to_string(),
            letter
                .source
                .as_ref()
                .map_or_else(unknown, ToString::to_string),
            block.map_or_else(|| offset.clone(), |block| format!("{block}:{offset}")),
            letter.record.to_string(),
            letter.error.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = wanted.iter().map(row).collect();
    out.table(
        &[
            "TIME_MS",
            "TIME (UTC)",
            "OPERATOR",
            "SOURCE",
            "BLOCK:OFFSET",
            "RECORD",
            "ERROR",
        ],
        &rows,
    )?;
    out.finish()
}

/// Has letters put back.
pub(super) fn requeue(args: &RequeueArgs) -> Result<()> {
    let batch = args.batch.map(|batch| format!("?batch={batch}"));
    let path = format!("/api/v1/dead-letters/requeue{}", batch.unwrap_or_default());
    let mut answer = Client::new(&args.admin)?
        .post(&path, REQUEUE_LIMIT)?
        .good()?;
    let mut out = Output::new();
    if args.json {
        out.json(&answer)?;
        return out.finish();
    }
    let batches = answer
        .get_mut("batches")
        .map(serde_json::Value::take)
        .unwrap_or_default();
    let batches: Vec<RequeuedBatch> = serde_json::from_value(batches)
        .map_err(|error| CliError::Failed(format!("the daemon's answer: {error}")))?;
    if batches.is_empty() {
        out.line("no dead letters")?;
    }
    for batch in batches {
        let records = output::count(batch.records, "record");
        out.line(format!("batch {}: {records} put back", batch.batch_time))?;
        for source in batch.already {
            out.line(format!("  those of `{source}` were put back before"))?;
        }
        for (why, letters) in batch.left {
            let letters = output::count(letters, "letter");
            out.line(format!("  {letters} can't be put back: {why}"))?;
        }
    }
    out.finish()
}
