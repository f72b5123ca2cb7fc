//! [`Stage`]: a wide step's result, made once and then read. What it was made of is let go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Executor, JobError, TaskError};
use crate::effects;

type Run<R> = dyn Fn(&Executor) -> Result<R, JobError> + Send + Sync;

/// A result that is made when it's prepared.
pub(super) struct Stage<R>(Mutex<State<R>>);

enum State<R> {
    Pending(Box<Run<R>>),
    Ready(Arc<R>),
}

impl<R> Stage<R> {
    pub(super) fn new(
        run: impl Fn(&Executor) -> Result<R, JobError> + Send + Sync + 'static,
    ) -> Self {
        Self(Mutex::new(State::Pending(Box::new(run))))
    }

    /// Makes the result; a second call finds it made, a second caller waits for the first.
    pub(super) fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let mut state = self.lock();
        if let State::Pending(run) = &*state {
            // Of a run that fails nothing stays, nor of the steps of it that succeeded.
            let (result, left) =
                effects::collect_if_any(effects::is_collecting(), || run(executor));
            *state = State::Ready(Arc::new(result?));
            effects::absorb(left);
        }
        Ok(())
    }

    /// The result.
    pub(super) fn ready(&self) -> Result<Arc<R>, TaskError> {
        match &*self.lock() {
            State::Ready(result) => Ok(Arc::clone(result)),
            State::Pending(_) => Err(TaskError::new("a dataset was read before it was prepared")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
