//! [`QueueSource`]: a stream of datasets that a program pushes, for tests and demonstrations.
//!
//! Items are numbered in the order in which they are pushed, and a plan is a range of numbers. Items live
//! in memory only: they are kept for as long as the batch that took them may be read. What is pushed
//! while the graph is being declared is numbered from 0 at each start, so a program that pushes the same
//! items there goes on behind those it has taken; items pushed later are lost by a restart, and a batch
//! that had planned to read them is empty then, with a warning.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{decode, encode, encode_position};
use super::{DirectSource, Planned, Waiting};
use crate::rdd::{BoxError, Buffer, Element, Executor, Rdd};
use crate::time::Time;

/// A stream of pushed datasets: one a batch, or all that wait.
pub struct QueueSource<T: ?Sized + Element> {
    queue: Arc<Mutex<Queue<T>>>,
    take: Take,
    default: Option<Rdd<T>>,
}

/// How many items a batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    One,
    All,
}

/// Pushes items into a [`QueueSource`].
pub struct QueueHandle<T: ?Sized + Element>(Arc<Mutex<Queue<T>>>);

struct Queue<T: ?Sized + Element> {
    items: BTreeMap<u64, Item<T>>,
    /// The number of the item to be pushed next.
    end: u64,
    /// The number of the item to be taken next.
    next: u64,
    /// Where each batch that may still be read stopped.
    taken: BTreeMap<Time, u64>,
}

enum Item<T: ?Sized + Element> {
    Elements(T::Buffer),
    Dataset(Rdd<T>),
}

impl<T: ?Sized + Element> Item<T> {
    /// The dataset; elements become one the first time, since only now there is an executor.
    fn dataset(&mut self, executor: &Executor) -> Rdd<T> {
        match self {
            Self::Dataset(rdd) => rdd.clone(),
            Self::Elements(elements) => {
                let rdd = Rdd::in_memory(vec![std::mem::take(elements)], executor);
                *self = Self::Dataset(rdd.clone());
                rdd
            }
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    time: Time,
    from: u64,
    to: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Position {
    next: u64,
}

/// No queue counts so far: beyond it a number is damage, and below it counting on can't overflow.
const MOST: u64 = 1 << 63;

fn decode_plan(bytes: &[u8]) -> Result<Plan, BoxError> {
    let plan: Plan = decode("a queue's plan", bytes)?;
    if plan.from <= plan.to && plan.to <= MOST {
        return Ok(plan);
    }
    let Plan { time, from, to } = plan;
    Err(format!(
        "a queue's plan for the batch at {time} is damaged: it says items {from} to {to}; expected numbers in \
         order, up to {MOST}. Restore it from a copy, or start afresh at another location"
    )
    .into())
}

fn decode_position(bytes: &[u8]) -> Result<Position, BoxError> {
    let position: Position = decode("a queue's position", bytes)?;
    if position.next <= MOST {
        return Ok(position);
    }
    Err(format!(
        "a queue's position is damaged: it says that {} items were taken; expected at most {MOST}. Restore it \
         from a copy, or start afresh at another location",
        position.next
    )
    .into())
}

impl<T: ?Sized + Element> QueueSource<T> {
    /// A queue of which each batch takes one item, and the handle that pushes into it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::source::QueueSource;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (source, queue) = QueueSource::<u64>::new();
    /// let numbers = context.direct_stream_with("numbers", source);
    /// # numbers.print();
    /// queue.push_vec(vec![1, 2, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn new() -> (Self, QueueHandle<T>) {
        let queue = Queue {
            items: BTreeMap::new(),
            end: 0,
            next: 0,
            taken: BTreeMap::new(),
        };
        let queue = Arc::new(Mutex::new(queue));
        let handle = QueueHandle(Arc::clone(&queue));
        (
            Self {
                queue,
                take: Take::One,
                default: None,
            },
            handle,
        )
    }

    /// With `false`, each batch takes all that waits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::source::QueueSource;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (source, _queue) = QueueSource::<u64>::new();
    /// let numbers = context.direct_stream(source.one_at_a_time(false));
    /// # numbers.print();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    pub fn one_at_a_time(mut self, one: bool) -> Self {
        self.take = if one { Take::One } else { Take::All };
        self
    }

    /// What a batch reads when nothing waits; by default it reads nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tidemill::source::QueueSource;
    ///
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (source, _queue) = QueueSource::<u64>::new();
    /// let numbers = context.direct_stream(source.default_rdd(context.parallelize(vec![0])));
    /// # numbers.print();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    pub fn default_rdd(mut self, rdd: Rdd<T>) -> Self {
        self.default = Some(rdd);
        self
    }

    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        lock(&self.queue)
    }
}

impl<T: ?Sized + Element> QueueHandle<T> {
    /// Pushes a dataset.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// # numbers.print();
    /// queue.push(context.parallelize(vec![1, 2, 3]).map(|n| n * n));
    /// assert_eq!(queue.waiting(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&self, rdd: Rdd<T>) {
        self.push_item(Item::Dataset(rdd));
    }

    /// Pushes elements, which become a dataset of one partition.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// queue.push_vec(vec!["high tide".to_owned()]);
    /// assert_eq!(queue.waiting(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_vec(&self, elements: Vec<T::Own>) {
        let mut buffer = T::Buffer::default();
        elements
            .into_iter()
            .for_each(|element| buffer.push_owned(element));
        self.push_item(Item::Elements(buffer));
    }

    /// How many items wait.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let (numbers, queue) = context.queue_stream::<u64>();
    /// # numbers.print();
    /// assert_eq!(queue.waiting(), 0);
    /// (1..=3).for_each(|n| queue.push_vec(vec![n]));
    /// assert_eq!(queue.waiting(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waiting(&self) -> usize {
        let queue = lock(&self.0);
        queue.items.range(queue.next..).count()
    }

    fn push_item(&self, item: Item<T>) {
        let mut queue = lock(&self.0);
        let number = queue.end;
        queue.items.insert(number, item);
        queue.end += 1;
    }
}

impl<T: ?Sized + Element> Queue<T> {
    /// Items below `next` are taken; later ones are numbered behind them.
    fn go_on_at(&mut self, next: u64) {
        self.next = self.next.max(next);
        self.end = self.end.max(self.next);
    }

    fn read(&mut self, range: Range<u64>, executor: &Executor) -> Rdd<T> {
        let wanted = range.end.saturating_sub(range.start);
        let found = self.items.range_mut(range.clone());
        let rdds: Vec<Rdd<T>> = found.map(|(_, item)| item.dataset(executor)).collect();
        if (rdds.len() as u64) < wanted {
            tracing::warn!(
                first = range.start,
                end = range.end,
                found = rdds.len(),
                "a queue holds items in memory only: those of before the restart are gone"
            );
        }
        Rdd::union_all(&rdds, executor)
    }
}

impl<T: ?Sized + Element> DirectSource<T> for QueueSource<T> {
    fn kind(&self) -> &'static str {
        "queue"
    }

    fn describe(&self) -> String {
        "a queue in memory".to_owned()
    }

    fn is_replayable(&self) -> bool {
        false
    }

    fn plan(&self, time: Time, _previous: Option<Time>) -> Result<Option<Planned>, BoxError> {
        let queue = self.queue();
        let from = queue.next;
        let to = match self.take {
            Take::One => queue.end.min(from + 1),
            Take::All => queue.end,
        };
        if from == to && self.default.is_none() {
            return Ok(None);
        }
        Ok(Some(Planned {
            plan: encode(&Plan { time, from, to })?,
            records: None,
        }))
    }

    fn accept(&self, plan: &[u8]) -> Result<(), BoxError> {
        let plan = decode_plan(plan)?;
        let mut queue = self.queue();
        queue.taken.insert(plan.time, plan.to);
        queue.go_on_at(plan.to);
        Ok(())
    }

    fn position(&self) -> Vec<u8> {
        encode_position(&Position {
            next: self.queue().next,
        })
    }

    fn restore(&self, position: &[u8]) -> Result<(), BoxError> {
        let position = decode_position(position)?;
        self.queue().go_on_at(position.next);
        Ok(())
    }

    /// Elements count; how many a dataset has, only computing it would tell.
    fn waiting(&self) -> Waiting {
        let queue = self.queue();
        let waiting = queue.items.range(queue.next..);
        let records = waiting.map(|(_, item)| match item {
            Item::Elements(elements) => Some(elements.len() as u64),
            Item::Dataset(_) => None,
        });
        Waiting {
            records: records.sum(),
            ..Waiting::default()
        }
    }

    fn released(&self, through: Time) {
        let mut queue = self.queue();
        let later = queue
            .taken
            .split_off(&through.plus(Duration::from_millis(1)));
        let past = std::mem::replace(&mut queue.taken, later);
        if let Some(&to) = past.values().max() {
            queue.items = queue.items.split_off(&to);
        }
    }

    fn rdd(&self, plan: &[u8], executor: &Executor) -> Result<Rdd<T>, BoxError> {
        let plan = decode_plan(plan)?;
        match &self.default {
            Some(default) if plan.from >= plan.to => Ok(default.clone()),
            _ => Ok(self.queue().read(plan.from..plan.to, executor)),
        }
    }
}

fn lock<T: ?Sized + Element>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: ?Sized + Element> Clone for QueueHandle<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized + Element> fmt::Debug for QueueHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueHandle")
            .field("waiting", &self.waiting())
            .finish()
    }
}

impl<T: ?Sized + Element> fmt::Debug for QueueSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSource")
            .field("take", &self.take)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn executor() -> Executor {
        Executor::new(1, 1).unwrap()
    }

    /// Plans, accepts and reads a batch.
    fn batch(source: &QueueSource<u32>, ms: u64) -> Option<Vec<u32>> {
        let planned = source.plan(at(ms), None).unwrap()?;
        source.accept(&planned.plan).unwrap();
        Some(
            source
                .rdd(&planned.plan, &executor())
                .unwrap()
                .collect()
                .unwrap(),
        )
    }

    #[test]
    fn a_batch_takes_one_item_or_all() {
        let (one, handle) = QueueSource::<u32>::new();
        handle.push_vec(vec![1, 2]);
        handle.push(Rdd::parallelize(vec![3, 4], 2, &executor()));
        assert_eq!(batch(&one, 1), Some(vec![1, 2]));
        assert_eq!(handle.waiting(), 1);
        assert_eq!(DirectSource::waiting(&one).records, None);
        assert_eq!(batch(&one, 2), Some(vec![3, 4]));
        assert_eq!(batch(&one, 3), None);

        let (all, handle) = QueueSource::<u32>::new();
        let all = all.one_at_a_time(false);
        handle.push_vec(vec![1]);
        handle.push_vec(vec![2]);
        assert_eq!(DirectSource::waiting(&all).records, Some(2));
        assert_eq!(batch(&all, 1), Some(vec![1, 2]));
        assert_eq!(DirectSource::waiting(&all).records, Some(0));
    }

    #[test]
    fn an_empty_queue_reads_the_default() {
        let (source, handle) = QueueSource::<u32>::new();
        let source = source.default_rdd(Rdd::parallelize(vec![0], 1, &executor()));
        assert_eq!(batch(&source, 1), Some(vec![0]));
        handle.push_vec(vec![5]);
        assert_eq!(batch(&source, 2), Some(vec![5]));
        assert_eq!(batch(&source, 3), Some(vec![0]));
    }

    #[test]
    fn a_plan_counts_when_it_is_accepted_and_can_be_read_until_it_is_released() {
        let (source, handle) = QueueSource::<u32>::new();
        handle.push_vec(vec![1]);
        let planned = source.plan(at(1), None).unwrap().unwrap();
        assert_eq!(source.plan(at(1), None).unwrap().unwrap(), planned);
        source.accept(&planned.plan).unwrap();
        source.accept(&planned.plan).unwrap();
        assert_eq!(source.plan(at(2), None).unwrap(), None);
        let read = || {
            source
                .rdd(&planned.plan, &executor())
                .unwrap()
                .collect()
                .unwrap()
        };
        source.released(at(0));
        assert_eq!((read(), read()), (vec![1], vec![1]));
        source.released(at(1));
        assert!(read().is_empty());
    }

    #[test]
    fn after_a_restart_declared_items_are_known_and_others_gone() {
        let (first, handle) = QueueSource::<u32>::new();
        handle.push_vec(vec![1]);
        handle.push_vec(vec![2]);
        batch(&first, 1).unwrap();
        handle.push_vec(vec![3]);
        let position = first.position();
        batch(&first, 2).unwrap();
        let last = first.plan(at(3), None).unwrap().unwrap().plan;

        let (second, handle) = QueueSource::<u32>::new();
        handle.push_vec(vec![1]);
        handle.push_vec(vec![2]);
        second.restore(&position).unwrap();
        second.accept(&last).unwrap();
        assert!(
            second
                .rdd(&last, &executor())
                .unwrap()
                .collect()
                .unwrap()
                .is_empty()
        );
        handle.push_vec(vec![4]);
        assert_eq!(batch(&second, 4), Some(vec![4]));
    }

    #[test]
    fn numbers_that_no_queue_has_counted_to_are_refused() {
        let (source, handle) = QueueSource::<u32>::new();
        let before = source.position();
        for next in [MOST + 1, u64::MAX] {
            let error = source.restore(&encode_position(&Position { next }));
            let error = error.unwrap_err().to_string();
            assert!(error.contains(&next.to_string()), "{error}");
        }
        for (from, to) in [(2, 1), (u64::MAX, u64::MAX), (0, MOST + 1)] {
            let time = at(7);
            let plan = encode(&Plan { time, from, to }).unwrap();
            let accepted = source.accept(&plan).unwrap_err().to_string();
            let read = source.rdd(&plan, &executor()).map(drop).unwrap_err();
            assert_eq!(read.to_string(), accepted);
            assert!(accepted.contains("the batch at 7 ms"), "{accepted}");
        }
        assert_eq!(source.position(), before, "what was refused has no effect");

        source
            .restore(&encode_position(&Position { next: MOST - 2 }))
            .unwrap();
        handle.push_vec(vec![1]);
        handle.push_vec(vec![2]);
        assert_eq!(
            (batch(&source, 8), batch(&source, 9)),
            (Some(vec![1]), Some(vec![2]))
        );
        source.restore(&source.position()).unwrap();
    }

    #[test]
    fn golden_bytes() {
        let plan = encode(&Plan {
            time: at(7),
            from: 1,
            to: 2,
        })
        .unwrap();
        assert_eq!(plan, b"\x01\x83\xa4time\x07\xa4from\x01\xa2to\x02");
        assert_eq!(
            encode_position(&Position { next: 3 }),
            b"\x01\x81\xa4next\x03"
        );
    }
}
