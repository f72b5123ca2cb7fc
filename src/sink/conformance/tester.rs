//! [`Tester`]: commits batches, and compares what a reader sees with what it should.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Harness;
use super::dataset::Dataset;
use crate::rdd::{BoxError, Executor, TaskError, contained};
use crate::sink::{BatchIdentity, Guarantee, Sink};
use crate::time::Time;
use crate::uid::OperatorUid;

/// The time before the first batch; a real one has as many digits.
const BEFORE_FIRST: u64 = 1_700_000_000_000;

/// Why a rule is broken.
pub(super) type Broken = String;

pub(super) struct Tester<'h, H: Harness + ?Sized> {
    pub(super) harness: &'h H,
    pub(super) kind: &'static str,
    pub(super) guarantee: Guarantee,
    executor: Executor,
    last: AtomicU64,
}

impl<'h, H: Harness + ?Sized> Tester<'h, H> {
    pub(super) fn new(harness: &'h H) -> Result<Self, BoxError> {
        let sink = harness.open()?;
        Ok(Self {
            harness,
            kind: sink.kind(),
            guarantee: sink.guarantee(),
            executor: Executor::new(2, 1)?,
            last: AtomicU64::new(BEFORE_FIRST),
        })
    }

    /// A batch of its own.
    pub(super) fn next(&self) -> BatchIdentity {
        let time = self.last.fetch_add(1000, Ordering::Relaxed) + 1000;
        BatchIdentity {
            application: "conformance".to_owned(),
            output: OperatorUid::new("sink-under-test"),
            time: Time::from_millis(time),
        }
    }

    /// The texts of a batch's records: its own, and one that is there twice.
    pub(super) fn texts(&self, batch: &BatchIdentity) -> Vec<String> {
        let time = batch.time.as_millis();
        let mut texts: Vec<String> = (0..7).map(|n| format!("record {n} of {time}")).collect();
        texts.extend(["twice".to_owned(), "twice".to_owned()]);
        texts
    }

    pub(super) fn dataset(&self, texts: &[String], partitions: usize) -> Dataset<H::Record> {
        Dataset::new(
            texts.iter().map(|text| self.harness.record(text)),
            partitions,
        )
    }

    pub(super) fn open(&self) -> Result<Box<dyn Sink<H::Record>>, Broken> {
        let sink = self.harness.open();
        sink.map_err(|error| format!("it could not be opened: {error}"))
    }

    /// As the engine calls it: a panic is an error.
    pub(super) fn commit(
        &self,
        sink: &dyn Sink<H::Record>,
        batch: &BatchIdentity,
        dataset: Dataset<H::Record>,
    ) -> Result<(), TaskError> {
        let rdd = dataset.rdd(&self.executor);
        contained(|| sink.commit(batch, &rdd).map_err(TaskError::Failed))
    }

    /// The same, through a fresh handle.
    pub(super) fn commit_afresh(
        &self,
        batch: &BatchIdentity,
        dataset: Dataset<H::Record>,
    ) -> Result<(), TaskError> {
        let sink = self.harness.open().map_err(TaskError::Failed)?;
        self.commit(&*sink, batch, dataset)
    }

    /// A commit through a fresh handle that must succeed.
    pub(super) fn must_commit(
        &self,
        batch: &BatchIdentity,
        texts: &[String],
        partitions: usize,
        when: &str,
    ) -> Result<(), Broken> {
        self.commit_afresh(batch, self.dataset(texts, partitions))
            .map_err(|error| format!("{when}, a commit failed: {error}"))
    }

    /// Whether nothing has to be there more often than it was committed.
    pub(super) fn is_exactly_once(&self) -> bool {
        self.guarantee != Guarantee::AtLeastOnce
    }

    fn seen(&self, batch: &BatchIdentity, when: &str) -> Result<Option<Vec<String>>, Broken> {
        let seen = self.harness.committed(batch);
        seen.map_err(|error| format!("{when}, the batch could not be read: {error}"))
    }

    /// The batch must be there, with these records.
    pub(super) fn expect(
        &self,
        batch: &BatchIdentity,
        texts: &[String],
        when: &str,
    ) -> Result<(), Broken> {
        match self.seen(batch, when)? {
            Some(seen) => self.compare(&seen, texts, when),
            None if texts.is_empty() => Ok(()),
            None => Err(format!("{when}, no batch is to be seen")),
        }
    }

    /// The batch must not be there.
    pub(super) fn expect_nothing(&self, batch: &BatchIdentity, when: &str) -> Result<(), Broken> {
        match self.seen(batch, when)? {
            Some(seen) if !seen.is_empty() && self.is_exactly_once() => Err(format!(
                "{when}, {} records are to be seen, such as `{}`",
                seen.len(),
                shorten(seen.first().map_or("", String::as_str))
            )),
            _ => Ok(()),
        }
    }

    /// The batch must be there whole or not at all.
    pub(super) fn expect_all_or_nothing(
        &self,
        batch: &BatchIdentity,
        texts: &[String],
        when: &str,
    ) -> Result<(), Broken> {
        if !self.is_exactly_once() {
            return Ok(());
        }
        match self.seen(batch, when)? {
            Some(seen) => self.compare(&seen, texts, when),
            None => Ok(()),
        }
    }

    fn compare(&self, seen: &[String], wanted: &[String], when: &str) -> Result<(), Broken> {
        let mut balance: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for text in seen {
            balance.entry(text).or_default().0 += 1;
        }
        for text in wanted {
            balance.entry(text).or_default().1 += 1;
        }
        let wrong = |(seen, wanted): (usize, usize)| {
            seen < wanted || (seen > wanted && self.is_exactly_once())
        };
        match balance.into_iter().find(|(_, counts)| wrong(*counts)) {
            None => Ok(()),
            Some((text, (seen, wanted))) => Err(format!(
                "{when}, the record `{}` is to be seen {seen} times instead of {wanted}",
                shorten(text)
            )),
        }
    }
}

/// The beginning of a text, on one line.
fn shorten(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(60)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().nth(60).is_some() {
        short.push_str("...");
    }
    short
}
