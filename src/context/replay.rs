//! Replays: one batch that is still retained, computed again on a fork of a checkpoint before it.
//!
//! The fork is that of a [rehearsal](super::rehearse): nothing of the original is written, locked or claimed. The
//! driver's log says what each batch consisted of, so that the batches between the checkpoint and the one that is asked
//! for are run first and state is what it was then.

use serde::Serialize;
use tidemill_checkpoint::CheckpointReader;

use super::StreamingContext;
use super::examine::{Examined, Which};
use super::locations::Locations;
use super::settings::Settings;
use crate::dstream::Shown;
use crate::engine::{Engine, RehearsedBatch};
use crate::error::{Error, Result};
use crate::recovery::Metadata;
use crate::time::Time;
use crate::utc;

/// How a [replay](StreamingContext::replay) went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Where the checkpoints are.
    pub location: String,
    /// The number of the checkpoint from which it went on.
    pub checkpoint: u64,
    /// How many batches were run before it, for what it needs of them.
    pub batches_before: u64,
    /// Bytes of received data that were copied for it, and are gone again.
    pub copied_bytes: u64,
    /// The batch; the one before it that failed, if one did.
    pub batch: RehearsedBatch,
}

impl StreamingContext {
    /// Computes the batch at `time` again, with the state that there was then, committing nothing: outputs aren't called,
    /// what each would have been given is in the result. It goes on from the newest checkpoint that doesn't contain the
    /// batch, and runs those in between first. So it takes a program with a checkpoint, and a batch that is later than the
    /// oldest checkpoint that is kept; one that isn't complete yet is as good as any. See `docs/cli.md`.
    ///
    /// Looks only, as [`StreamingContext::rehearse`] does: a driver may be live meanwhile. Closures of operators do run.
    /// Direct sources must still have what they read then. The context is used up by it: it can't be started. Spark can't
    /// replay a batch.
    ///
    /// # Errors
    /// [`Error::NotRetained`] when the batch can't be had any more, or never was; else as
    /// [`StreamingContext::rehearse`]. A batch that fails is in the result.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # fn program() -> tidemill::Result<StreamingContext> {
    /// #     let context = StreamingContext::builder("totals", Duration::from_secs(1))
    /// #         .checkpoint("memory:doc-replay").disk_reserve(0).build()?;
    /// #     let (words, _queue) = context.queue_stream::<str>();
    /// #     words.count_by_value().print();
    /// #     Ok(context)
    /// # }
    /// # fn main() -> tidemill::Result<()> {
    /// # let context = program()?;
    /// # context.start()?;
    /// # context.stop(true)?;
    /// use tidemill::{Error, Time};
    ///
    /// // There was no such batch.
    /// let refused = program()?.replay(Time::from_millis(1)).unwrap_err();
    /// assert!(matches!(refused, Error::NotRetained { .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay(&self, time: Time) -> Result<Replay> {
        let all = Shown {
            rows: usize::MAX,
            characters: usize::MAX,
        };
        self.replay_shown(time, all)
    }

    /// As [`StreamingContext::replay`], with so much of the records.
    pub(crate) fn replay_shown(&self, time: Time, shown: Shown) -> Result<Replay> {
        let settings =
            self.only_to_look("a context that has been started can't replay; make a new one")?;
        let Some(mut examined) = self.examined(None, Which::Before(time))? else {
            return Err(not_before(&settings, time));
        };
        if !examined.plan.is_possible() {
            return Err(Error::Incompatible {
                location: examined.plan.location,
                differences: examined.plan.refusals,
            });
        }
        up_to(time, &mut examined)?;
        let (location, checkpoint) = (examined.plan.location.clone(), examined.manifest.id.0);
        let work = |engine: &Engine, unfinished: &[Time]| run(engine, unfinished, shown);
        let (ran, copied_bytes) = self.run_on_fork(&settings, examined, work)?;
        let (batches_before, batch) = ran.ok_or_else(|| refused(time, GONE.to_owned()))?;
        Ok(Replay {
            location,
            checkpoint,
            batches_before,
            copied_bytes,
            batch,
        })
    }
}

/// What only a driver that is live can do between two looks.
const GONE: &str = "it has been cleaned up just now";

fn refused(time: Time, reason: String) -> Error {
    Error::NotRetained { time, reason }
}

/// Leaves of what was examined what the batch at `time` needs.
fn up_to(time: Time, examined: &mut Examined) -> Result<()> {
    let metadata = &mut examined.metadata;
    // What was complete out of turn is run again with the others.
    metadata.completed.clear();
    let replayable = metadata.unfinished();
    if !replayable.contains(&time) {
        return Err(refused(
            time,
            no_such(time, &replayable, examined.plan.checkpoint),
        ));
    }
    let tracker = &mut metadata.tracker;
    tracker.allocated.retain(|other, _| *other <= time);
    tracker.unallocated.clear();
    tracker.last_allocated = Some(time);
    match only_in_memory(metadata) {
        None => Ok(()),
        Some(other) => Err(refused(
            time,
            format!(
                "what was received for the batch at {other} was never in a log ([wal] receiver = false)"
            ),
        )),
    }
}

/// A batch to be run of which received data is in no log.
fn only_in_memory(metadata: &Metadata) -> Option<Time> {
    let batches = metadata.unfinished().into_iter();
    batches
        .filter_map(|time| Some((time, metadata.tracker.allocated.get(&time)?)))
        .find(|(_, batch)| {
            let mut blocks = batch.blocks.values().flatten();
            blocks.any(|block| block.position.is_none())
        })
        .map(|(time, _)| time)
}

/// Why there is no batch of this time among those that can be replayed.
fn no_such(time: Time, replayable: &[Time], checkpoint: impl std::fmt::Display) -> String {
    let after = replayable.iter().find(|other| **other > time);
    let before = replayable.iter().rfind(|other| **other < time);
    let nearest: Vec<String> = before
        .into_iter()
        .chain(after)
        .map(|time| told(*time))
        .collect();
    match nearest.is_empty() {
        true => format!("no batch was made after checkpoint {checkpoint}"),
        false => format!(
            "there is no batch of this time; the nearest that can be replayed: {}",
            nearest.join(", ")
        ),
    }
}

/// Why there is no checkpoint before `time`.
fn not_before(settings: &Settings, time: Time) -> Error {
    let oldest = Locations::of(settings).and_then(|locations| {
        let reader = CheckpointReader::open(&locations.checkpoint)?;
        Ok(reader
            .list()?
            .into_iter()
            .rfind(|found| found.name.is_none()))
    });
    match oldest {
        Ok(Some(oldest)) => refused(
            time,
            format!(
                "the oldest checkpoint that is kept, {}, contains it already; batches after {} can be \
                 replayed",
                oldest.id,
                told(Time::from_millis(oldest.time_ms))
            ),
        ),
        Ok(None) | Err(Error::Checkpoint(tidemill_checkpoint::Error::NoStore { .. })) => {
            let place = settings.checkpoint.as_deref().unwrap_or("nowhere");
            refused(time, format!("there is no checkpoint at {place}"))
        }
        Err(error) => error,
    }
}

fn told(time: Time) -> String {
    format!("{} ({} UTC)", time.as_millis(), utc::for_people(time))
}

/// Runs them all; how many went before the last that was run.
fn run(engine: &Engine, batches: &[Time], shown: Shown) -> Option<(u64, RehearsedBatch)> {
    let (last, before) = batches.split_last()?;
    for (ran, time) in before.iter().enumerate() {
        let batch = engine.rehearse_unfinished(*time, Shown::NONE);
        if !batch.succeeded() {
            return Some((ran as u64, batch));
        }
    }
    Some((
        before.len() as u64,
        engine.rehearse_unfinished(*last, shown),
    ))
}
