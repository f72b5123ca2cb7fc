//! The dataset of a batch's blocks: one partition a block, read when it's computed.

use std::marker::PhantomData;
use std::sync::Arc;

use super::data::{Block, Encoding};
use super::store::BlockStoreError;
use super::{BlockInfo, BlockStore, Record};
use crate::rdd::position::{self, Position, SourceRecord};
use crate::rdd::{Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError};
use crate::uid::OperatorUid;

struct Blocks<T: ?Sized> {
    store: Arc<BlockStore>,
    stream: OperatorUid,
    infos: Vec<BlockInfo>,
    of: PhantomData<fn() -> Box<T>>,
}

/// The records of `infos`, in order.
pub(crate) fn block_rdd<T: ?Sized + Record>(
    store: &Arc<BlockStore>,
    stream: &OperatorUid,
    infos: Vec<BlockInfo>,
    executor: &Executor,
) -> Rdd<T> {
    let (store, stream) = (Arc::clone(store), stream.clone());
    Rdd::new(
        Blocks {
            store,
            stream,
            infos,
            of: PhantomData,
        },
        executor,
    )
}

impl<T: ?Sized + Record> Blocks<T> {
    /// Hands out a block's records one by one, each with its position.
    fn one_by_one(
        &self,
        info: &BlockInfo,
        block: &Block,
        sink: &mut Sink<'_, T>,
    ) -> Result<(), Stop> {
        let at = |offset, _: &T| Position {
            source: self.stream.clone(),
            block: Some(info.id.to_string()),
            offset,
            record: block.record(offset).map(|bytes| match block.encoding() {
                Encoding::Text => SourceRecord::Text(String::from_utf8_lossy(bytes).into_owned()),
                Encoding::MessagePack => SourceRecord::Bytes(bytes.to_vec()),
            }),
        };
        position::one_by_one(sink, at, |sink| T::read(block, sink))
    }
}

impl<T: ?Sized + Record> RddNode<T> for Blocks<T> {
    fn partitions(&self) -> usize {
        self.infos.len()
    }

    fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let Some(info) = self.infos.get(partition) else {
            return Ok(());
        };
        match self.store.get(&self.stream, info) {
            Ok(block) if position::is_sought() => self.one_by_one(info, &block, sink),
            Ok(block) => T::read(&block, sink),
            Err(BlockStoreError::Lost {
                stream,
                id,
                records,
            }) => {
                tracing::warn!(%stream, block = %id, records, "a block without a log is gone; its \
                    batch goes on without it");
                Ok(())
            }
            Err(error @ BlockStoreError::GivenUp { .. }) => {
                tracing::warn!("{error}; its batch goes on without it");
                Ok(())
            }
            Err(error) => Err(TaskError::new(error).into()),
        }
    }
}
