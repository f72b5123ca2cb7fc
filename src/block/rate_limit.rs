//! [`TokenBucket`]: at most so many records a second, with bursts of up to one second's worth. The rate may
//! change while it runs: the set limit stays above it.

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
    /// Records a second that no rate goes above.
    max_rate: Option<f64>,
    state: Mutex<State>,
    /// Told when the rate changes: who waits may have to wait for less.
    changed: Notify,
}

#[derive(Debug)]
struct State {
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
        let rate = rate.filter(is_rate).or(max_rate);
        let rate = rate.map(|rate| at_most(rate, max_rate));
        let state = State {
            rate,
            tokens: rate.map_or(0.0, |rate| rate.min(1.0)),
            refilled: clock.now(),
        };
        Self {
            clock,
            max_rate,
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Records a second that it lets pass now; `None`: all.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.lock().rate
    }

    /// Goes on at another rate, or the limit where that is lower. Debt stays; savings beyond the new rate's
    /// burst go. What is no rate changes nothing.
    pub(crate) fn set_rate(&self, rate: f64) {
        if !is_rate(&rate) {
            return;
        }
        let rate = at_most(rate, self.max_rate);
        {
            let mut state = self.refilled();
            if state.rate.is_none() {
                state.tokens = rate.min(1.0);
            }
            state.rate = Some(rate);
            state.tokens = state.tokens.min(burst(rate));
        }
        self.changed.notify_waiters();
    }

    /// How long to wait until there are tokens again; zero when there are.
    pub(crate) fn delay(&self) -> Duration {
        self.refilled().delay()
    }

    /// Takes `records` tokens.
    pub(crate) fn take(&self, records: u64) {
        self.lock().tokens -= records as f64;
    }

    /// Takes `records` tokens, all of them if there are any, or says how long to wait.
    pub(crate) fn admit(&self, records: u64) -> Result<(), Duration> {
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

    fn refilled(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.refill(self.clock.now());
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at_most(rate: f64, max_rate: Option<f64>) -> f64 {
    max_rate.map_or(rate, |max| rate.min(max))
}

#[cfg(test)]
#[path = "rate_limit_tests.rs"]
mod tests;
