//! What must hold when all is over, whatever happened on the way.

use std::collections::BTreeMap;

use super::output::Outputs;
use super::records::{Fate, Ledger, Record, count_common};
use super::workload::{Pipeline, WINDOW_LENGTH_MS, WINDOW_SLIDE_MS};

/// Checks all outputs of a pipeline against the ledger; the first violation, in words.
pub fn check(pipeline: Pipeline, outputs: &Outputs, ledger: &Ledger) -> Result<(), String> {
    if let Some(wrong) = ledger.wrong_answers().first() {
        return Err(wrong.clone());
    }
    let interval = pipeline.batch_interval().as_millis() as u64;
    if let Some(time) = outputs
        .batches
        .keys()
        .find(|time| !time.is_multiple_of(interval))
    {
        return Err(format!(
            "the batch time {time} is no multiple of {interval} ms"
        ));
    }
    each_counts_its_records(outputs, ledger)?;
    match pipeline {
        // What else the wide one writes, `wide` checks.
        Pipeline::WordCount | Pipeline::Wide => each_record_is_in(outputs, ledger, 1, interval),
        Pipeline::Stateful => totals_are_the_fold(outputs, ledger),
        Pipeline::Windowed => {
            let times: Vec<u64> = outputs.batches.keys().copied().collect();
            if let Some(odd) = times
                .iter()
                .find(|time| !(**time - times[0]).is_multiple_of(WINDOW_SLIDE_MS))
            {
                return Err(format!(
                    "the windows at {} and {odd} are out of step",
                    times[0]
                ));
            }
            let windows = WINDOW_LENGTH_MS / WINDOW_SLIDE_MS;
            each_record_is_in(outputs, ledger, windows, WINDOW_SLIDE_MS)
        }
    }
}

/// Every folder's words are those of the records in it, each record once; and all of them were sent.
pub fn each_counts_its_records(outputs: &Outputs, ledger: &Ledger) -> Result<(), String> {
    for (time, counts) in &outputs.batches {
        let path = outputs.path(*time);
        for (record, count) in &counts.records {
            let word = record.word(ledger.run);
            if *count != 1 {
                return Err(format!("{path}: `{word}` counts {count}, not 1"));
            }
            match ledger.fate(*record) {
                Some(Fate::Acknowledged | Fate::InDoubt) => {}
                Some(Fate::Refused) => {
                    return Err(format!("{path}: `{word}` was refused"));
                }
                None => return Err(format!("{path}: `{word}` was never sent")),
            }
        }
        let fold = count_common(counts.records.keys().copied());
        if counts.common != fold {
            let found = &counts.common;
            return Err(format!("{path}: {found:?}, its records have {fold:?}"));
        }
    }
    Ok(())
}

/// Every acknowledged record is in exactly `folders` folders, one `step` after the other; a record in
/// doubt is in as many or in none.
fn each_record_is_in(
    outputs: &Outputs,
    ledger: &Ledger,
    folders: u64,
    step: u64,
) -> Result<(), String> {
    let mut times: BTreeMap<Record, Vec<u64>> = BTreeMap::new();
    for (time, counts) in &outputs.batches {
        counts
            .records
            .keys()
            .for_each(|record| times.entry(*record).or_default().push(*time));
    }
    let word = |record: &Record| record.word(ledger.run);
    for (record, times) in &times {
        let is_gapless = times.windows(2).all(|pair| pair[1] - pair[0] == step);
        if times.len() as u64 != folders || !is_gapless {
            return Err(format!(
                "`{}` ({:?}) is in {times:?}; it belongs in {folders} folders, {step} ms apart",
                word(record),
                ledger.fate(*record)
            ));
        }
    }
    let acknowledged = ledger.of_fate(Fate::Acknowledged);
    missing(
        acknowledged
            .iter()
            .filter(|record| !times.contains_key(record)),
        ledger,
    )
}

/// Totals hold every record that they ever held, and at last every acknowledged one.
fn totals_are_the_fold(outputs: &Outputs, ledger: &Ledger) -> Result<(), String> {
    for ((earlier, before), (later, after)) in
        outputs.batches.iter().zip(outputs.batches.iter().skip(1))
    {
        if let Some(gone) = before
            .records
            .keys()
            .find(|key| !after.records.contains_key(key))
        {
            let word = gone.word(ledger.run);
            return Err(format!(
                "`{word}` is in the totals at {earlier} and not in those at {later}"
            ));
        }
    }
    let last = outputs
        .batches
        .values()
        .next_back()
        .cloned()
        .unwrap_or_default();
    let acknowledged = ledger.of_fate(Fate::Acknowledged);
    missing(
        acknowledged
            .iter()
            .filter(|record| !last.records.contains_key(record)),
        ledger,
    )
}

fn missing<'a>(missing: impl Iterator<Item = &'a Record>, ledger: &Ledger) -> Result<(), String> {
    let words: Vec<String> = missing.map(|record| record.word(ledger.run)).collect();
    match words.first() {
        None => Ok(()),
        Some(first) => Err(format!(
            "{} acknowledged records are lost, the first is `{first}`, the last `{}`",
            words.len(),
            words[words.len() - 1]
        )),
    }
}
