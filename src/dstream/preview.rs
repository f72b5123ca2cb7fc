//! [`Preview`]: what an output would be given, looked at instead of committed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::rdd::{Element, Rdd, TaskError};

/// How much of what an output would be given is kept for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Records of each output.
    pub(crate) rows: usize,
    /// Characters of each record.
    pub(crate) characters: usize,
}

impl Shown {
    /// A glance.
    pub(crate) const FEW: Self = Self {
        rows: 5,
        characters: 200,
    };
    /// Only how many there are.
    pub(crate) const NONE: Self = Self {
        rows: 0,
        characters: 0,
    };
}

/// The records that an output would be given in one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preview {
    /// How many there are.
    pub(crate) rows: u64,
    /// The first of them, for people; none where the output can't show its elements.
    pub(crate) first: Vec<String>,
}

/// Where a preview is put, and what it shows.
pub(crate) struct PreviewSlot {
    shown: Shown,
    filled: Mutex<Option<Preview>>,
}

impl PreviewSlot {
    pub(crate) fn new(shown: Shown) -> Arc<Self> {
        Arc::new(Self {
            shown,
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
    /// One more record.
    pub(crate) fn add(&mut self, shown: Shown, show: impl FnOnce() -> Option<String>) {
        self.rows += 1;
        if self.first.len() < shown.rows
            && let Some(text) = show()
        {
            self.first.push(shortened(text, shown.characters));
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
            partition.for_each(|value| part.add(slot.shown, || show(value)))?;
            Ok(part)
        });
        let mut whole = Preview::default();
        for part in parts.map_err(TaskError::new)? {
            whole.rows += part.rows;
            whole.first.extend(part.first);
        }
        whole.first.truncate(slot.shown.rows);
        slot.fill(whole);
        Ok(())
    }
}

fn shortened(mut text: String, characters: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
        text.push('…');
    }
    text
}
