//! [`DirectInput`]: a direct source, the operator that reads it, and whether it can be read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dstream::AnyNode;
use crate::source::{AnyDirectSource, Planned};
use crate::time::Time;

/// A direct source of the program.
pub(crate) struct DirectInput {
    pub(crate) node: Arc<dyn AnyNode>,
    pub(crate) source: Arc<dyn AnyDirectSource>,
    trouble: Mutex<Option<String>>,
    /// The last batch that reads something of it, in milliseconds; 0 before there was one.
    last_record: AtomicU64,
}

impl DirectInput {
    pub(crate) fn new(node: Arc<dyn AnyNode>, source: Arc<dyn AnyDirectSource>) -> Self {
        Self {
            node,
            source,
            trouble: Mutex::default(),
            last_record: AtomicU64::new(0),
        }
    }

    /// The last batch of this run that reads something of it.
    pub(crate) fn last_record(&self) -> Option<Time> {
        match self.last_record.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(Time::from_millis(ms)),
        }
    }

    /// Why the source can't be read, if it can't.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock().clone()
    }

    /// What the batch at `time` should read, at most `most` records where that is set. A source that can't be read is told of once, when it begins,
    /// and again when it ends; the batch goes without it.
    pub(super) fn plan(
        &self,
        time: Time,
        previous: Option<Time>,
        most: Option<u64>,
    ) -> Option<Planned> {
        let planned = self.source.plan(time, previous, most);
        let mut trouble = self.lock();
        let (stream, source) = (self.node.core().uid(), self.source.describe());
        match planned {
            Ok(planned) => {
                if trouble.take().is_some() {
                    tracing::info!(%stream, source, "the source can be read again");
                }
                // A plan may name nothing, and need not know how much.
                let gives = |planned: &Planned| planned.records != Some(0);
                if planned.as_ref().is_some_and(gives) {
                    self.last_record.store(time.as_millis(), Ordering::Relaxed);
                }
                planned
            }
            Err(error) => {
                let error = error.to_string();
                if trouble.as_ref() != Some(&error) {
                    tracing::error!(%stream, source, error,
                        "a source can't be read; batches go without it until it can");
                    *trouble = Some(error);
                }
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
