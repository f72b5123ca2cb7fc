//! [`BlockGenerator`]: cuts what a receiver stores into blocks.
//!
//! Records gather in the current block. Every block interval, or when it is full, the block is cut and
//! goes through a bounded queue to the [pusher](super::pusher). When the queue is full, whoever fills the next block waits, and before that whoever stores more than the rate
//! limit allows: that is the back-pressure on the source. While
//! the [`Gate`] is shut nothing is taken in at all; what was cut before is tried until there is room.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::at_risk::AtRisk;
use super::rate_limit::TokenBucket;
use super::record::BlockBuilder;
use super::{Block, BlockId, Gate, Record};
use crate::clock::{Clock, sleep_until};
use crate::time::Time;
use crate::uid::OperatorUid;

/// How a generator cuts blocks.
#[derive(Debug, Clone)]
pub(crate) struct GeneratorOptions {
    /// What paces it; `None`: nothing.
    pub(crate) limit: Option<Arc<TokenBucket>>,
    /// How often the current block is cut.
    pub(crate) block_interval: Duration,
    /// How many cut blocks may wait for the pusher.
    pub(crate) queue: usize,
    /// Bytes at which a block is full.
    pub(crate) max_block_bytes: usize,
}

/// Why records weren't stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The stream takes no more records: it is stopping, or a log failed.
    #[error("the stream takes no more records: {0}")]
    Closed(Arc<str>),
    /// The record can't be written.
    #[error("a record can't be stored: {0}")]
    BadRecord(Arc<str>),
}

/// Tells whoever waits for a block how it ended.
pub(super) type Answer = oneshot::Sender<Result<(), StoreError>>;

/// A block that was cut, on its way to the pusher.
pub(super) struct CutBlock {
    pub(super) block: Arc<Block>,
    pub(super) id: BlockId,
    pub(super) cut_ms: u64,
    pub(super) waiters: Vec<Answer>,
    /// The batch whose dead letters these are.
    pub(super) requeued: Option<Time>,
}

struct Current {
    builder: BlockBuilder,
    /// When the first record came that nobody waits for.
    taken_since: Option<Time>,
    waiters: Vec<Answer>,
    next_number: u64,
    closed: Option<Arc<str>>,
}

/// A receiver's way into the engine.
pub(crate) struct BlockGenerator<T: ?Sized + Record> {
    stream: OperatorUid,
    epoch: u64,
    options: GeneratorOptions,
    clock: Arc<dyn Clock>,
    current: Mutex<Current>,
    gate: Arc<Gate>,
    /// Cancelled when no more records are taken.
    closing: CancellationToken,
    /// Held while a block is cut and queued, so that blocks are queued in the order of their numbers.
    queue: tokio::sync::Mutex<Option<mpsc::Sender<CutBlock>>>,
    /// The same queue, to look at without waiting for the lock.
    capacity: mpsc::WeakSender<CutBlock>,
    records: AtomicU64,
    /// When the last of them came, in milliseconds; 0 before there was one.
    last_record: AtomicU64,
    at_risk: AtRisk,
    /// Those of them that the tracker knows.
    tracked: AtomicU64,
    of: PhantomData<fn(&T)>,
}

impl<T: ?Sized + Record> BlockGenerator<T> {
    /// A generator and the queue of the blocks that it cuts.
    pub(super) fn new(
        stream: OperatorUid,
        epoch: u64,
        options: GeneratorOptions,
        clock: Arc<dyn Clock>,
        gate: Arc<Gate>,
    ) -> (Arc<Self>, mpsc::Receiver<CutBlock>) {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let generator = Arc::new(Self {
            stream,
            epoch,
            options,
            clock,
            current: Mutex::new(Current {
                builder: BlockBuilder::new(),
                taken_since: None,
                waiters: Vec::new(),
                next_number: 0,
                closed: None,
            }),
            gate,
            closing: CancellationToken::new(),
            capacity: sender.downgrade(),
            queue: tokio::sync::Mutex::new(Some(sender)),
            records: AtomicU64::new(0),
            last_record: AtomicU64::new(0),
            at_risk: AtRisk::default(),
            tracked: AtomicU64::new(0),
            of: PhantomData,
        });
        (generator, receiver)
    }

    /// The input whose blocks these are.
    pub(super) fn stream(&self) -> &OperatorUid {
        &self.stream
    }

    /// Records stored so far.
    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// When the last record came.
    pub(crate) fn last_record(&self) -> Option<Time> {
        match self.last_record.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(Time::from_millis(ms)),
        }
    }

    /// Since when it holds a record that nobody waits for and that isn't durable yet.
    pub(crate) fn at_risk_since(&self) -> Option<Time> {
        // A block that is cut in between is in one of the two.
        let current = self.current().taken_since;
        self.at_risk.oldest().or(current)
    }

    /// Records stored that the tracker doesn't know yet: without a log for them, only memory does.
    pub(crate) fn on_the_way(&self) -> u64 {
        // What is tracked was stored before.
        let tracked = self.tracked.load(Ordering::Acquire);
        self.records().saturating_sub(tracked)
    }

    /// Records a second that it takes in at most, for now.
    pub(crate) fn rate_limit(&self) -> Option<f64> {
        self.options.limit.as_ref()?.rate()
    }

    /// How long a source should hold back, as the rate limit says; zero when it needn't.
    pub(crate) fn hold_back(&self) -> Duration {
        let limit = self.options.limit.as_ref();
        limit.map_or(Duration::ZERO, |limit| limit.delay())
    }

    /// Takes room in the rate limit for so many records, or says how long to hold back. What was admitted
    /// goes in with [`Self::store_admitted`].
    pub(crate) fn admit(&self, records: u64) -> Result<(), Duration> {
        let limit = self.options.limit.as_ref();
        limit.map_or(Ok(()), |limit| limit.admit(records))
    }

    /// Why nothing is taken in for now, if the disks are too full.
    pub(crate) fn no_room(&self) -> Option<Vec<String>> {
        self.gate.shut().map(|shut| shut.reasons)
    }

    /// Whether cut blocks fill the queue.
    pub(crate) fn is_congested(&self) -> bool {
        self.capacity
            .upgrade()
            .is_some_and(|queue| queue.capacity() == 0)
    }

    /// Cuts a block every block interval until `stop`.
    pub(crate) async fn cut_regularly(&self, stop: CancellationToken) {
        loop {
            let next = self.clock.now().next_multiple(self.options.block_interval);
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(&*self.clock, next) => self.cut().await,
            }
        }
    }

    /// Takes records in; waits under back-pressure. They are in memory when this returns.
    pub(crate) async fn store<'a>(
        &self,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), StoreError> {
        self.store_all(records.into_iter(), self.options.limit.as_deref(), None)
            .await
    }

    /// Takes records in and waits until all of them are durable and will be in a batch.
    pub(crate) async fn store_reliably<'a>(
        &self,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), StoreError> {
        self.store_and_wait(records.into_iter(), self.options.limit.as_deref())
            .await
    }

    /// As [`Self::store_reliably`], for records that have been [admitted](Self::admit): the rate limit
    /// doesn't hold them up.
    pub(crate) async fn store_admitted<'a>(
        &self,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), StoreError> {
        self.store_and_wait(records.into_iter(), None).await
    }

    async fn store_and_wait<'a>(
        &self,
        records: impl Iterator<Item = &'a T>,
        limit: Option<&TokenBucket>,
    ) -> Result<(), StoreError> {
        let mut answers = Vec::new();
        self.store_all(records, limit, Some(&mut answers)).await?;
        for answer in answers {
            answer
                .await
                .unwrap_or_else(|_| Err(closed("the engine stopped")))?;
        }
        Ok(())
    }

    async fn store_all<'a>(
        &self,
        records: impl Iterator<Item = &'a T>,
        limit: Option<&TokenBucket>,
        mut answers: Option<&mut Vec<oneshot::Receiver<Result<(), StoreError>>>>,
    ) -> Result<(), StoreError> {
        let mut records = records.peekable();
        while records.peek().is_some() {
            let mut room = u64::MAX;
            tokio::select! {
                // What is closed says so below.
                () = self.closing.cancelled() => {}
                () = async {
                    self.gate.pass().await;
                    if let Some(limit) = limit {
                        room = limit.room().await;
                    }
                } => {}
            }
            let (stored, is_full) = self.fill(&mut records, room, answers.as_deref_mut())?;
            if let Some(limit) = limit {
                limit.take(stored);
            }
            if is_full {
                self.cut().await;
            }
        }
        Ok(())
    }

    /// Moves at most `room` records into the current block, until it is full.
    fn fill<'a>(
        &self,
        records: &mut impl Iterator<Item = &'a T>,
        room: u64,
        answers: Option<&mut Vec<oneshot::Receiver<Result<(), StoreError>>>>,
    ) -> Result<(u64, bool), StoreError> {
        let mut current = self.current();
        if let Some(reason) = &current.closed {
            return Err(StoreError::Closed(Arc::clone(reason)));
        }
        let mut stored = 0;
        let full = self.options.max_block_bytes;
        let before = current.builder.len();
        while stored < room && current.builder.len() < full {
            let Some(record) = records.next() else { break };
            current
                .builder
                .push(record)
                .map_err(|error| StoreError::BadRecord(error.to_string().into()))?;
            stored += 1;
        }
        if stored > 0 {
            let now = self.clock.now();
            self.last_record.store(now.as_millis(), Ordering::Relaxed);
            match answers {
                Some(answers) => {
                    let (sender, receiver) = oneshot::channel();
                    current.waiters.push(sender);
                    answers.push(receiver);
                }
                None => {
                    current.taken_since.get_or_insert(now);
                }
            }
        }
        self.gate
            .took(current.builder.len().saturating_sub(before) as u64);
        self.records.fetch_add(stored, Ordering::Relaxed);
        Ok((stored, current.builder.len() >= full))
    }

    /// Cuts the current block, if it holds anything, and queues it.
    pub(crate) async fn cut(&self) {
        let queue = self.queue.lock().await;
        let Some(sender) = &*queue else { return };
        // Room first: a block that waits for its place in the queue still takes records.
        let Ok(place) = sender.reserve().await else {
            return;
        };
        if let Some(cut) = self.take_current() {
            place.send(cut);
        }
    }

    fn take_current(&self) -> Option<CutBlock> {
        let mut current = self.current();
        if current.builder.is_empty() {
            return None;
        }
        let waiters = std::mem::take(&mut current.waiters);
        let number = current.next_number;
        current.next_number += 1;
        let taken_since = current.taken_since.take();
        match current.builder.take::<T>() {
            Ok(block) => {
                if let Some(since) = taken_since {
                    self.at_risk.cut(number, since);
                }
                Some(CutBlock {
                    block: Arc::new(block),
                    id: BlockId {
                        epoch: self.epoch,
                        number,
                    },
                    cut_ms: self.clock.now().as_millis(),
                    waiters,
                    requeued: None,
                })
            }
            Err(error) => {
                answer(
                    waiters,
                    &Err(StoreError::BadRecord(error.to_string().into())),
                );
                None
            }
        }
    }

    /// Takes in dead letters of the batch at `letters_of`, each the bytes of a record, as a block of its own,
    /// and waits until that they are put back is durable.
    pub(crate) async fn put_back(
        &self,
        letters_of: Time,
        records: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let bad = |error: String| StoreError::BadRecord(error.into());
        let mut data = Vec::new();
        let mut offsets = vec![0];
        for record in records {
            data.extend_from_slice(record);
            let end = u32::try_from(data.len()).map_err(|error| bad(error.to_string()))?;
            offsets.push(end);
        }
        let block = Arc::new(Block::new(T::ENCODING, data, offsets).map_err(bad)?);
        self.gate.pass().await;
        let (waiter, answer) = oneshot::channel();
        {
            let queue = self.queue.lock().await;
            let sender = queue
                .as_ref()
                .ok_or_else(|| closed("the stream is stopping"))?;
            let place = sender.reserve().await;
            let place = place.map_err(|_| closed("the engine stopped"))?;
            let number = {
                let mut current = self.current();
                let number = current.next_number;
                current.next_number += 1;
                number
            };
            self.gate.took(block.footprint());
            self.records.fetch_add(block.records(), Ordering::Relaxed);
            place.send(CutBlock {
                block,
                id: BlockId {
                    epoch: self.epoch,
                    number,
                },
                cut_ms: self.clock.now().as_millis(),
                waiters: vec![waiter],
                requeued: Some(letters_of),
            });
        }
        answer
            .await
            .unwrap_or_else(|_| Err(closed("the engine stopped")))
    }

    /// Takes no more records and queues what there is.
    pub(crate) async fn close(&self, reason: &str) {
        self.refuse_all(reason);
        self.cut().await;
        self.queue.lock().await.take();
    }

    /// A block of so many records is durable and will be in a batch.
    pub(super) fn landed(&self, number: u64, records: u64) {
        self.at_risk.landed(number);
        self.tracked.fetch_add(records, Ordering::Release);
    }

    /// Who still waits for a block that won't be cut any more.
    pub(super) fn left_waiting(&self) -> Vec<Answer> {
        std::mem::take(&mut self.current().waiters)
    }

    /// Takes no more records.
    pub(super) fn refuse_all(&self, reason: &str) {
        self.current().closed.get_or_insert_with(|| reason.into());
        self.closing.cancel();
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn closed(reason: &str) -> StoreError {
    StoreError::Closed(reason.into())
}

pub(super) fn answer(waiters: Vec<Answer>, result: &Result<(), StoreError>) {
    for waiter in waiters {
        // Nobody waits any more when a client hung up.
        let _ = waiter.send(result.clone());
    }
}
