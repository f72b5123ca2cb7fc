//! What each lost entry means: to which checkpoint, stream and batch it matters.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use tidemill_wal::Sequence;
use tidemill_wal::repair::{Loss, Plan};

use super::super::location::WhichLog;
use super::super::output::count;
use super::known::Known;
use crate::block::Event;
use crate::time::Time;
use crate::uid::OperatorUid;

/// What a loss costs, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// Nothing that is still needed.
    Nothing,
    /// Older checkpoints can't be fallen back to any more.
    OlderCheckpoints,
    /// Data, or what was decided about it.
    Data,
}

/// How much of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Amount {
    pub(super) blocks: u64,
    pub(super) records: u64,
}

/// A lost block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LostBlock {
    pub(super) entry: u64,
    pub(super) stream: OperatorUid,
    pub(super) block: String,
    pub(super) records: u64,
    /// The batch it is in, if it is in one.
    pub(super) batch: Option<Time>,
    /// Whether a batch still needs it.
    pub(super) is_needed: bool,
}

/// A loss, with what it means.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LossTold {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) problem: String,
    /// The first lost entry, and the one behind the last.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) is_readable: bool,
    pub(super) may_be_more: bool,
    pub(super) loses: Verdict,
    /// The meaning, for people.
    pub(super) meaning: String,
    /// What readable events say that is lost with them.
    pub(super) additions: BTreeMap<OperatorUid, Amount>,
    pub(super) allocations: Vec<Time>,
    pub(super) cleanups: Vec<Time>,
    /// Lost blocks that somebody named.
    pub(super) blocks: Vec<LostBlock>,
}

/// What the losses of a plan mean.
pub(super) fn tell(which: WhichLog, plan: &Plan, known: &Known) -> Vec<LossTold> {
    let losses = plan.losses.iter();
    losses
        .map(|loss| {
            let mut told = LossTold {
                file: loss.file.clone(),
                offset: loss.offset,
                problem: loss.problem.clone(),
                from: loss.entries.start.0,
                to: loss.entries.end.0,
                is_readable: loss.is_readable,
                may_be_more: loss.may_be_more,
                loses: Verdict::Nothing,
                meaning: String::new(),
                additions: BTreeMap::new(),
                allocations: Vec::new(),
                cleanups: Vec::new(),
                blocks: Vec::new(),
            };
            match which {
                WhichLog::Driver => events(&mut told, loss, plan, known),
                WhichLog::Blocks => blocks(&mut told, loss, known),
            }
            told
        })
        .collect()
}

fn is_empty(entries: &Range<Sequence>) -> bool {
    entries.start >= entries.end
}

/// The driver's log: an entry that the newest checkpoint contains isn't missed.
fn events(told: &mut LossTold, loss: &Loss, plan: &Plan, known: &Known) {
    if is_empty(&loss.entries) {
        if loss.may_be_more {
            told.loses = Verdict::Data;
            told.meaning =
                "how many entries it held can't be told; any that no checkpoint contains are \
                            lost"
                    .to_owned();
        } else {
            told.meaning = "no entry is lost".to_owned();
        }
        return;
    }
    let replayed_from = |held: &super::super::held::Held| held.metadata.tracker.replay_from;
    let whole = &known.checkpoints.whole;
    let is_contained = plan.cut_at.is_none_or(|cut| loss.entries.end <= cut);
    let newest = whole.first().filter(|newest| {
        is_contained && !loss.is_readable && loss.entries.end.0 <= replayed_from(newest)
    });
    if let Some(newest) = newest {
        let users: Vec<String> = whole
            .iter()
            .filter(|held| replayed_from(held) < loss.entries.end.0)
            .map(|held| held.id.to_string())
            .collect();
        if users.is_empty() {
            told.meaning =
                "nothing is lost: every kept checkpoint contains these entries".to_owned();
        } else {
            told.loses = Verdict::OlderCheckpoints;
            told.meaning = format!(
                "nothing is lost as long as checkpoint {} stays whole: it contains these entries; \
                 checkpoint {} would need them and can't be fallen back to any more",
                newest.id,
                users.join(", ")
            );
        }
        return;
    }
    told.loses = Verdict::Data;
    let range = loss.entries.start.0..loss.entries.end.0;
    for (_, event) in known.events.range(range) {
        match event {
            Event::BlockAddition(added) => {
                let amount = told.additions.entry(added.stream.clone()).or_default();
                amount.blocks += 1;
                amount.records += added.block.records;
            }
            Event::BatchAllocation(allocation) => told.allocations.push(allocation.time),
            Event::BatchCleanup(cleanup) => told.cleanups.extend(&cleanup.times),
        }
    }
    told.meaning = match loss.is_readable {
        true => "what these entries say is lost to the pipeline, though they stay readable in the \
                 quarantine: their blocks are in no batch, and batches they fixed are cut anew, under \
                 later times; outputs of those that were written already stay"
            .to_owned(),
        false => "what these entries said can't be told: blocks that were taken, batches that were \
                  fixed or batches that were forgotten"
            .to_owned(),
    };
}

/// The block log: a block matters as long as a batch needs it.
fn blocks(told: &mut LossTold, loss: &Loss, known: &Known) {
    let mut unnamed = 0_u64;
    for entry in loss.entries.start.0..loss.entries.end.0 {
        let Some((stream, block)) = known.named.get(&entry) else {
            unnamed += 1;
            continue;
        };
        let batch = known.tracker.batch_of(block);
        told.blocks.push(LostBlock {
            entry,
            stream: stream.clone(),
            block: block.id.to_string(),
            records: block.records,
            batch,
            is_needed: known.is_needed(block, batch),
        });
    }
    let needed: Vec<&LostBlock> = told.blocks.iter().filter(|block| block.is_needed).collect();
    let records: u64 = needed.iter().map(|block| block.records).sum();
    if !needed.is_empty() || loss.may_be_more {
        told.loses = Verdict::Data;
    }
    let older = known.checkpoints.whole.iter().skip(1);
    let falls_back = older.into_iter().any(|held| {
        let mut blocks = held.metadata.tracker.blocks();
        blocks.any(|(_, block)| {
            let entry = block.position.map(|position| position.sequence.0);
            entry.is_some_and(|entry| (told.from..told.to).contains(&entry))
        })
    });
    if falls_back {
        told.loses = told.loses.max(Verdict::OlderCheckpoints);
    }
    let mut parts = Vec::new();
    if !needed.is_empty() {
        parts.push(format!(
            "{} of {} lost; their batches go on without them",
            count(records, "record"),
            count(needed.len() as u64, "block")
        ));
    } else if falls_back {
        parts.push("only an older checkpoint would need these blocks".to_owned());
    } else if !told.blocks.is_empty() {
        parts.push("no batch needs these blocks any more".to_owned());
    }
    if unnamed > 0 {
        parts.push(match known.is_cut {
            true => format!(
                "{} more that no readable event names: some may have been acknowledged by lost events",
                count(unnamed, "entry")
            ),
            false => format!(
                "{} that no event names: never acknowledged, or no longer needed",
                count(unnamed, "block")
            ),
        });
    }
    if loss.may_be_more {
        parts.push("how many entries it held can't be told".to_owned());
    }
    if parts.is_empty() {
        parts.push("no entry is lost".to_owned());
    }
    told.meaning = parts.join("; ");
}
