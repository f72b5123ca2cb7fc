//! What tests of receivers need: a store whose blocks go through real logs in a temporary folder.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tidemill_wal::{LogKind, Wal, WalOptions};
use tokio_util::sync::CancellationToken;

use crate::block::{
    BlockGenerator, BlockStore, Gate, GeneratorOptions, Intake, Record, TokenBucket, Tracker,
    TrackerSnapshot, block_generator,
};
use crate::clock::{Clock, SystemClock};
use crate::rdd::Chunk;
use crate::receiver::{Receiver, Store};
use crate::uid::OperatorUid;

/// An engine's intake without the engine.
pub(super) struct Pond<T: ?Sized + Record> {
    generator: Arc<BlockGenerator<T>>,
    limit: Option<Arc<TokenBucket>>,
    intake: Arc<Intake>,
    stop: CancellationToken,
    pusher: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl<T: ?Sized + Record> Pond<T> {
    /// To be called in a runtime.
    pub(super) fn new(max_rate: Option<f64>) -> Self {
        Self::on(Arc::new(SystemClock::new()), max_rate)
    }

    /// One whose blocks are cut, and whose rate is counted, by `clock`.
    pub(super) fn on(clock: Arc<dyn Clock>, max_rate: Option<f64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = tidemill_storage::LocalDisk;
        let options = WalOptions::new(LogKind(1), 1);
        let (log, _) = Wal::open(Arc::new(disk), &folder.path().join("wal"), options).unwrap();
        let intake = Arc::new(Intake {
            gate: Arc::new(Gate::new(Arc::clone(&clock))),
            tracker: Tracker::new(log, TrackerSnapshot::default()),
            store: Arc::new(BlockStore::new(None, 1 << 30)),
        });
        let limit =
            max_rate.map(|rate| Arc::new(TokenBucket::new(Some(rate), None, Arc::clone(&clock))));
        let options = GeneratorOptions {
            block_interval: Duration::from_millis(5),
            queue: 10,
            max_block_bytes: 1 << 20,
            limit: limit.clone(),
        };
        let (generator, push) = block_generator::<T>(
            OperatorUid::new("test"),
            1,
            options,
            clock,
            Arc::clone(&intake),
            Arc::new(|reason| panic!("{reason}")),
        );
        let stop = CancellationToken::new();
        let cutting = (Arc::clone(&generator), stop.clone());
        tokio::spawn(async move { cutting.0.cut_regularly(cutting.1).await });
        let pusher = tokio::spawn(push);
        Self {
            generator,
            limit,
            intake,
            stop,
            pusher,
            _folder: folder,
        }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.intake.gate
    }

    /// What paces it.
    pub(super) fn limit(&self) -> Option<&TokenBucket> {
        self.limit.as_deref()
    }

    pub(super) fn store(&self) -> Store<T> {
        Store::new(Arc::clone(&self.generator), self.stop.clone())
    }

    /// Records stored so far.
    pub(super) fn records(&self) -> u64 {
        self.generator.records()
    }

    /// Waits until `count` records have been stored.
    pub(super) async fn wait_for(&self, count: u64) {
        while self.generator.records() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Runs a receiver beside the test, until the pond is drained.
    pub(super) fn run(&self, mut receiver: impl Receiver<Record = T>) {
        let (store, stop) = (self.store(), self.stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = receiver.on_start(store) => ended.unwrap(),
            }
        });
    }

    /// Tells the receiver to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Closes the generator and returns all that was stored, in order.
    pub(super) async fn drain(self) -> Vec<T::Own> {
        self.stop.cancel();
        self.generator.close("the test ends").await;
        self.pusher.await.unwrap();
        let snapshot = self.intake.tracker.snapshot();
        let stream = OperatorUid::new("test");
        let all = Mutex::new(Vec::new());
        for block in snapshot.unallocated.get(&stream).into_iter().flatten() {
            let block = self.intake.store.get(&stream, block).unwrap();
            T::read(&block, &mut |chunk: Chunk<'_, T>| {
                chunk.into_each(|record| all.lock().unwrap().push(record));
                Ok(())
            })
            .unwrap();
        }
        all.into_inner().unwrap()
    }
}
