//! `tidemill check --rehearse`: how the next batches went on a fork of the checkpoint.

use super::error::Result;
use super::output::{self, Output};
use crate::context::Rehearsal;
use crate::engine::{RehearsedBatch, RehearsedOutput};

/// Prints how it went.
pub(super) fn show(out: &mut Output, rehearsal: &Rehearsal) -> Result<()> {
    if rehearsal.batches.is_empty() {
        return Ok(());
    }
    out.line(format!(
        "\nrehearsed on a fork, with {} of received data; nothing was committed\n",
        output::bytes(rehearsal.copied_bytes)
    ))?;
    let rows: Vec<Vec<String>> = rehearsal.batches.iter().flat_map(rows).collect();
    let head = [
        "BATCH", "RECORDS", "OUTPUT", "KIND", "ROWS", "MS", "OUTCOME",
    ];
    out.table(&head, &rows)?;
    for batch in &rehearsal.batches {
        for output in &batch.outputs {
            if output.first.is_empty() {
                continue;
            }
            let (time, uid) = (batch.batch_time.as_millis(), &output.uid);
            out.line(format!("\nbatch {time}, {uid} begins with"))?;
            let mut first = output.first.iter();
            first.try_for_each(|row| out.line(format!("    {row}")))?;
        }
    }
    Ok(())
}

/// Why a restart wouldn't go well, if its batches say so.
pub(super) fn failure(rehearsal: &Rehearsal) -> Option<String> {
    let failed = |batch: &RehearsedBatch| {
        let reason = failure_of(batch)?;
        let time = batch.batch_time.as_millis();
        Some(format!(
            "the batch at {time} failed in the rehearsal: {reason}"
        ))
    };
    rehearsal.batches.iter().find_map(failed)
}

/// Why a batch failed, if it did.
pub(super) fn failure_of(batch: &RehearsedBatch) -> Option<String> {
    let of_output = |output: &RehearsedOutput| {
        let error = output.error.as_ref()?;
        Some(format!("`{}` failed: {error}", output.uid))
    };
    let reasons = batch.outputs.iter().filter_map(of_output);
    let reasons: Vec<String> = reasons.chain(batch.error.clone()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn rows(batch: &RehearsedBatch) -> Vec<Vec<String>> {
    let time = batch.batch_time.as_millis().to_string();
    let records = batch.records.to_string();
    let note = |error: &Option<String>| match error {
        Some(error) => format!("failed: {}", error.lines().next().unwrap_or_default()),
        None if batch.was_unfinished => "ok, was unfinished".to_owned(),
        None => "ok".to_owned(),
    };
    let of_output = |output: &RehearsedOutput| {
        vec![
            time.clone(),
            records.clone(),
            output.uid.to_string(),
            output.kind.clone(),
            output.rows.to_string(),
            output.millis.to_string(),
            note(&output.error),
        ]
    };
    let mut rows: Vec<Vec<String>> = batch.outputs.iter().map(of_output).collect();
    if batch.outputs.is_empty() || batch.error.is_some() {
        let (all, none) = ("(the batch)".to_owned(), String::new());
        let millis = batch.millis.to_string();
        let note = note(&batch.error);
        rows.push(vec![time, records, all, none.clone(), none, millis, note]);
    }
    rows
}
