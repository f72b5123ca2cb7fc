//! [`Tally`]: what a trial did to its daemons, by kind.

#![cfg_attr(not(feature = "failpoints"), allow(dead_code))]

use std::collections::BTreeMap;

/// Faults by kind.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, fault: impl Into<String>) {
        *self.0.entry(fault.into()).or_default() += 1;
    }

    /// Takes in another's.
    pub fn absorb(&mut self, other: &Tally) {
        for (fault, count) in &other.0 {
            *self.0.entry(fault.clone()).or_default() += count;
        }
    }

    /// The kinds and how many of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(fault, count)| (fault.as_str(), *count))
    }

    /// SIGKILLs of all kinds.
    pub fn kills(&self) -> u64 {
        self.iter()
            .filter(|(fault, _)| fault.starts_with("SIGKILL"))
            .map(|(_, count)| count)
            .sum()
    }
}
