//! [`RunIndex`]: what a run holds: the bytes of slots in a row, one behind the other, behind an index.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::head::RunRef;
use super::known::Known;
use super::names::Slot;
use crate::error::{Error, Result};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::format::sealed::{self, RecordKind};
use crate::options::LogKind;
use crate::position::Sequence;

/// The format of a run's index.
pub const RUN: RecordKind = RecordKind {
    magic: *b"TIDERUNX",
    version: 1,
    name: "the index of a run",
};

/// The front of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RunIndex {
    slots: Vec<IndexEntry>,
}

/// One slot: its number, where its bytes begin (counted from the end of the index), how many they are,
/// its first sequence number and its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct IndexEntry(u64, u64, u32, u64, u64);

/// A run whose index has been read.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) reference: RunRef,
    /// Its slots and where in the object each begins; empty when the index can't be trusted.
    pub(super) slots: Vec<(Known, u64)>,
}

/// The sealed index of `slots`, the first of which is `first`.
pub(super) fn encode_index(log_kind: LogKind, first: Slot, slots: &[Known]) -> Result<Bytes> {
    let mut offset = 0_u64;
    let mut number = first;
    let entry = |known: &Known| {
        let Known { header, bytes } = *known;
        let entry = IndexEntry(number.0, offset, bytes, header.first.0, header.epoch);
        offset = offset.saturating_add(u64::from(bytes));
        number = number.next();
        entry
    };
    let slots = slots.iter().map(entry).collect();
    sealed::seal(RUN, log_kind, &RunIndex { slots })
}

/// Reads the index of the run that the head names so; `place` is the object's.
pub(super) fn decode_index(place: &str, reference: RunRef, bytes: &[u8]) -> Result<Run> {
    let (log_kind, index): (_, RunIndex) = sealed::open(RUN, place, bytes)?;
    let mut slots = Vec::with_capacity(index.slots.len());
    let mut expected = (reference.first, 0_u64);
    for IndexEntry(slot, offset, bytes, first, epoch) in index.slots {
        if (slot, offset) != expected || (bytes as usize) < HEADER_BYTES {
            let problem = format!(
                "its index has slot {slot} of {bytes} bytes at {offset}, where slot {} at {} should be",
                expected.0, expected.1
            );
            return Err(damaged(place, problem));
        }
        expected = (
            slot.saturating_add(1),
            offset.saturating_add(u64::from(bytes)),
        );
        let header = SegmentHeader {
            log_kind,
            epoch,
            first: Sequence(first),
        };
        slots.push((
            Known { header, bytes },
            reference.index.saturating_add(offset),
        ));
    }
    let (behind, end) = (expected.0, reference.index.saturating_add(expected.1));
    if behind != reference.last.saturating_add(1) || end != reference.bytes {
        let problem = format!(
            "its index ends before slot {behind} and byte {end}, the head says slot {} and byte {}",
            reference.last.saturating_add(1),
            reference.bytes
        );
        return Err(damaged(place, problem));
    }
    Ok(Run { reference, slots })
}

fn damaged(place: &str, problem: String) -> Error {
    Error::Corrupt {
        file: place.to_owned(),
        offset: sealed::SEALED_HEADER_BYTES as u64,
        problem,
    }
}
