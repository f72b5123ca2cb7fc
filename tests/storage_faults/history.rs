//! A short history of a program whose logs and outputs lie on one simulated disk: some lives, each cut off
//! by what the disk does, and what must be true at the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill::clock::{Clock, ManualClock};
use tidemill::sink::TextFiles;
use tidemill::{Builder, DStream, Error, ErrorKind, StreamingContext};
use tidemill_storage::{Disk, SimDisk, memory_disk};

use crate::support::{Feed, SECOND, builder, clock_at, eventually, feed};

/// How long a batch that fails is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Records of one life.
const RECORDS: u32 = 5;

/// What a program declares on its lines, given the sink of each output's name.
pub type Program = fn(&DStream<str>, &dyn Fn(&str) -> TextFiles);

pub struct History {
    name: String,
    program: Program,
    pub clock: ManualClock,
    pub disk: SimDisk,
    offered: u32,
    acknowledged: BTreeSet<String>,
}

/// A started program.
pub struct Life {
    pub context: StreamingContext,
    pub feed: Feed,
    /// Why the engine can't go on, once it can't.
    broken: RefCell<Option<Error>>,
}

impl Life {
    /// Whether the engine can't go on. A batch that fails is tried again.
    pub fn is_broken(&self) -> bool {
        if self.broken.borrow().is_none() {
            match self.context.await_termination_or_timeout(Duration::ZERO) {
                Ok(_) | Err(Error::Batch { .. }) => {}
                Err(error) => *self.broken.borrow_mut() = Some(error),
            }
        }
        self.broken.borrow().is_some()
    }

    /// Stops, and says why the engine couldn't go on, if it couldn't.
    pub fn end(self, gracefully: bool) -> Option<Error> {
        let is_broken = self.is_broken();
        let stopped = self.context.stop(gracefully && !is_broken);
        self.is_broken();
        self.broken.into_inner().or(stopped.err())
    }
}

impl History {
    /// Of a program that puts its lines out.
    pub fn new(name: String) -> Self {
        Self::of(name, |lines, files| {
            lines.sink(files("lines"));
        })
    }

    /// Of a program of which one output, `lines`, gets its lines.
    pub fn of(name: String, program: Program) -> Self {
        Self {
            program,
            disk: memory_disk(&format!("{name}/wal")),
            name,
            clock: clock_at(100),
            offered: 0,
            acknowledged: BTreeSet::new(),
        }
    }

    /// A fresh driver of the program.
    pub fn start(&self, change: impl FnOnce(Builder) -> Builder) -> Result<Life, Error> {
        let builder = builder(&format!("memory:{}", self.name), &self.clock)
            .segment_bytes(700)
            .retry_delay_max(Duration::from_millis(10))
            .stop_timeout(SECOND * 20);
        let context = change(builder).build()?;
        let (feed, fed) = feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        (self.program)(&lines, &|output| {
            TextFiles::on_disk(format!("/out/{output}"), Some("txt"), Arc::clone(&disk))
        });
        let started = context.start();
        let life = Life {
            context,
            feed,
            broken: RefCell::default(),
        };
        match started {
            Ok(()) => Ok(life),
            Err(error) => {
                drop(life);
                Err(error)
            }
        }
    }

    /// Sends a record of its own kind; whether it was acknowledged.
    pub fn offer(&mut self, life: &Life, is_over: impl Fn() -> bool) -> bool {
        self.offered += 1;
        let record = format!("record-{}", self.offered);
        let is_over = || is_over() || life.is_broken();
        let stored = life.feed.offer(&self.clock, &[&record], is_over);
        if stored {
            self.acknowledged.insert(record);
        }
        stored
    }

    /// Moves the clock to the next batch, and waits until it is complete; `false` when it can't be.
    pub fn tick(&self, life: &Life) -> bool {
        let Some(target) = life.context.next_batch() else {
            return false;
        };
        self.clock.advance(target.since(self.clock.now()));
        let started = Instant::now();
        eventually("the batch is complete", || {
            let is_stuck = !life.context.progress().failing().is_empty();
            if life.is_broken() || (is_stuck && started.elapsed() > PATIENCE) {
                return Some(false);
            }
            let last = life.context.progress().last_completed()?;
            (last.batch_time >= target && life.context.pending_batches() == 0).then_some(true)
        })
    }

    /// Takes some records in and runs batches; what is left at the end waits for no batch yet.
    pub fn live(&mut self, life: &Life) -> bool {
        for record in 1..=RECORDS {
            if !self.offer(life, || false) && life.is_broken() {
                return false;
            }
            if record % 2 == 0 && !self.tick(life) {
                return false;
            }
        }
        true
    }

    /// A start that may fail, and a life that may break or get stuck: why, if it did. Nobody is told that
    /// the program is wrong.
    pub fn try_life(&mut self, gracefully: bool) -> Option<String> {
        let (stuck, ended) = match self.start(|builder| builder) {
            Err(error) => (None, Some(error)),
            Ok(life) => {
                let went_well = self.live(&life);
                let stuck = (!went_well).then(|| life.context.obstacles().join("; "));
                (stuck, life.end(gracefully && went_well))
            }
        };
        if let Some(error) = &ended {
            assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
        }
        ended.map(|error| error.to_string()).or(stuck)
    }

    /// One last life on a good disk, then: each acknowledged record is in exactly one batch's output, and
    /// no other record in more than one.
    pub fn check(mut self, what: &str) {
        self.check_with(what, |builder| builder);
    }

    /// The same with other settings.
    pub fn check_with(&mut self, what: &str, change: impl FnOnce(Builder) -> Builder) {
        let life = self
            .start(change)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(self.offer(&life, || false), "{what}");
        assert!(self.tick(&life) && self.tick(&life), "{what}");
        let ended = life.end(true);
        assert!(ended.is_none(), "{what}: {ended:?}");
        let found = self.outputs();
        for record in &self.acknowledged {
            assert_eq!(found.get(record), Some(&1), "{what}: {record} in {found:?}");
        }
        for (record, times) in found {
            assert_eq!(times, 1, "{what}: {record}");
        }
    }

    /// Which lines are in committed outputs, and how often.
    pub fn outputs(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for line in self.batches("lines").into_values().flatten() {
            *found.entry(line).or_default() += 1;
        }
        found
    }

    /// What an output has committed, by the batch's second.
    pub fn batches(&self, output: &str) -> BTreeMap<u64, Vec<String>> {
        let folder = Path::new("/out");
        let time = |name: &str| {
            let millis = name.strip_prefix(output)?.strip_prefix('-')?;
            let millis: u64 = millis.strip_suffix(".txt")?.parse().ok()?;
            Some(millis / 1000)
        };
        let mut found: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for entry in self.disk.read_dir(folder).unwrap() {
            let Some(second) = time(&entry.name) else {
                continue;
            };
            let lines = found.entry(second).or_default();
            let batch = folder.join(entry.name);
            for part in self.disk.read_dir(&batch).unwrap() {
                let bytes = self.disk.read(&batch.join(part.name)).unwrap();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                lines.extend(text.lines().map(str::to_owned));
            }
        }
        found
    }
}
