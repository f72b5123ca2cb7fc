//! [`BlockStore`]: keeps blocks, in memory and (with the receiver log on) durably.
//!
//! Invariant: a block that isn't in the log stays in memory until its batch is cleaned up. One that is
//! may leave memory at any time: it's read back from the log when a batch needs it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_wal::{Entry, Wal};
use tokio::sync::Notify;

use super::in_flight::InFlight;
use super::{Block, BlockId, BlockInfo, GIVEN_UP};
use crate::uid::OperatorUid;

/// The kind of the block log's entries.
pub(crate) const BLOCK_ENTRY: u8 = 1;

/// Why a block can't be kept or found.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BlockStoreError {
    /// The block log refused.
    #[error("the block log: {0}")]
    Log(Arc<tidemill_wal::Error>),
    /// A block can't be written or read as one.
    #[error("block {id} of `{stream}`: {reason}")]
    Unreadable {
        stream: OperatorUid,
        id: BlockId,
        reason: String,
    },
    /// A block was lost to damage, and somebody decided to go on without it.
    #[error(
        "block {id} of `{stream}` ({records} records) was lost to damage and given up by `wal repair`"
    )]
    GivenUp {
        stream: OperatorUid,
        id: BlockId,
        records: u64,
    },
    /// A block was in memory only, and that memory is gone.
    #[error(
        "block {id} of `{stream}` ({records} records) was held in memory only and is gone; turn the \
         receiver log on ([wal] receiver = true) to keep blocks over a restart"
    )]
    Lost {
        stream: OperatorUid,
        id: BlockId,
        records: u64,
    },
}

impl BlockStoreError {
    /// Whether there was no room, so that trying later may help.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_retryable())
    }

    /// Whether the log had been closed: by a stop that doesn't wait.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Log(error) if matches!(**error, tidemill_wal::Error::Closed))
    }
}

/// The block that an entry of a block log holds.
pub(crate) fn block_in(
    entry: Entry,
    stream: &OperatorUid,
    info: &BlockInfo,
) -> Result<Block, BlockStoreError> {
    if entry.kind == GIVEN_UP {
        let (stream, id, records) = (stream.clone(), info.id, info.records);
        return Err(BlockStoreError::GivenUp {
            stream,
            id,
            records,
        });
    }
    let unreadable = |reason| BlockStoreError::Unreadable {
        stream: stream.clone(),
        id: info.id,
        reason,
    };
    let (found_stream, found_id, block) = Block::from_payload(entry.payload).map_err(unreadable)?;
    let logged_as = info.logged_as.as_ref().unwrap_or(stream);
    if found_stream != *logged_as || found_id != info.id {
        let reason = format!("its place in the log holds block {found_id} of `{found_stream}`");
        return Err(unreadable(reason));
    }
    Ok(block)
}

/// Keeps blocks.
pub(crate) struct BlockStore {
    log: Option<Wal>,
    /// How many bytes to hold in memory.
    budget: u64,
    held: Mutex<Held>,
    room: Notify,
}

#[derive(Default)]
struct Held {
    blocks: HashMap<(OperatorUid, BlockId), Arc<Block>>,
    bytes: u64,
    /// Log entries that no tracker event names yet.
    unnamed: InFlight,
}

impl BlockStore {
    /// A store over `log`, the receiver log, if there is to be one; `budget` in bytes.
    pub(crate) fn new(log: Option<Wal>, budget: u64) -> Self {
        Self {
            log,
            budget,
            held: Mutex::default(),
            room: Notify::new(),
        }
    }

    pub(crate) fn log(&self) -> Option<&Wal> {
        self.log.as_ref()
    }

    /// Bytes of blocks in memory.
    pub(crate) fn bytes_in_memory(&self) -> u64 {
        self.held().bytes
    }

    /// Waits until blocks that are in memory only fit the budget. With a log there's always room: blocks
    /// over the budget are in the log alone.
    pub(crate) async fn wait_for_room(&self) {
        if self.log.is_some() {
            return;
        }
        loop {
            let freed = self.room.notified();
            if self.held().bytes < self.budget {
                return;
            }
            freed.await;
        }
    }

    /// Keeps a block. When this is `Ok`, the block is durable, unless there is no receiver log. What is
    /// answered must be given to [`BlockStore::named`] once the block's addition is logged.
    pub(crate) fn store(
        self: &Arc<Self>,
        stream: &OperatorUid,
        id: BlockId,
        block: &Arc<Block>,
        cut_ms: u64,
    ) -> impl Future<Output = Result<BlockInfo, BlockStoreError>> + Send + use<> {
        // Appended now, not when first polled: blocks are logged in the order in which they were cut.
        let append = self.log.as_ref().map(|log| {
            let parts =
                block
                    .to_parts(stream, id)
                    .map_err(|reason| BlockStoreError::Unreadable {
                        stream: stream.clone(),
                        id,
                        reason,
                    })?;
            let append = log.append(BLOCK_ENTRY, parts);
            self.held().unnamed.insert(append.sequence().0);
            Ok(append)
        });
        let (this, stream, block) = (Arc::clone(self), stream.clone(), Arc::clone(block));
        async move {
            let position = match append.transpose()? {
                Some(append) => {
                    let sequence = append.sequence().0;
                    let position = append.await.map_err(|error| {
                        // A refused number is given out anew; any other may be in the log or not.
                        if matches!(error, tidemill_wal::Error::Full { .. }) {
                            this.held().unnamed.remove(sequence);
                        }
                        BlockStoreError::Log(Arc::new(error))
                    })?;
                    Some(position)
                }
                None => None,
            };
            this.hold(&stream, id, &block, position.is_some());
            Ok(BlockInfo {
                id,
                records: block.records(),
                bytes: block.len() as u64,
                cut_ms,
                position,
                logged_as: None,
                requeued: None,
            })
        }
    }

    /// Keeps a block that an earlier life had received: durable when this returns, as with
    /// [`BlockStore::store`], and known to the tracker from the start.
    pub(crate) fn take_back(
        &self,
        stream: &OperatorUid,
        info: &BlockInfo,
        block: Block,
    ) -> Result<BlockInfo, BlockStoreError> {
        let block = Arc::new(block);
        let position = match &self.log {
            Some(log) => {
                let parts = block.to_parts(stream, info.id);
                let parts = parts.map_err(|reason| BlockStoreError::Unreadable {
                    stream: stream.clone(),
                    id: info.id,
                    reason,
                })?;
                let appended = log.append(BLOCK_ENTRY, parts).wait();
                Some(appended.map_err(|error| BlockStoreError::Log(Arc::new(error)))?)
            }
            None => None,
        };
        self.hold(stream, info.id, &block, position.is_some());
        Ok(BlockInfo {
            position,
            logged_as: None,
            ..info.clone()
        })
    }

    fn hold(&self, stream: &OperatorUid, id: BlockId, block: &Arc<Block>, is_logged: bool) {
        let mut held = self.held();
        let bytes = block.footprint();
        if is_logged && held.bytes + bytes > self.budget {
            return;
        }
        if held
            .blocks
            .insert((stream.clone(), id), Arc::clone(block))
            .is_none()
        {
            held.bytes += bytes;
        }
    }

    /// Says that a block's addition is logged: from now on the tracker says whether it's needed.
    pub(crate) fn named(&self, info: &BlockInfo) {
        if let Some(position) = info.position {
            self.held().unnamed.remove(position.sequence.0);
        }
    }

    /// The first entry of the block log that the tracker doesn't know of yet but may come to know.
    pub(crate) fn first_unnamed(&self) -> Option<u64> {
        let next = self.log.as_ref()?.next_sequence().0;
        Some(
            self.held()
                .unnamed
                .first()
                .map_or(next, |first| first.min(next)),
        )
    }

    /// A block's records: from memory, else from the log.
    pub(crate) fn get(
        &self,
        stream: &OperatorUid,
        info: &BlockInfo,
    ) -> Result<Arc<Block>, BlockStoreError> {
        if let Some(block) = self.held().blocks.get(&(stream.clone(), info.id)) {
            return Ok(Arc::clone(block));
        }
        let (Some(log), Some(position)) = (&self.log, info.position) else {
            let (stream, id, records) = (stream.clone(), info.id, info.records);
            return Err(BlockStoreError::Lost {
                stream,
                id,
                records,
            });
        };
        let entry = log
            .read(position)
            .map_err(|error| BlockStoreError::Log(Arc::new(error)))?;
        block_in(entry, stream, info).map(Arc::new)
    }

    /// Lets go of a block that no batch needs any more.
    pub(crate) fn remove(&self, stream: &OperatorUid, id: BlockId) {
        let mut held = self.held();
        if let Some(block) = held.blocks.remove(&(stream.clone(), id)) {
            held.bytes = held.bytes.saturating_sub(block.footprint());
            self.room.notify_waiters();
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
