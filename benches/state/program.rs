//! A program that holds many keys, and its batches.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill::clock::{Clock, ManualClock};
use tidemill::rdd::Data;
use tidemill::source::QueueHandle;
use tidemill::state::{State, StateKey, StateSpec};
use tidemill::{DStream, StreamingContext, Time};

const BATCH: Duration = Duration::from_secs(1);
/// A checkpoint is cut in every so many batches.
const CUT_EVERY: u32 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    MapWithState,
    UpdateState,
}

/// How long a batch took, from its tick to its end.
pub struct BatchTime {
    pub ms: f64,
    pub cut: bool,
}

/// Pushes a batch of these keys.
type Push = Box<dyn Fn(&mut dyn Iterator<Item = u64>)>;

/// A running program.
pub struct Held {
    context: StreamingContext,
    clock: ManualClock,
    push: Push,
    keys: u64,
    random: u64,
}

impl Held {
    /// Starts a program that holds keys from 0 on; or what the checkpoint in `folder` holds.
    pub fn start(folder: &Path, program: Program, strings: bool, keys: u64) -> Self {
        match strings {
            false => Self::start_with(folder, program, keys, |key| key),
            true => Self::start_with(folder, program, keys, |key| format!("key-{key:09}")),
        }
    }

    fn start_with<K: StateKey + Ord>(
        folder: &Path,
        program: Program,
        keys: u64,
        key: impl Fn(u64) -> K + Copy + 'static,
    ) -> Self {
        let clock = ManualClock::new(Time::from_millis(1_000_000));
        if let Ok(text) = std::fs::read_to_string(folder.join("clock")) {
            clock.advance(Time::from_millis(text.parse().unwrap()).since(clock.now()));
        }
        let context = StreamingContext::builder("state", BATCH)
            .checkpoint(format!("sled:{}", folder.join("checkpoint").display()))
            .checkpoint_interval(BATCH * CUT_EVERY)
            .clock(clock.clone())
            .build()
            .unwrap();
        let (pairs, queue) = context.queue_stream::<(K, u64)>();
        let is_there = folder.join("checkpoint").exists();
        let initial = (0..keys).filter(|_| !is_there).map(|n| (key(n), n));
        match program {
            Program::MapWithState => {
                let spec = StateSpec::function(add).initial_state(initial);
                read(&pairs.map_with_state(spec).uid("sums"));
            }
            Program::UpdateState => {
                let partitions = std::thread::available_parallelism().map_or(1, |n| n.get());
                let sum = |new: &[u64], held: Option<&u64>| {
                    Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
                };
                let initial = initial.collect();
                read(
                    &pairs
                        .update_state_by_key_with(sum, partitions, initial)
                        .uid("sums"),
                );
            }
        }
        context.start().unwrap();
        Self {
            context,
            clock,
            push: push(queue, key),
            keys,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Runs batches that each update as many keys, chosen by chance.
    pub fn batches(&mut self, batches: usize, updates: usize) -> Vec<BatchTime> {
        let mut times = Vec::with_capacity(batches);
        for _ in 0..batches {
            let (keys, random) = (self.keys, &mut self.random);
            (self.push)(&mut (0..updates).map(|_| {
                *random ^= *random << 13;
                *random ^= *random >> 7;
                *random ^= *random << 17;
                *random % keys
            }));
            let time = self.clock.now().plus(BATCH);
            let began = Instant::now();
            self.clock.advance(BATCH);
            let progress = self.context.progress();
            while progress
                .last_completed()
                .is_none_or(|batch| batch.batch_time < time)
            {
                std::thread::sleep(Duration::from_micros(50));
            }
            let ms = began.elapsed().as_secs_f64() * 1_000.0;
            times.push((time, ms));
        }
        self.settle();
        let cuts: Vec<Time> = self
            .context
            .checkpoint_history()
            .iter()
            .map(|checkpoint| checkpoint.time)
            .collect();
        let of = |(time, ms)| BatchTime {
            ms,
            cut: cuts.contains(&time),
        };
        times.into_iter().map(of).collect()
    }

    /// Waits until no checkpoint is under way.
    fn settle(&self) {
        while self
            .context
            .checkpoint_status()
            .is_some_and(|status| status.in_flight.is_some())
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The mean of the bytes that checkpoints wrote, but for the first, and how many there were.
    pub fn checkpoints(&self) -> (f64, usize) {
        let history = self.context.checkpoint_history();
        let later = &history[..history.len().saturating_sub(1)];
        let bytes: u64 = later.iter().map(|checkpoint| checkpoint.new_bytes).sum();
        (bytes as f64 / later.len().max(1) as f64, later.len())
    }

    /// Cuts a checkpoint and ends.
    pub fn stop(self) {
        self.settle();
        self.context.stop(false).unwrap();
    }

    /// Keys held.
    pub fn size(&self) -> u64 {
        self.context
            .state_sizes()
            .iter()
            .map(|state| state.keys)
            .sum()
    }

    /// Notes where the clock stands, for the next start.
    pub fn note_clock(&self, folder: &Path) {
        let ms = self.clock.now().as_millis().to_string();
        std::fs::write(folder.join("clock"), ms).unwrap();
    }
}

fn add<K: Data>(_: &K, value: Option<&u64>, sum: &mut State<'_, u64>) -> u64 {
    let now = sum.get_option().copied().unwrap_or_default() + value.copied().unwrap_or_default();
    sum.update(now);
    now
}

/// Looks at every element of every batch.
fn read<T: Data>(stream: &DStream<T>) {
    let seen = Arc::new(AtomicU64::new(0));
    stream.for_each_rdd(move |rdd, _| {
        seen.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok::<_, tidemill::rdd::BoxError>(())
    });
}

fn push<K: Data>(queue: QueueHandle<(K, u64)>, key: impl Fn(u64) -> K + 'static) -> Push {
    Box::new(move |keys| {
        queue.push_vec(keys.map(|n| (key(n), 1)).collect());
    })
}
