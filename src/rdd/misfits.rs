//! [`Misfits`]: records that an operator leaves out because it can't work on them.
//!
//! A record that is left out is counted, and told in the log with an example: at once the first time, then at
//! most every ten seconds. It stays in its source's log for as long as its batch is kept.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::uid::OperatorUid;

/// Time between two warnings of an operator.
const QUIET: Duration = Duration::from_secs(10);

/// Counts the records that an operator leaves out. A batch that is computed again counts again.
#[derive(Debug)]
pub(crate) struct Misfits {
    operator: OperatorUid,
    count: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Misfits {
    pub(crate) fn new(operator: OperatorUid) -> Self {
        Self {
            operator,
            count: AtomicU64::new(0),
            told: Mutex::new(None),
        }
    }

    /// Who leaves them out.
    pub(crate) fn operator(&self) -> &OperatorUid {
        &self.operator
    }

    /// How many were left out.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// A record is left out.
    pub(crate) fn add<R: Display>(&self, error: &str, record: impl FnOnce() -> R) {
        let so_far = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|told| told.elapsed() < QUIET) {
                return;
            }
            *told = Some(Instant::now());
        }
        let record = shortened(&record().to_string());
        tracing::warn!(
            operator = %self.operator,
            error,
            so_far,
            record,
            "a record doesn't fit and is left out"
        );
    }
}

/// Enough of a record to recognise it.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_though_few_are_told() {
        let misfits = Misfits::new(OperatorUid::new("counts.map"));
        (0..1000).for_each(|n| misfits.add("no integer", || n));
        assert_eq!(misfits.count(), 1000);
        let told = *misfits.told.lock().unwrap();
        misfits.add("no integer", || "ä".repeat(1000));
        assert_eq!(*misfits.told.lock().unwrap(), told);
    }
}
