//! What a savepoint holds besides an ordinary checkpoint: the blocks that its batches still need, so that it
//! needs no log.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_checkpoint::{ChunkBuilder, Manifest, PartitionChanges, SeriesChanges};

use crate::block::{Block, BlockId, BlockInfo, BlockStore};
use crate::state::{ChunkSource, check_format};
use crate::uid::OperatorUid;

/// The series of a savepoint's blocks: no operator can have this uid and state.
pub(crate) const BLOCKS_SERIES: &str = "tidemill/blocks";

/// How an entry is written: the key is the entry's number, the value what the block log holds of the block.
const FORMAT: u32 = 1;

/// A savepoint that is to be written.
pub(super) struct Savepoint {
    pub(super) name: String,
    pub(super) blocks: Vec<(OperatorUid, BlockInfo)>,
}

impl Savepoint {
    /// Reads the blocks. All of them are in memory for a moment.
    pub(super) fn series(&self, store: &Arc<BlockStore>) -> Result<SeriesChanges, String> {
        let mut builder = ChunkBuilder::new();
        for (number, (stream, info)) in self.blocks.iter().enumerate() {
            let block = store.get(stream, info).map_err(|error| error.to_string())?;
            let parts = block.to_parts(stream, info.id)?;
            let whole: Vec<u8> = parts.iter().flatten().copied().collect();
            builder.push(&(number as u64).to_be_bytes(), Some(&whole));
        }
        Ok(SeriesChanges {
            name: BLOCKS_SERIES.to_owned(),
            format: FORMAT,
            partitions: vec![PartitionChanges {
                full: true,
                builder,
            }],
        })
    }
}

/// The blocks that a savepoint holds.
pub(crate) type SavedBlocks = HashMap<(OperatorUid, BlockId), Block>;

/// Reads a savepoint's blocks.
pub(crate) fn saved_blocks(
    manifest: &Manifest,
    chunks: &ChunkSource<'_>,
) -> Result<SavedBlocks, String> {
    let mut blocks = SavedBlocks::new();
    let Some(series) = manifest.series(BLOCKS_SERIES) else {
        return Ok(blocks);
    };
    check_format(series, FORMAT, "its blocks are")?;
    for reference in series.partitions.iter().flat_map(|chain| chain.chunks()) {
        let chunk = chunks(reference).map_err(|error| error.to_string())?;
        for value in chunk.iter().filter_map(|(_, value)| value) {
            let (stream, id, block) = Block::from_payload(Bytes::copy_from_slice(value))?;
            blocks.insert((stream, id), block);
        }
    }
    Ok(blocks)
}
