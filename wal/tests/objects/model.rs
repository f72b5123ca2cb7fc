//! Random lives of a log against a list: on a simulated disk whose power is cut, and in memory, where what
//! crashed goes on living and must not get anything done. Every answered append survives; survivors are a
//! prefix of what was appended; numbers have no gaps.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tidemill_storage::{DiskObjects, Objects, SimDisk};
use tidemill_wal::{Append, Recovered, Sequence, Wal, WalOptions};

use crate::common::{DIR, payload, text};
use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    /// Appends this many entries at once and waits for all.
    Append(u8, u16),
    /// Appends without waiting: they may or may not be there after a crash.
    Fire(u8, u16),
    /// Appends one by one, so that there is something to put together.
    Drip(u8),
    Truncate(u8),
    Replay(u8),
    Restart,
    Crash,
    /// What crashed before tries to append and to truncate.
    Haunt,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..6_u8, 0..300_u16).prop_map(|(n, len)| Step::Append(n, len)),
        2 => (1..6_u8, 0..300_u16).prop_map(|(n, len)| Step::Fire(n, len)),
        3 => (1..9_u8).prop_map(Step::Drip),
        2 => any::<u8>().prop_map(Step::Truncate),
        2 => any::<u8>().prop_map(Step::Replay),
        1 => Just(Step::Restart),
        2 => Just(Step::Crash),
        1 => Just(Step::Haunt),
    ]
}

/// What a crash is.
enum Home {
    /// A power cut: the old process goes on with a disk of its own.
    Disk(SimDisk),
    /// The old process goes on with the same store.
    Memory(Arc<dyn Objects>),
}

impl Home {
    fn objects(&self) -> Arc<dyn Objects> {
        match self {
            Self::Disk(disk) => Arc::new(DiskObjects::new(Arc::new(disk.clone()), Path::new(DIR))),
            Self::Memory(objects) => Arc::clone(objects),
        }
    }
}

struct Life {
    home: Home,
    wal: Wal,
    ghosts: Vec<Wal>,
    epoch: u64,
    /// All that was appended, by number.
    appended: Vec<String>,
    /// How many of them must be there.
    answered: usize,
    oldest: usize,
    in_flight: Vec<Append>,
    counter: u64,
}

fn start(home: &Home, epoch: u64) -> (Wal, Recovered) {
    let options = WalOptions {
        segment_bytes: 2_000,
        max_group_bytes: 500,
        small_segment_bytes: 250,
        compact_segments: 3,
        ..options(epoch)
    };
    try_open(&home.objects(), options).unwrap()
}

impl Life {
    fn new(home: Home) -> Self {
        let wal = start(&home, 1).0;
        Self {
            home,
            wal,
            ghosts: Vec::new(),
            epoch: 1,
            appended: Vec::new(),
            answered: 0,
            oldest: 0,
            in_flight: Vec::new(),
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
        let replay = self.wal.replay(Sequence(from as u64)).unwrap();
        let found: Vec<_> = replay.map(Result::unwrap).collect();
        assert!(from + found.len() >= self.answered);
        let expected = self.appended.iter().enumerate().skip(from);
        for (entry, (number, expected)) in found.iter().zip(expected) {
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
            Step::Drip(count) => {
                for _ in 0..count {
                    let append = self.append(5);
                    self.in_flight.push(append);
                    self.settle();
                }
            }
            Step::Truncate(share) => {
                let before = self.answered * usize::from(share) / 255;
                let truncated = self.wal.truncate_before(Sequence(before as u64)).unwrap();
                let oldest = truncated.oldest_sequence.0 as usize;
                assert!(oldest <= before.max(self.oldest) && oldest >= self.oldest);
                self.oldest = oldest;
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
            Step::Crash => {
                if let Home::Disk(disk) = &mut self.home {
                    *disk = disk.snapshot();
                    disk.power_cut_torn(self.counter);
                }
                self.reopen();
                for append in std::mem::take(&mut self.in_flight) {
                    let sequence = append.sequence().0 as usize;
                    let is_kept = append.wait().is_err() || sequence < self.appended.len();
                    // What a cut disk's ghost is told is told on its own disk.
                    assert!(is_kept || matches!(self.home, Home::Disk(_)));
                }
            }
            Step::Haunt => {
                if matches!(self.home, Home::Memory(_)) {
                    for ghost in &self.ghosts {
                        let answer = ghost.append(1, payload("boo")).wait();
                        assert!(answer.unwrap_err().is_fenced());
                        let end = ghost.next_sequence();
                        assert!(
                            ghost
                                .truncate_before(end)
                                .map_or_else(|e| e.is_fenced(), |t| t.segments == 0)
                        );
                    }
                }
            }
        }
    }

    fn reopen(&mut self) {
        self.epoch += 1;
        let (wal, recovered) = start(&self.home, self.epoch);
        self.ghosts.push(std::mem::replace(&mut self.wal, wal));
        // One that was closed tells nobody that it was fenced.
        self.ghosts.retain(|ghost| {
            !matches!(
                ghost.append(1, vec![]).wait(),
                Err(tidemill_wal::Error::Closed)
            )
        });
        let next = recovered.next_sequence.0 as usize;
        assert!((self.answered..=self.appended.len()).contains(&next));
        assert_eq!(recovered.oldest_sequence.0 as usize, self.oldest);
        self.appended.truncate(next);
        self.answered = next;
        self.check(self.oldest);
    }
}

fn live(home: Home, steps: &[Step]) {
    let mut life = Life::new(home);
    for step in steps {
        life.step(step);
    }
    life.step(&Step::Crash);
    life.step(&Step::Haunt);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_log_on_a_disk_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        live(Home::Disk(SimDisk::new()), &steps);
    }

    #[test]
    fn a_log_in_memory_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        live(Home::Memory(in_memory()), &steps);
    }
}
