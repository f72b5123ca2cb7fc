//! [`Tracker`]: which blocks there are and which batch each belongs to, as the driver's log tells it.
//!
//! Every change goes log, sync, memory, acknowledge, in this order (R2, R3). What the tracker holds is a
//! fold over the log, so a checkpoint of it and the entries behind it give it back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tidemill_storage::failpoint;
use tidemill_wal::{Append, Position, Wal};

use super::events::{BatchAllocationEvent, BatchCleanupEvent, BlockAdditionEvent, Event};
use super::in_flight::InFlight;
use super::{Backlog, BlockId, BlockInfo, waiting};
use crate::error::Error;
use crate::time::Time;
use crate::uid::OperatorUid;

/// Why an event can't be logged.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TrackerError {
    /// The driver's log refused.
    #[error("the driver's log: {0}")]
    Log(Arc<tidemill_wal::Error>),
    /// The event can't be written.
    #[error("an event can't be written: {0}")]
    Unwritable(String),
}

impl From<tidemill_wal::Error> for TrackerError {
    fn from(error: tidemill_wal::Error) -> Self {
        Self::Log(Arc::new(error))
    }
}

impl TrackerError {
    /// Whether there was no room, so that trying later may help.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_retryable())
    }

    /// What it means for the engine, when it is final.
    pub(crate) fn into_fatal(self) -> Error {
        match self {
            Self::Log(error) => Error::of_log(&error),
            Self::Unwritable(_) => Error::Fatal(self.to_string()),
        }
    }

    /// Whether the log had been closed: by a stop that doesn't wait.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Log(error) if matches!(**error, tidemill_wal::Error::Closed))
    }
}

/// What a batch is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allocation {
    pub(crate) blocks: BTreeMap<OperatorUid, Vec<BlockInfo>>,
    #[serde(default)]
    pub(crate) plans: BTreeMap<OperatorUid, ByteBuf>,
}

impl Allocation {
    /// Records in its blocks, by stream.
    pub(crate) fn records(&self) -> BTreeMap<OperatorUid, u64> {
        let blocks = self.blocks.iter();
        blocks
            .map(|(stream, blocks)| {
                (
                    stream.clone(),
                    blocks.iter().map(|block| block.records).sum(),
                )
            })
            .collect()
    }

    /// Whether it holds nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.plans.is_empty() && self.blocks.values().all(Vec::is_empty)
    }
}

/// What a checkpoint keeps of a tracker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrackerSnapshot {
    pub(crate) unallocated: BTreeMap<OperatorUid, VecDeque<BlockInfo>>,
    pub(crate) allocated: BTreeMap<Time, Allocation>,
    pub(crate) last_allocated: Option<Time>,
    /// The first entry of the driver's log that may not be contained.
    pub(crate) replay_from: u64,
    /// Entries from there on that are contained all the same.
    #[serde(default)]
    pub(crate) contained: BTreeSet<u64>,
    /// The batches of each stream whose dead letters were put back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) requeued: BTreeMap<OperatorUid, BTreeSet<Time>>,
    /// The blocks of each stream whose dead letters don't count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) withdrawn: BTreeMap<OperatorUid, Vec<Withdrawn>>,
}

/// A block that waited in a savepoint when the program went back to that: what batches had made of it until then
/// doesn't count, as it is in a further batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Withdrawn {
    pub(crate) id: BlockId,
    /// The newest batch of the life that was left.
    pub(crate) through: Time,
}

/// What the log has said so far.
#[derive(Debug, Default)]
struct Known {
    unallocated: BTreeMap<OperatorUid, VecDeque<BlockInfo>>,
    allocated: BTreeMap<Time, Allocation>,
    last_allocated: Option<Time>,
    requeued: BTreeMap<OperatorUid, BTreeSet<Time>>,
    withdrawn: BTreeMap<OperatorUid, Vec<Withdrawn>>,
    /// The blocks of each stream that are being added. What was received after one isn't in a batch before it.
    adding: BTreeMap<OperatorUid, BTreeSet<BlockId>>,
    /// Entries that were appended but haven't changed memory yet.
    in_flight: InFlight,
    /// Entries that have changed memory, though an older one is still in flight.
    ahead: BTreeSet<u64>,
}

impl Known {
    /// The addition of a block has come to its end.
    fn land_block(
        &mut self,
        sequence: u64,
        result: &Result<Position, tidemill_wal::Error>,
        stream: &OperatorUid,
        block: BlockId,
    ) {
        self.land(sequence, result);
        // Behind any other error nothing is added.
        if matches!(result, Ok(_) | Err(tidemill_wal::Error::Full { .. }))
            && let Some(adding) = self.adding.get_mut(stream)
        {
            adding.remove(&block);
        }
    }

    /// An entry has come to its end, and is about to change memory if it is durable.
    fn land(&mut self, sequence: u64, result: &Result<Position, tidemill_wal::Error>) {
        match result {
            Ok(_) => {
                self.ahead.insert(sequence);
            }
            // Its number is given out anew.
            Err(tidemill_wal::Error::Full { .. }) => {}
            // Nobody knows whether it is in the log. It stays in flight: a snapshot that lay behind it would
            // say that it is.
            Err(_) => return,
        }
        self.in_flight.remove(sequence);
        match self.in_flight.first() {
            Some(first) => self.ahead = self.ahead.split_off(&first),
            None => self.ahead.clear(),
        }
    }

    /// Takes the blocks of an allocation from those that wait.
    fn take_out(&mut self, allocation: &Allocation) {
        for (stream, blocks) in &allocation.blocks {
            if let Some(queue) = self.unallocated.get_mut(stream) {
                waiting::take_out(queue, blocks);
            }
        }
    }
}

/// Tracks blocks. All methods that write block until the entry is durable, but [`Tracker::add`].
pub(crate) struct Tracker {
    log: Wal,
    known: Mutex<Known>,
    /// Held while a batch is allocated.
    allocating: Mutex<()>,
}

impl Tracker {
    /// A tracker that goes on from a snapshot.
    pub(crate) fn new(log: Wal, snapshot: TrackerSnapshot) -> Self {
        let mut unallocated = snapshot.unallocated;
        // An older version's may be in another order.
        for blocks in unallocated.values_mut() {
            blocks.make_contiguous().sort_by_key(|block| block.id);
        }
        let known = Known {
            unallocated,
            allocated: snapshot.allocated,
            last_allocated: snapshot.last_allocated,
            requeued: snapshot.requeued,
            withdrawn: snapshot.withdrawn,
            ..Known::default()
        };
        Self {
            log,
            known: Mutex::new(known),
            allocating: Mutex::default(),
        }
    }

    pub(crate) fn log(&self) -> &Wal {
        &self.log
    }

    /// Logs a block; when this is `Ok`, the block will be in exactly one batch.
    pub(crate) fn add(
        &self,
        stream: &OperatorUid,
        block: BlockInfo,
    ) -> impl Future<Output = Result<BlockInfo, TrackerError>> + Send + use<'_> {
        let event = BlockAdditionEvent {
            stream: stream.clone(),
            block,
        };
        let appended = self.append_addition(&event);
        async move {
            let (append, sequence) = appended?;
            let result = append.await;
            failpoint!("tracker::after_block_addition");
            let mut known = self.known();
            known.land_block(sequence, &result, &event.stream, event.block.id);
            result?;
            if let Some(letters_of) = event.block.requeued {
                let of_stream = known.requeued.entry(event.stream.clone()).or_default();
                of_stream.insert(letters_of);
            }
            let queue = known.unallocated.entry(event.stream).or_default();
            waiting::put(queue, event.block.clone());
            Ok(event.block)
        }
    }

    fn append_addition(&self, event: &BlockAdditionEvent) -> Result<(Append, u64), TrackerError> {
        let mut known = self.known();
        let appended = append_to(&self.log, &mut known, &Event::BlockAddition(event.clone()))?;
        let adding = known.adding.entry(event.stream.clone()).or_default();
        adding.insert(event.block.id);
        Ok(appended)
    }

    /// Makes the blocks that are in no batch the batch at `time`, with what direct sources plan for it: of each
    /// stream as many as have `most` records, where it is told how many. A
    /// batch that is allocated already stays as it is. A block that was received after one that is still being
    /// added waits for it, so that a stream's blocks are in batches in the order in which they were received.
    pub(crate) fn allocate(
        &self,
        time: Time,
        plans: BTreeMap<OperatorUid, Vec<u8>>,
        most: &dyn Fn(&OperatorUid) -> Option<u64>,
    ) -> Result<Allocation, TrackerError> {
        // Until an allocation is durable its blocks are still waiting, and mustn't be in a second one.
        let _alone = self
            .allocating
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(allocation) = self.allocation(time) {
            return Ok(allocation);
        }
        let (allocation, append, sequence) = self.append_allocation(time, plans, most)?;
        let result = append.wait();
        failpoint!("tracker::after_batch_allocation");
        let mut known = self.known();
        known.land(sequence, &result);
        result?;
        known.take_out(&allocation);
        known.allocated.insert(time, allocation.clone());
        known.last_allocated = known.last_allocated.max(Some(time));
        Ok(allocation)
    }

    /// Logs an allocation of what waits. Memory stays as it is until the entry is durable: a snapshot
    /// in between has the blocks waiting, and replay takes them from there.
    pub(super) fn append_allocation(
        &self,
        time: Time,
        plans: BTreeMap<OperatorUid, Vec<u8>>,
        most: &dyn Fn(&OperatorUid) -> Option<u64>,
    ) -> Result<(Allocation, Append, u64), TrackerError> {
        let mut known = self.known();
        let ready = known.unallocated.iter().map(|(stream, blocks)| {
            let first_adding = known.adding.get(stream).and_then(BTreeSet::first);
            let ready = waiting::before(blocks, first_adding.copied(), most(stream));
            (stream.clone(), ready)
        });
        let blocks = ready.filter(|(_, blocks)| !blocks.is_empty()).collect();
        let plans = plans
            .into_iter()
            .map(|(uid, plan)| (uid, ByteBuf::from(plan)))
            .collect();
        let allocation = Allocation { blocks, plans };
        let ids = |blocks: &Vec<BlockInfo>| blocks.iter().map(|block| block.id).collect();
        let event = Event::BatchAllocation(BatchAllocationEvent {
            time,
            blocks: allocation
                .blocks
                .iter()
                .map(|(uid, b)| (uid.clone(), ids(b)))
                .collect(),
            plans: allocation.plans.clone(),
        });
        failpoint!("tracker::before_batch_allocation");
        let (append, sequence) = append_to(&self.log, &mut known, &event)?;
        Ok((allocation, append, sequence))
    }

    /// Forgets complete batches and returns what they were made of.
    pub(crate) fn clean_up(&self, times: &[Time]) -> Result<Vec<Allocation>, TrackerError> {
        if times.is_empty() {
            return Ok(Vec::new());
        }
        let event = Event::BatchCleanup(BatchCleanupEvent {
            times: times.to_vec(),
        });
        failpoint!("tracker::before_batch_cleanup");
        let (append, sequence) = self.append(&event)?;
        let result = append.wait();
        failpoint!("tracker::after_batch_cleanup");
        let mut known = self.known();
        known.land(sequence, &result);
        result?;
        Ok(times
            .iter()
            .filter_map(|time| known.allocated.remove(time))
            .collect())
    }

    /// Whether the dead letters of the batch at `letters_of` were put back into a stream.
    pub(crate) fn is_requeued(&self, stream: &OperatorUid, letters_of: Time) -> bool {
        let known = self.known();
        let of_stream = known.requeued.get(stream);
        of_stream.is_some_and(|batches| batches.contains(&letters_of))
    }

    /// By block, up to which batch the letters of a stream's records don't count: the records are in a later one.
    pub(crate) fn withdrawn(&self, stream: &OperatorUid) -> BTreeMap<String, Time> {
        let known = self.known();
        let of_stream = known.withdrawn.get(stream).into_iter().flatten();
        of_stream
            .map(|withdrawn| (withdrawn.id.to_string(), withdrawn.through))
            .collect()
    }

    /// What the batch at `time` is made of.
    pub(crate) fn allocation(&self, time: Time) -> Option<Allocation> {
        self.known().allocated.get(&time).cloned()
    }

    /// The batches that are allocated and not cleaned up.
    pub(crate) fn allocated_times(&self) -> Vec<Time> {
        self.known().allocated.keys().copied().collect()
    }

    /// The newest batch ever allocated.
    pub(crate) fn last_allocated(&self) -> Option<Time> {
        self.known().last_allocated
    }

    /// The newest batch that holds anything.
    pub(crate) fn last_filled(&self) -> Option<Time> {
        let known = self.known();
        let filled = known
            .allocated
            .iter()
            .rev()
            .find(|(_, allocation)| !allocation.is_empty());
        filled.map(|(time, _)| *time)
    }

    /// Whether blocks wait for a batch.
    pub(crate) fn has_unallocated(&self) -> bool {
        self.known()
            .unallocated
            .values()
            .any(|blocks| !blocks.is_empty())
    }

    /// Records of a stream's blocks that wait for a batch.
    pub(crate) fn waiting_records(&self, stream: &OperatorUid) -> u64 {
        let known = self.known();
        let waiting = known.unallocated.get(stream).into_iter().flatten();
        waiting.map(|block| block.records).sum()
    }

    /// What of each stream isn't processed yet, `open` being the batches that aren't complete.
    pub(crate) fn backlog(&self, open: &[Time]) -> BTreeMap<OperatorUid, Backlog> {
        let known = self.known();
        let mut backlog: BTreeMap<OperatorUid, Backlog> = BTreeMap::new();
        for (stream, blocks) in &known.unallocated {
            let of_stream = backlog.entry(stream.clone()).or_default();
            blocks.iter().for_each(|block| of_stream.add(block));
        }
        let open = open
            .iter()
            .filter_map(|time| known.allocated.get_key_value(time));
        for (time, allocation) in open {
            for (stream, blocks) in &allocation.blocks {
                let of_stream = backlog.entry(stream.clone()).or_default();
                blocks.iter().for_each(|block| of_stream.add(block));
            }
            for stream in allocation.plans.keys() {
                backlog.entry(stream.clone()).or_default().since(*time);
            }
        }
        backlog
    }

    /// All that a checkpoint needs.
    pub(crate) fn snapshot(&self) -> TrackerSnapshot {
        let known = self.known();
        let next = self.log.next_sequence().0;
        TrackerSnapshot {
            unallocated: known.unallocated.clone(),
            allocated: known.allocated.clone(),
            last_allocated: known.last_allocated,
            requeued: known.requeued.clone(),
            withdrawn: known.withdrawn.clone(),
            // A log without room takes numbers back that are still noted as in flight.
            replay_from: known
                .in_flight
                .first()
                .map_or(next, |first| first.min(next)),
            contained: known.ahead.clone(),
        }
    }

    fn append(&self, event: &Event) -> Result<(Append, u64), TrackerError> {
        append_to(&self.log, &mut self.known(), event)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends under the lock, so that a snapshot never misses an entry that is on its way.
fn append_to(log: &Wal, known: &mut Known, event: &Event) -> Result<(Append, u64), TrackerError> {
    let (kind, payload) = event.encode().map_err(TrackerError::Unwritable)?;
    let append = log.append(kind, vec![payload]);
    let sequence = append.sequence().0;
    known.in_flight.insert(sequence);
    Ok((append, sequence))
}

impl TrackerSnapshot {
    /// Takes in an entry of the log; one that is contained already changes nothing.
    ///
    /// `complete_through` is the checkpoint's: a clean-up of a later batch was made on the word of a
    /// newer checkpoint, so it doesn't count for this one.
    pub(crate) fn apply(
        &mut self,
        sequence: u64,
        event: Event,
        complete_through: Time,
    ) -> Result<(), String> {
        if sequence < self.replay_from || self.contained.remove(&sequence) {
            return Ok(());
        }
        match event {
            Event::BlockAddition(BlockAdditionEvent { stream, block }) => {
                if let Some(letters_of) = block.requeued {
                    let of_stream = self.requeued.entry(stream.clone()).or_default();
                    of_stream.insert(letters_of);
                }
                waiting::put(self.unallocated.entry(stream).or_default(), block);
            }
            Event::BatchAllocation(BatchAllocationEvent {
                time,
                blocks,
                plans,
            }) => {
                let mut allocation = Allocation {
                    blocks: BTreeMap::new(),
                    plans,
                };
                for (stream, ids) in blocks {
                    let queue = self.unallocated.entry(stream.clone()).or_default();
                    // In the order of the event: that of the log may be another, when an addition was
                    // tried again for want of room.
                    let wanted: BTreeMap<BlockId, usize> =
                        ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
                    let (taken, left) = std::mem::take(queue)
                        .into_iter()
                        .partition::<VecDeque<_>, _>(|block| wanted.contains_key(&block.id));
                    *queue = left;
                    let mut taken = Vec::from(taken);
                    taken.sort_by_key(|block| wanted.get(&block.id));
                    if taken.len() != wanted.len() {
                        return Err(format!(
                            "the batch at {time} names {} blocks of `{stream}`, of which {} were \
                             never added",
                            wanted.len(),
                            wanted.len() - taken.len()
                        ));
                    }
                    allocation.blocks.insert(stream, taken);
                }
                self.allocated.insert(time, allocation);
                self.last_allocated = Some(time);
            }
            Event::BatchCleanup(BatchCleanupEvent { times }) => {
                for time in times.iter().filter(|time| **time <= complete_through) {
                    self.allocated.remove(time);
                }
            }
        }
        Ok(())
    }

    /// The end of the block log, as far as it can be told from here: a block is durable before anybody
    /// names it (R1).
    pub(crate) fn end_of_blocks(&self) -> u64 {
        let ends = self.positions().map(|position| position.sequence.next().0);
        ends.max().unwrap_or_default()
    }

    /// The first entry of the block log that is needed; `None` when none is.
    pub(crate) fn first_block(&self) -> Option<u64> {
        self.positions().map(|position| position.sequence.0).min()
    }

    /// Where the blocks are that wait or are in a batch.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.blocks().filter_map(|(_, block)| block.position)
    }

    /// The batch that a block is in; `None` while it waits for one.
    pub(crate) fn batch_of(&self, block: &BlockInfo) -> Option<Time> {
        let is_it = |held: &BlockInfo| held.id == block.id && held.position == block.position;
        let mut batches = self.allocated.iter();
        let found = batches.find(|(_, batch)| batch.blocks.values().flatten().any(is_it));
        found.map(|(time, _)| *time)
    }

    /// The blocks that wait or are in a batch, each with its stream.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&OperatorUid, &BlockInfo)> {
        let waiting = self.unallocated.iter();
        let waiting =
            waiting.flat_map(|(uid, blocks)| blocks.iter().map(move |block| (uid, block)));
        let allocated = self.allocated.values().flat_map(|batch| &batch.blocks);
        let allocated =
            allocated.flat_map(|(uid, blocks)| blocks.iter().map(move |block| (uid, block)));
        waiting.chain(allocated)
    }
}
