//! Cutting off a log's beginning, also where it has but one segment.

use std::sync::PoisonError;

use super::Wal;
use crate::error::{Error, Result};
use crate::position::Sequence;

/// What [`Wal::truncate_before`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Truncated {
    /// Segments deleted.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest sequence number that is left.
    pub oldest_sequence: Sequence,
}

impl Wal {
    /// Leaves the newest segment for a new one if it has `at_least` so many bytes, so that it can be
    /// truncated away once its entries are old, though nothing more is appended. The new one is durable when
    /// this returns; it holds nothing yet but the place where numbering goes on. Says whether there is a new
    /// one: there isn't where the newest segment has no entries, nor in an object store, where each group is
    /// a segment.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no space for a new segment: nothing has changed then. Otherwise as an
    /// append, and like one it poisons the log when it can't be known what is durable.
    pub fn roll(&self, at_least: u64) -> Result<bool> {
        let shared = &self.inner.shared;
        let newest = self.catalog().newest();
        if !shared.segments.gathers() || newest.is_none_or(|newest| newest.bytes < at_least) {
            return Ok(false);
        }
        match shared.queue.roll().recv() {
            Ok(rolled) => rolled,
            // Only if the writer panicked, which poisons the log as well.
            Err(_) => Err(Error::Poisoned {
                reason: "the log's writer has ended".into(),
            }),
        }
    }

    /// Deletes the segments whose every entry is older than `sequence`, oldest first, so that after a
    /// crash what is left has no gap. The newest segment always stays (see [`roll`](Self::roll)), and so does
    /// what a [`Replay`](crate::Replay) has yet to read.
    pub fn truncate_before(&self, sequence: Sequence) -> Result<Truncated> {
        let _one = self
            .inner
            .truncation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let shared = &self.inner.shared;
        let (older, oldest) = {
            // Out of the catalog first, so that no replay starts on them.
            let mut catalog = self.catalog();
            let older = catalog.before(sequence);
            for old in &older {
                catalog.segments.remove(&old.header.first);
            }
            let oldest = catalog.segments.values().next().copied();
            (older, oldest)
        };
        let (mut removed, mut failure) = (0, None);
        if let Some(oldest) = oldest.filter(|_| !older.is_empty()) {
            let ids: Vec<_> = older.iter().map(|old| old.id).collect();
            let truncation = shared
                .segments
                .truncate(&ids, oldest.id, oldest.header.first);
            removed = truncation.removed;
            failure = truncation.failure;
        }
        let mut catalog = self.catalog();
        for left in older.iter().skip(removed) {
            catalog.segments.insert(left.header.first, *left);
        }
        let oldest_sequence = catalog.oldest();
        drop(catalog);
        if let Some(error) = failure {
            shared.heed(&error);
            return Err(error);
        }
        let removed = older.iter().take(removed);
        Ok(Truncated {
            segments: removed.len() as u64,
            bytes: removed.map(|old| old.bytes).sum(),
            oldest_sequence,
        })
    }
}
