//! What is said about a repair, for people and as JSON.

use serde_json::{Value, json};
use tidemill_wal::repair::Action;

use super::super::error::Result;
use super::super::output::{Output, count};
use super::losses::LossTold;
use super::survey::{Survey, Surveyed};

/// Each log: sound, or what is wrong and what it means.
pub(super) fn story(out: &mut Output, survey: &Survey) -> Result<()> {
    for log in &survey.logs {
        let is_whole = log.plan.is_whole();
        out.line(format!(
            "{} in {}: {}",
            log.which.name(),
            log.place,
            match (is_whole, survey.is_end_known) {
                (true, true) => "sound",
                (true, false) => "sound as far as it goes",
                (false, _) => "DAMAGED",
            }
        ))?;
        for told in &log.told {
            loss(out, told)?;
        }
        if log.plan.has_torn_tail {
            out.line(match survey.is_end_known {
                true => {
                    "  harmless: it ends in a half-written entry, as an interrupted write leaves it, which was \
                     never acknowledged; the next start cuts it off"
                }
                false => {
                    "  it ends in a half-written entry, which was never acknowledged unless a checkpoint knows of \
                     it: the PIPELINE.toml says where these are"
                }
            })?;
        }
        if !is_whole {
            plan(out, log)?;
        }
    }
    Ok(())
}

fn loss(out: &mut Output, told: &LossTold) -> Result<()> {
    out.line(format!(
        "  {}, offset {}: {}",
        told.file, told.offset, told.problem
    ))?;
    let entries = match told.to.saturating_sub(told.from) {
        0 => String::new(),
        1 => format!("entry {}: ", told.from),
        n => format!("{n} entries, {} to {}: ", told.from, told.to - 1),
    };
    out.line(format!("    {entries}{}", told.meaning))?;
    for (stream, amount) in &told.additions {
        let (blocks, records) = (
            count(amount.blocks, "block"),
            count(amount.records, "record"),
        );
        out.line(format!("    additions to `{stream}`: {blocks}, {records}"))?;
    }
    for (what, times) in [
        ("allocations", &told.allocations),
        ("clean-ups", &told.cleanups),
    ] {
        if !times.is_empty() {
            let times: Vec<String> = times.iter().map(ToString::to_string).collect();
            out.line(format!("    {what} of the batches at {}", times.join(", ")))?;
        }
    }
    for block in told.blocks.iter().filter(|block| block.is_needed) {
        let batch = block.batch.map_or_else(
            || "waiting for a batch".to_owned(),
            |time| format!("in the batch at {time}"),
        );
        let records = count(block.records, "record");
        let (name, stream) = (&block.block, &block.stream);
        out.line(format!(
            "    block {name} of `{stream}`: {records}, {batch}"
        ))?;
    }
    Ok(())
}

/// What is to be done.
fn plan(out: &mut Output, log: &Surveyed) -> Result<()> {
    let of = |wanted: fn(&Action) -> bool| {
        let actions = log.plan.segments.iter().map(|segment| &segment.action);
        actions.filter(|action| wanted(action)).count() as u64
    };
    let replaced = of(|action| matches!(action, Action::Replace { .. }));
    let aside = of(|action| *action == Action::SetAside);
    let mut steps = Vec::new();
    if replaced > 0 {
        steps.push(format!(
            "{} set aside and replaced by what of it is good",
            count(replaced, "segment")
        ));
    }
    if aside > 0 {
        steps.push(format!("{} only set aside", count(aside, "segment")));
    }
    if let Some(cut) = log.plan.cut_at {
        steps.push(format!("the log then ends before entry {cut}"));
    }
    if steps.is_empty() {
        steps.push("the log's head is made again".to_owned());
    }
    out.line(format!("  to do: {}", steps.join("; ")))
}

/// What was done, and what to do next.
pub(super) fn done(out: &mut Output, survey: &Survey, location: &str) -> Result<()> {
    for log in &survey.logs {
        if let Some(done) = &log.done {
            out.line(format!(
                "{}: the damaged segments and a report are in {}",
                log.which.name(),
                done.folder
            ))?;
        }
    }
    out.line(format!(
        "next: `tidemill fsck {location}`, then start the pipeline again; keep the quarantine until you \
         are sure that nothing in it is wanted"
    ))
}

pub(super) fn as_json(survey: &Survey) -> Value {
    let logs: Vec<Value> = survey.logs.iter().map(log_as_json).collect();
    json!({
        "damaged": survey.logs.iter().any(|log| !log.plan.is_whole()),
        "loses": survey.verdict(),
        "logs": logs,
    })
}

/// What is kept beside the damaged segments.
pub(super) fn report(log: &Surveyed, time: &str) -> Value {
    json!({
        "time": time.parse::<u64>().unwrap_or_default(),
        "tidemill": env!("CARGO_PKG_VERSION"),
        "log": log_as_json(log),
    })
}

fn log_as_json(log: &Surveyed) -> Value {
    let action = |segment: &tidemill_wal::repair::SegmentPlan| {
        let action = match segment.action {
            Action::Keep => "keep",
            Action::Replace { .. } => "replace",
            Action::SetAside => "setAside",
        };
        json!({
            "file": segment.segment.file,
            "bytes": segment.segment.bytes,
            "crc32": segment.segment.checksum,
            "action": action,
        })
    };
    let segments: Vec<Value> = log.plan.segments.iter().map(action).collect();
    json!({
        "name": log.which.name(),
        "folder": log.place,
        "segments": segments,
        "losses": log.told,
        "cutAt": log.plan.cut_at,
        "tornTail": log.plan.has_torn_tail,
        "quarantine": log.done.as_ref().map(|done| &done.folder),
    })
}
