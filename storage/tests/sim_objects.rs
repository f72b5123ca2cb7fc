//! Random lives of an object store on a disk that loses power at any operation, also while a process that
//! was just started puts things in order: what was written is there, what wasn't is old or new, and
//! nothing is ever in between.
//!
//! `TIDEMILL_CASES=N` runs N histories instead of a few; a failing one is printed, and kept in
//! `sim_objects.proptest-regressions`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../tests/support/cases.rs"]
mod cases;

use cases::cases;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tidemill_storage::{DiskObjects, Fault, Objects, PutOutcome, SimDisk};

const NAMES: [&str; 4] = ["a", "b", "d/a", "d/e/a"];

#[derive(Debug, Clone)]
enum Step {
    Put(usize, u16),
    PutNew(usize, u16),
    PutIf(usize, u16),
    Delete(usize),
    Sweep,
    /// Something happens at so many operations from now.
    End(u8, End),
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// Every operation fails, and the power goes.
    Power(u64),
    /// The process is killed, and then the power goes.
    KillAndPower(u64),
    /// The process is killed; another one finds what it had written.
    Kill,
    /// One operation fails; the process goes on.
    Fault,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        2 => any::<u64>().prop_map(End::Power),
        2 => any::<u64>().prop_map(End::KillAndPower),
        2 => Just(End::Kill),
        1 => Just(End::Fault),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    prop_oneof![
        3 => (name(), 0..2_000_u16).prop_map(|(n, len)| Step::Put(n, len)),
        3 => (name(), 0..2_000_u16).prop_map(|(n, len)| Step::PutNew(n, len)),
        2 => (name(), 0..2_000_u16).prop_map(|(n, len)| Step::PutIf(n, len)),
        1 => name().prop_map(Step::Delete),
        1 => Just(Step::Sweep),
        3 => (0..14_u8, end()).prop_map(|(n, end)| Step::End(n, end)),
    ]
}

type Value = Option<Vec<u8>>;

fn start(disk: &SimDisk) -> DiskObjects {
    DiskObjects::new(Arc::new(disk.clone()), "/store/objects")
}

struct Life {
    disk: SimDisk,
    objects: DiskObjects,
    /// For each name, what may be found after a power cut.
    possible: BTreeMap<usize, BTreeSet<Value>>,
    /// What will happen, and at which operation.
    ahead: Option<(u64, End)>,
    counter: u64,
}

impl Life {
    fn new() -> Self {
        let disk = SimDisk::new();
        let nothing = BTreeSet::from([None]);
        Self {
            objects: start(&disk),
            disk,
            possible: (0..NAMES.len())
                .map(|name| (name, nothing.clone()))
                .collect(),
            ahead: None,
            counter: 0,
        }
    }

    fn bytes(&mut self, len: u16) -> Bytes {
        self.counter += 1;
        let text = format!("{} ", self.counter);
        text.repeat(usize::from(len) / text.len() + 1).into()
    }

    fn wrote(&mut self, name: usize, bytes: Bytes, result: &tidemill_storage::Result<PutOutcome>) {
        let possible = self.possible.get_mut(&name).unwrap();
        match result {
            Ok(PutOutcome::Written) => *possible = BTreeSet::from([Some(bytes.to_vec())]),
            Ok(PutOutcome::Conflict) => {}
            Err(_) => {
                possible.insert(Some(bytes.to_vec()));
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Put(name, len) => {
                let bytes = self.bytes(len);
                let result = self.objects.put(NAMES[name], bytes.clone());
                self.wrote(name, bytes, &result.map(|()| PutOutcome::Written));
            }
            Step::PutNew(name, len) => {
                let bytes = self.bytes(len);
                let result = self.objects.put_new(NAMES[name], bytes.clone());
                let free = self.possible[&name].iter().all(Option::is_none);
                assert!(!free || !matches!(result, Ok(PutOutcome::Conflict)));
                self.wrote(name, bytes, &result);
            }
            Step::PutIf(name, len) => {
                if let Ok(Some((_, version))) = self.objects.get_versioned(NAMES[name]) {
                    let bytes = self.bytes(len);
                    let result = self.objects.put_if(NAMES[name], bytes.clone(), &version);
                    assert!(!matches!(result, Ok(PutOutcome::Conflict)));
                    self.wrote(name, bytes, &result);
                }
            }
            Step::Delete(name) => {
                let _ = self.objects.delete(NAMES[name]);
                self.possible.get_mut(&name).unwrap().insert(None);
            }
            Step::Sweep => {
                let _ = self.objects.sweep();
            }
            Step::End(after, end) => self.plan(u64::from(after), end),
        }
        if let Some((at, end)) = self.ahead
            && self.disk.operations() > at
        {
            self.ahead = None;
            self.disk.clear_faults();
            self.happen(end);
        }
    }

    fn plan(&mut self, after: u64, end: End) {
        if self.ahead.is_some() {
            return;
        }
        let at = self.disk.operations() + after;
        self.ahead = Some((at, end));
        self.disk.set_faults(move |op| match end {
            End::Power(_) => (op.number >= at).then_some(Fault::Errno(5)),
            End::KillAndPower(_) | End::Kill => (op.number >= at).then_some(Fault::Killed),
            End::Fault => (op.number == at).then_some(Fault::Errno(5)),
        });
    }

    fn happen(&mut self, end: End) {
        match end {
            End::Power(seed) | End::KillAndPower(seed) => {
                self.disk.power_cut_torn(seed);
                self.objects = start(&self.disk);
                self.check(true);
            }
            End::Kill => {
                self.objects = start(&self.disk);
                self.check(false);
            }
            End::Fault => self.check(false),
        }
    }

    /// `booted`: what is there now is on the medium, and stays.
    fn check(&mut self, booted: bool) {
        let mut listed = BTreeSet::new();
        for (name, possible) in &mut self.possible {
            let found = self
                .objects
                .get(NAMES[*name])
                .unwrap()
                .map(|bytes| bytes.to_vec());
            assert!(
                possible.contains(&found),
                "{}: {found:?} is none of {possible:?}",
                NAMES[*name]
            );
            if let Some(found) = &found {
                listed.insert((NAMES[*name].to_owned(), found.len() as u64));
            }
            if booted {
                *possible = BTreeSet::from([found]);
            }
        }
        let names: BTreeSet<_> = self.objects.list("").unwrap().into_iter().collect();
        assert_eq!(names, listed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(400)))]

    #[test]
    fn objects_are_old_or_new_and_new_once_said(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut life = Life::new();
        for step in &steps {
            life.step(step);
        }
        life.disk.clear_faults();
        life.happen(End::Power(seed));
        // And it goes on: what a crash left behind is in nobody's way.
        life.ahead = None;
        life.objects.sweep().unwrap();
        for name in 0..NAMES.len() {
            life.step(&Step::Put(name, 700));
        }
        life.happen(End::Power(!seed));
    }
}

/// Found by the test above: the folder was there, so the next writer took it for durable.
#[test]
fn a_folder_whose_maker_was_killed_before_it_was_durable_is_made_so_by_the_next_writer() {
    for step in 0..12 {
        let disk = SimDisk::new();
        disk.set_faults(move |op| (op.number >= step).then_some(Fault::Killed));
        let _ = start(&disk).put("a", Bytes::from_static(b"one"));
        disk.clear_faults();
        start(&disk).put("a", Bytes::from_static(b"two")).unwrap();
        disk.power_cut();
        let found = start(&disk).get("a").unwrap();
        assert_eq!(found.as_deref(), Some(&b"two"[..]), "killed at {step}");
    }
}
