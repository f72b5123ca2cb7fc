//! [`Queue`]: appends on their way to the writer.
//!
//! Numbers are given out under the queue's lock, so that the order of numbers is the order of the
//! queue. The writer says how many appends are worth waking it for, so that appenders that arrive
//! in a crowd wake it once.
//!
//! # Gathering
//!
//! Appenders that wait for their answer before they append again arrive in two crowds if the writer
//! takes whatever is there the moment a sync ends: those just answered, and those that came during
//! the sync. So the writer waits, for a fraction of the last sync's time at most, until as many have
//! come as the last group had; the crowds merge, and each sync serves all. A lone appender never makes
//! it wait: its groups have one append. As this wait is shorter than it takes to put a thread to sleep
//! and wake it again, the writer doesn't sleep in it, it yields.
//!
//! # The limit
//!
//! What waits is bounded in bytes, so that a store that answers slowly doesn't fill the memory. An append
//! over the limit is answered at once with [`Error::Busy`], as one over the disk's space is with
//! [`Error::Full`]: callers who wait asynchronously have to try again for the one as for the other, and a
//! queue that blocked them would stop the runtime they share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crc32fast::Hasher;

use crate::append::{Answer, Append};
use crate::error::{Error, Result};
use crate::format::frame::{GROUP_START, MAX_PAYLOAD_BYTES};
use crate::poison::Poison;
use crate::position::Sequence;

/// From this size on a payload's checksum is computed by its appender, not by the writer for all.
const LARGE_PAYLOAD_BYTES: usize = 16 << 10;

/// An append on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) sequence: Sequence,
    pub(crate) kind: u8,
    pub(crate) len: u32,
    pub(crate) parts: Vec<Bytes>,
    /// What a large payload hashes to.
    pub(crate) hashed: Option<Hasher>,
    pub(crate) answer: Answer,
}

/// Where it is told whether the log has gone on in a new segment.
pub(crate) type Rolled = Sender<Result<bool>>;

/// What the writer is to do next.
#[derive(Debug)]
pub(crate) enum Order {
    /// Write the group.
    Write,
    /// Go on in a new segment.
    Roll(Rolled),
    /// There won't be anything more.
    End,
}

/// What the writer waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appetite {
    /// Appends in the last group.
    pub(crate) last_group: usize,
    /// How long to wait for as many.
    pub(crate) patience: Duration,
    /// Bytes of payload that are enough.
    pub(crate) max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Who wants the log to go on in a new segment.
    rolls: VecDeque<Rolled>,
    next: Sequence,
    /// How many pending appends the writer sleeps for; 0 when it is awake.
    awaited: usize,
    awaited_bytes: usize,
    /// Whether it takes the condition variable to wake the writer.
    asleep: bool,
    closed: bool,
    poisoned: Option<Poison>,
    /// The most that may wait.
    max_queued_bytes: usize,
}

/// The queue between appenders and the writer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Set when what the writer waits for has come; spares the yielding writer the lock.
    enough: Apart<AtomicBool>,
}

/// On cache lines of its own: the yielding writer reads it while appenders write to what is beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl Queue {
    pub(crate) fn new(next: Sequence, max_queued_bytes: usize) -> Self {
        let queue = Self::default();
        let mut state = queue.lock();
        state.next = next;
        state.max_queued_bytes = max_queued_bytes;
        drop(state);
        queue
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.lock().next
    }

    pub(crate) fn poisoned(&self) -> Option<Poison> {
        self.lock().poisoned.clone()
    }

    /// Gives an append its number and queues it.
    pub(crate) fn push(&self, kind: u8, parts: Vec<Bytes>) -> Append {
        let bytes: usize = parts.iter().map(Bytes::len).fold(0, usize::saturating_add);
        let checked = match u32::try_from(bytes) {
            _ if kind & GROUP_START != 0 => Err(Error::BadKind { kind }),
            Ok(len) if len <= MAX_PAYLOAD_BYTES => Ok(len),
            _ => Err(Error::TooLarge {
                bytes: bytes as u64,
                limit: MAX_PAYLOAD_BYTES,
            }),
        };
        let hashed = (bytes >= LARGE_PAYLOAD_BYTES && checked.is_ok()).then(|| {
            let mut hasher = Hasher::new();
            parts.iter().for_each(|part| hasher.update(part));
            hasher
        });
        let (answer, append) = Append::unnumbered();
        let mut state = self.lock();
        let sequence = state.next;
        let append = append.numbered(sequence);
        let len = match state.accepts(bytes).and(checked) {
            Ok(len) => len,
            Err(error) => {
                let _ = answer.send(Err(error));
                return append;
            }
        };
        state.next = sequence.next();
        state.pending_bytes = state.pending_bytes.saturating_add(bytes);
        state.pending.push_back(Pending {
            sequence,
            kind,
            len,
            parts,
            hashed,
            answer,
        });
        let mut wake = false;
        if state.is_enough() {
            state.awaited = 0;
            wake = state.asleep;
            self.enough.0.store(true, Ordering::Release);
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        append
    }

    /// Has the writer go on in a new segment, between two groups.
    pub(crate) fn roll(&self) -> Receiver<Result<bool>> {
        let (answer, rolled) = channel();
        let mut state = self.lock();
        if let Err(error) = state.is_open() {
            let _ = answer.send(Err(error));
            return rolled;
        }
        state.rolls.push_back(answer);
        drop(state);
        self.enough.0.store(true, Ordering::Release);
        self.wake.notify_one();
        rolled
    }

    /// What to do next. The next group is moved into `group`, which is empty; waits for it as the module's
    /// essay says.
    pub(crate) fn take(&self, appetite: Appetite, group: &mut Vec<Pending>) -> Order {
        let mut state = self.lock();
        state.awaited_bytes = appetite.max_bytes;
        let is_enough = |state: &State, awaited: usize| {
            state.pending.len() >= awaited
                || state.pending_bytes >= appetite.max_bytes
                || !state.rolls.is_empty()
                || state.closed
        };
        if appetite.last_group > 1 && !is_enough(&state, appetite.last_group) {
            self.enough.0.store(false, Ordering::Relaxed);
            state.awaited = appetite.last_group;
            drop(state);
            let deadline = Instant::now() + appetite.patience;
            while !self.enough.0.load(Ordering::Acquire) && Instant::now() < deadline {
                thread::yield_now();
            }
            state = self.lock();
        }
        // If the crowd has gone, whoever comes next is served at once.
        while !is_enough(&state, 1) {
            state.awaited = 1;
            state.asleep = true;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep = false;
        state.awaited = 0;
        if let Some(answer) = state.rolls.pop_front() {
            return Order::Roll(answer);
        }
        let mut bytes = 0_usize;
        while let Some(first) = state.pending.front() {
            bytes = bytes.saturating_add(first.len as usize);
            if bytes > appetite.max_bytes && !group.is_empty() {
                break;
            }
            state.pending_bytes = state.pending_bytes.saturating_sub(first.len as usize);
            group.extend(state.pending.pop_front());
        }
        match group.is_empty() {
            true => Order::End,
            false => Order::Write,
        }
    }

    /// Lets no more appends in, and the writer end when it has drained the queue.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.enough.0.store(true, Ordering::Release);
        self.wake.notify_all();
    }

    /// Answers all appends from now on, and all that is in the queue, with `poison`.
    pub(crate) fn poison(&self, poison: &Poison) {
        let mut state = self.lock();
        state.poisoned.get_or_insert_with(|| poison.clone());
        state.fail_pending(|| poison.error());
        for answer in state.rolls.drain(..) {
            let _ = answer.send(Err(poison.error()));
        }
    }

    /// There was no space for a group: answers all that is queued behind it, and gives out numbers
    /// from `next` on again, so that the log has no gap. `group` is answered in the same step, before
    /// any of the numbers is given out anew.
    pub(crate) fn refuse(&self, next: Sequence, reason: &Arc<str>, group: &mut Vec<Pending>) {
        let mut state = self.lock();
        for pending in group.drain(..) {
            let _ = pending.answer.send(Err(Error::Full {
                reason: Arc::clone(reason),
            }));
        }
        state.fail_pending(|| Error::Full {
            reason: Arc::clone(reason),
        });
        state.next = next;
    }
}

impl State {
    /// Whether the writer still takes anything.
    fn is_open(&self) -> Result<()> {
        match &self.poisoned {
            Some(poison) => Err(poison.error()),
            None if self.closed => Err(Error::Closed),
            None => Ok(()),
        }
    }

    /// Whether `bytes` more may wait. What finds nothing waiting may always.
    fn accepts(&self, bytes: usize) -> Result<()> {
        let queued = self.pending_bytes;
        if queued > 0 && queued.saturating_add(bytes) > self.max_queued_bytes {
            self.is_open()?;
            return Err(Error::Busy {
                queued: queued as u64,
                limit: self.max_queued_bytes as u64,
            });
        }
        self.is_open()
    }

    /// Whether the writer sleeps and has what it sleeps for.
    fn is_enough(&self) -> bool {
        let crowd = self.pending.len() >= self.awaited || self.pending_bytes >= self.awaited_bytes;
        self.awaited > 0 && crowd
    }

    fn fail_pending(&mut self, error: impl Fn() -> Error) {
        self.pending_bytes = 0;
        for pending in self.pending.drain(..) {
            let _ = pending.answer.send(Err(error()));
        }
    }
}
