//! [`TokenBucket`]: at most so many records a second, with bursts of up to one second's worth. The rate may
//! change while it runs: the set limit stays above it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::time::Time;

/// A token bucket. What is taken may run into debt, which later takers wait for, so that a request of any
/// size passes and the rate holds on average.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Whether there is a rate: without one nobody who takes need wait for the others.
    is_limited: AtomicBool,
    /// Told when the rate changes: who waits may have to wait for less.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Records a second that no rate goes above.
    max_rate: Option<f64>,
    /// The rate that was asked for, whether or not the limit lets it.
    wanted: Option<f64>,
    /// Records a second; `None`: no limit.
    rate: Option<f64>,
    tokens: f64,
    refilled: Time,
}

impl State {
    /// Adds what has come since the last time.
    fn refill(&mut self, now: Time) {
        if let Some(rate) = self.rate {
            let gained = now.since(self.refilled).as_secs_f64() * rate;
            self.tokens = (self.tokens + gained).min(burst(rate));
        }
        self.refilled = self.refilled.max(now);
    }

    /// How long until there are tokens again; zero when there are.
    fn delay(&self) -> Duration {
        let Some(rate) = self.rate.filter(|_| self.tokens <= 0.0) else {
            return Duration::ZERO;
        };
        let seconds = (-self.tokens / rate).min(3600.0);
        Duration::from_secs_f64(seconds).max(Duration::from_millis(1))
    }
}

/// The most tokens that can be saved up.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

/// Whether a number can be a rate.
fn is_rate(rate: &f64) -> bool {
    rate.is_finite() && *rate > 0.0
}

impl TokenBucket {
    /// A bucket that never goes above `max_rate`, and starts at `rate`; all in records a second. Without
    /// both it holds nobody back until it is given a rate.
    pub(crate) fn new(max_rate: Option<f64>, rate: Option<f64>, clock: Arc<dyn Clock>) -> Self {
        let max_rate = max_rate.filter(is_rate);
        let wanted = rate.filter(is_rate);
        let rate = allowed(wanted, max_rate);
        let state = State {
            max_rate,
            wanted,
            rate,
            tokens: rate.map_or(0.0, |rate| rate.min(1.0)),
            refilled: clock.now(),
        };
        Self {
            clock,
            is_limited: AtomicBool::new(rate.is_some()),
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Records a second that it lets pass now; `None`: all.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.lock().rate
    }

    /// Records a second that no rate goes above; `None`: any.
    pub(crate) fn max_rate(&self) -> Option<f64> {
        self.lock().max_rate
    }

    /// Goes on at another rate, or the limit where that is lower. Debt stays; savings beyond the new rate's
    /// burst go. What is no rate changes nothing.
    pub(crate) fn set_rate(&self, rate: f64) {
        if is_rate(&rate) {
            self.change(|state| state.wanted = Some(rate));
        }
    }

    /// Goes on below another limit, as by [`set_rate`](Self::set_rate); `None`: without one.
    pub(crate) fn set_max_rate(&self, max_rate: Option<f64>) {
        self.change(|state| state.max_rate = max_rate.filter(is_rate));
    }

    /// Goes on without a rate of its own: at the limit, if there is one.
    pub(crate) fn unset_rate(&self) {
        self.change(|state| state.wanted = None);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.refilled();
            change(&mut state);
            let rate = allowed(state.wanted, state.max_rate);
            if let Some(rate) = rate {
                if state.rate.is_none() {
                    state.tokens = rate.min(1.0);
                }
                state.tokens = state.tokens.min(burst(rate));
            }
            state.rate = rate;
            self.is_limited.store(rate.is_some(), Ordering::Release);
        }
        self.changed.notify_waiters();
    }

    /// How long to wait until there are tokens again; zero when there are.
    pub(crate) fn delay(&self) -> Duration {
        if !self.is_limited() {
            return Duration::ZERO;
        }
        self.refilled().delay()
    }

    /// Takes `records` tokens.
    pub(crate) fn take(&self, records: u64) {
        if self.is_limited() {
            self.lock().tokens -= records as f64;
        }
    }

    /// Takes `records` tokens, all of them if there are any, or says how long to wait.
    pub(crate) fn admit(&self, records: u64) -> Result<(), Duration> {
        if !self.is_limited() {
            return Ok(());
        }
        let mut state = self.refilled();
        let delay = state.delay();
        if !delay.is_zero() {
            return Err(delay);
        }
        state.tokens -= records as f64;
        Ok(())
    }

    /// Waits until there are tokens; returns how many, at least 1. They are not taken.
    pub(crate) async fn room(&self) -> u64 {
        if !self.is_limited() {
            return u64::MAX;
        }
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Before the look: a change right behind it isn't missed.
            changed.as_mut().enable();
            let delay = {
                let state = self.refilled();
                let delay = state.delay();
                if delay.is_zero() {
                    return state.rate.map_or(u64::MAX, |_| state.tokens.ceil() as u64);
                }
                delay
            };
            let until = self.clock.now().plus(delay);
            tokio::select! {
                () = crate::clock::sleep_until(&*self.clock, until) => {}
                () = changed => {}
            }
        }
    }

    fn is_limited(&self) -> bool {
        self.is_limited.load(Ordering::Acquire)
    }

    fn refilled(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.refill(self.clock.now());
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rate that is wanted, as far as the limit lets it; without one the limit.
fn allowed(wanted: Option<f64>, max_rate: Option<f64>) -> Option<f64> {
    match (wanted, max_rate) {
        (Some(rate), Some(max)) => Some(rate.min(max)),
        (wanted, max_rate) => wanted.or(max_rate),
    }
}

#[cfg(test)]
#[path = "rate_limit_tests.rs"]
mod tests;
