//! The writer: one thread that turns what is queued into durable groups.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::Segment;
use crate::compactor::Compactor;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::group::{Encoder, frame_bytes};
use crate::options::{Clock, WalOptions};
use crate::poison::Poison;
use crate::position::Sequence;
use crate::queue::{Appetite, Pending};
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

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, options: WalOptions, clock: Clock) -> Self {
        Self {
            shared,
            options,
            clock,
            encoder: Encoder::default(),
            active: None,
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
            self.shared.queue.take_group(appetite, &mut group);
            let Some(first) = group.first().map(|pending| pending.sequence) else {
                return;
            };
            let started = Instant::now();
            match self.commit(&group) {
                Ok(()) => {
                    let took = started.elapsed();
                    appetite.last_group = group.len();
                    appetite.patience = (took / PATIENCE_DIVISOR).min(MAX_PATIENCE);
                    self.record(group.len() as u64, took);
                    // Answered last: whoever is answered finds the entry in the catalog.
                    for (pending, position) in group.drain(..).zip(self.encoder.positions()) {
                        let _ = pending.answer.send(Ok(*position));
                    }
                }
                Err(CommitError::Refused(error)) => {
                    tracing::warn!(%error, "no space for a group of the log");
                    self.shared
                        .queue
                        .refuse(first, &Arc::from(error.to_string()), &mut group);
                }
                Err(CommitError::Lost(error)) => {
                    tracing::error!(%error, "the log takes no more appends");
                    self.poison(&Poison::from(error.to_string().as_str()), &mut group);
                    return;
                }
                Err(CommitError::Fenced(error)) => {
                    tracing::error!(%error, "the log takes no more appends");
                    let poison = Poison::of_fence(&error);
                    let poison = poison.unwrap_or_else(|| error.to_string().as_str().into());
                    self.poison(&poison, &mut group);
                    return;
                }
            }
            self.encoder.release();
        }
    }

    fn poison(&self, poison: &Poison, group: &mut Vec<Pending>) {
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
            let segment = Segment {
                id: active.writer.id(),
                header: active.header,
                bytes: active.bytes,
            };
            catalog.segments.insert(active.header.first, segment);
            catalog.end = group
                .last()
                .map_or(catalog.end, |pending| pending.sequence.next());
            drop(catalog);
            if self.shared.segments.wants_compaction() {
                self.shared.compactor.iter().for_each(Compactor::wake);
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
