//! Back-pressure from end to end: a slow output slows its sources, nothing is lost or doubled, and the rate
//! outlives the process.
//!
//! Time is the manual clock's alone. An output that works moves it on, tick by tick, and waits at each until
//! the batch of that tick has been cut, so that batches queue up as behind a sink that is really slow, and
//! each run measures the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{SECOND, builder, clock_at, eventually};
use tidemill::clock::{Clock, ManualClock};
use tidemill::rdd::BoxError;
use tidemill::scheduler::BatchInfo;
use tidemill::source::{IngestError, RateOptions};
use tidemill::{OperatorUid, PidSettings, StreamingContext};

/// What the output needs for a record.
const COST: Duration = Duration::from_millis(1);
/// What it can work off in a batch interval.
const CAPACITY: f64 = 1000.0;
/// The rate until there is another.
const INITIAL: f64 = 800.0;
/// Lines in a post.
const POST: usize = 50;

/// A program with a slow output, what is posted to it, and what reached the output.
struct Slow {
    context: StreamingContext,
    world: Arc<World>,
    written: Arc<Mutex<Vec<String>>>,
}

/// What goes on while time passes, be it that the output works or that nothing does.
struct World {
    clock: ManualClock,
    /// Posts at each tick.
    posts: usize,
    /// Empty before the start and after the end: outputs must not keep their context.
    context: Mutex<Option<StreamingContext>>,
    posted: Mutex<Posted>,
}

#[derive(Default)]
struct Posted {
    posts: usize,
    /// Lines whose posts were answered with 200.
    acknowledged: BTreeSet<String>,
    refused: usize,
}

impl World {
    /// Moves the clock on by `length`. At each tick, waits until its batch has been cut, and posts.
    fn pass(&self, length: Duration) {
        let Some(context) = self.context.lock().unwrap().clone() else {
            return self.clock.advance(length);
        };
        let end = self.clock.now().plus(length);
        while self.clock.now() < end {
            let tick = self.clock.now().next_multiple(SECOND);
            let stop = tick.min(end);
            self.clock.advance(stop.since(self.clock.now()));
            if stop == tick {
                eventually("the tick is run", || {
                    context
                        .next_batch()
                        .is_none_or(|next| next > tick)
                        .then_some(())
                });
                self.post(&context);
            }
        }
    }

    /// Posts at once what a tick brings, and waits for all answers.
    fn post(&self, context: &StreamingContext) {
        let runtime = context.runtime().unwrap();
        let mut posted = self.posted.lock().unwrap();
        let mut on_their_way = Vec::new();
        for _ in 0..self.posts {
            posted.posts += 1;
            let lines = (0..POST).map(|n| format!("{}:{n}", posted.posts));
            let lines: Vec<String> = lines.collect();
            let (ingest, body) = (context.ingest().clone(), lines.join("\n"));
            let answer =
                runtime.spawn(async move { ingest.ingest("posts", body.as_bytes()).await });
            on_their_way.push((lines, answer));
        }
        eventually("all posts are answered", || {
            let answered = on_their_way.iter().all(|(_, answer)| answer.is_finished());
            if !answered {
                // Blocks are cut by the same clock.
                self.clock.advance(Duration::from_millis(1));
            }
            answered.then_some(())
        });
        for (lines, answer) in on_their_way {
            match runtime.block_on(answer).unwrap() {
                Ok(count) => {
                    assert_eq!(count, POST as u64);
                    posted.acknowledged.extend(lines);
                }
                Err(IngestError::Busy { retry_after }) => {
                    assert!(!retry_after.is_zero());
                    posted.refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Slow {
    /// `declare` adds the streams to be written; `posts` are made at each tick, the first numbered `from`.
    fn start(
        url: &str,
        clock: &ManualClock,
        (posts, from): (usize, usize),
        declare: impl Fn(&StreamingContext) -> tidemill::DStream<str>,
    ) -> Self {
        let builder = builder(url, clock).backpressure(true);
        let context = builder.backpressure_initial_rate(INITIAL).build().unwrap();
        let written: Arc<Mutex<Vec<String>>> = Arc::default();
        let world = Arc::new(World {
            clock: clock.clone(),
            posts,
            context: Mutex::default(),
            posted: Mutex::new(Posted {
                posts: from,
                ..Posted::default()
            }),
        });
        let (all, time) = (Arc::clone(&written), Arc::clone(&world));
        declare(&context).for_each_rdd(move |rdd, _| -> Result<(), BoxError> {
            let lines = rdd.collect()?;
            time.pass(COST * lines.len() as u32);
            all.lock().unwrap().extend(lines);
            Ok(())
        });
        context.start().unwrap();
        *world.context.lock().unwrap() = Some(context.clone());
        Self {
            context,
            world,
            written,
        }
    }

    /// Goes on to the next tick and waits until `batches` in all are complete.
    fn run(&self, batches: u64) {
        let completed = || {
            let sums = self.context.progress().statistics(1000);
            sums.total_completed_batches
        };
        while completed() < batches {
            let now = self.world.clock.now();
            self.world.pass(now.next_multiple(SECOND).since(now));
            eventually("no batch waits", || {
                (self.context.pending_batches() == 0).then_some(())
            });
        }
    }

    fn rate(&self, stream: &str) -> f64 {
        let rates = self.context.rates();
        let rate = rates
            .iter()
            .find(|rate| rate.stream_name.as_str() == stream);
        rate.and_then(|rate| rate.rate_limit).unwrap()
    }

    /// The last `count` batches that are complete, newest first.
    fn last(&self, count: usize) -> Vec<BatchInfo> {
        let batches = self.context.progress().completed_batches();
        batches.into_iter().take(count).collect()
    }

    /// Stops: all lines that were written, in order, and what was posted.
    fn finish(self, gracefully: bool) -> (Vec<String>, Posted) {
        *self.world.context.lock().unwrap() = None;
        self.context.stop(gracefully).unwrap();
        let mut written = std::mem::take(&mut *self.written.lock().unwrap());
        written.sort();
        (
            written,
            std::mem::take(&mut self.world.posted.lock().unwrap()),
        )
    }
}

fn records_of(batch: &BatchInfo, stream: &str) -> u64 {
    let records = batch.stream_records.get(&OperatorUid::new(stream));
    records.copied().unwrap_or_default()
}

/// Posts and generated lines, in one stream.
fn both(context: &StreamingContext, records_per_second: u64) -> tidemill::DStream<str> {
    let options = RateOptions {
        records_per_second,
        words_per_line: 12,
        ..RateOptions::default()
    };
    let generated = context.rate_stream(options).uid("generated");
    let posts = context.http_stream("posts", None);
    context.union(&[posts, generated])
}

/// Twice what can be worked off is posted, and as much again is due from a rate source.
#[test]
fn a_slow_output_slows_posts_and_a_rate_source() {
    let twice = 2 * CAPACITY as usize / POST;
    let declare = |context: &StreamingContext| both(context, 2 * CAPACITY as u64);
    let slow = Slow::start("memory:slow", &clock_at(100), (twice, 0), declare);
    slow.run(60);

    let last = slow.last(20);
    let mean = last.iter().map(|batch| batch.num_records).sum::<u64>() as f64 / 20.0;
    assert!(
        (0.8..1.1).contains(&(mean / CAPACITY)),
        "{mean} records a batch"
    );
    for batch in &last {
        let delay = batch.scheduling_delay().unwrap();
        assert!(delay < 2000, "{delay} ms late: {batch:?}");
    }
    for stream in ["posts", "generated"] {
        let taken: u64 = last.iter().map(|batch| records_of(batch, stream)).sum();
        // Each may have the least rate, 100 a second, whatever the other takes.
        assert!(taken >= 1800, "{stream} took {taken} in 20 batches");
    }

    let (written, posted) = slow.finish(true);
    assert!(
        posted.refused > 1000,
        "{} posts were refused",
        posted.refused
    );
    let (posts, generated): (Vec<String>, Vec<String>) =
        written.into_iter().partition(|line| line.contains(':'));
    let acknowledged: Vec<String> = posted.acknowledged.into_iter().collect();
    assert_eq!(posts, acknowledged, "each acknowledged line once");
    let different: BTreeSet<&String> = generated.iter().collect();
    assert_eq!(different.len(), generated.len(), "no generated line twice");
}

#[test]
fn the_rate_outlives_the_process_and_goes_before_the_initial_one() {
    for gracefully in [true, false] {
        let url = format!("memory:rates-held-{gracefully}");
        let clock = clock_at(100);
        let declare = |context: &StreamingContext| both(context, 5000);
        let first = Slow::start(&url, &clock, (8, 0), declare);
        assert_eq!(
            (first.rate("posts"), first.rate("generated")),
            (INITIAL, INITIAL)
        );
        first.run(6);
        for stream in ["posts", "generated"] {
            let rate = first.rate(stream);
            assert!(rate != INITIAL && rate >= 100.0, "{stream}: {rate}");
        }
        let (mut written, posted) = first.finish(gracefully);
        let restart = clock.now();

        let second = Slow::start(&url, &clock, (8, posted.posts), declare);
        let held = (second.rate("posts"), second.rate("generated"));
        assert!(held.0 != INITIAL && held.1 != INITIAL, "{held:?}");
        second.run(3);
        // A first batch is no measure, and of batches that were planned before the start it isn't known how
        // much they read.
        let batches = second.last(usize::MAX).into_iter().rev();
        let mut batches = batches.filter(|batch| batch.batch_time > restart);
        let planned =
            batches.find_map(|batch| Some(records_of(&batch, "generated")).filter(|n| *n > 0));
        assert_eq!(planned, Some(held.1 as u64));

        let (more, posted_later) = second.finish(true);
        written.extend(more);
        let posts = written.iter().filter(|line| line.contains(':')).cloned();
        let acknowledged: BTreeSet<String> = posted
            .acknowledged
            .union(&posted_later.acknowledged)
            .cloned()
            .collect();
        assert_eq!(posts.collect::<BTreeSet<_>>(), acknowledged);
        // Where it didn't stop gracefully, a batch that no checkpoint calls complete is run and written again.
        if gracefully {
            let different: BTreeSet<&String> = written.iter().collect();
            assert_eq!(different.len(), written.len(), "no line twice");
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let pid = |pid: PidSettings| {
        builder("memory:", &clock_at(1))
            .backpressure_pid(pid)
            .build()
    };
    let usual = PidSettings::default;
    for (built, named) in [
        (
            pid(PidSettings {
                min_rate: 0.0,
                ..usual()
            }),
            "min_rate is 0",
        ),
        (
            pid(PidSettings {
                integral: -1.0,
                ..usual()
            }),
            "integral is -1",
        ),
        (
            builder("memory:", &clock_at(1))
                .backpressure_initial_rate(f64::NAN)
                .build(),
            "backpressure_initial_rate is NaN",
        ),
    ] {
        let error = built.map(drop).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
