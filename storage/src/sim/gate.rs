//! [`Gate`]: holds operations until a test lets them go.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A gate, closed at first. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// Lets go whoever waits, and whoever comes later.
    pub fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap_or_else(PoisonError::into_inner).open = true;
        changed.notify_all();
    }

    /// Waits until some operation waits at the gate.
    pub fn await_arrival(&self) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(state, |state| state.waiting == 0));
    }

    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        changed.notify_all();
        let passed = changed.wait_while(state, |state| !state.open);
        passed.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
    }
}
