//! The writer: one thread that turns what is queued into durable groups.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::Segment;
use crate::error::Error;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::group::{Encoder, frame_bytes};
use crate::options::{Clock, WalOptions};
use crate::orders::Orders;
use crate::poison::Poison;
use crate::position::Sequence;
use crate::queue::{Appetite, Order, Pending};
use crate::segments::{CommitError, SegmentWriter};
use crate::shared::Shared;

/// How long to wait for a crowd to come back, as a part of the time the last sync took.
const PATIENCE_DIVISOR: u32 = 4;
/// And at most this.
const MAX_PATIENCE: Duration = Duration::from_millis(2);

/// The writer's own.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    options: WalOptions,
    clock: Clock,
    encoder: Encoder,
    active: Option<Active>,
    /// Whether the last group was refused for want of space.
    is_full: bool,
}

/// The segment that is being written.
struct Active {
    writer: Box<dyn SegmentWriter>,
    header: SegmentHeader,
    bytes: u64,
    created_ms: u64,
}

/// Poisons the queue if the writer ends in any other way than by closing.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let poison = Poison::from("the log's writer has panicked");
            self.0.queue.poison(&poison);
        }
    }
}

impl Active {
    /// What it is to readers.
    fn segment(&self) -> Segment {
        Segment {
            id: self.writer.id(),
            header: self.header,
            bytes: self.bytes,
        }
    }
}

/// Why the log takes no more appends after a commit has failed in another way than for want of space.
fn poison_of(error: &CommitError) -> Poison {
    match error {
        CommitError::Refused(error) | CommitError::Lost(error) => {
            Poison::from(error.to_string().as_str())
        }
        CommitError::Fenced(error) => {
            Poison::of_fence(error).unwrap_or_else(|| error.to_string().as_str().into())
        }
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, options: WalOptions, clock: Clock) -> Self {
        Self {
            shared,
            options,
            clock,
            encoder: Encoder::default(),
            active: None,
            is_full: false,
        }
    }

    /// Writes groups until the queue is closed and drained, or the log is poisoned.
    pub(crate) fn run(mut self) {
        let _alive = Alive(Arc::clone(&self.shared));
        let mut group = Vec::new();
        let max_bytes = self.options.max_group_bytes.max(1);
        let mut appetite = Appetite {
            last_group: 1,
            patience: Duration::ZERO,
            max_bytes,
        };
        loop {
            match self.shared.queue.take(appetite, &mut group) {
                Order::Write => {}
                Order::Roll(answer) => {
                    match self.roll() {
                        Ok(rolled) => drop(answer.send(Ok(rolled))),
                        Err(CommitError::Refused(error)) => {
                            let reason = Arc::from(error.to_string());
                            drop(answer.send(Err(Error::Full { reason })));
                        }
                        Err(error) => {
                            let poison = poison_of(&error);
                            drop(answer.send(Err(poison.error())));
                            self.poison(&poison, &mut group);
                            return;
                        }
                    }
                    continue;
                }
                Order::End => return,
            }
            let first = group
                .first()
                .map(|pending| pending.sequence)
                .unwrap_or_default();
            let started = Instant::now();
            match self.commit(&group) {
                Ok(()) => {
                    let took = started.elapsed();
                    if std::mem::take(&mut self.is_full) {
                        tracing::info!(%first, "there is space for the log again");
                    }
                    appetite.last_group = group.len();
                    appetite.patience = (took / PATIENCE_DIVISOR).min(MAX_PATIENCE);
                    self.record(group.len() as u64, took);
                    // Answered last: whoever is answered finds the entry in the catalog.
                    for (pending, position) in group.drain(..).zip(self.encoder.positions()) {
                        let _ = pending.answer.send(Ok(*position));
                    }
                }
                Err(CommitError::Refused(error)) => {
                    // Told once: whoever appends tries again and again.
                    if !std::mem::replace(&mut self.is_full, true) {
                        tracing::warn!(%error, "no space for a group of the log");
                    }
                    self.shared
                        .queue
                        .refuse(first, &Arc::from(error.to_string()), &mut group);
                }
                Err(error) => {
                    self.poison(&poison_of(&error), &mut group);
                    return;
                }
            }
            self.encoder.release();
        }
    }

    fn poison(&self, poison: &Poison, group: &mut Vec<Pending>) {
        tracing::error!(reason = %poison.error(), "the log takes no more appends");
        for pending in group.drain(..) {
            let _ = pending.answer.send(Err(poison.error()));
        }
        self.shared.queue.poison(poison);
    }

    /// Makes a group durable, in a new segment if it is time for one.
    fn commit(&mut self, group: &[Pending]) -> Result<(), CommitError> {
        let bytes: u64 = group.iter().map(frame_bytes).sum();
        let first = group
            .first()
            .map(|pending| pending.sequence)
            .unwrap_or_default();
        let mut active = match self.active.take() {
            Some(active) if !self.is_over(&active, bytes) => active,
            over => match self.create(first) {
                Ok(active) => active,
                Err(error) => {
                    // A refused creation leaves what there was usable.
                    self.active = over;
                    return Err(error);
                }
            },
        };
        self.encoder.encode(&active.header, active.bytes, group);
        let result = active.writer.commit(&mut self.encoder.slices());
        if result.is_ok() {
            active.bytes = active.bytes.saturating_add(bytes);
            let mut catalog = self.shared.catalog();
            catalog.insert(active.segment());
            catalog.end = group
                .last()
                .map_or(catalog.end, |pending| pending.sequence.next());
            drop(catalog);
            if self.shared.segments.wants_compaction() {
                self.shared.compaction.iter().for_each(Orders::wake);
            }
        }
        self.active = Some(active);
        result
    }

    /// Whether a segment should make room for a new one before `bytes` more.
    fn is_over(&self, active: &Active, bytes: u64) -> bool {
        if !active.writer.is_open() {
            return true;
        }
        let holds_frames = active.bytes > HEADER_BYTES as u64;
        let age = Duration::from_millis((self.clock)().saturating_sub(active.created_ms));
        let full = active.bytes.saturating_add(bytes) > self.options.segment_bytes;
        holds_frames && (full || age >= self.options.segment_age)
    }

    /// Leaves the newest segment for a new one that holds nothing yet, unless that is what it is. All that
    /// was taken before is durable, so the new one stands behind no gap; its name keeps the place where
    /// numbering goes on, so the one before can be deleted like any other.
    fn roll(&mut self) -> Result<bool, CommitError> {
        let (newest, end) = {
            let catalog = self.shared.catalog();
            (catalog.newest(), catalog.end)
        };
        if newest.is_none_or(|newest| newest.header.first >= end) {
            return Ok(false);
        }
        // A refused creation leaves what there was usable.
        let active = self.create(end)?;
        self.shared.catalog().insert(active.segment());
        self.active = Some(active);
        Ok(true)
    }

    fn create(&self, first: Sequence) -> Result<Active, CommitError> {
        let WalOptions {
            log_kind, epoch, ..
        } = self.options;
        let header = SegmentHeader {
            log_kind,
            epoch,
            first,
        };
        let writer = self.shared.segments.create(&header)?;
        let bytes = HEADER_BYTES as u64;
        Ok(Active {
            writer,
            header,
            bytes,
            created_ms: (self.clock)(),
        })
    }

    fn record(&self, appends: u64, took: Duration) {
        let bytes = self
            .encoder
            .positions()
            .iter()
            .map(|p| p.end() - p.offset)
            .sum::<u64>();
        let mut counts = self
            .shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.appends += appends;
        counts.syncs += 1;
        counts.synced_bytes = counts.synced_bytes.saturating_add(bytes);
        counts.last_sync_ms = Some((self.clock)());
        counts.latency.record(took);
    }
}
