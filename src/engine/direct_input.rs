//! [`DirectInput`]: a direct source, the operator that reads it, and whether it can be read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dstream::AnyNode;
use crate::source::{AnyDirectSource, Planned};
use crate::time::Time;

/// A direct source of the program.
pub(crate) struct DirectInput {
    pub(crate) node: Arc<dyn AnyNode>,
    pub(crate) source: Arc<dyn AnyDirectSource>,
    trouble: Mutex<Option<String>>,
}

impl DirectInput {
    pub(crate) fn new(node: Arc<dyn AnyNode>, source: Arc<dyn AnyDirectSource>) -> Self {
        Self {
            node,
            source,
            trouble: Mutex::default(),
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
