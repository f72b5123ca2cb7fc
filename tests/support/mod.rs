//! What tests of whole programs share: a context on a manual clock, a receiver that is fed by hand, and
//! the outputs it collected.
#![allow(dead_code)]

pub mod cases;
pub mod model;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidemill::clock::ManualClock;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::{Builder, DStream, StreamingContext, Time};
use tokio::sync::{mpsc, oneshot};

pub const SECOND: Duration = Duration::from_secs(1);

/// A clock that stands at a whole number of seconds.
pub fn clock_at(seconds: u64) -> ManualClock {
    ManualClock::new(Time::from_millis(seconds * 1000))
}

/// A context of one-second batches on `clock` whose checkpoints are at `url`, cut after each batch.
pub fn builder(url: &str, clock: &ManualClock) -> Builder {
    StreamingContext::builder("test", SECOND)
        .checkpoint(url)
        .checkpoint_interval(SECOND)
        .block_interval(Duration::from_millis(10))
        .retry_delay(Duration::from_millis(1))
        .clock(clock.clone())
        .parallelism(2)
}

/// Feeds a [`Fed`] receiver.
#[derive(Clone)]
pub struct Feed(mpsc::UnboundedSender<(Vec<String>, oneshot::Sender<bool>)>);

/// A receiver that stores reliably what it is fed.
pub struct Fed(mpsc::UnboundedReceiver<(Vec<String>, oneshot::Sender<bool>)>);

pub fn feed() -> (Feed, Fed) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Feed(sender), Fed(receiver))
}

impl Feed {
    /// Hands lines in and waits until they are acknowledged; the clock is moved for the block interval.
    pub fn send(&self, clock: &ManualClock, lines: &[&str]) {
        let (answer, mut answered) = oneshot::channel();
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.0
            .send((lines, answer))
            .unwrap_or_else(|_| panic!("the receiver is gone"));
        eventually("lines are acknowledged", || {
            clock.advance(Duration::from_millis(1));
            answered.try_recv().ok()
        });
    }
}

impl Feed {
    /// As [`Feed::send`], but gives up when `is_over`; whether the lines were acknowledged.
    pub fn offer(&self, clock: &ManualClock, lines: &[&str], is_over: impl Fn() -> bool) -> bool {
        let (answer, mut answered) = oneshot::channel();
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        if self.0.send((lines, answer)).is_err() {
            return false;
        }
        eventually("lines are acknowledged or refused", || {
            clock.advance(Duration::from_millis(1));
            match answered.try_recv() {
                Ok(stored) => Some(stored),
                Err(oneshot::error::TryRecvError::Closed) => Some(false),
                Err(oneshot::error::TryRecvError::Empty) => is_over().then_some(false),
            }
        })
    }
}

impl Receiver for Fed {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        while let Some((lines, answer)) = self.0.recv().await {
            let stored = store.store_reliably(lines.iter().map(String::as_str)).await;
            let _ = answer.send(stored.is_ok());
        }
        store.stopped().await;
        Ok(())
    }
}

/// Asks until there is an answer; a test that waits a minute has failed.
pub fn eventually<R>(what: &str, mut ask: impl FnMut() -> Option<R>) -> R {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a stream yielded, batch by batch; a batch that is run again replaces what it yielded before.
pub struct Collected<T>(Arc<Mutex<BTreeMap<Time, Vec<T>>>>);

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Ord + Send + Sync + 'static> Collected<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Collects `stream` into this.
    pub fn collect(&self, stream: &DStream<T>) {
        let all = Arc::clone(&self.0);
        stream.for_each_rdd(move |rdd, time| -> Result<(), BoxError> {
            let mut elements = rdd.collect()?;
            elements.sort();
            all.lock().unwrap().insert(time, elements);
            Ok(())
        });
    }

    /// What the batches yielded that yielded anything, in order.
    pub fn filled(&self) -> Vec<Vec<T>> {
        self.0
            .lock()
            .unwrap()
            .values()
            .filter(|batch| !batch.is_empty())
            .cloned()
            .collect()
    }

    /// What the batch at `seconds` yielded, once it is there.
    pub fn at(&self, seconds: u64) -> Vec<T> {
        let time = Time::from_millis(seconds * 1000);
        eventually(&format!("the batch at {time}"), || {
            self.0.lock().unwrap().get(&time).cloned()
        })
    }

    /// The seconds of all batches.
    pub fn seconds(&self) -> Vec<u64> {
        self.0
            .lock()
            .unwrap()
            .keys()
            .map(|time| time.as_millis() / 1000)
            .collect()
    }

    pub fn last(&self) -> Option<Vec<T>> {
        self.0.lock().unwrap().values().next_back().cloned()
    }
}

/// A program that collects the running totals of the lines it is fed; its state is `totals`.
pub fn totals(builder: Builder) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder.build().unwrap();
    let (feed, fed) = feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let totals = lines
        .count_by_value()
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .uid("totals");
    let seen = Collected::new();
    seen.collect(&totals);
    (context, feed, seen)
}

/// Moves the clock to a whole number of seconds, and waits until the batch then is complete.
pub fn run_to(context: &StreamingContext, clock: &ManualClock, seconds: u64) {
    use tidemill::clock::Clock;
    let target = Time::from_millis(seconds * 1000);
    clock.advance(target.since(clock.now()));
    eventually("the batch is complete", || {
        // A batch that was tried again may be the last to complete.
        let completed = context.progress().completed_batches();
        let is_done = completed.iter().any(|batch| batch.batch_time >= target);
        (is_done && context.pending_batches() == 0).then_some(())
    });
}

/// Waits until a checkpoint holds the batch at `seconds`: the next life knows by it that the batch is complete.
pub fn wait_for_checkpoint(context: &StreamingContext, seconds: u64) {
    let target = Time::from_millis(seconds * 1000);
    eventually("a checkpoint holds the batch", || {
        let checkpoints = context.checkpoint_history();
        let mut times = checkpoints.iter().map(|checkpoint| checkpoint.time);
        times.any(|time| time >= target).then_some(())
    });
}

pub fn pairs(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect()
}
