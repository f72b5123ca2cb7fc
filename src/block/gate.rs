//! [`Gate`]: whether sources may take data in, and what is in the way when they may not (R10).
//!
//! It is shut while a disk has less room than is to be kept free, and while somebody who writes is
//! refused for want of room. What was taken in before goes on: batches, checkpoints and clean-ups are
//! what makes room. Whoever was refused tries again and says when it worked, so the gate opens by itself.
//!
//! Between two looks at the disks no more is let in than there was room for at the last one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock::{Clock, Signal};
use crate::time::Time;
use crate::uid::OperatorUid;

/// The wait after a first refusal; it doubles.
const RETRY: Duration = Duration::from_millis(50);
/// The longest wait.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Who writes, and may be refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Writer {
    BlockLog,
    DriverLog,
    Checkpoint,
    Output(OperatorUid),
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockLog => f.write_str("the block log"),
            Self::DriverLog => f.write_str("the driver's log"),
            Self::Checkpoint => f.write_str("a checkpoint"),
            Self::Output(uid) => write!(f, "the output `{uid}`"),
        }
    }
}

/// Why and since when sources are held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shut {
    pub(crate) since: Time,
    /// For people; never empty.
    pub(crate) reasons: Vec<String>,
}

/// Whether sources may take data in.
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    is_open: AtomicBool,
    has_refused: AtomicBool,
    /// Bytes that may still be taken in before the disks are looked at again.
    allowance: AtomicI64,
    /// The allowance at which the next look is due.
    due: AtomicI64,
    state: Mutex<State>,
    opened: Notify,
    /// Whether the disks should be looked at now.
    is_due: AtomicBool,
    look: Signal,
    /// Until when those that were refused try again; `None`: for ever.
    patience: Mutex<Option<Instant>>,
    impatient: Condvar,
}

#[derive(Default)]
struct State {
    low: Vec<String>,
    refused: BTreeMap<Writer, String>,
    since: Option<Time>,
    refusals: u64,
}

impl State {
    fn reasons(&self) -> Vec<String> {
        let refused = self.refused.iter();
        let refused = refused.map(|(writer, error)| format!("no room for {writer}: {error}"));
        self.low.iter().cloned().chain(refused).collect()
    }
}

impl Gate {
    /// An open gate.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            is_open: AtomicBool::new(true),
            has_refused: AtomicBool::new(false),
            allowance: AtomicI64::new(i64::MAX),
            due: AtomicI64::new(0),
            state: Mutex::default(),
            opened: Notify::new(),
            is_due: AtomicBool::new(false),
            look: Signal::default(),
            patience: Mutex::default(),
            impatient: Condvar::new(),
        }
    }

    /// Waits until data may be taken in.
    pub(crate) async fn pass(&self) {
        loop {
            let mut opened = std::pin::pin!(self.opened.notified());
            opened.as_mut().enable();
            if self.lets_in() {
                return;
            }
            opened.await;
        }
    }

    fn lets_in(&self) -> bool {
        self.is_open.load(Ordering::Acquire) && self.allowance.load(Ordering::Acquire) > 0
    }

    /// So many bytes were taken in.
    pub(crate) fn took(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.allowance.fetch_sub(bytes, Ordering::AcqRel);
        let due = self.due.load(Ordering::Acquire);
        if before > due && before.saturating_sub(bytes) <= due {
            self.ask_for_a_look();
        }
    }

    /// Why sources are held back, if they are.
    pub(crate) fn shut(&self) -> Option<Shut> {
        if self.is_open.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state();
        let (since, reasons) = (state.since?, state.reasons());
        Some(Shut { since, reasons })
    }

    /// How often somebody was refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.state().refusals
    }

    /// Has the disks looked at without waiting for the time.
    pub(crate) fn ask_for_a_look(&self) {
        self.is_due.store(true, Ordering::Release);
        self.look.notify();
    }

    /// Waits until it is `time`, or a look is asked for.
    pub(crate) fn wait_for_a_look(&self, time: Time) {
        while !self.is_due.swap(false, Ordering::AcqRel) && self.clock.now() < time {
            self.clock.wait_until(time, &self.look);
        }
    }

    /// The disks were looked at: which are low, and how much may be taken in until the next look.
    pub(crate) fn looked(&self, low: Vec<String>, allowance: u64) {
        self.change(|state| state.low = low);
        let allowance = i64::try_from(allowance).unwrap_or(i64::MAX);
        self.due.store(allowance / 2, Ordering::Release);
        self.allowance.store(allowance, Ordering::Release);
        self.opened.notify_waiters();
    }

    /// There was no room for `writer`, which will try again.
    pub(crate) fn refused(&self, writer: Writer, error: &dyn fmt::Display) {
        self.change(|state| {
            state.refusals += 1;
            state.refused.insert(writer, error.to_string());
        });
        self.ask_for_a_look();
    }

    /// What `writer` wrote found room.
    pub(crate) fn accepted(&self, writer: &Writer) {
        if self.has_refused.load(Ordering::Acquire) {
            self.change(|state| {
                state.refused.remove(writer);
            });
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let is_open = state.low.is_empty() && state.refused.is_empty();
        let was_open = state.since.is_none();
        self.has_refused
            .store(!state.refused.is_empty(), Ordering::Release);
        self.is_open.store(is_open, Ordering::Release);
        if is_open {
            state.since = None;
        } else {
            state.since.get_or_insert_with(|| self.clock.now());
        }
        match (was_open, is_open) {
            (true, false) => {
                let reasons = state.reasons().join("; ");
                tracing::error!("sources are held back: {reasons}");
            }
            (false, true) => tracing::info!("there is room again: sources go on"),
            _ => {}
        }
        drop(state);
        if is_open {
            self.opened.notify_waiters();
        }
    }

    /// How long whoever was refused so many times in a row waits before it tries again.
    pub(crate) fn delay(refusals: u32) -> Duration {
        let doublings = refusals.saturating_sub(1).min(10);
        (RETRY * 2_u32.pow(doublings)).min(RETRY_MAX)
    }

    /// Waits as [`Gate::delay`] says; `false` when it is no use waiting any longer, since the end is near.
    pub(crate) fn wait(&self, refusals: u32) -> bool {
        let next = Instant::now() + Self::delay(refusals);
        let mut patience = self.patience();
        loop {
            let now = Instant::now();
            if patience.is_some_and(|until| until <= now) {
                return false;
            }
            let until = patience.map_or(next, |until| until.min(next));
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return true;
            }
            let waited = self.impatient.wait_timeout(patience, left);
            patience = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// From `end` on, nobody waits for room any more.
    pub(crate) fn wait_no_longer_than(&self, end: Instant) {
        let mut patience = self.patience();
        *patience = Some(patience.map_or(end, |before| before.min(end)));
        self.impatient.notify_all();
    }

    fn patience(&self) -> MutexGuard<'_, Option<Instant>> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use futures_util::FutureExt;

    fn gate() -> (Gate, ManualClock) {
        let clock = ManualClock::new(Time::from_millis(7));
        (Gate::new(Arc::new(clock.clone())), clock)
    }

    fn lets_in(gate: &Gate) -> bool {
        gate.pass().now_or_never().is_some()
    }

    #[test]
    fn it_is_shut_until_every_reason_is_gone() {
        let (gate, clock) = gate();
        assert!(lets_in(&gate) && gate.shut().is_none());
        gate.refused(Writer::BlockLog, &"full");
        clock.advance(Duration::from_millis(1));
        gate.looked(vec!["low".to_owned()], 0);
        let shut = gate.shut().unwrap();
        assert_eq!(shut.since.as_millis(), 7);
        assert_eq!(shut.reasons, ["low", "no room for the block log: full"]);
        gate.looked(Vec::new(), 10);
        assert!(!lets_in(&gate));
        gate.accepted(&Writer::DriverLog);
        assert!(!lets_in(&gate));
        gate.accepted(&Writer::BlockLog);
        assert!(lets_in(&gate) && gate.shut().is_none());
        assert_eq!(gate.refusals(), 1);
    }

    #[test]
    fn no_more_is_let_in_than_there_was_room_for() {
        let (gate, _) = gate();
        gate.looked(Vec::new(), 100);
        gate.took(99);
        assert!(lets_in(&gate));
        gate.took(1);
        assert!(!lets_in(&gate));
        assert!(gate.shut().is_none(), "not low, only to be looked at again");
        let mut waiting = Box::pin(gate.pass());
        assert!(waiting.as_mut().now_or_never().is_none());
        gate.looked(Vec::new(), 1);
        assert!(waiting.as_mut().now_or_never().is_some());
    }

    #[test]
    fn waits_grow_and_end_when_told() {
        let delays = [1, 2, 3, 9].map(Gate::delay);
        assert_eq!(delays, [50, 100, 200, 1000].map(Duration::from_millis));
        let (gate, _) = gate();
        assert!(gate.wait(1));
        gate.wait_no_longer_than(Instant::now());
        assert!(!gate.wait(9));
    }
}
