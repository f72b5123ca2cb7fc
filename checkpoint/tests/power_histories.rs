//! Random lives of a store on a disk that loses power, loses its process, fails or is full at any
//! operation, also while the store is being opened. A checkpoint that was said to be written is the newest,
//! and whole; one whose write failed is there whole or not at all; with the newest gone the one before
//! is still there (R8).
//!
//! `TIDEMILL_CASES=N` runs N histories instead of a few; a failing one is printed, and kept in
//! `power_histories.proptest-regressions`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

#[path = "../../tests/support/cases.rs"]
mod cases;
mod common;

use cases::cases;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{draft, options, partition};
use proptest::collection::vec;
use proptest::prelude::*;
use tidemill_checkpoint::{Chain, CheckpointStore, Draft, Error};
use tidemill_storage::{DiskObjects, Fault, Objects, SimDisk};

/// Keys with their new values; `None` removes.
type Changes = Vec<(u8, Option<u16>)>;

#[derive(Debug, Clone)]
enum Step {
    Write {
        full: bool,
        changes: Changes,
    },
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
    /// One operation fails; the process goes on.
    Fault,
    /// So many bytes are left, until a write has failed for it.
    Full(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<u64>().prop_map(Event::Power),
        3 => any::<u64>().prop_map(Event::KillAndPower),
        2 => Just(Event::Kill),
        1 => Just(Event::Fault),
        1 => (0..3_000_u16).prop_map(Event::Full),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::option::weighted(0.8, 0..900_u16);
    let changes = vec((0..12_u8, value), 0..6);
    prop_oneof![
        5 => (proptest::bool::weighted(0.15), changes)
            .prop_map(|(full, changes)| Step::Write { full, changes }),
        1 => Just(Step::Reopen),
        4 => (0..40_u8, event()).prop_map(|(after, event)| Step::Plan(after, event)),
    ]
}

type State = BTreeMap<Vec<u8>, Vec<u8>>;

struct Life {
    disk: SimDisk,
    store: Option<CheckpointStore>,
    /// The state of every checkpoint that was ever tried, by its time.
    tried: BTreeMap<u64, State>,
    /// The time of the last one that was said to be written.
    written: Option<u64>,
    /// How many were.
    count: usize,
    /// The state as the driver has it.
    state: State,
    /// What a failed write gave back.
    pending: Option<Draft>,
    time: u64,
    ahead: Option<(u64, Event)>,
}

fn objects(disk: &SimDisk) -> DiskObjects {
    DiskObjects::new(Arc::new(disk.clone()), "/data/store")
}

fn open(disk: &SimDisk) -> Result<CheckpointStore, Error> {
    CheckpointStore::open_objects(Arc::new(objects(disk)), "sim:/data/store", options())
}

/// The time and state of the newest checkpoint.
fn newest(store: &CheckpointStore) -> Result<Option<(u64, State)>, Error> {
    let newest = store.newest()?;
    assert!(newest.skipped.is_empty(), "{:?}", newest.skipped);
    let Some(manifest) = newest.manifest else {
        return Ok(None);
    };
    assert_eq!(manifest.metadata, format!("at {}", manifest.time_ms));
    let mut state = State::new();
    let series = manifest.series("counts").expect("the series is there");
    for reference in series.partitions.iter().flat_map(Chain::chunks) {
        for (key, value) in &store.read_chunk(reference)? {
            match value {
                Some(value) => state.insert(key.to_vec(), value.to_vec()),
                None => state.remove(key),
            };
        }
    }
    Ok(Some((manifest.time_ms, state)))
}

impl Life {
    fn new() -> Self {
        let mut life = Self {
            disk: SimDisk::new(),
            store: None,
            tried: BTreeMap::new(),
            written: None,
            count: 0,
            state: State::new(),
            pending: None,
            time: 0,
            ahead: None,
        };
        life.reopen();
        life
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write { full, changes } => self.write(*full, changes),
            Step::Reopen => self.reopen(),
            Step::Plan(after, event) => self.plan(u64::from(*after), *event),
        }
        if self.has_happened() {
            self.happen();
        }
    }

    fn write(&mut self, full: bool, changes: &Changes) {
        self.time += 1;
        if full {
            self.state.clear();
        }
        let text = |len: u16| format!("{} ", self.time).repeat(usize::from(len) / 4 + 1);
        let entries: BTreeMap<String, Option<String>> = changes
            .iter()
            .map(|(key, value)| (format!("key {key}"), value.map(text)))
            .collect();
        for (key, value) in &entries {
            let key = key.clone().into_bytes();
            match value {
                Some(value) => self.state.insert(key, value.clone().into_bytes()),
                None => self.state.remove(&key),
            };
        }
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref()))
            .collect();
        // The first checkpoint has nothing to lie upon.
        let first = self.written.is_none() && self.pending.is_none();
        let newer = draft(self.time, vec![partition(full || first, &entries)]);
        let draft = match self.pending.take() {
            Some(mut pending) => {
                pending.absorb(newer);
                pending
            }
            None => newer,
        };
        self.tried.insert(self.time, self.state.clone());
        match self.store.as_ref().unwrap().write(draft) {
            Ok(_) => {
                self.written = Some(self.time);
                self.count += 1;
            }
            Err(failed) => self.pending = Some(*failed.draft),
        }
    }

    fn plan(&mut self, after: u64, event: Event) {
        if self.ahead.is_some() {
            return;
        }
        let at = self.disk.operations() + after;
        self.ahead = Some((at, event));
        if let Event::Full(free) = event {
            self.fill_up(u64::from(free));
            return;
        }
        self.disk.set_faults(move |op| match event {
            Event::Power(_) => (op.number >= at).then_some(Fault::Errno(5)),
            Event::KillAndPower(_) | Event::Kill => (op.number >= at).then_some(Fault::Killed),
            Event::Fault => (op.number == at).then_some(Fault::Errno(5)),
            Event::Full(_) => None,
        });
    }

    /// Leaves so many bytes free.
    fn fill_up(&self, free: u64) {
        const LARGE: u64 = 1 << 40;
        self.disk.set_capacity(Some(LARGE));
        let used = LARGE - self.disk.free_bytes().unwrap();
        self.disk.set_capacity(Some(used + free));
    }

    fn has_happened(&self) -> bool {
        self.ahead
            .is_some_and(|(at, _)| self.disk.operations() > at)
    }

    fn happen(&mut self) {
        let Some((_, event)) = self.ahead.take() else {
            return;
        };
        self.disk.clear_faults();
        self.disk.set_capacity(None);
        match event {
            Event::Power(seed) | Event::KillAndPower(seed) => {
                self.disk.power_cut_torn(seed);
                self.reopen();
            }
            Event::Kill => self.reopen(),
            Event::Fault | Event::Full(_) => {}
        }
    }

    /// Opens the store as a new process, as often as it takes.
    fn reopen(&mut self) {
        loop {
            self.store = None;
            let opened = open(&self.disk).and_then(|store| Ok((newest(&store)?, store)));
            match opened {
                Ok((found, store)) => {
                    self.compare(found);
                    self.store = Some(store);
                    self.check_the_one_before();
                    return;
                }
                Err(error) => {
                    let full = matches!(self.ahead, Some((_, Event::Full(_))));
                    assert!(self.has_happened() || full, "{error}");
                    if let Some((_, Event::Power(seed) | Event::KillAndPower(seed))) = self.ahead {
                        self.disk.power_cut_torn(seed);
                    }
                    self.ahead = None;
                    self.disk.clear_faults();
                    self.disk.set_capacity(None);
                }
            }
        }
    }

    fn compare(&mut self, found: Option<(u64, State)>) {
        let Some((time, state)) = found else {
            assert_eq!(self.written, None, "what was written is gone");
            self.state.clear();
            self.pending = None;
            return;
        };
        assert!(self.written <= Some(time), "{:?} is gone", self.written);
        assert_eq!(Some(&state), self.tried.get(&time), "at {time}");
        if self.written != Some(time) {
            self.written = Some(time);
            self.count += 1;
        }
        self.state = state;
        self.pending = None;
    }

    /// R8: with the newest gone, an older one is whole.
    fn check_the_one_before(&self) {
        if self.count < 2 {
            return;
        }
        let copy = self.disk.snapshot();
        copy.set_capacity(None);
        let objects = objects(&copy);
        let listed = self.store.as_ref().unwrap().list().unwrap();
        let newest_manifest = format!("manifest/{:020}", listed[0].id.0);
        assert!(objects.get(&newest_manifest).unwrap().is_some());
        objects.delete(&newest_manifest).unwrap();
        let (time, state) = newest(&open(&copy).unwrap()).unwrap().expect("two stay");
        assert!(Some(time) < self.written);
        assert_eq!(Some(&state), self.tried.get(&time), "at {time}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(200)))]

    #[test]
    fn a_checkpoint_that_was_written_is_the_newest_and_whole(
        steps in vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut life = Life::new();
        for step in &steps {
            life.step(step);
        }
        life.disk.clear_faults();
        life.disk.set_capacity(None);
        life.ahead = Some((0, Event::KillAndPower(seed)));
        life.happen();
        life.write(false, &vec![(1, Some(1))]);
        prop_assert!(life.pending.is_none(), "it doesn't go on");
        life.reopen();
    }
}
