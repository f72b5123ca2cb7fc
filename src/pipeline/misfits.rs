//! [`Misfits`]: records that an operator can't work on.
//!
//! A record that doesn't fit (`parse_int` of `abc`, no JSON document, no separator) must not hold up a
//! stream for ever, which a failing batch would. It's left out, counted, and told in the log with an
//! example: at once the first time, then at most every ten seconds. It stays in its source's log for as
//! long as its batch is kept.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two warnings of an operator.
const QUIET: Duration = Duration::from_secs(10);

/// How much of a record is shown.
const SHOWN: usize = 100;

/// Counts the records that an operator leaves out. A batch that is computed again counts again.
#[derive(Debug)]
pub(super) struct Misfits {
    operator: String,
    needs: &'static str,
    count: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Misfits {
    /// For an operator that `needs` something of its records.
    pub(super) fn new(operator: impl Into<String>, needs: &'static str) -> Self {
        Self {
            operator: operator.into(),
            needs,
            count: AtomicU64::new(0),
            told: Mutex::new(None),
        }
    }

    /// A record is left out.
    #[cold]
    pub(super) fn add(&self, record: &dyn Display) {
        let so_far = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|told| told.elapsed() < QUIET) {
                return;
            }
            *told = Some(Instant::now());
        }
        let record: String = record.to_string().chars().take(SHOWN).collect();
        tracing::warn!(
            operator = self.operator,
            needs = self.needs,
            so_far,
            record,
            "a record doesn't fit and is left out"
        );
    }

    /// How many were left out.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_though_few_are_told() {
        let misfits = Misfits::new("counts.map", "an integer");
        (0..1000).for_each(|n| misfits.add(&n));
        assert_eq!(misfits.count(), 1000);
        let told = *misfits.told.lock().unwrap();
        misfits.add(&"ä".repeat(1000));
        assert_eq!(*misfits.told.lock().unwrap(), told);
    }
}
