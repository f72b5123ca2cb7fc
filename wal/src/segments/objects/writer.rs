//! Committing a group: one object, created in the next slot if that is free.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{self as storage, ErrorKind, PutOutcome, failpoint};

use super::home::Home;
use super::known::Known;
use super::names::Slot;
use crate::error::Error;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::segments::{CommitError, SegmentId, SegmentWriter};

/// A segment that becomes an object when its one group is committed.
#[derive(Debug)]
pub(super) struct SlotWriter {
    home: Arc<Home>,
    header: SegmentHeader,
    slot: Slot,
    is_open: bool,
}

impl SlotWriter {
    pub(super) fn new(home: Arc<Home>, header: SegmentHeader) -> Self {
        let slot = home.layout(|layout| layout.next);
        Self {
            home,
            header,
            slot,
            is_open: true,
        }
    }

    fn error(&self, kind: ErrorKind, reason: String) -> storage::Error {
        let name = self.home.names.slot(self.slot);
        storage::Error::new("create", self.home.names.place(&name), kind, reason)
    }

    /// The slot is taken: by whom?
    fn conflict(&self) -> CommitError {
        let name = self.home.names.slot(self.slot);
        let place = self.home.names.place(&name);
        let taken = |reason| CommitError::Lost(self.error(ErrorKind::AlreadyExists, reason));
        let bytes = match self.home.objects.get_range(&name, 0, HEADER_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return match self.home.our_head() {
                    Err(fenced @ Error::Fenced { .. }) => CommitError::Fenced(fenced),
                    _ => taken("the slot was taken, and is free again".into()),
                };
            }
            Err(error) => return CommitError::Lost(error),
        };
        match SegmentHeader::decode_slot(&place, self.slot.0, &bytes) {
            Ok((found, _)) if found.epoch > self.header.epoch => {
                CommitError::Fenced(Error::Fenced {
                    place,
                    found: found.epoch,
                    ours: self.header.epoch,
                })
            }
            Ok((found, _)) => taken(format!("the slot was taken in epoch {}", found.epoch)),
            Err(error) => taken(format!("the slot is taken: {error}")),
        }
    }
}

impl SegmentWriter for SlotWriter {
    fn id(&self) -> SegmentId {
        SegmentId(self.slot.0)
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    fn commit(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<(), CommitError> {
        self.is_open = false;
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let total = total.saturating_add(HEADER_BYTES);
        let Ok(bytes) = u32::try_from(total) else {
            let reason = format!("a group of {total} bytes is too large for an object");
            return Err(CommitError::Lost(
                self.error(ErrorKind::Unsupported, reason),
            ));
        };
        let mut object = Vec::with_capacity(total);
        object.extend_from_slice(&self.header.encode_slot(self.slot.0, bytes));
        buffers
            .iter()
            .for_each(|buffer| object.extend_from_slice(buffer));
        let (name, header) = (self.home.names.slot(self.slot), self.header);
        failpoint!("wal::before_slot_put");
        let outcome = self.home.objects.put_new(&name, Bytes::from(object));
        failpoint!("wal::after_slot_put");
        match outcome {
            Ok(PutOutcome::Written) => {
                let known = Some(Known { header, bytes });
                self.home.layout(|layout| layout.insert(self.slot, known));
                Ok(())
            }
            Ok(PutOutcome::Conflict) => Err(self.conflict()),
            Err(error) => Err(CommitError::Lost(error)),
        }
    }
}
