//! [`AtRisk`]: since when records are held that nobody waits for and that aren't durable yet.
//!
//! What such a source was told, if anything, is that they were taken; a crash now would lose them. Counted a
//! block at a time, so that a record costs nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Time;

/// Cut blocks with such records, each with the time of its first, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct AtRisk(Mutex<VecDeque<(u64, Time)>>);

impl AtRisk {
    /// A block was cut whose first such record came at `since`.
    pub(super) fn cut(&self, number: u64, since: Time) {
        self.blocks().push_back((number, since));
    }

    /// A block is durable, and so are those before it.
    pub(super) fn landed(&self, number: u64) {
        let mut blocks = self.blocks();
        while blocks.front().is_some_and(|(first, _)| *first <= number) {
            blocks.pop_front();
        }
    }

    pub(super) fn oldest(&self) -> Option<Time> {
        self.blocks().front().map(|(_, since)| *since)
    }

    fn blocks(&self) -> MutexGuard<'_, VecDeque<(u64, Time)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_block_that_hasnt_landed_counts() {
        let (at_risk, at) = (AtRisk::default(), Time::from_millis);
        at_risk.cut(1, at(10));
        at_risk.cut(4, at(20));
        at_risk.landed(0);
        assert_eq!(at_risk.oldest(), Some(at(10)));
        at_risk.landed(3);
        assert_eq!(at_risk.oldest(), Some(at(20)));
        at_risk.landed(4);
        assert_eq!(at_risk.oldest(), None);
    }
}
