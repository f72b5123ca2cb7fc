//! [`Filter`]: which entries are wanted.

use std::collections::{BTreeMap, BTreeSet};

use tidemill_config::parse_duration;

use super::super::args::DumpArgs;
use super::super::error::{CliError, Result};
use super::entry::Told;
use crate::OperatorUid;
use crate::block::{BlockId, Event};
use crate::clock::wall_clock;
use crate::time::{Time, millis};

/// What is wanted of the logs, and what has been learned of them for it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    batch: Option<Time>,
    source: Option<String>,
    since: Option<u64>,
    /// The blocks of the batch.
    of_batch: BTreeSet<(OperatorUid, BlockId)>,
    /// When each block was cut, which only the driver's log says.
    cut: BTreeMap<(OperatorUid, BlockId), u64>,
    /// When the last entry happened that says so.
    now: u64,
}

impl Filter {
    pub(super) fn new(args: &DumpArgs) -> Result<Self> {
        let since = args.since.as_deref().map(|text| since(text, wall_clock()));
        Ok(Self {
            batch: args.batch.map(Time::from_millis),
            source: args.source.clone(),
            since: since.transpose()?,
            ..Self::default()
        })
    }

    /// Whether all entries have to be [learned](Self::learn) before any can be chosen.
    pub(super) fn needs_batches(&self) -> bool {
        self.batch.is_some() || self.since.is_some()
    }

    pub(super) fn learn(&mut self, told: &Told) {
        match told {
            Told::Event(Event::BatchAllocation(event)) if Some(event.time) == self.batch => {
                for (stream, blocks) in &event.blocks {
                    let blocks = blocks.iter().map(|id| (stream.clone(), *id));
                    self.of_batch.extend(blocks);
                }
            }
            Told::Event(Event::BlockAddition(event)) if self.since.is_some() => {
                let id = (event.stream.clone(), event.block.id);
                self.cut.insert(id, event.block.cut_ms);
            }
            _ => {}
        }
    }

    /// Another log begins.
    pub(super) fn begin(&mut self) {
        self.now = 0;
    }

    /// Whether this entry, which comes after those asked for before, is wanted.
    pub(super) fn takes(&mut self, told: &Told) -> bool {
        self.now = self.time_of(told).unwrap_or(self.now);
        self.is_of_batch(told)
            && self.is_of_source(told)
            && self.since.is_none_or(|since| self.now >= since)
    }

    fn time_of(&self, told: &Told) -> Option<u64> {
        match told {
            Told::Event(Event::BlockAddition(event)) => Some(event.block.cut_ms),
            Told::Event(Event::BatchAllocation(event)) => Some(event.time.as_millis()),
            Told::Block { stream, id, .. } => self.cut.get(&(stream.clone(), *id)).copied(),
            Told::Event(Event::BatchCleanup(_)) | Told::GivenUp => None,
        }
    }

    fn is_of_batch(&self, told: &Told) -> bool {
        let Some(batch) = self.batch else {
            return true;
        };
        let is_in =
            |stream: &OperatorUid, id: BlockId| self.of_batch.contains(&(stream.clone(), id));
        match told {
            Told::Event(Event::BlockAddition(event)) => is_in(&event.stream, event.block.id),
            Told::Event(Event::BatchAllocation(event)) => event.time == batch,
            Told::Event(Event::BatchCleanup(event)) => event.times.contains(&batch),
            Told::Block { stream, id, .. } => is_in(stream, *id),
            Told::GivenUp => false,
        }
    }

    fn is_of_source(&self, told: &Told) -> bool {
        let Some(source) = self.source.as_deref() else {
            return true;
        };
        match told {
            Told::Event(Event::BlockAddition(event)) => event.stream.as_str() == source,
            Told::Event(Event::BatchAllocation(event)) => {
                let blocks = event.blocks.iter();
                let mut received = blocks.filter(|(_, blocks)| !blocks.is_empty());
                received.any(|(stream, _)| stream.as_str() == source)
                    || event.plans.keys().any(|stream| stream.as_str() == source)
            }
            Told::Block { stream, .. } => stream.as_str() == source,
            Told::Event(Event::BatchCleanup(_)) | Told::GivenUp => false,
        }
    }
}

/// A time in milliseconds since the Unix epoch, or a length before `now`.
fn since(text: &str, now: Time) -> Result<u64> {
    if let Ok(time) = text.parse::<u64>() {
        return Ok(time);
    }
    match parse_duration(text) {
        Ok(length) => Ok(now.as_millis().saturating_sub(millis(length))),
        Err(reason) => Err(CliError::Usage(format!(
            "--since {text}: {reason}; write a length of time before now (10m) or milliseconds since the Unix epoch"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BatchAllocationEvent, BatchCleanupEvent, BlockAdditionEvent, BlockInfo};

    fn id(number: u64) -> BlockId {
        BlockId { epoch: 1, number }
    }

    fn log() -> Vec<Told> {
        let added = |number| {
            let block = BlockInfo {
                id: id(number),
                records: 1,
                bytes: 2,
                cut_ms: number * 1000,
                position: None,
                logged_as: None,
                requeued: None,
            };
            let stream = OperatorUid::new("lines");
            Told::Event(Event::BlockAddition(BlockAdditionEvent { stream, block }))
        };
        let batch = |time, blocks: &[u64]| {
            let blocks = blocks.iter().map(|number| id(*number)).collect();
            Told::Event(Event::BatchAllocation(BatchAllocationEvent {
                time: Time::from_millis(time),
                blocks: [(OperatorUid::new("lines"), blocks)].into(),
                plans: BTreeMap::new(),
            }))
        };
        let times = vec![Time::from_millis(2500)];
        vec![
            added(1),
            added(2),
            batch(2500, &[1, 2]),
            added(3),
            batch(3500, &[3]),
            batch(4500, &[]),
            Told::Event(Event::BatchCleanup(BatchCleanupEvent { times })),
        ]
    }

    fn taken(mut filter: Filter) -> Vec<usize> {
        let log = log();
        log.iter().for_each(|told| filter.learn(told));
        let taken = log.iter().enumerate();
        taken
            .filter(|(_, told)| filter.takes(told))
            .map(|(at, _)| at)
            .collect()
    }

    #[test]
    fn a_batch_is_its_blocks_its_contents_and_its_end() {
        let batch = |time| Filter {
            batch: Some(Time::from_millis(time)),
            ..Filter::default()
        };
        assert_eq!(taken(batch(2500)), [0, 1, 2, 6]);
        assert_eq!(taken(batch(3500)), [3, 4]);
        assert!(taken(batch(1)).is_empty());
    }

    #[test]
    fn a_source_and_a_time_choose() {
        let source = |name: &str| Filter {
            source: Some(name.to_owned()),
            ..Filter::default()
        };
        assert_eq!(taken(source("lines")), [0, 1, 2, 3, 4]);
        assert!(taken(source("files")).is_empty());
        let since = Filter {
            since: Some(3000),
            ..Filter::default()
        };
        assert_eq!(taken(since), [3, 4, 5, 6]);
    }

    #[test]
    fn since_is_a_time_or_a_length() {
        let now = Time::from_millis(700_000);
        assert_eq!(since("1504665716000", now).unwrap(), 1_504_665_716_000);
        assert_eq!(since("10m", now).unwrap(), 100_000);
        assert_eq!(since("yesterday", now).unwrap_err().code(), 2);
    }
}
