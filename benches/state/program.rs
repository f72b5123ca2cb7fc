//! A program that holds many keys, and its batches.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill::clock::{Clock, ManualClock};
use tidemill::rdd::Data;
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

/// What a program's batches are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Pairs with numbers as keys.
    Numbers,
    /// Pairs with texts as keys.
    Texts,
    /// Lines of eight words: the whole word count, with split words as keys.
    Words,
}

/// Words of a line.
const WORDS: usize = 8;

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
    pub fn start(folder: &Path, program: Program, kind: Keys, keys: u64) -> Self {
        let text = |key| format!("key-{key:09}");
        match kind {
            Keys::Numbers => Self::start_with(
                folder,
                program,
                keys,
                |key| key,
                |context| pairs(context, |key| key),
            ),
            Keys::Texts => Self::start_with(folder, program, keys, text, move |context| {
                pairs(context, text)
            }),
            Keys::Words => Self::start_with(folder, program, keys, text, move |context| {
                words(context, text)
            }),
        }
    }

    fn start_with<K: StateKey + Ord>(
        folder: &Path,
        program: Program,
        keys: u64,
        key: impl Fn(u64) -> K,
        input: impl FnOnce(&StreamingContext) -> (DStream<(K, u64)>, Push),
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
        let (pairs, push) = input(&context);
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
            push,
            keys,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Runs batches that each update as many keys, chosen by chance, none of them twice: drawn freely, a
    /// batch would touch fewer of few keys than of many.
    pub fn batches(&mut self, batches: usize, updates: usize) -> Vec<BatchTime> {
        let mut times = Vec::with_capacity(batches);
        for _ in 0..batches {
            let (keys, random) = (self.keys, &mut self.random);
            let mut chosen = HashSet::with_capacity(updates);
            let drawn = std::iter::repeat_with(|| {
                *random ^= *random << 13;
                *random ^= *random >> 7;
                *random ^= *random << 17;
                *random % keys
            });
            let mut distinct = drawn.filter(|key| chosen.insert(*key)).take(updates);
            (self.push)(&mut distinct);
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
            // As with an interval of a second: a checkpoint is written by the time of the next batch, and
            // what a batch leaves behind is cleaned up.
            self.settle();
            std::thread::sleep(Duration::from_millis(10));
        }
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

/// Pairs, handed in as they are.
fn pairs<K: Data>(
    context: &StreamingContext,
    key: impl Fn(u64) -> K + 'static,
) -> (DStream<(K, u64)>, Push) {
    let (pairs, queue) = context.queue_stream();
    let push = move |keys: &mut dyn Iterator<Item = u64>| {
        queue.push_vec(keys.map(|n| (key(n), 1)).collect());
    };
    (pairs, Box::new(push))
}

/// The words of lines, each counting one.
fn words(
    context: &StreamingContext,
    word: impl Fn(u64) -> String + 'static,
) -> (DStream<(String, u64)>, Push) {
    let (lines, queue) = context.queue_stream::<str>();
    let words = lines.flat_map::<str>(|line, out| {
        line.split_ascii_whitespace()
            .for_each(|word| out.emit(word));
    });
    let push = move |keys: &mut dyn Iterator<Item = u64>| {
        let words: Vec<String> = keys.map(&word).collect();
        queue.push_vec(words.chunks(WORDS).map(|words| words.join(" ")).collect());
    };
    (words.map(|word| (word.to_owned(), 1)), Box::new(push))
}
