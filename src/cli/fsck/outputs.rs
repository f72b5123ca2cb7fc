//! What `text_files` sinks hold, against what checkpoints and log know of batches.

mod listed;

use std::collections::BTreeSet;

use tidemill_config::{Pipeline, Sink};

use super::super::held::Checkpoints;
use super::finding::{Finding, Findings, Severity};
use super::logs::Logs;
use crate::block::{Event, TrackerSnapshot};
use crate::sink::part_number;
use crate::time::{Time, millis};

pub(super) use listed::{Listed, list};

const SUCCESS: &str = "_SUCCESS";

/// What is known of batches.
pub(super) struct Batches {
    /// All that were allocated and are still known.
    known: BTreeSet<Time>,
    /// Those among them that a checkpoint says are complete.
    complete: BTreeSet<Time>,
    /// From here on every batch is known.
    known_from: Option<Time>,
    last: Option<Time>,
}

impl Batches {
    pub(super) fn of(held: &Checkpoints, logs: &Logs, tracker: Option<&TrackerSnapshot>) -> Self {
        let logged = logs.events.values().filter_map(|event| match event {
            Event::BatchAllocation(allocation) => Some(allocation.time),
            _ => None,
        });
        let logged: BTreeSet<Time> = logged.collect();
        let held_now = tracker
            .into_iter()
            .flat_map(|tracker| tracker.allocated.keys());
        let known: BTreeSet<Time> = held_now.chain(&logged).copied().collect();
        let complete = held.whole.first().map(|newest| {
            let metadata = &newest.metadata;
            let is_complete = |time: &&Time| {
                **time <= metadata.complete_through || metadata.completed.contains(*time)
            };
            known.iter().filter(is_complete).copied().collect()
        });
        let last = tracker.and_then(|tracker| tracker.last_allocated);
        Self {
            complete: complete.unwrap_or_default(),
            known_from: logged.first().copied(),
            last: last.max(logged.last().copied()),
            known,
        }
    }
}

/// Holds a sink against the batches.
pub(super) fn check(
    sink: &Sink,
    listed: &Listed,
    batches: &Batches,
    held: &Checkpoints,
    pipeline: &Pipeline,
    found: &mut Vec<Finding>,
) {
    let area = format!("sinks.{}", sink.name);
    let mut found = Findings::of(&area, found);
    let place = |name: &str| format!("{}/{name}", listed.folder);
    for (time, (name, files)) in &listed.batches {
        let is_complete = batches.complete.contains(time);
        folder(
            &mut found,
            place(name),
            files,
            is_complete || !listed.is_objects,
        );
        if batches.known.contains(time) {
            continue;
        }
        if batches.last.is_none_or(|last| *time > last) {
            found.add(
                Severity::Error,
                place(name),
                format!(
                    "no batch at {time} is known, and it is later than the last one, {}",
                    batches.last.map_or_else(|| "of which there is none".to_owned(), |last| last.to_string())
                ),
                "the end of the driver's log was lost, or another pipeline writes here; when the batch at \
                 that time comes, it counts as written already",
                "find out whose it is, and move it away if the records in it are to be written anew",
            );
        } else if batches.known_from.is_some_and(|from| *time >= from) {
            found.add(
                Severity::Error,
                place(name),
                format!("no batch at {time} was ever cut"),
                "another pipeline writes here, or it was put here by hand",
                "give each sink a prefix of its own, and move the folder away",
            );
        }
    }
    missing(&mut found, sink, listed, batches, held, pipeline);
    for (time, name) in &listed.staging {
        let is_done = listed.batches.contains_key(time);
        found.add(
            Severity::Note,
            place(name),
            "an interrupted commit left it",
            match is_done {
                true => "its batch was committed later: it is in nobody's way",
                false => "its batch is written anew, in its place, when it is tried again",
            },
            "nothing while the pipeline runs; it may be removed when it is stopped",
        );
    }
}

/// A folder must be whole: it appears all at once.
fn folder(found: &mut Findings<'_>, place: String, files: &BTreeSet<String>, must_be_whole: bool) {
    let severity = match must_be_whole {
        true => Severity::Error,
        false => Severity::Note,
    };
    if !files.contains(SUCCESS) {
        found.add(
            severity,
            place.clone(),
            format!("it has no {SUCCESS}"),
            match must_be_whole {
                true => "a batch's folder appears whole: somebody changed it, or it isn't tidemill's; if \
                         its batch is tried again, the commit is refused",
                false => "its batch is being written, or will be written again",
            },
            "move it away, or restore it",
        );
    }
    let numbers: Option<BTreeSet<usize>> = files
        .iter()
        .filter(|file| file.starts_with("part-"))
        .map(|file| part_number(file))
        .collect();
    let is_gapless = numbers
        .as_ref()
        .is_some_and(|numbers| !numbers.is_empty() && numbers.iter().copied().eq(0..numbers.len()));
    if !is_gapless {
        let parts: Vec<&str> = files.iter().map(String::as_str).collect();
        found.add(
            severity,
            place,
            format!(
                "its parts aren't numbered without gaps from part-00000: {}",
                parts.join(", ")
            ),
            "records of the batch are missing here",
            "restore the missing parts from a copy",
        );
    }
}

/// Complete batches whose output isn't there.
fn missing(
    found: &mut Findings<'_>,
    sink: &Sink,
    listed: &Listed,
    batches: &Batches,
    held: &Checkpoints,
    pipeline: &Pipeline,
) {
    let uid = sink.known_as();
    let mut with_sink = held.whole.iter().filter(|held| {
        let mut outputs = held.metadata.graph.outputs.iter();
        outputs.any(|output| output.uid.as_str() == uid)
    });
    // The newest must have the sink; the oldest that has it says since when it surely was there.
    let (Some(newest), Some(zero)) = (
        with_sink.next(),
        held.whole.first().map(|held| held.metadata.zero_time),
    ) else {
        return;
    };
    let since = with_sink.last().unwrap_or(newest).metadata.complete_through;
    let slide = millis(sink.slide).max(1);
    let is_due = |time: &Time| millis(time.since(zero)).is_multiple_of(slide);
    let gone = |time: &&Time| is_due(time) && !listed.batches.contains_key(*time);
    let is_changed = newest.metadata.program.as_deref() != Some(&pipeline.program_text());
    let mut old = Vec::new();
    for time in batches.complete.iter().filter(gone) {
        if *time <= since {
            old.push(time.to_string());
            continue;
        }
        let (severity, hint) = match is_changed {
            true => (
                Severity::Warning,
                "; the pipeline's text has changed since, perhaps the sink's prefix with it",
            ),
            false => (Severity::Error, ""),
        };
        found.add(
            severity,
            format!("{}, the batch at {time}", listed.folder),
            format!("the batch is complete, and its output is missing{hint}"),
            "what it wrote was removed or lost; it isn't written again by itself",
            "restore it from a copy; if it was removed on purpose, nothing",
        );
    }
    if !old.is_empty() {
        found.add(
            Severity::Note,
            format!("{}, {} batches", listed.folder, old.len()),
            format!("outputs of old batches are missing: {}", old.join(", ")),
            "they are older than the oldest checkpoint: most likely somebody cleared them away",
            "nothing",
        );
    }
}
