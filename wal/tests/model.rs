//! Random lives of a log against a list: appends in groups, rotations, rolls, truncations, clean restarts and
//! power cuts in mid-flight. Every answered append survives; survivors are a prefix of what was
//! appended; numbers have no gaps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::*;
use proptest::prelude::*;
use tidemill_storage::SimDisk;
use tidemill_wal::{Append, Recovered, Sequence, Wal, WalOptions};

#[derive(Debug, Clone)]
enum Step {
    /// Appends this many entries at once and waits for all.
    Append(u8, u16),
    /// Appends without waiting: they may or may not be there after a power cut.
    Fire(u8, u16),
    Truncate(u8),
    /// Leaves the newest segment, and asks that it goes if all has been answered.
    Roll,
    Replay(u8),
    Restart,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6_u8, 0..300_u16).prop_map(|(n, len)| Step::Append(n, len)),
        2 => (1..6_u8, 0..300_u16).prop_map(|(n, len)| Step::Fire(n, len)),
        2 => any::<u8>().prop_map(Step::Truncate),
        1 => Just(Step::Roll),
        2 => any::<u8>().prop_map(Step::Replay),
        1 => Just(Step::Restart),
        2 => Just(Step::PowerCut),
    ]
}

struct Life {
    disk: SimDisk,
    wal: Wal,
    epoch: u64,
    /// All that was appended, by number.
    appended: Vec<String>,
    /// How many of them must be there.
    answered: usize,
    oldest: usize,
    in_flight: Vec<Append>,
    counter: u64,
}

fn start(disk: &SimDisk, epoch: u64) -> (Wal, Recovered) {
    let options = WalOptions {
        epoch,
        segment_bytes: 600,
        max_group_bytes: 500,
        ..options()
    };
    try_open(disk, options).unwrap()
}

impl Life {
    fn new() -> Self {
        let disk = SimDisk::new();
        let wal = start(&disk, 0).0;
        let (appended, in_flight) = (Vec::new(), Vec::new());
        Self {
            disk,
            wal,
            epoch: 0,
            appended,
            answered: 0,
            oldest: 0,
            in_flight,
            counter: 0,
        }
    }

    fn append(&mut self, len: u16) -> Append {
        self.counter += 1;
        let text = format!("{} {}", self.counter, "x".repeat(usize::from(len)));
        let append = self.wal.append((self.counter % 128) as u8, payload(&text));
        assert_eq!(append.sequence().0, self.appended.len() as u64);
        self.appended.push(text);
        append
    }

    fn settle(&mut self) {
        for append in self.in_flight.drain(..) {
            append.wait().unwrap();
        }
        self.answered = self.appended.len();
    }

    fn check(&self, from: usize) {
        let found: Vec<_> = self
            .wal
            .replay(Sequence(from as u64))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(from + found.len() >= self.answered);
        for (entry, (number, expected)) in found
            .iter()
            .zip(self.appended.iter().enumerate().skip(from))
        {
            assert_eq!((entry.sequence.0, &text(entry)), (number as u64, expected));
            assert_eq!(&self.wal.read(entry.position).unwrap(), entry);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append(count, len) => {
                let appends: Vec<_> = (0..count).map(|_| self.append(len)).collect();
                self.in_flight.extend(appends);
                self.settle();
            }
            Step::Fire(count, len) => {
                let appends: Vec<_> = (0..count).map(|_| self.append(len)).collect();
                self.in_flight.extend(appends);
            }
            Step::Truncate(share) => {
                let before = self.answered * usize::from(share) / 255;
                let truncated = self.wal.truncate_before(Sequence(before as u64)).unwrap();
                let oldest = truncated.oldest_sequence.0 as usize;
                assert!(oldest <= before.max(self.oldest) && oldest >= self.oldest);
                self.oldest = oldest;
            }
            Step::Roll => {
                let all_answered = self.in_flight.is_empty();
                let rolled = self.wal.roll(0).unwrap();
                if all_answered {
                    assert!(!self.wal.roll(0).unwrap(), "an empty segment was left");
                    let all = Sequence(self.appended.len() as u64);
                    let truncated = self.wal.truncate_before(all).unwrap();
                    assert!(!rolled || truncated.segments > 0, "{truncated:?}");
                    assert_eq!(truncated.oldest_sequence, all);
                    self.oldest = self.appended.len();
                }
            }
            Step::Replay(share) => {
                let range = self.answered - self.oldest;
                self.check(self.oldest + range * usize::from(share) / 255);
            }
            Step::Restart => {
                self.wal.close().unwrap();
                self.settle();
                self.reopen();
            }
            Step::PowerCut => {
                // The old process goes on with its own disk; the new one sees what the cut left.
                let disk = self.disk.snapshot();
                disk.power_cut();
                self.disk = disk;
                self.in_flight.clear();
                self.reopen();
            }
        }
    }

    fn reopen(&mut self) {
        self.epoch += 1;
        let (wal, recovered) = start(&self.disk, self.epoch);
        self.wal = wal;
        let next = recovered.next_sequence.0 as usize;
        assert!((self.answered..=self.appended.len()).contains(&next));
        assert_eq!(recovered.oldest_sequence.0 as usize, self.oldest);
        self.appended.truncate(next);
        self.answered = next;
        self.check(self.oldest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_log_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        let mut life = Life::new();
        for step in &steps {
            life.step(step);
        }
        life.step(&Step::PowerCut);
    }
}
