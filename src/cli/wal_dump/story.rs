//! [`Story`]: the logs for people: what came, what became a batch, what was forgotten.
//!
//! The driver's log is the story, in its order, which is that of time. Of the block log only what the driver's log
//! doesn't speak of is told. Batches without records that follow each other are one line.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::Result;
use super::super::location::{FoundLog, WhichLog};
use super::super::output::{self, Output, opaque};
use super::super::terminal::Paint;
use super::Found;
use super::entry::Told;
use crate::OperatorUid;
use crate::block::{BatchAllocationEvent, BlockAdditionEvent, BlockId, Event};
use crate::time::Time;
use crate::utc;

/// A story that is being told.
pub(super) struct Story {
    paint: Paint,
    /// The owner of each segment of the driver's log, by its first entry.
    epochs: BTreeMap<u64, u64>,
    epoch: Option<u64>,
    /// Records and bytes of blocks that have come and are in no batch yet.
    waiting: BTreeMap<(OperatorUid, BlockId), (u64, u64)>,
    /// Every block of which the driver's log spoke.
    known: BTreeSet<(OperatorUid, BlockId)>,
    unnamed: BTreeMap<OperatorUid, Unnamed>,
    /// Batches without records that haven't been told yet.
    empty: Option<Empty>,
    has_driver: bool,
}

/// Blocks of the block log of which the driver's log doesn't speak.
struct Unnamed {
    first: BlockId,
    last: BlockId,
    blocks: u64,
    records: u64,
    bytes: u64,
}

struct Empty {
    first: Time,
    last: Time,
    count: u64,
}

impl Story {
    pub(super) fn new(logs: &[FoundLog]) -> Self {
        let driver = logs.iter().find(|log| log.which == WhichLog::Driver);
        let headers = driver.into_iter().flat_map(|log| log.reader.headers());
        let headers = headers.filter_map(std::result::Result::ok);
        Self {
            paint: Paint::of_results(),
            epochs: headers
                .map(|header| (header.first.0, header.epoch))
                .collect(),
            epoch: None,
            waiting: BTreeMap::new(),
            known: BTreeSet::new(),
            unnamed: BTreeMap::new(),
            empty: None,
            has_driver: driver.is_some(),
        }
    }

    /// Goes on with an entry.
    pub(super) fn tell(&mut self, found: &Found<'_>, out: &mut Output) -> Result<()> {
        if found.log.which == WhichLog::Driver {
            self.driver_of(found, out)?;
        }
        match &found.told {
            Told::Event(Event::BatchAllocation(event)) => self.batch(event, out),
            Told::Event(Event::BlockAddition(event)) => {
                self.told_empty(out)?;
                self.came(event, out)
            }
            Told::Event(Event::BatchCleanup(event)) => {
                self.told_empty(out)?;
                let what = match event.times.as_slice() {
                    [] => return Ok(()),
                    [one] => format!("batch {}", one.as_millis()),
                    [first, .., last] => format!(
                        "{} batches, {} to {}",
                        event.times.len(),
                        first.as_millis(),
                        last.as_millis()
                    ),
                };
                self.line(
                    None,
                    "forgotten",
                    &format!("{what}: complete and in a checkpoint"),
                    out,
                )
            }
            Told::GivenUp => {
                self.told_empty(out)?;
                let what = format!(
                    "entry {} of the log `{}` was damaged, and `wal repair` has given it up",
                    found.sequence,
                    found.log.which.name()
                );
                self.line(None, "lost", &self.paint.bad(&what), out)
            }
            Told::Block {
                stream,
                id,
                records,
                bytes,
            } => {
                if !self.known.contains(&(stream.clone(), *id)) {
                    let unnamed = self.unnamed.entry(stream.clone());
                    let unnamed = unnamed.or_insert(Unnamed {
                        first: *id,
                        last: *id,
                        blocks: 0,
                        records: 0,
                        bytes: 0,
                    });
                    unnamed.last = *id;
                    unnamed.blocks += 1;
                    unnamed.records += records;
                    unnamed.bytes += bytes;
                }
                Ok(())
            }
        }
    }

    /// What is left to be told.
    pub(super) fn end(mut self, out: &mut Output) -> Result<()> {
        self.told_empty(out)?;
        self.told_unnamed(out)?;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (records, bytes) = self
            .waiting
            .values()
            .fold((0, 0), |all, block| (all.0 + block.0, all.1 + block.1));
        let blocks = output::count(self.waiting.len() as u64, "block");
        let what = format!("{blocks}, {} for a batch", amount(records, bytes));
        self.line(None, "waiting", &what, out)
    }

    /// Tells of another driver's segment.
    fn driver_of(&mut self, found: &Found<'_>, out: &mut Output) -> Result<()> {
        let epoch = self.epochs.get(&found.segment).copied();
        if epoch.is_none() || epoch == self.epoch {
            return Ok(());
        }
        self.told_empty(out)?;
        self.epoch = epoch;
        let what = format!(
            "epoch {} begins, at entry {}",
            epoch.unwrap_or_default(),
            found.sequence
        );
        let what = self.paint.strong(&what);
        self.line(None, "driver", &what, out)
    }

    fn came(&mut self, event: &BlockAdditionEvent, out: &mut Output) -> Result<()> {
        let BlockAdditionEvent { stream, block } = event;
        let id = (stream.clone(), block.id);
        self.known.insert(id.clone());
        self.waiting.insert(id, (block.records, block.bytes));
        let whence = match (block.requeued, block.position) {
            (Some(letters), _) => format!(", dead letters of {} put back", letters.as_millis()),
            (None, None) => ", in memory only".to_owned(),
            (None, Some(_)) => String::new(),
        };
        let amount = amount(block.records, block.bytes);
        let what = format!("{amount} of `{stream}` in block {}{whence}", block.id);
        self.line(
            Some(Time::from_millis(block.cut_ms)),
            "received",
            &what,
            out,
        )
    }

    fn batch(&mut self, event: &BatchAllocationEvent, out: &mut Output) -> Result<()> {
        let mut parts = Vec::new();
        for (stream, blocks) in event.blocks.iter().filter(|(_, blocks)| !blocks.is_empty()) {
            let mut records = Some(0);
            for id in blocks {
                let block = self.waiting.remove(&(stream.clone(), *id));
                // Of a block that came before what is told here, the log says no more.
                records = records.zip(block).map(|(sum, (records, _))| sum + records);
            }
            let ids: Vec<String> = blocks.iter().map(ToString::to_string).collect();
            let records = records.map(|records| format!("{}, ", output::count(records, "record")));
            parts.push(format!(
                "`{stream}` {}{} {}",
                records.unwrap_or_default(),
                if ids.len() == 1 { "block" } else { "blocks" },
                shortened(&ids)
            ));
        }
        let plans = event.plans.iter();
        parts.extend(plans.map(|(stream, plan)| format!("`{stream}` reads {}", opaque(plan))));
        if parts.is_empty() {
            let empty = self.empty.get_or_insert(Empty {
                first: event.time,
                last: event.time,
                count: 0,
            });
            empty.last = event.time;
            empty.count += 1;
            return Ok(());
        }
        self.told_empty(out)?;
        let what = format!("{} is {}", event.time.as_millis(), parts.join("; "));
        let what = self.paint.strong(&what);
        self.line(Some(event.time), "batch", &what, out)
    }

    fn told_empty(&mut self, out: &mut Output) -> Result<()> {
        let Some(empty) = self.empty.take() else {
            return Ok(());
        };
        let (first, last) = (empty.first.as_millis(), empty.last.as_millis());
        let what = match empty.count {
            1 => format!("{first} is without records"),
            n => format!("{first} to {last}, {n} of them, are without records"),
        };
        self.line(Some(empty.first), "batch", &self.paint.faint(&what), out)
    }

    fn told_unnamed(&self, out: &mut Output) -> Result<()> {
        for (stream, unnamed) in &self.unnamed {
            let why = match self.has_driver {
                true => ": forgotten, or never acknowledged; they go with their segment",
                false => "",
            };
            let what = format!(
                "{} of `{stream}`, {}, {} to {}{why}",
                output::count(unnamed.blocks, "block"),
                amount(unnamed.records, unnamed.bytes),
                unnamed.first,
                unnamed.last,
            );
            self.line(None, "data", &self.paint.faint(&what), out)?;
        }
        Ok(())
    }

    fn line(&self, time: Option<Time>, event: &str, what: &str, out: &mut Output) -> Result<()> {
        const NO_TIME: &str = "";
        let time = time.map(utc::for_people);
        let time = format!("{:23}", time.as_deref().unwrap_or(NO_TIME));
        out.line(format!("{}  {event:9}  {what}", self.paint.faint(&time)))
    }
}

fn amount(records: u64, bytes: u64) -> String {
    format!(
        "{}, {}",
        output::count(records, "record"),
        output::bytes(bytes)
    )
}

/// Names of blocks; of many, the first and the last.
fn shortened(ids: &[String]) -> String {
    match ids {
        [first, _, _, .., last] if ids.len() > 4 => {
            format!("{first} ... {last} ({} of them)", ids.len())
        }
        _ => ids.join(", "),
    }
}
