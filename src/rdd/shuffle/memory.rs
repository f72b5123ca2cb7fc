//! [`ShuffleMemory`]: what all shuffles together hold in memory, and how much that may be.
//!
//! Whoever would hold more than that takes less at a time; where even the least has no room, the job is
//! ended with an error that says so, before the kernel ends the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Shuffles would hold more than they may. Whoever can take less at a time does.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "its shuffles hold {held} bytes, and may hold {limit} (`[memory] shuffle`, `Builder::shuffle_memory`), and what \
     is needed at once, such as all values of one key, is more: combine values rather than list them \
     (reduce_by_key for group_by_key), take less into a batch (a shorter batch interval, max_rate, \
     back-pressure), or raise the limit"
)]
pub(super) struct TooMuch {
    pub(super) held: u64,
    pub(super) limit: u64,
}

/// All slices under way may hold the limit over this, whatever else is held.
const SHARES: u64 = 4;

/// Bytes that shuffles hold, as far as they are known: what keys and values point to isn't.
#[derive(Debug, Default)]
pub(crate) struct ShuffleMemory {
    limit: OnceLock<u64>,
    held: AtomicU64,
    /// Passes over a shuffle's inputs for a slice.
    passes: AtomicU64,
}

impl ShuffleMemory {
    /// Sets the limit, once.
    pub(crate) fn limit(&self, bytes: u64) {
        let _ = self.limit.set(bytes);
    }

    pub(super) fn is_limited(&self) -> bool {
        self.limit.get().is_some()
    }

    /// A shuffle has read its inputs for one slice.
    pub(super) fn note_pass(&self) {
        self.passes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often shuffles have read their inputs for one slice.
    pub(crate) fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Nothing yet.
    pub(super) fn none(self: &Arc<Self>) -> Reserved {
        self.with_share(0)
    }

    /// Nothing yet, of one of as many slices at a time. Whatever others hold, each may hold its share, so that
    /// none waits for another: all together [a part](SHARES) of the limit, and beyond it if need be.
    pub(super) fn slice(self: &Arc<Self>, slices: usize) -> Reserved {
        let limit = self.limit.get().copied().unwrap_or(u64::MAX);
        self.with_share(limit / SHARES / slices.max(1) as u64)
    }

    fn with_share(self: &Arc<Self>, share: u64) -> Reserved {
        Reserved {
            of: Arc::clone(self),
            bytes: 0,
            share,
        }
    }
}

/// What one worker or one result holds of it; given back when it's dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    of: Arc<ShuffleMemory>,
    bytes: u64,
    share: u64,
}

impl Reserved {
    /// Whether there is a limit: nothing is counted without one.
    pub(super) fn is_limited(&self) -> bool {
        self.of.is_limited()
    }

    /// Says that it is so many bytes now; refused when all together are too many.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), TooMuch> {
        let Some(limit) = self.of.limit.get().copied() else {
            return Ok(());
        };
        let bytes = bytes as u64;
        let more = bytes.saturating_sub(self.bytes);
        let less = self.bytes.saturating_sub(bytes);
        self.bytes = bytes;
        let held = self.of.held.fetch_add(more, Ordering::Relaxed) + more;
        self.of.held.fetch_sub(less, Ordering::Relaxed);
        match more > 0 && held > limit && bytes > self.share {
            true => Err(TooMuch { held, limit }),
            false => Ok(()),
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.of.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
