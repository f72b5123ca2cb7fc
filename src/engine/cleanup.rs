//! Letting go of what is no longer needed: memory when a batch is past, bytes when a checkpoint says so.
//!
//! R8: a batch is cleaned up when it's complete, the older of the two newest checkpoints contains its
//! effect, and nothing reads its data any more. Bytes of the logs go after that event is durable, and
//! only up to where the older checkpoint's replay begins.
//!
//! A log gives room in whole segments, and the newest stays. Where sources are held back for want of room
//! nothing makes the newest grow full, and without more room nothing lets them go on: then it is left for a
//! new one, and goes when two checkpoints more have passed it.

use tidemill_storage::failpoint;
use tidemill_wal::{Sequence, Wal};

use super::Engine;
use crate::block::{Allocation, Writer};
use crate::error::Error;
use crate::recovery::{BLOCK_LOG, DRIVER_LOG};
use crate::time::Time;

/// From how many bytes on a segment is worth being left where there is little room: what takes its place is
/// a block of the file system or two, and a few syncs.
const WORTH_LEAVING: u64 = 16 << 10;

impl Engine {
    /// Lets go of the memory of blocks that no later batch reads. They stay in the log, if there is one;
    /// without one, only a restart could ask for them again, and that would not have this memory.
    pub(super) fn release_memory(&self, complete: Time) {
        let past = complete.minus(self.memory);
        self.direct
            .iter()
            .for_each(|input| input.source.released(past));
        let times: Vec<Time> = {
            let mut boundary = self.boundary();
            let released = std::mem::replace(&mut boundary.released_through, past);
            let passed = boundary.completed.range(..=past).rev();
            passed
                .copied()
                .take_while(|time| *time > released)
                .collect()
        };
        // One that completes out of order after this stays until it is cleaned up.
        for time in times {
            if let Some(allocation) = self.intake.tracker.allocation(time) {
                self.forget_blocks(&allocation);
            }
        }
    }

    fn forget_blocks(&self, allocation: &Allocation) {
        for (stream, blocks) in &allocation.blocks {
            blocks
                .iter()
                .for_each(|block| self.intake.store.remove(stream, block.id));
        }
    }

    /// A checkpoint is durable: cleans up behind the older one of the two newest.
    pub(super) fn clean_up(&self) {
        let Some(horizon) = self.checkpointer.oldest_time() else {
            return;
        };
        if let Err(error) = self.prove_ownership() {
            tracing::warn!(%error, "nothing is cleaned up now");
            return;
        }
        let times: Vec<Time> = {
            let boundary = self.boundary();
            let past = horizon.min(boundary.complete_through.minus(self.memory));
            boundary
                .completed
                .iter()
                .copied()
                .take_while(|time| *time <= past)
                .collect()
        };
        match self.intake.tracker.clean_up(&times) {
            Ok(cleaned) => {
                self.intake.gate.accepted(&Writer::DriverLog);
                cleaned
                    .iter()
                    .for_each(|allocation| self.forget_blocks(allocation));
                let mut boundary = self.boundary();
                boundary.completed.retain(|time| !times.contains(time));
            }
            // The next checkpoint tries again. What earlier clean-ups let go may go now: that is room.
            Err(error) if error.is_full() => self.intake.gate.refused(Writer::DriverLog, &error),
            Err(error) if error.is_closed() => return,
            Err(error) => {
                self.troubles.fatal(error.into_fatal());
                return;
            }
        }
        failpoint!("engine::before_truncate");
        let logs = || {
            let blocks = self.intake.store.log().map(|log| (log, BLOCK_LOG));
            [(self.intake.tracker.log(), DRIVER_LOG)]
                .into_iter()
                .chain(blocks)
        };
        // First what makes room without taking any.
        logs().for_each(|(log, name)| self.truncate(log, name));
        if self.intake.gate.shut().is_some() {
            logs().for_each(|(log, name)| self.leave_segment(log, name));
        }
        failpoint!("engine::after_truncate");
    }

    /// Has a log go on in a new segment, and lets the one before go if nothing in it is needed.
    fn leave_segment(&self, log: &Wal, name: &str) {
        match log.roll(WORTH_LEAVING) {
            Ok(true) => {
                tracing::debug!(log = name, "left a segment, so that it can be removed");
                self.truncate(log, name);
            }
            Ok(false) | Err(tidemill_wal::Error::Closed) => {}
            // The next clean-up tries again: nothing has changed.
            Err(error @ tidemill_wal::Error::Full { .. }) => {
                tracing::debug!(log = name, %error, "a segment couldn't be left");
            }
            Err(error) => self.troubles.fatal(Error::Log {
                log: name.to_owned(),
                error: Box::new(error),
            }),
        }
    }

    fn truncate(&self, log: &Wal, name: &str) {
        let Some(low_water) = self.checkpointer.low_water(name) else {
            return;
        };
        match log.truncate_before(Sequence(low_water)) {
            Ok(truncated) if truncated.segments > 0 => {
                tracing::debug!(
                    log = name,
                    segments = truncated.segments,
                    bytes = truncated.bytes,
                    "removed old segments"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(log = name, %error, "old segments couldn't be removed"),
        }
    }
}
