//! [`InFlight`]: which log entries have been appended and not yet come to their end.

use std::collections::BTreeMap;

/// Sequence numbers, each with how many entries bear it: a number that was refused is given out anew.
#[derive(Debug, Default)]
pub(super) struct InFlight(BTreeMap<u64, usize>);

impl InFlight {
    pub(super) fn insert(&mut self, sequence: u64) {
        *self.0.entry(sequence).or_default() += 1;
    }

    pub(super) fn remove(&mut self, sequence: u64) {
        if let Some(count) = self.0.get_mut(&sequence) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&sequence);
            }
        }
    }

    /// The lowest.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }
}
