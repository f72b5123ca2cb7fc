//! [`Orders`]: what the compactor is told by those who write and close.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What the compactor is told.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    wanted: bool,
    stopped: bool,
}

impl Orders {
    /// There may be something to do.
    pub(crate) fn wake(&self) {
        self.told().wanted = true;
        self.changed.notify_one();
    }

    /// Ends the thread after the step it is in.
    pub(crate) fn stop(&self) {
        self.told().stopped = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.told().stopped
    }

    /// Waits until there may be something to do; `false` when it is time to end.
    pub(crate) fn wait(&self) -> bool {
        let mut told = self.told();
        while !told.wanted && !told.stopped {
            told = self
                .changed
                .wait(told)
                .unwrap_or_else(PoisonError::into_inner);
        }
        told.wanted = false;
        !told.stopped
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
