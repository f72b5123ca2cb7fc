//! [`Checkpointer`]: cuts checkpoints at batch boundaries and writes them on a thread of its own.
//!
//! A cut takes what changed (cheap); encoding and writing it goes on beside the next batches. One
//! checkpoint is under way at a time. Changes of a checkpoint that couldn't be written go into the next.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidemill_checkpoint::{CheckpointStore, Draft, SeriesChanges};
use tidemill_storage::failpoint;
use tidemill_wal::LatencyHistogram;

use super::savepoint::Savepoint;
use super::{Boundary, CheckpointInfo, CheckpointStatus, Engine};
use crate::block::Writer;
use crate::clock::wall_clock;
use crate::error::Error;
use crate::rdd::{BoxError, TaskError, contained};
use crate::recovery::{BLOCK_LOG, DRIVER_LOG, History, Metadata};
use crate::scheduler::{CheckpointWrite, DELAY_BOUNDS, StreamingEvent};
use crate::state::{PendingChanges, STATE_FORMAT};
use crate::time::Time;

/// How many written checkpoints are remembered for the history.
const HISTORY: usize = 100;

/// How long to wait after a failed write before the next cut.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Answers whoever asked for a checkpoint.
pub(crate) type Answer = Sender<Result<CheckpointInfo, String>>;

pub(crate) struct Checkpointer {
    store: CheckpointStore,
    status: Mutex<Status>,
    cuts: Mutex<Option<Sender<Cut>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Status {
    /// Batch time between checkpoints.
    interval: Duration,
    shown: CheckpointStatus,
    history: VecDeque<CheckpointInfo>,
    /// How long this driver's took from the cut until they were durable.
    durations: LatencyHistogram,
    /// Who waits for the next cut.
    requests: Vec<Request>,
    last_cut: Time,
    not_before: Option<Instant>,
    /// What a failed write left to be written.
    unwritten: Option<Draft>,
}

/// Somebody wants a checkpoint.
struct Request {
    answer: Answer,
    /// Makes it a savepoint.
    name: Option<String>,
}

/// A checkpoint that has been cut.
struct Cut {
    savepoint: Option<Savepoint>,
    /// The blocks of the savepoint, once they are read.
    saved: Option<SeriesChanges>,
    draft: Draft,
    changes: Vec<(String, PendingChanges)>,
    /// Who waits for it, and whether for a savepoint.
    answers: Vec<(Answer, bool)>,
    started: Instant,
}

impl Checkpointer {
    pub(crate) fn new(
        store: CheckpointStore,
        location: &tidemill_storage::Location,
        interval: Duration,
        skipped: Vec<String>,
    ) -> Self {
        let (scheme, _) = location.to_string().split_once(':').map_or_else(
            || (String::new(), String::new()),
            |(scheme, rest)| (scheme.to_owned(), rest.to_owned()),
        );
        let newest = store.list().ok().and_then(|list| list.first().cloned());
        let shown = CheckpointStatus {
            location: location.to_string(),
            store: scheme,
            epoch: store.epoch().0,
            interval: crate::time::millis(interval),
            newest: newest.map(|summary| CheckpointInfo::of(&summary, 0)),
            verified: true,
            in_flight: None,
            written: 0,
            failures: 0,
            last_error: None,
            last_error_time: None,
            skipped_at_recovery: skipped,
            notices: store.notices().to_vec(),
            savepoints: Vec::new(),
        };
        Self {
            store,
            status: Mutex::new(Status {
                interval,
                shown,
                history: VecDeque::new(),
                durations: LatencyHistogram::new(&DELAY_BOUNDS),
                requests: Vec::new(),
                last_cut: Time::default(),
                not_before: None,
                unwritten: None,
            }),
            cuts: Mutex::default(),
            thread: Mutex::default(),
        }
    }

    /// Starts the writing thread.
    pub(crate) fn start(&self, engine: &Arc<Engine>) -> std::io::Result<()> {
        let (sender, receiver) = channel();
        let engine = Arc::downgrade(engine);
        let thread = std::thread::Builder::new()
            .name("tidemill-checkpoint".to_owned())
            .spawn(move || write_all(&engine, &receiver))?;
        *self.cuts.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Ends the writing thread when what was cut is written.
    pub(crate) fn stop(&self) {
        self.cuts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the checkpoint thread panicked");
        }
        for request in std::mem::take(&mut self.status().requests) {
            let _ = request.answer.send(Err(
                "the engine stopped before a checkpoint was cut".to_owned()
            ));
        }
    }

    pub(crate) fn store(&self) -> &CheckpointStore {
        &self.store
    }

    /// Whether a checkpoint should be cut now, every batch up to `complete` being in it.
    pub(crate) fn is_due(&self, complete: Time) -> bool {
        let status = self.status();
        let waited = status.not_before.is_none_or(|at| at <= Instant::now());
        let is_time = complete.since(status.last_cut) >= status.interval && waited;
        status.shown.in_flight.is_none() && (is_time || !status.requests.is_empty())
    }

    /// Goes on with another interval, and with another number of checkpoints to keep from the next one on.
    pub(crate) fn tune(&self, interval: Duration, retain: usize) {
        self.status().interval = interval;
        self.store.set_retain(retain);
    }

    pub(crate) fn is_requested(&self) -> bool {
        let status = self.status();
        status.shown.in_flight.is_none() && !status.requests.is_empty()
    }

    /// Asks for a checkpoint at the next boundary, and for a savepoint if it is given a name.
    pub(crate) fn request(&self, answer: Answer, name: Option<String>) {
        self.status().requests.push(Request { answer, name });
    }

    /// The time through which the older of the kept checkpoints is complete.
    pub(crate) fn oldest_time(&self) -> Option<Time> {
        self.store.oldest_time_ms().map(Time::from_millis)
    }

    /// The first entry of a log that a kept checkpoint needs.
    pub(crate) fn low_water(&self, log: &str) -> Option<u64> {
        self.store.low_water(log)
    }

    /// How checkpoints are doing.
    pub(crate) fn shown(&self) -> CheckpointStatus {
        let mut shown = {
            let status = self.status();
            CheckpointStatus {
                interval: crate::time::millis(status.interval),
                ..status.shown.clone()
            }
        };
        let kept = self.store.list().unwrap_or_default();
        let named = kept.iter().filter(|summary| summary.name.is_some());
        shown.savepoints = named
            .map(|summary| CheckpointInfo::of(summary, 0))
            .collect();
        shown
    }

    /// The checkpoints that this driver wrote of late, newest first.
    pub(crate) fn history(&self) -> Vec<CheckpointInfo> {
        self.status().history.iter().rev().cloned().collect()
    }

    /// How long this driver's checkpoints took from the cut until they were durable.
    pub(crate) fn durations(&self) -> LatencyHistogram {
        self.status().durations.clone()
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a cut and tells how it went.
    fn write(&self, cut: Cut) -> Result<CheckpointInfo, Error> {
        let Cut {
            mut draft,
            changes,
            started,
            saved,
            ..
        } = cut;
        let encoded = encode(changes);
        let written =
            encoded.map_err(|error| Error::Fatal(format!("state can't be written: {error}")));
        let written = written.and_then(|series| {
            draft.series = series;
            draft.series.extend(saved);
            if let Some(mut unwritten) = self.status().unwritten.take() {
                unwritten.absorb(std::mem::take(&mut draft));
                draft = unwritten;
            }
            failpoint!("engine::before_checkpoint_write");
            self.store.write(draft).map_err(|failed| {
                self.status().unwritten = Some(*failed.draft);
                Error::from(failed.error)
            })
        });
        failpoint!("engine::after_checkpoint_write");
        let mut status = self.status();
        status.shown.in_flight = None;
        match written {
            Ok(written) => {
                let duration = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let summary = tidemill_checkpoint::Summary::from(&written.manifest);
                let info = CheckpointInfo::of(&summary, duration);
                status.durations.record(Duration::from_millis(duration));
                status.shown.newest = Some(info.clone());
                status.shown.verified = true;
                status.shown.written += 1;
                status.shown.last_error = None;
                status.not_before = None;
                status.history.push_back(info.clone());
                if status.history.len() > HISTORY {
                    status.history.pop_front();
                }
                Ok(info)
            }
            Err(error) => {
                status.shown.failures += 1;
                status.shown.last_error = Some(error.to_string());
                status.shown.last_error_time = Some(wall_clock());
                status.last_cut = Time::default();
                status.not_before = Some(Instant::now() + RETRY_AFTER);
                Err(error)
            }
        }
    }
}

impl Cut {
    /// Makes it a savepoint, if it is to be one: names it and reads what it needs of the log.
    fn save(&mut self, engine: &Engine) -> Result<(), String> {
        let Some(savepoint) = self.savepoint.take() else {
            return Ok(());
        };
        let name = &savepoint.name;
        if engine.checkpointer.store.savepoint(name).is_ok() {
            return Err(format!("there is a savepoint `{name}` already"));
        }
        failpoint!("engine::before_savepoint_blocks");
        let series = savepoint.series(&engine.intake.store);
        failpoint!("engine::after_savepoint_blocks");
        self.saved = Some(series.map_err(|reason| format!("the savepoint `{name}`: {reason}"))?);
        self.draft.name = Some(savepoint.name);
        Ok(())
    }
}

fn encode(changes: Vec<(String, PendingChanges)>) -> Result<Vec<SeriesChanges>, BoxError> {
    let one = |(name, pending): (String, PendingChanges)| {
        let partitions = contained(|| pending().map_err(TaskError::Failed))?;
        Ok(SeriesChanges {
            name,
            format: STATE_FORMAT,
            partitions,
        })
    };
    changes.into_iter().map(one).collect()
}

impl Engine {
    /// Takes all that a checkpoint needs. The caller holds the boundary.
    fn take_cut(&self, boundary: &Boundary) -> Cut {
        let started = Instant::now();
        // Before the tracker's snapshot: a block that becomes known in between is counted twice, never
        // missed. Positions after it, for the same reason: plans may be accepted twice.
        let first_unnamed = self.intake.store.first_unnamed();
        let tracker = self.intake.tracker.snapshot();
        let positions = self.direct.iter();
        let positions = positions
            .map(|input| (input.node.core().uid(), input.source.position()))
            .collect();
        let nodes = self.registry.nodes();
        let changes = nodes.iter().filter_map(|node| {
            let state = node.core().state.as_ref()?;
            Some((node.core().uid().to_string(), state.take_changes()))
        });
        let changes: Vec<(String, PendingChanges)> = changes
            .chain(self.registry.accumulators.take_changes())
            .collect();
        let mut low_water = std::collections::BTreeMap::new();
        low_water.insert(DRIVER_LOG.to_owned(), tracker.replay_from);
        if let Some(unnamed) = first_unnamed {
            let first = tracker
                .first_block()
                .map_or(unnamed, |first| first.min(unnamed));
            low_water.insert(BLOCK_LOG.to_owned(), first);
        }
        let identity = &self.identity;
        let metadata = Metadata {
            format: Metadata::FORMAT,
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            application: identity.application.clone(),
            batch_interval_ms: crate::time::millis(identity.batch_interval),
            zero_time: identity.zero_time,
            hash_seed: identity.hash_seed,
            graph: identity.graph.clone(),
            program: self
                .program
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            complete_through: boundary.complete_through,
            completed: boundary.completed.clone(),
            tracker,
            positions,
            rate_estimate: None,
            rates: self.backpressure.latest(),
            savepoint: identity.savepoint,
            savepoint_name: identity.savepoint_name.clone(),
            history: self.history(boundary),
        };
        let metadata = metadata.encode().unwrap_or_else(|error| {
            // Plain data in plain containers: this can't fail, and an empty one would be refused.
            tracing::error!(%error, "a checkpoint's metadata can't be written");
            bytes::Bytes::new()
        });
        let draft = Draft {
            time_ms: boundary.complete_through.as_millis(),
            created_ms: wall_clock().as_millis(),
            metadata,
            low_water,
            ..Draft::default()
        };
        Cut {
            draft,
            changes,
            answers: Vec::new(),
            started,
            savepoint: None,
            saved: None,
        }
    }

    /// The figures of the batches that are in a checkpoint cut now. That of the batch that has just taken
    /// effect ends here, as far as the checkpoint knows.
    fn history(&self, boundary: &Boundary) -> History {
        let is_in_it =
            |time| time <= boundary.complete_through || boundary.completed.contains(&time);
        let now = self.clock.now();
        self.progress
            .look_back(now, is_in_it, |batches| History::of(batches))
    }

    /// Cuts a checkpoint and hands it to the writing thread. The caller holds the boundary.
    pub(super) fn cut_checkpoint(&self, boundary: &Boundary) {
        let mut cut = self.take_cut(boundary);
        let mut name = None;
        {
            let mut status = self.checkpointer.status();
            status.shown.in_flight = Some(wall_clock());
            status.last_cut = boundary.complete_through;
            // A checkpoint has one name: who wants another gets the next.
            for request in std::mem::take(&mut status.requests) {
                match (&name, &request.name) {
                    (Some(taken), Some(wanted)) if taken != wanted => {
                        status.requests.push(request);
                        continue;
                    }
                    (None, Some(_)) => name.clone_from(&request.name),
                    _ => {}
                }
                cut.answers.push((request.answer, request.name.is_some()));
            }
        }
        cut.savepoint = name.map(|name| self.savepoint_of(name, &cut.draft));
        let sender = self
            .checkpointer
            .cuts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // The thread ends only after the sender is gone.
            let _ = sender.send(cut);
        }
    }

    /// The savepoint that a draft is to be. The caller holds the boundary.
    fn savepoint_of(&self, name: String, draft: &Draft) -> Savepoint {
        let held = Metadata::decode(&draft.metadata, "the checkpoint that is being cut");
        let blocks = held.map(|held| held.blocks_to_read()).unwrap_or_default();
        Savepoint { name, blocks }
    }

    /// Cuts and writes a checkpoint on this thread; for the start and the end, when nothing else runs.
    pub(crate) fn write_checkpoint_now(&self) -> Result<CheckpointInfo, Error> {
        let cut = {
            let boundary = self.boundary();
            if boundary.is_taking_effect {
                return Err(Error::Fatal(
                    "no checkpoint can be written: a batch that fails has taken effect only in part; the next \
                     start goes on from the checkpoint before it"
                        .to_owned(),
                ));
            }
            self.checkpointer.status().last_cut = boundary.complete_through;
            self.take_cut(&boundary)
        };
        self.write_checkpoint(cut)
    }

    /// Writes what was cut, and tells of it.
    fn write_checkpoint(&self, cut: Cut) -> Result<CheckpointInfo, Error> {
        let batch_time = Time::from_millis(cut.draft.time_ms);
        let start_time = Time::from_millis(cut.draft.created_ms);
        let started = cut.started;
        let written = self.checkpointer.write(cut);
        self.bus
            .post(StreamingEvent::CheckpointCompleted(CheckpointWrite {
                batch_time,
                epoch: self.checkpointer.store.epoch().0,
                start_time,
                end_time: start_time.plus(started.elapsed()),
                new_bytes: written.as_ref().map_or(0, |info| info.new_bytes),
                failure_reason: written.as_ref().err().map(Error::to_string),
            }));
        written
    }

    /// Cleans up, once a checkpoint is durable.
    fn after_checkpoint(&self) {
        self.clean_up();
        // A request that came while this one was written is served now, not at the next batch.
        if self.checkpointer.is_requested()
            && let Some(scheduler) = self.scheduler()
        {
            scheduler.wake_between();
        }
    }
}

/// The writing thread.
fn write_all(engine: &Weak<Engine>, cuts: &Receiver<Cut>) {
    while let Ok(mut cut) = cuts.recv() {
        let Some(engine) = engine.upgrade() else {
            return;
        };
        let answers = std::mem::take(&mut cut.answers);
        // Without its blocks it is a checkpoint like any other, and who wanted more is told.
        let saved = cut.save(&engine);
        let result = engine.write_checkpoint(cut);
        let answer = result
            .as_ref()
            .map(CheckpointInfo::clone)
            .map_err(Error::to_string);
        answers.into_iter().for_each(|(waiting, for_savepoint)| {
            let _ = waiting.send(match &saved {
                Err(reason) if for_savepoint => Err(reason.clone()),
                _ => answer.clone(),
            });
        });
        match result {
            Ok(info) => {
                engine.intake.gate.accepted(&Writer::Checkpoint);
                tracing::debug!(
                    id = info.id,
                    time = info.time.as_millis(),
                    bytes = info.new_bytes,
                    ms = info.duration,
                    "checkpoint"
                );
                engine.after_checkpoint();
            }
            Err(error) if is_final(&error) => engine.troubles.fatal(error),
            Err(error) => {
                if is_full(&error) {
                    engine.intake.gate.refused(Writer::Checkpoint, &error);
                }
                tracing::error!(%error, "a checkpoint couldn't be written; the ones before are whole, \
                    and it is tried again");
            }
        }
    }
}

/// Whether no further checkpoint can be written by this driver: it was succeeded, or the changes of state in
/// this one couldn't be encoded and would be missing from the next.
fn is_final(error: &Error) -> bool {
    use tidemill_checkpoint::Error as Store;
    matches!(
        error,
        Error::Fatal(_) | Error::Checkpoint(Store::Fenced { .. })
    )
}

/// Whether there was no room for it.
fn is_full(error: &Error) -> bool {
    matches!(error, Error::Checkpoint(tidemill_checkpoint::Error::Storage(error)) if error.is_full())
}
