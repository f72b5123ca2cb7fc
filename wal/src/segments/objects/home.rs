//! [`Home`]: what all that is done to a log in an object store works on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use tidemill_storage::{self as storage, ErrorKind, Objects};

use super::layout::{Layout, Spot};
use super::names::{Names, Slot};
use crate::error::{Error, Result};
use crate::options::{LogKind, WalOptions};

/// How many requests are on their way at once where order doesn't matter.
pub(super) const WIDTH: usize = 16;

/// A log's objects, and what is known of them.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) names: Names,
    /// Tells this owner from another that was given the same epoch.
    pub(super) nonce: u64,
    state: Mutex<State>,
    /// Held while the head is changed.
    pub(super) changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    layout: Layout,
    ours: Option<Ours>,
    garbage: Garbage,
}

/// What the owner was told when it took the log over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ours {
    pub(super) log_kind: LogKind,
    pub(super) epoch: u64,
    /// How many small segments make a run; below 2: none do.
    pub(super) compact_segments: usize,
    pub(super) small_segment_bytes: u64,
    pub(super) run_bytes: u64,
}

impl Ours {
    pub(super) fn of(options: &WalOptions) -> Self {
        Self {
            log_kind: options.log_kind,
            epoch: options.epoch,
            compact_segments: options.compact_segments,
            small_segment_bytes: options.small_segment_bytes,
            run_bytes: options.segment_bytes,
        }
    }
}

/// Objects that aren't part of the log any more.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    /// Those that couldn't be deleted.
    pub(super) left: Vec<String>,
    /// Whether what earlier owners left has been looked for.
    pub(super) is_swept: bool,
    /// Before this slot is taken there is no point in looking for something to put together.
    pub(super) compact_from: Slot,
}

impl Home {
    pub(super) fn new(objects: Arc<dyn Objects>, names: Names, nonce: u64) -> Self {
        Self {
            objects,
            names,
            nonce,
            state: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at, or changes, what is known of the slots. Never around a request.
    pub(super) fn layout<T>(&self, look: impl FnOnce(&mut Layout) -> T) -> T {
        look(&mut self.state().layout)
    }

    pub(super) fn garbage<T>(&self, look: impl FnOnce(&mut Garbage) -> T) -> T {
        look(&mut self.state().garbage)
    }

    pub(super) fn ours(&self) -> Option<Ours> {
        self.state().ours
    }

    pub(super) fn set_ours(&self, ours: Ours) {
        self.state().ours = Some(ours);
    }

    /// The owner's terms; an error for who only looks.
    pub(super) fn owner(&self) -> Result<Ours> {
        self.ours().ok_or_else(|| {
            let reason = "the log was opened for reading only";
            self.error(
                "write to",
                &self.names.log(),
                ErrorKind::Unsupported,
                reason,
            )
        })
    }

    pub(super) fn error(
        &self,
        operation: &'static str,
        place: &str,
        kind: ErrorKind,
        reason: impl Into<String>,
    ) -> Error {
        storage::Error::new(operation, place, kind, reason.into()).into()
    }

    /// What to call a slot, and what is at `offset` of its segment.
    pub(super) fn place(&self, slot: Slot, offset: u64) -> (String, u64) {
        let spot = self.layout(|layout| layout.spot(slot));
        match spot {
            Some(Spot::In(run, start, _)) => {
                let name = self.names.run(run.reference.name());
                (self.names.place(&name), start.saturating_add(offset))
            }
            _ => (self.names.place(&self.names.slot(slot)), offset),
        }
    }

    /// Reads ranges of several objects, side by side: `(name, offset, length)`.
    pub(super) fn read_many(&self, wanted: &[(String, u64, usize)]) -> Vec<Result<Option<Bytes>>> {
        side_by_side(wanted, |(name, offset, len)| {
            Ok(self.objects.get_range(name, *offset, *len)?)
        })
    }
}

/// Does `request` for each of `wanted`, a few at a time, and gives the answers in their order.
pub(super) fn side_by_side<W: Sync, T: Send>(
    wanted: &[W],
    request: impl Fn(&W) -> T + Sync,
) -> Vec<T> {
    let mut answers = Vec::with_capacity(wanted.len());
    for few in wanted.chunks(WIDTH) {
        let Some((first, others)) = few.split_first() else {
            continue;
        };
        let request = &request;
        thread::scope(|scope| {
            let begun: Vec<_> = others
                .iter()
                .map(|other| {
                    let thread = thread::Builder::new().name("tidemill-wal-get".into());
                    (other, thread.spawn_scoped(scope, move || request(other)))
                })
                .collect();
            answers.push(request(first));
            for (other, thread) in begun {
                // One that couldn't be started, or panicked, is done here.
                let answer = thread.ok().and_then(|thread| thread.join().ok());
                answers.push(answer.unwrap_or_else(|| request(other)));
            }
        });
    }
    answers
}
