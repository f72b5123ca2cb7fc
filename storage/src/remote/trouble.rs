//! [`Trouble`]: says once that a store is in trouble, and once that it is over.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A store that fails every now and then is told of at most so often.
const QUIET: Duration = Duration::from_secs(60);

/// The log's view of a store that fails.
#[derive(Debug)]
pub(super) struct Trouble {
    url: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when requests have failed, while any is being tried again.
    since: Option<Instant>,
    failed_tries: u64,
    /// Whether this trouble was told of.
    told: bool,
    last_told: Option<Instant>,
}

impl Trouble {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A try failed and will be repeated.
    pub(super) fn failed(&self, operation: &str, object: &str, error: &dyn fmt::Display) {
        let now = Instant::now();
        let mut state = self.state();
        state.failed_tries += 1;
        if state.since.is_none() {
            state.since = Some(now);
            state.failed_tries = 1;
            state.told = state.last_told.is_none_or(|last| now - last >= QUIET);
            if state.told {
                state.last_told = Some(now);
                tracing::warn!(
                    store = %self.url, operation, object, %error,
                    "the object store is in trouble; requests are tried again"
                );
                return;
            }
        }
        tracing::debug!(store = %self.url, operation, object, %error, "a try failed");
    }

    /// A request that had failed went through.
    pub(super) fn recovered(&self) {
        let mut state = self.state();
        let Some(since) = state.since.take() else {
            return;
        };
        if state.told {
            tracing::warn!(
                store = %self.url,
                seconds = since.elapsed().as_secs_f32(),
                failed_tries = state.failed_tries,
                "the object store answers again"
            );
        }
    }
}
