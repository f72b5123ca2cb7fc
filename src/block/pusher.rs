//! The pusher: sees cut blocks through to the tracker, in the order in which they were cut, several on their way
//! at once. Each is made durable, then its addition is logged, then who waits for it is answered. Where a log has
//! no room, it's tried again until there is.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use tidemill_storage::failpoint;
use tokio::sync::mpsc;

use super::generator::{Answer, BlockGenerator, CutBlock, GeneratorOptions, answer, closed};
use super::{BlockInfo, BlockStoreError, Gate, Intake, Record, TrackerError, Writer};
use crate::clock::Clock;
use crate::error::Error;
use crate::uid::OperatorUid;

/// How many blocks of a receiver are on their way to the logs at once.
const IN_FLIGHT: usize = 8;

/// Why a block didn't get to the tracker.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Store(#[from] BlockStoreError),
    #[error(transparent)]
    Track(#[from] TrackerError),
}

impl PushError {
    /// What it means for the engine, when it is final.
    fn as_fatal(&self) -> Error {
        match self {
            Self::Store(BlockStoreError::Log(error)) | Self::Track(TrackerError::Log(error)) => {
                Error::of_log(error)
            }
            other => Error::Fatal(other.to_string()),
        }
    }

    /// Whether only a stop that doesn't wait was in the way.
    fn is_stop(&self) -> bool {
        match self {
            Self::Store(error) => error.is_closed(),
            Self::Track(error) => error.is_closed(),
        }
    }
}

/// A block on its way: its number, and who waits for it.
struct OnItsWay {
    number: u64,
    waiters: Vec<Answer>,
}

/// Called with what is wrong when a log fails for good.
pub(crate) type OnFatal = Arc<dyn Fn(Error) + Send + Sync>;

/// A generator and the task that pushes its blocks; the task ends when the generator is closed and all is
/// pushed.
pub(crate) fn block_generator<T: ?Sized + Record>(
    stream: OperatorUid,
    epoch: u64,
    options: GeneratorOptions,
    clock: Arc<dyn Clock>,
    intake: Arc<Intake>,
    on_fatal: OnFatal,
) -> (
    Arc<BlockGenerator<T>>,
    impl Future<Output = ()> + Send + 'static,
) {
    let gate = Arc::clone(&intake.gate);
    let (generator, cut) = BlockGenerator::new(stream, epoch, options, clock, gate);
    let pusher = push_all(Arc::clone(&generator), cut, intake, on_fatal);
    (generator, pusher)
}

/// Sees blocks through, in order.
async fn push_all<T: ?Sized + Record>(
    generator: Arc<BlockGenerator<T>>,
    receiver: mpsc::Receiver<CutBlock>,
    intake: Arc<Intake>,
    on_fatal: OnFatal,
) {
    let cut = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|cut| (cut, receiver))
    });
    let stored = cut
        .map(|cut| {
            let requeued = cut.requeued;
            let first = intake
                .store
                .store(generator.stream(), cut.id, &cut.block, cut.cut_ms);
            let stored = store_block(&generator, &intake, cut, first);
            stored.map(move |(block, stored)| {
                let stored = stored.map(|info| BlockInfo { requeued, ..info });
                (block, stored)
            })
        })
        .buffered(IN_FLIGHT);
    let added = stored
        .map(|(block, stored)| {
            let added = stored.map(|info| (info.clone(), add(&generator, &intake, info)));
            async move {
                let result = match added {
                    Ok((info, added)) => added.await.map(|()| info.records),
                    Err(error) => Err(error.into()),
                };
                (block, result)
            }
        })
        .buffered(IN_FLIGHT);
    let mut added = std::pin::pin!(added);
    while let Some((OnItsWay { number, waiters }, result)) = added.next().await {
        match result {
            Ok(records) => {
                generator.landed(number, records);
                answer(waiters, &Ok(()));
            }
            Err(error) => {
                let reason = error.to_string();
                answer(waiters, &Err(closed(&reason)));
                generator.refuse_all(&reason);
                if !error.is_stop() {
                    on_fatal(error.as_fatal());
                }
            }
        }
    }
    let left = generator.left_waiting();
    answer(left, &Err(closed("the engine stopped")));
}

/// Makes a block durable; when the log has no room, waits for it.
async fn store_block<T: ?Sized + Record>(
    generator: &BlockGenerator<T>,
    intake: &Intake,
    cut: CutBlock,
    first: impl Future<Output = Result<BlockInfo, BlockStoreError>>,
) -> (OnItsWay, Result<BlockInfo, BlockStoreError>) {
    intake.store.wait_for_room().await;
    let mut result = first.await;
    let mut refusals = 0;
    while let Err(error) = &result
        && error.is_full()
    {
        intake.gate.refused(Writer::BlockLog, error);
        refusals += 1;
        tokio::time::sleep(Gate::delay(refusals)).await;
        result = intake
            .store
            .store(generator.stream(), cut.id, &cut.block, cut.cut_ms)
            .await;
    }
    if result.is_ok() {
        intake.gate.accepted(&Writer::BlockLog);
    }
    let block = OnItsWay {
        number: cut.id.number,
        waiters: cut.waiters,
    };
    (block, result)
}

/// Logs a block's addition; when the log has no room, waits for it.
fn add<'a, T: ?Sized + Record>(
    generator: &'a BlockGenerator<T>,
    intake: &'a Intake,
    info: BlockInfo,
) -> impl Future<Output = Result<(), PushError>> + use<'a, T> {
    failpoint!("block::before_addition");
    if info.requeued.is_some() {
        failpoint!("dead_letters::before_addition");
    }
    let mut adding = intake.tracker.add(generator.stream(), info.clone()).boxed();
    async move {
        let mut refusals = 0;
        loop {
            match adding.await {
                Ok(info) => {
                    intake.gate.accepted(&Writer::DriverLog);
                    intake.store.named(&info);
                    failpoint!("block::before_acknowledgement");
                    return Ok(());
                }
                Err(error) if TrackerError::is_full(&error) => {
                    intake.gate.refused(Writer::DriverLog, &error);
                    refusals += 1;
                    tokio::time::sleep(Gate::delay(refusals)).await;
                    adding = intake.tracker.add(generator.stream(), info.clone()).boxed();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
