//! The blocks of a stream that wait for a batch, in the order in which they were received.
//!
//! Ids are given out in that order, and entries of a log come to their end in any: so ids decide. A batch, a
//! snapshot and what a start makes of the log then have blocks in one order, and a batch that is run again
//! reads what it read before, in the same order.

use std::collections::VecDeque;

use super::{BlockId, BlockInfo};

/// Puts a block in its place: nearly always the last.
pub(super) fn put(waiting: &mut VecDeque<BlockInfo>, block: BlockInfo) {
    let place = match waiting.back() {
        Some(last) if block.id < last.id => waiting.partition_point(|other| other.id < block.id),
        _ => waiting.len(),
    };
    waiting.insert(place, block);
}

/// The blocks for the next batch: those received before `first_adding`, a block that isn't taken in yet.
pub(super) fn before(
    waiting: &VecDeque<BlockInfo>,
    first_adding: Option<BlockId>,
) -> Vec<BlockInfo> {
    let is_before = |block: &&BlockInfo| first_adding.is_none_or(|first| block.id < first);
    waiting.iter().take_while(is_before).cloned().collect()
}

/// Takes out a batch's blocks, which are in order, too.
pub(super) fn take_out(waiting: &mut VecDeque<BlockInfo>, batch: &[BlockInfo]) {
    waiting.retain(|block| {
        batch
            .binary_search_by_key(&block.id, |taken| taken.id)
            .is_err()
    });
}
