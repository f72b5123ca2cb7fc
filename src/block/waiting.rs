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

/// The blocks for the next batch: those received before `first_adding`, a block that isn't taken in yet, and of
/// these no more than have `most` records, but always the first: it can't be divided.
pub(super) fn before(
    waiting: &VecDeque<BlockInfo>,
    first_adding: Option<BlockId>,
    most: Option<u64>,
) -> Vec<BlockInfo> {
    let mut ready: Vec<BlockInfo> = Vec::new();
    let mut records = 0u64;
    for block in waiting {
        records = records.saturating_add(block.records);
        let is_too_much = !ready.is_empty() && most.is_some_and(|most| records > most);
        if is_too_much || first_adding.is_some_and(|first| block.id >= first) {
            break;
        }
        ready.push(block.clone());
    }
    ready
}

/// Takes out a batch's blocks, which are in order, too.
pub(super) fn take_out(waiting: &mut VecDeque<BlockInfo>, batch: &[BlockInfo]) {
    waiting.retain(|block| {
        batch
            .binary_search_by_key(&block.id, |taken| taken.id)
            .is_err()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64, records: u64) -> BlockInfo {
        BlockInfo {
            id: BlockId { epoch: 1, number },
            records,
            bytes: 8 * records,
            cut_ms: 1000,
            position: None,
            logged_as: None,
            requeued: None,
        }
    }

    fn taken(most: Option<u64>, first_adding: Option<u64>) -> Vec<u64> {
        let waiting = [(0, 5), (1, 3), (2, 0), (3, 4), (4, 1)];
        let waiting = waiting.map(|(number, records)| block(number, records));
        let first_adding = first_adding.map(|number| BlockId { epoch: 1, number });
        let taken = before(&waiting.into(), first_adding, most);
        taken.iter().map(|block| block.id.number).collect()
    }

    #[test]
    fn a_batch_takes_what_it_may_in_order() {
        assert_eq!(taken(None, None), [0, 1, 2, 3, 4]);
        assert_eq!(taken(Some(8), None), [0, 1, 2]);
        // A later block that would fit doesn't go before one that doesn't.
        assert_eq!(taken(Some(9), None), [0, 1, 2]);
        assert_eq!(taken(Some(13), Some(4)), [0, 1, 2, 3]);
    }

    #[test]
    fn the_first_block_is_taken_however_large_it_is() {
        assert_eq!(taken(Some(1), None), [0]);
        assert_eq!(taken(Some(1), Some(0)), [] as [u64; 0]);
    }
}
