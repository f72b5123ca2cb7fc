//! [`ObjectLog`]: a log in an object store, looked at and repaired as `repair` plans it.
//!
//! Looking here may list the store: repair is done with no owner about, and may take its time. So it finds
//! what an opening can't, which stops where the first few slots are free; and it can do without the head,
//! whose contents follow from the objects there are.
//!
//! # How a repair is carried out
//!
//! Slots are only ever created, so nothing is put in a damaged one's place. Each damaged object is first
//! copied to `quarantine-TIME/`. Then a *run* is created that covers the damaged slots: their good frames,
//! with holes, and headers alone for those of which nothing is kept. Last the head names the run, in one
//! step and only if it is still as it was read; at the same time it gets another owner, so that no driver
//! that was overlooked can change it any more. Until then the log is as it was, from then on as planned.
//!
//! Slots keep their numbers, also those behind a cut, and none becomes free by a repair: one that was lost
//! gets a fence, as does the one behind the last. What the run replaces is deleted as after a compaction,
//! and what of it remains is as harmless.

mod carry_out;
mod found;
mod sort;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{self as storage, ErrorKind, Objects, Version};

use super::head::{Head, RunRef};
use super::names::{Names, Slot};
use crate::error::{Error, Result};
use crate::options::LogKind;
use crate::position::{Entry, Sequence};
use crate::repair::{Examined, Loss};
use sort::Sorter;

/// A log in an object store, as it was found.
#[derive(Debug)]
pub struct ObjectLog {
    objects: Arc<dyn Objects>,
    names: Names,
    kind: LogKind,
    /// As it is, or as the objects say that it was.
    head: Head,
    /// The head's bytes, and what to replace them by; `None` if there is none.
    old: Option<(Bytes, Version)>,
    is_head_lost: bool,
    /// The slots that are objects, and their bytes.
    slots: BTreeMap<Slot, u64>,
    /// The names of runs, whether or not they are part of the log.
    runs: Vec<String>,
    /// What holds the log's slots, in order and without gaps.
    extents: Vec<Extent>,
}

/// Slots in a row, in one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    first: Slot,
    last: Slot,
    /// The run that holds them; `None` for a slot by itself.
    run: Option<RunRef>,
}

/// Reads the log of `kind` below `prefix`, and hands every entry that verifies to `each`, in order. `None`
/// when there is no object of a log. `location` is what to call the store in messages.
///
/// # Errors
/// When the store fails; [`Error::NewerVersion`] and [`Error::OtherKind`] when something is intact and not
/// ours to repair.
pub fn examine_objects(
    objects: Arc<dyn Objects>,
    prefix: &str,
    location: &str,
    kind: LogKind,
    each: &mut dyn FnMut(Entry),
) -> Result<Option<(ObjectLog, Examined)>> {
    let names = Names::new(prefix, location);
    let Some((mut log, problem)) = ObjectLog::find(objects, names, kind)? else {
        return Ok(None);
    };
    let begins =
        (!log.is_head_lost || log.head.oldest_slot == 0).then_some(log.head.oldest_sequence);
    let mut sorter = Sorter::new(kind, begins, each);
    for extent in &log.extents {
        for found in log.read(*extent)? {
            sorter.push(found)?;
        }
    }
    let segments = sorter.finish();
    let first = segments.first().map_or(Sequence(0), |first| first.name);
    let mut beside = Vec::new();
    if let Some(problem) = problem {
        log.head.oldest_sequence = first;
        let epochs = segments
            .iter()
            .filter_map(|segment| Some(segment.header?.epoch));
        log.head.epoch = epochs.chain([log.head.epoch]).max().unwrap_or_default();
        beside.push(Loss {
            file: log.names.place(&log.names.head()),
            offset: 0,
            entries: first..first,
            is_readable: false,
            may_be_more: false,
            problem: format!("{problem}; what it said follows from the objects there are"),
        });
    } else if first != log.head.oldest_sequence && !segments.is_empty() {
        return Err(Error::Corrupt {
            file: log.names.place(&log.names.slot(Slot(log.head.oldest_slot))),
            offset: 24,
            problem: format!(
                "it starts with sequence {first}, the log's head says that it is {}: repair can't say \
                 which is right",
                log.head.oldest_sequence
            ),
        });
    }
    let examined = Examined {
        segments,
        beside,
        tears: false,
    };
    Ok(Some((log, examined)))
}

impl ObjectLog {
    fn error(&self, operation: &'static str, name: &str, kind: ErrorKind, reason: &str) -> Error {
        let place = self.names.place(name);
        storage::Error::new(operation, place, kind, reason.to_owned()).into()
    }

    /// The slot that a segment of the plan is in.
    fn slot(&self, index: usize) -> Slot {
        Slot(self.head.oldest_slot).plus(index as u64)
    }
}
