//! The checkpoints: every chunk, whether the logs hold what each would need, and whether the pipeline can
//! go on from the newest.

use tidemill_checkpoint::Start;
use tidemill_config::{Pipeline, StoreUrl};

use super::super::held::{Checkpoints, Held};
use super::finding::{Finding, Findings, Severity};
use super::logs::{Extent, Logs};
use crate::StreamingContext;
use crate::block::{BlockInfo, TrackerSnapshot};

const AREA: &str = "checkpoints";

/// What is wrong with their bytes.
pub(super) fn bytes(held: &Checkpoints, found: &mut Vec<Finding>) {
    let mut found = Findings::of(AREA, found);
    let any_whole = matches!(held.verification.start, Start::From(_));
    for (place, checkpoint) in held.verification.checkpoints.iter().enumerate() {
        for finding in &checkpoint.findings {
            let meaning = match (place, any_whole) {
                (_, false) => "no checkpoint can be gone on from: a start is refused",
                (0, true) => {
                    "the newest checkpoint can't be used: a start takes an older one and replays more \
                     of the log, which costs time and no data"
                }
                _ => "an older checkpoint can't be fallen back to",
            };
            found.add(
                Severity::Error,
                format!("checkpoint {}: {}", checkpoint.id, finding.place),
                finding.problem.clone(),
                meaning,
                match any_whole {
                    true => {
                        "nothing has to be done: newer checkpoints take its place while the \
                             pipeline runs; look after the disk"
                    }
                    false => "restore the location from a copy, or start anew with --fresh",
                },
            );
        }
    }
    for (id, reason) in &held.unreadable {
        found.add(
            Severity::Error,
            format!("checkpoint {id}"),
            reason.clone(),
            "it is as it was written, and this release can't read it",
            "use the release that wrote it, or a newer one",
        );
    }
    for claim in &held.verification.claims {
        found.add(
            Severity::Note,
            claim.place.clone(),
            claim.problem.clone(),
            "an epoch counts by its claim's name; its contents only say whose it was",
            "nothing; the next start replaces it",
        );
    }
    let all_read = held.verification.all_manifests_are_read();
    if !held.verification.orphans.is_empty() {
        found.add(
            Severity::Note,
            held.verification.orphans.join(", "),
            "chunks that no readable checkpoint names",
            match all_read {
                true => "a checkpoint's write was interrupted or is under way",
                false => {
                    "they belong to checkpoints that can't be read, or to an interrupted write"
                }
            },
            match all_read {
                true => "nothing; the next write sweeps them",
                false => "leave them: a manifest that is restored may need them",
            },
        );
    }
}

/// Whether there is a checkpoint to read the driver's log with, if that has entries.
pub(super) fn are_there(held: &Checkpoints, logs: &Logs, url: &StoreUrl, found: &mut Vec<Finding>) {
    let has_entries = logs.driver.is_some_and(|extent| extent.end > 0);
    if !has_entries || !held.verification.checkpoints.is_empty() {
        return;
    }
    Findings::of(AREA, found).add(
        Severity::Error,
        url.to_string(),
        format!("the driver's log has entries, but {url} holds no checkpoint to read them with"),
        "the checkpoints were lost, or the logs are another pipeline's: a start is refused",
        "restore the checkpoints from a copy, or move the logs away to start anew (--fresh does)",
    );
}

/// Whether each checkpoint finds in the logs what it would replay. Returns the tracker as a start would
/// find it.
pub(super) fn against_logs(
    held: &Checkpoints,
    logs: &Logs,
    found: &mut Vec<Finding>,
) -> Option<TrackerSnapshot> {
    let mut newest = None;
    for (place, checkpoint) in held.whole.iter().enumerate() {
        let is_newest = place == 0;
        if checkpoint.manifest.name.is_some() && place >= 2 {
            // A savepoint that newer ones have left behind needs no log.
            continue;
        }
        let mut problems = Vec::new();
        let tracker = replayed(held, checkpoint, logs, &mut problems);
        problems.extend(lost_end(&tracker, logs));
        let missing = missing_blocks(checkpoint, &tracker, logs);
        let mut found = Findings::of(AREA, found);
        let mut tell = |problem: String, is_fatal: bool| {
            let (severity, meaning, advice) = match (is_newest, is_fatal) {
                (true, true) => (
                    Severity::Error,
                    "a start goes on from this checkpoint, and is refused",
                    "restore the log from a copy, or let `tidemill wal repair` say what would be lost",
                ),
                (true, false) => (
                    Severity::Error,
                    "a start goes on from this checkpoint, and the batches that need them will fail",
                    "restore the log from a copy, or let `tidemill wal repair` say what would be lost",
                ),
                (false, _) => (
                    Severity::Warning,
                    "this checkpoint can't be fallen back to if the newer ones are damaged",
                    "nothing has to be done: it goes when newer ones have taken its place",
                ),
            };
            let place = format!("checkpoint {}", checkpoint.id);
            found.add(severity, place, problem, meaning, advice);
        };
        problems.into_iter().for_each(|problem| tell(problem, true));
        missing.into_iter().for_each(|problem| tell(problem, false));
        if is_newest {
            newest = Some(tracker);
        }
    }
    newest
}

/// A checkpoint's tracker behind the log's last entry.
fn replayed(
    held: &Checkpoints,
    checkpoint: &Held,
    logs: &Logs,
    problems: &mut Vec<String>,
) -> TrackerSnapshot {
    let mut tracker = checkpoint.metadata.tracker.clone();
    let from = tracker.replay_from;
    let Some(Extent { oldest, end, .. }) = logs.driver else {
        problems.push("the driver's log isn't there".to_owned());
        return tracker;
    };
    if from < oldest {
        problems.push(format!(
            "it needs entry {from} of the driver's log, which begins with {oldest}"
        ));
    }
    if from > end {
        problems.push(format!(
            "it contains all entries of the driver's log before {from}, and the log ends before {end}: \
             its end was lost"
        ));
    }
    for sequence in from.max(oldest)..end {
        let Some(event) = logs.events.get(&sequence) else {
            problems.push(format!(
                "it needs entry {sequence} of the driver's log, which can't be read"
            ));
            break;
        };
        let through = checkpoint.metadata.complete_through;
        if let Err(reason) = held.apply(&mut tracker, sequence, event, through) {
            problems.push(format!("entry {sequence} of the driver's log: {reason}"));
            break;
        }
    }
    tracker
}

/// Whether the block log ends before blocks that are named, and so were durable.
fn lost_end(tracker: &TrackerSnapshot, logs: &Logs) -> Option<String> {
    let named = tracker.end_of_blocks();
    match logs.blocks {
        None if named > 0 => {
            Some("its batches are made of blocks, and the block log isn't there".to_owned())
        }
        Some(extent) if named > extent.end => Some(format!(
            "entries of the block log up to {} are named, and it ends before {}: its end was lost",
            named - 1,
            extent.end
        )),
        _ => None,
    }
}

/// Blocks that a start would read and the block log doesn't hold.
fn missing_blocks(checkpoint: &Held, tracker: &TrackerSnapshot, logs: &Logs) -> Option<String> {
    let extent = logs.blocks?;
    let is_read = |block: &BlockInfo| {
        let batch = tracker.batch_of(block);
        batch.is_none_or(|time| checkpoint.metadata.still_reads(time))
    };
    let is_missing = |block: &BlockInfo| {
        block
            .position
            .is_some_and(|position| !logs.stored.contains_key(&position.sequence.0))
    };
    let missing: Vec<String> = tracker
        .blocks()
        .filter(|(_, block)| is_missing(block) && is_read(block))
        .map(|(stream, block)| format!("{} of `{stream}`", block.id))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "its batches need blocks that the block log (entries {} to {}) doesn't hold: {}",
            extent.oldest,
            extent.end.saturating_sub(1),
            missing.join(", ")
        )
    })
}

/// Whether the pipeline could go on from the newest checkpoint.
pub(super) fn against_pipeline(
    held: &Checkpoints,
    pipeline: &Pipeline,
    context: &StreamingContext,
    found: &mut Vec<Finding>,
) {
    let Some(newest) = held.whole.first() else {
        return;
    };
    let mut found = Findings::of("pipeline", found);
    let plan = match context.plan_for(&newest.manifest) {
        Ok(plan) => plan,
        Err(error) => {
            tracing::debug!(%error, "a checkpoint can't be held against the pipeline");
            return;
        }
    };
    for difference in plan.refusals {
        found.add(
            Severity::Error,
            format!("`{}`", difference.subject),
            difference.message,
            format!(
                "checkpoint {} doesn't fit the pipeline: a start is refused",
                newest.id
            ),
            "change the pipeline as said, or start anew with --fresh",
        );
    }
    if newest
        .metadata
        .program
        .as_deref()
        .is_some_and(|text| text != pipeline.program_text())
    {
        found.add(
            Severity::Note,
            pipeline.file.to_string(),
            format!(
                "its text isn't that which checkpoint {} was written with",
                newest.id
            ),
            "it was changed since; what can't be reconciled is told apart from this",
            "nothing",
        );
    }
}
