//! The compactor: one thread that has a log's home put small segments together, beside everything else.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::shared::Shared;

/// What the compactor is told.
#[derive(Debug, Default)]
pub(crate) struct Compactor {
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    wanted: bool,
    stopped: bool,
}

impl Compactor {
    /// There may be something to do.
    pub(crate) fn wake(&self) {
        self.orders().wanted = true;
        self.changed.notify_one();
    }

    /// Ends the thread after the step it is in.
    pub(crate) fn stop(&self) {
        self.orders().stopped = true;
        self.changed.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.orders().stopped
    }

    /// Waits until there may be something to do; `false` when it is time to end.
    fn wait(&self) -> bool {
        let mut orders = self.orders();
        while !orders.wanted && !orders.stopped {
            orders = self
                .changed
                .wait(orders)
                .unwrap_or_else(PoisonError::into_inner);
        }
        orders.wanted = false;
        !orders.stopped
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compacts whenever there is something to, until told to stop. A failure costs nothing but objects: what
/// there was is still there, and the next commit that finds it due tries again.
pub(crate) fn run(shared: &Shared) {
    let Some(compactor) = &shared.compactor else {
        return;
    };
    let stop = || compactor.is_stopped();
    while compactor.wait() {
        loop {
            match shared.segments.compact(&stop) {
                Ok(true) if !stop() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "small segments couldn't be put together");
                    shared.heed(&error);
                    if error.is_fenced() {
                        return;
                    }
                    break;
                }
            }
        }
    }
}
