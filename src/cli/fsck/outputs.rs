//! What `text_files` sinks hold, against what checkpoints and log know of batches.

use std::collections::{BTreeMap, BTreeSet};

use tidemill_config::{Pipeline, Sink, SinkKind};
use tidemill_storage::{Disk, LocalDisk, Location, open_objects};

use super::super::held::Checkpoints;
use super::finding::{Finding, Findings, Severity};
use super::logs::Logs;
use crate::block::{Event, TrackerSnapshot};
use crate::sink::folder_of_hidden;
use crate::time::{Time, millis};

const SUCCESS: &str = "_SUCCESS";

/// A sink's folders: the files of each batch, and what was left behind unfinished.
#[derive(Debug, Default)]
pub(super) struct Listed {
    folder: String,
    batches: BTreeMap<Time, (String, BTreeSet<String>)>,
    staging: Vec<(Option<Time>, String)>,
    is_objects: bool,
}

impl Listed {
    /// How many batches' folders there are.
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }
}

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

/// Lists what a sink holds; `None` for sinks that hold nothing that can be listed.
pub(super) fn list(sink: &Sink) -> Result<Option<Listed>, tidemill_storage::Error> {
    let SinkKind::TextFiles { prefix, suffix } = &sink.kind else {
        return Ok(None);
    };
    let (folder, base) = prefix.rsplit_once('/').unwrap_or((".", prefix));
    let mut listed = Listed::default();
    let names = match prefix.contains("://").then(|| folder.parse::<Location>()) {
        Some(Ok(location)) if location.local_path().is_none() => {
            listed.is_objects = true;
            objects(&location)?
        }
        Some(Ok(location)) => {
            let path = location.local_path().map(|path| path.display().to_string());
            files(&path.unwrap_or_default())?
        }
        _ => files(folder.strip_prefix("file:").unwrap_or(folder))?,
    };
    listed.folder = folder.to_owned();
    let base = base.strip_prefix("file:").unwrap_or(base);
    for (name, files) in names {
        if let Some(staged) = folder_of_hidden(&name) {
            if let Some(time) = time_of(staged, base, suffix.as_deref()) {
                listed.staging.push((Some(time), name));
            }
        } else if let Some(time) = time_of(&name, base, suffix.as_deref()) {
            listed.batches.insert(time, (name, files));
        }
    }
    Ok(Some(listed))
}

/// The batch that a folder is named by.
fn time_of(name: &str, base: &str, suffix: Option<&str>) -> Option<Time> {
    let rest = name.strip_prefix(base)?.strip_prefix('-')?;
    let digits = match suffix {
        Some(suffix) => rest.strip_suffix(suffix)?.strip_suffix('.')?,
        None => rest,
    };
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|_| is_plain)
        .map(Time::from_millis)
}

type Names = BTreeMap<String, BTreeSet<String>>;

fn files(folder: &str) -> Result<Names, tidemill_storage::Error> {
    let folder = std::path::Path::new(folder);
    let entries = match LocalDisk.read_dir(folder) {
        Err(error) if error.is_not_found() => return Ok(Names::new()),
        other => other?,
    };
    let mut names = Names::new();
    for entry in entries.into_iter().filter(|entry| entry.metadata.is_dir) {
        let within = match LocalDisk.read_dir(&folder.join(&entry.name)) {
            // Removed or renamed since it was listed.
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        names.insert(
            entry.name,
            within.into_iter().map(|file| file.name).collect(),
        );
    }
    Ok(names)
}

fn objects(location: &Location) -> Result<Names, tidemill_storage::Error> {
    let mut names = Names::new();
    for (name, _) in open_objects(location)?.list("")? {
        if let Some((folder, file)) = name.split_once('/') {
            names
                .entry(folder.to_owned())
                .or_default()
                .insert(file.to_owned());
        }
    }
    Ok(names)
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
        let is_done = time.is_some_and(|time| listed.batches.contains_key(&time));
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
        .filter_map(|file| file.strip_prefix("part-"))
        .map(|number| number.parse().ok())
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
    let uid = sink.uid.as_ref().unwrap_or(&sink.name).as_str();
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
    let is_changed = newest.metadata.program.as_deref() != Some(&pipeline.text);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_by_their_names() {
        let time = |name, suffix| time_of(name, "counts", suffix);
        assert_eq!(
            time("counts-1000.txt", Some("txt")),
            Some(Time::from_millis(1000))
        );
        assert_eq!(time("counts-1000", None), Some(Time::from_millis(1000)));
        for other in [
            "counts-1000",
            "counts-x.txt",
            "counts-.txt",
            "count-1000.txt",
            "counts--1.txt",
        ] {
            assert_eq!(time(other, Some("txt")), None, "{other}");
        }
    }
}
