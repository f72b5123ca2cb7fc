//! Random lives of the file sink on a disk that loses power, loses its process or fails at any operation: a
//! batch that was committed is there whole and the same, one that wasn't is there whole or not at
//! all, and committing again completes it.
//!
//! `TIDEMILL_CASES=N` runs N histories instead of a few; a failing one is printed, and kept beside this file.

#[path = "../../tests/support/cases.rs"]
mod cases;

use cases::cases;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tidemill_storage::{Disk, Fault, SimDisk};

use super::part_files::SUCCESS;
use super::{BatchIdentity, Sink, TextFiles};
use crate::rdd::{Executor, Rdd};
use crate::time::Time;
use crate::uid::OperatorUid;

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
}

#[derive(Debug, Clone)]
enum Step {
    Commit(u64),
    /// Something happens at so many operations from now.
    Plan(u8, Event),
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop_oneof![
        2 => any::<u64>().prop_map(Event::Power),
        3 => any::<u64>().prop_map(Event::KillAndPower),
        2 => Just(Event::Kill),
        1 => Just(Event::Fault),
    ];
    prop_oneof![
        2 => (1..4_u64).prop_map(Step::Commit),
        1 => (0..40_u8, event).prop_map(|(after, event)| Step::Plan(after, event)),
    ]
}

/// A batch's lines: some of them over more than one sector.
fn lines(time: u64) -> Vec<String> {
    let line = |number: u64| format!("{time}/{number} {}", "x".repeat(number as usize * 150));
    (0..8).map(line).collect()
}

struct Life {
    disk: SimDisk,
    executor: Executor,
    committed: BTreeSet<u64>,
    ahead: Option<(u64, Event)>,
}

impl Life {
    fn commit(&mut self, time: u64) -> bool {
        let sink = TextFiles::on_disk("/out/counts", None, Arc::new(self.disk.clone()));
        let batch = BatchIdentity {
            application: "test".to_owned(),
            output: OperatorUid::new("files"),
            time: Time::from_millis(time),
        };
        let done = sink
            .commit(&batch, &Rdd::parallelize(lines(time), 3, &self.executor))
            .is_ok();
        if done {
            self.committed.insert(time);
        }
        done
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Commit(time) => {
                let _ = self.commit(time);
            }
            Step::Plan(after, event) if self.ahead.is_none() => {
                let at = self.disk.operations() + u64::from(after);
                self.ahead = Some((at, event));
                self.disk.set_faults(move |op| match event {
                    Event::Power(_) => (op.number >= at).then_some(Fault::Errno(5)),
                    Event::KillAndPower(_) | Event::Kill => {
                        (op.number >= at).then_some(Fault::Killed)
                    }
                    Event::Fault => (op.number == at).then_some(Fault::Errno(5)),
                });
            }
            Step::Plan(..) => {}
        }
        if let Some((at, event)) = self.ahead
            && self.disk.operations() > at
        {
            self.ahead = None;
            self.disk.clear_faults();
            self.happen(event);
        }
    }

    fn happen(&self, event: Event) {
        if let Event::Power(seed) | Event::KillAndPower(seed) = event {
            self.disk.power_cut_torn(seed);
        }
        for time in 1..4 {
            self.check(time);
        }
    }

    fn check(&self, time: u64) {
        let folder = PathBuf::from(format!("/out/counts-{time}"));
        if self.disk.metadata(&folder).unwrap().is_none() {
            assert!(!self.committed.contains(&time), "{time} is gone");
            return;
        }
        let entries = self.disk.read_dir(Path::new(&folder)).unwrap();
        let names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        assert!(names.contains(&SUCCESS.to_owned()), "{time}: {names:?}");
        let parts = names.iter().filter(|name| name.starts_with("part-"));
        let text: Vec<u8> = parts
            .flat_map(|name| self.disk.read(&folder.join(name)).unwrap().to_vec())
            .collect();
        let text = String::from_utf8(text).unwrap();
        let found: Vec<&str> = text.lines().collect();
        assert_eq!(found, lines(time), "{time}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(150)))]

    #[test]
    fn a_batch_is_there_whole_or_not_at_all(
        steps in prop::collection::vec(step(), 1..24),
        seed in any::<u64>(),
    ) {
        let mut life = Life {
            disk: SimDisk::new(),
            executor: Executor::new(1, 1).unwrap(),
            committed: BTreeSet::new(),
            ahead: None,
        };
        for step in &steps {
            life.step(step);
        }
        life.ahead = None;
        life.disk.clear_faults();
        life.happen(Event::KillAndPower(seed));
        for time in 1..4 {
            prop_assert!(life.commit(time), "{} can't be completed", time);
        }
        life.happen(Event::Power(!seed));
    }
}
