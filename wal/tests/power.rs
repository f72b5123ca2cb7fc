//! Random lives of a log on a disk that loses power, loses its process, fails a sync or is full at any
//! operation, also while the log is being opened and repaired. What was acknowledged is found, at its
//! position; what is found is a prefix of what was appended; what was found once stays; opening never
//! fails for it, and only an end that was never acknowledged is reported as torn.
//!
//! `TIDEMILL_CASES=N` runs N histories instead of a few; a failing one is printed, and kept in
//! `power.proptest-regressions`. Groups are made to come out the same every time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../tests/support/cases.rs"]
mod cases;
mod common;

use cases::cases;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use common::*;
use proptest::prelude::*;
use tidemill_storage::{Disk, Fault, Gate, Operation, OperationKind, SimDisk};
use tidemill_wal::{Append, Error, Position, Sequence, Wal, WalOptions};

#[derive(Debug, Clone)]
enum Step {
    /// One entry, and when it is being written so many more, which become the next group.
    Append(u16, Vec<u16>),
    Truncate(u8),
    /// Leaves the newest segment.
    Roll,
    Reopen,
    /// Something happens at so many operations from now.
    Plan(u8, Event),
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Every operation fails, and the power goes.
    Power(u64),
    /// The process is killed, and then the power goes.
    KillAndPower(u64),
    /// The process is killed; another one finds what it had written.
    Kill,
    /// The next sync fails; the process ends, and another one finds what it had written.
    SyncFails,
    /// So many bytes are left, for the next appends.
    Full(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<u64>().prop_map(Event::Power),
        3 => any::<u64>().prop_map(Event::KillAndPower),
        2 => Just(Event::Kill),
        2 => Just(Event::SyncFails),
        1 => (0..2_500_u16).prop_map(Event::Full),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![2 => 0..40_u16, 1 => 0..1_800_u16];
    prop_oneof![
        6 => (len(), prop::collection::vec(len(), 0..4)).prop_map(|(one, more)| Step::Append(one, more)),
        2 => any::<u8>().prop_map(Step::Truncate),
        2 => Just(Step::Roll),
        1 => Just(Step::Reopen),
        5 => (0..24_u8, event()).prop_map(|(after, event)| Step::Plan(after, event)),
    ]
}

/// What the disk's hook is to do.
#[derive(Default)]
struct Hook {
    ahead: Option<(u64, Event)>,
    happened: bool,
    /// Holds the next append, and tells that it has come (or that none will).
    plug: Option<(Gate, Sender<()>)>,
    /// Syncs that failed, by their path, in this process.
    failed: Vec<std::path::PathBuf>,
}

impl Hook {
    fn fault(&mut self, op: &Operation) -> Option<Fault> {
        assert!(
            op.kind != OperationKind::SyncFile || !self.failed.contains(&op.path),
            "synced again after a failure: {op:?}"
        );
        let fault = self.ahead.and_then(|(at, event)| {
            if op.number < at {
                return None;
            }
            match event {
                Event::Power(_) => Some(Fault::Errno(5)),
                Event::KillAndPower(_) | Event::Kill => Some(Fault::Killed),
                Event::SyncFails => {
                    let sync = matches!(op.kind, OperationKind::SyncFile | OperationKind::SyncDir);
                    (sync && !self.happened).then(|| {
                        self.failed.push(op.path.clone());
                        Fault::Errno(5)
                    })
                }
                Event::Full(_) => None,
            }
        });
        self.happened |= fault.is_some();
        let held = if fault.is_some() || op.kind == OperationKind::Append {
            self.plug.take()
        } else {
            None
        };
        let Some((gate, tell)) = held else {
            return fault;
        };
        tell.send(()).unwrap();
        fault.or(Some(Fault::Stall(gate)))
    }
}

struct Life {
    disk: SimDisk,
    hook: Arc<Mutex<Hook>>,
    wal: Option<Wal>,
    epoch: u64,
    /// Every entry that has to be there (or was truncated away), by number, with its position.
    kept: Vec<(String, Option<Position>)>,
    /// What may follow.
    doubtful: Vec<String>,
    /// The oldest number that is there, and the oldest that has to be.
    oldest: usize,
    truncated: usize,
    counter: u64,
}

impl Life {
    fn new() -> Self {
        let hook = Arc::new(Mutex::new(Hook::default()));
        let disk = SimDisk::new();
        let plan = Arc::clone(&hook);
        disk.set_faults(move |op| plan.lock().unwrap().fault(op));
        let mut life = Self {
            disk,
            hook,
            wal: None,
            epoch: 0,
            kept: Vec::new(),
            doubtful: Vec::new(),
            oldest: 0,
            truncated: 0,
            counter: 0,
        };
        life.reopen();
        life
    }

    fn text(&mut self, len: u16) -> String {
        self.counter += 1;
        format!("{} {}", self.counter, "x".repeat(usize::from(len)))
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(one, more) => self.append(*one, more),
            Step::Truncate(share) => self.truncate(*share),
            Step::Roll => self.roll(),
            Step::Reopen => self.reopen(),
            Step::Plan(after, event) => self.plan(u64::from(*after), *event),
        }
        self.happen();
    }

    fn push(&mut self, len: u16, appends: &mut Vec<(String, Append)>) {
        let text = self.text(len);
        let append = self.wal.as_ref().unwrap().append(1, payload(&text));
        appends.push((text, append));
    }

    fn append(&mut self, one: u16, more: &[u16]) {
        let mut appends = Vec::new();
        if more.is_empty() {
            self.push(one, &mut appends);
        } else {
            let gate = Gate::default();
            let (tell, told) = channel();
            self.hook.lock().unwrap().plug = Some((gate.clone(), tell));
            self.push(one, &mut appends);
            told.recv().unwrap();
            for len in more {
                self.push(*len, &mut appends);
            }
            gate.open();
        }
        let mut refused = false;
        for (text, append) in appends {
            match append.wait() {
                Ok(position) => {
                    assert!(!refused && self.doubtful.is_empty());
                    assert_eq!(position.sequence.0, self.kept.len() as u64);
                    self.kept.push((text, Some(position)));
                }
                Err(Error::Full { .. }) => refused = true,
                Err(Error::Poisoned { .. }) if refused => {}
                Err(Error::Poisoned { .. }) => self.doubtful.push(text),
                Err(error) => panic!("{error}"),
            }
        }
        let mut hook = self.hook.lock().unwrap();
        if matches!(hook.ahead, Some((_, Event::Full(_)))) {
            hook.ahead = None;
            drop(hook);
            self.disk.set_capacity(None);
        }
    }

    fn truncate(&mut self, share: u8) {
        let before = self.kept.len() * usize::from(share) / 255;
        let result = self
            .wal
            .as_ref()
            .unwrap()
            .truncate_before(Sequence(before as u64));
        self.truncated = self.truncated.max(before);
        match result {
            Ok(truncated) => {
                let oldest = truncated.oldest_sequence.0 as usize;
                assert!(oldest <= self.truncated && oldest >= self.oldest);
                self.oldest = oldest;
            }
            Err(error) => assert!(self.hook.lock().unwrap().happened, "{error}"),
        }
    }

    fn roll(&mut self) {
        match self.wal.as_ref().unwrap().roll(0) {
            Ok(_) | Err(Error::Full { .. }) => {}
            Err(error) => assert!(self.hook.lock().unwrap().happened, "{error}"),
        }
    }

    fn plan(&mut self, after: u64, event: Event) {
        let at = self.disk.operations() + after;
        let mut hook = self.hook.lock().unwrap();
        if hook.ahead.is_some() {
            return;
        }
        hook.ahead = Some((at, event));
        drop(hook);
        if let Event::Full(free) = event {
            const LARGE: u64 = 1 << 40;
            self.disk.set_capacity(Some(LARGE));
            let used = LARGE - self.disk.free_bytes().unwrap();
            self.disk.set_capacity(Some(used + u64::from(free)));
        }
    }

    /// If what was planned has happened, starts again.
    fn happen(&mut self) {
        if self.hook.lock().unwrap().happened {
            self.wal = None;
            self.settle();
            self.reopen();
        }
    }

    /// The old process is gone; perhaps the power too.
    fn settle(&mut self) {
        let hook = std::mem::take(&mut *self.hook.lock().unwrap());
        if let Some((_, Event::Power(seed) | Event::KillAndPower(seed))) = hook.ahead {
            self.disk.power_cut_torn(seed);
        }
        self.disk.set_capacity(None);
    }

    /// Opens the log as a new process, as often as it takes.
    fn reopen(&mut self) {
        if let Some(wal) = self.wal.take() {
            let closed = wal.close();
            assert!(closed.is_ok(), "{closed:?}");
        }
        loop {
            self.epoch += 1;
            let options = WalOptions {
                epoch: self.epoch,
                segment_bytes: 1_500,
                ..options()
            };
            match try_open(&self.disk, options) {
                Ok((wal, recovered)) => {
                    if recovered.torn_tail.is_some() {
                        assert!(!self.doubtful.is_empty(), "{recovered:?}");
                    }
                    self.found(
                        recovered.oldest_sequence.0 as usize,
                        recovered.next_sequence.0 as usize,
                    );
                    let checked = self.check(&wal);
                    self.wal = Some(wal);
                    match checked {
                        Ok(()) => return,
                        Err(error) => {
                            assert!(self.hook.lock().unwrap().happened, "{error}");
                            self.wal = None;
                        }
                    }
                }
                Err(error) => assert!(self.hook.lock().unwrap().happened, "{error}"),
            }
            self.settle();
        }
    }

    fn found(&mut self, oldest: usize, next: usize) {
        assert!(next >= self.kept.len(), "{next} < {}", self.kept.len());
        assert!(next <= self.kept.len() + self.doubtful.len());
        let more = next - self.kept.len();
        let found = self.doubtful.drain(..).take(more);
        self.kept.extend(found.map(|text| (text, None)));
        // A deletion that wasn't synced may be undone: more is kept than was asked for, never less.
        assert!(oldest <= self.truncated);
        self.oldest = oldest;
    }

    fn check(&mut self, wal: &Wal) -> Result<(), Error> {
        let mut number = self.oldest;
        for entry in wal.replay(Sequence(number as u64))? {
            let entry = entry?;
            let (expected, position) = &mut self.kept[number];
            assert_eq!(
                (entry.sequence.0, &text(&entry)),
                (number as u64, &*expected)
            );
            assert_eq!(*position.get_or_insert(entry.position), entry.position);
            number += 1;
        }
        assert_eq!(number, self.kept.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn what_was_acknowledged_is_found_and_what_is_found_is_a_prefix(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut life = Life::new();
        for step in &steps {
            life.step(step);
        }
        *life.hook.lock().unwrap() = Hook::default();
        life.disk.set_capacity(None);
        life.append(3, &[4, 5]);
        life.wal = None;
        life.disk.power_cut_torn(seed);
        life.reopen();
        prop_assert!(life.doubtful.is_empty());
        prop_assert!(!segments(&life.disk).is_empty());
        prop_assert!(life.disk.metadata(std::path::Path::new(DIR)).unwrap().is_some());
    }
}

/// Found by the test above: a start believed what it could read, though the sync of it had failed (or its
/// writer was killed before it), went on behind it, and the next power cut left a gap.
#[test]
fn what_was_never_synced_is_made_durable_before_the_log_goes_on_behind_it() {
    for event in [Event::SyncFails, Event::Kill] {
        for after in 0..12 {
            let mut life = Life::new();
            life.append(0, &[]);
            life.step(&Step::Plan(after, event));
            life.step(&Step::Append(600, vec![700, 1_200]));
            *life.hook.lock().unwrap() = Hook::default();
            life.append(0, &[]);
            life.wal = None;
            life.disk.power_cut();
            life.reopen();
        }
    }
}
