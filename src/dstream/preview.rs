//! [`Preview`]: what an output would be given, looked at instead of committed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::rdd::{Element, Rdd, TaskError};

/// How many characters of an element are shown.
const MOST_CHARACTERS: usize = 200;

/// The records that an output would be given in one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preview {
    /// How many there are.
    pub(crate) rows: u64,
    /// The first of them, for people; none where the output can't show its elements.
    pub(crate) first: Vec<String>,
}

/// Where a preview is put, and how many records it shows.
pub(crate) struct PreviewSlot {
    pub(crate) most: usize,
    filled: Mutex<Option<Preview>>,
}

impl PreviewSlot {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            filled: Mutex::default(),
        })
    }

    pub(crate) fn take(&self) -> Option<Preview> {
        self.filled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn fill(&self, preview: Preview) {
        *self.filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(preview);
    }
}

impl Preview {
    /// One more record, of which at most the first `most` are shown.
    pub(crate) fn add(&mut self, most: usize, show: impl FnOnce() -> Option<String>) {
        self.rows += 1;
        if self.first.len() < most
            && let Some(text) = show()
        {
            self.first.push(shortened(text));
        }
    }
}

/// The work that computes all of a dataset, as a commit would, and keeps the beginning.
pub(super) fn previewing<T: ?Sized + Element>(
    rdd: Rdd<T>,
    slot: Arc<PreviewSlot>,
    show: Arc<impl Fn(&T) -> Option<String> + Send + Sync + 'static>,
) -> impl Fn() -> Result<(), TaskError> + Send + Sync + 'static {
    move || {
        let parts = rdd.run_partitions(|partition| {
            let mut part = Preview::default();
            partition.for_each(|value| part.add(slot.most, || show(value)))?;
            Ok(part)
        });
        let mut whole = Preview::default();
        for part in parts.map_err(TaskError::new)? {
            whole.rows += part.rows;
            whole.first.extend(part.first);
        }
        whole.first.truncate(slot.most);
        slot.fill(whole);
        Ok(())
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}
