//! Letting go of what is no longer needed: memory when a batch is past, bytes when a checkpoint says so.
//!
//! R8: a batch is cleaned up when it's complete, the older of the two newest checkpoints contains its
//! effect, and nothing reads its data any more. Bytes of the logs go after that event is durable, and
//! only up to where the older checkpoint's replay begins.

use tidemill_storage::failpoint;
use tidemill_wal::{Sequence, Wal};

use super::Engine;
use crate::block::{Allocation, Writer};
use crate::recovery::{BLOCK_LOG, DRIVER_LOG};
use crate::time::Time;

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
        self.truncate(self.intake.tracker.log(), DRIVER_LOG);
        if let Some(log) = self.intake.store.log() {
            self.truncate(log, BLOCK_LOG);
        }
        failpoint!("engine::after_truncate");
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
