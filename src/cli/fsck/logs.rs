//! The logs: every frame, every event, and every block that an event names.

use std::collections::BTreeMap;

use tidemill_wal::{Position, Sequence};

use super::super::held::Checkpoints;
use super::super::location::{FoundLog, WhichLog};
use super::finding::{Finding, Findings, Severity};
use crate::block::{Block, BlockId, BlockInfo, Event, GIVEN_UP, TrackerSnapshot};
use crate::recovery::Metadata;
use crate::uid::OperatorUid;

const REPAIR: &str =
    "restore the file from a copy, or let `tidemill wal repair` say what would be lost";

/// What a log holds between its first and its last entry.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Extent {
    pub(super) oldest: u64,
    pub(super) end: u64,
    pub(super) entries: u64,
}

/// What is in the block log's entry for a block.
#[derive(Debug)]
pub(super) enum StoredBlock {
    Whole {
        position: Position,
        stream: OperatorUid,
        id: BlockId,
        records: u64,
        bytes: u64,
    },
    GivenUp,
}

/// What the logs hold.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) driver: Option<Extent>,
    pub(super) blocks: Option<Extent>,
    pub(super) events: BTreeMap<u64, Event>,
    pub(super) stored: BTreeMap<u64, StoredBlock>,
}

impl Logs {
    /// Reads everything; what is wrong with the bytes goes to `found`, and `on_read` is told how many have been read.
    pub(super) fn read(
        logs: Vec<FoundLog>,
        held: &Checkpoints,
        found: &mut Vec<Finding>,
        on_read: impl Fn(u64),
    ) -> Result<Self, tidemill_wal::Error> {
        let mut read = Self::default();
        for mut log in logs {
            // The driver's comes first.
            let known_end = held.end_of(log.which, &read.events);
            log.reader = log.reader.knowing(Sequence(known_end.unwrap_or_default()));
            let name = log.which.name();
            let mut found = Findings::of(name, found);
            let extent = bytes(&log, &mut found, &on_read)?;
            match log.which {
                WhichLog::Driver => read.driver = Some(extent),
                WhichLog::Blocks => read.blocks = Some(extent),
            }
            let mut given_up = 0_u64;
            for entry in log.reader.entries().filter_map(Result::ok) {
                let (sequence, position) = (entry.sequence.0, entry.position);
                let contents = match log.which {
                    _ if entry.kind == GIVEN_UP => {
                        given_up += 1;
                        if log.which == WhichLog::Blocks {
                            read.stored.insert(sequence, StoredBlock::GivenUp);
                        }
                        Ok(())
                    }
                    WhichLog::Driver => Event::decode(entry.kind, &entry.payload)
                        .map(|event| drop(read.events.insert(sequence, event))),
                    WhichLog::Blocks => {
                        Block::from_payload(entry.payload).map(|(stream, id, block)| {
                            let stored = StoredBlock::Whole {
                                position,
                                stream,
                                id,
                                records: block.records(),
                                bytes: block.len() as u64,
                            };
                            read.stored.insert(sequence, stored);
                        })
                    }
                };
                if let Err(reason) = contents {
                    found.add(
                        Severity::Error,
                        format!(
                            "entry {sequence} (segment {}, offset {})",
                            position.segment, position.offset
                        ),
                        reason,
                        "its bytes are as they were written, and this release can't read them",
                        "use the release that wrote them, or a newer one",
                    );
                }
            }
            if given_up > 0 {
                found.add(
                    Severity::Note,
                    name,
                    format!("{given_up} entries are marked as given up"),
                    "they were lost to damage, and somebody ran `wal repair --quarantine`",
                    "nothing; they go when the log is cleaned up",
                );
            }
        }
        Ok(read)
    }

    /// Whether each block that an event names is in the block log, just as it was named.
    pub(super) fn check_additions(
        &self,
        newest: Option<(&Metadata, &TrackerSnapshot)>,
        found: &mut Vec<Finding>,
    ) {
        let Some(extent) = self.blocks else { return };
        let mut found = Findings::of(WhichLog::Blocks.name(), found);
        for (sequence, event) in &self.events {
            let Event::BlockAddition(added) = event else {
                continue;
            };
            let Some(position) = added.block.position else {
                continue;
            };
            let entry = position.sequence.0;
            let is_needed = newest.is_some_and(|(metadata, tracker)| {
                let mut held = tracker.positions();
                let is_held = held.any(|held| held == position);
                let batch = tracker.batch_of(&added.block);
                is_held && batch.is_none_or(|time| metadata.still_reads(time))
            });
            let problem = if entry < extent.oldest {
                // Cleaned up, as it may be when nothing needs it.
                is_needed.then(|| format!("entry {entry} is no longer kept"))
            } else {
                self.mismatch(added.stream.as_str(), &added.block, position)
            };
            let Some(problem) = problem else { continue };
            let (severity, meaning) = match is_needed {
                true => (
                    Severity::Error,
                    "a batch needs it, and will fail until the block is back or given up",
                ),
                false => (
                    Severity::Warning,
                    "its batch is complete: only an older checkpoint would read it again",
                ),
            };
            let (block, records) = (added.block.id, added.block.records);
            found.add(
                severity,
                format!(
                    "block {block} of `{}` ({records} records), named by entry {sequence} of the \
                     driver's log",
                    added.stream
                ),
                problem,
                meaning,
                REPAIR,
            );
        }
    }

    /// What isn't right about a block's entry; `None` when all is, or when it was given up.
    fn mismatch(&self, stream: &str, block: &BlockInfo, named: Position) -> Option<String> {
        let end = self.blocks.map_or(0, |extent| extent.end);
        let entry = named.sequence.0;
        let Some(stored) = self.stored.get(&entry) else {
            return Some(match entry >= end {
                true => format!("entry {entry} of the block log isn't there: it ends before {end}"),
                false => format!("entry {entry} of the block log can't be read"),
            });
        };
        match stored {
            StoredBlock::GivenUp => None,
            StoredBlock::Whole {
                position,
                stream: found,
                id,
                records,
                bytes,
            } => {
                let logged_as = block.logged_as.as_ref().map_or(stream, |uid| uid.as_str());
                let is_right = (found.as_str(), *id, *records, *bytes)
                    == (logged_as, block.id, block.records, block.bytes)
                    && *position == named;
                (!is_right).then(|| {
                    format!(
                        "entry {entry} at offset {} holds block {id} of `{found}`, {records} records \
                         in {bytes} bytes; the event names {} bytes at offset {}",
                        position.offset, block.bytes, named.offset
                    )
                })
            }
        }
    }
}

/// Every byte of a log.
fn bytes(
    log: &FoundLog,
    found: &mut Findings<'_>,
    on_read: impl Fn(u64),
) -> Result<Extent, tidemill_wal::Error> {
    let reader = &log.reader;
    let report = reader.verify_with(on_read)?;
    for finding in &report.findings {
        found.add(
            Severity::Error,
            format!("{}, offset {}", log.file_of(finding), finding.offset),
            finding.problem.clone(),
            "entries of the log can't be read: a start that needs them is refused",
            REPAIR,
        );
    }
    if let Some(torn) = &report.torn_tail {
        found.add(
            Severity::Note,
            format!("{}, offset {}", torn.file, torn.offset),
            format!("it ends in {} bytes that are no whole entry", torn.bytes),
            "a write was interrupted (or is under way), as far as can be told: nothing of it was acknowledged",
            "nothing; the next start cuts it off",
        );
    }
    let firsts: Vec<u64> = reader
        .headers()
        .filter_map(Result::ok)
        .map(|header| header.first.0)
        .collect();
    let behind = reader.entries().filter_map(Result::ok);
    let behind = behind.map(|entry| entry.sequence.next().0).max();
    let last = firsts.last().copied().unwrap_or_default();
    Ok(Extent {
        oldest: firsts.first().copied().unwrap_or_default(),
        end: behind.unwrap_or_default().max(last),
        entries: report.entries,
    })
}
