//! [`TokenBucket`]: at most so many records a second, with bursts of up to one second's worth.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::time::Time;

/// A token bucket. Takes may run into debt, which later takes wait for, so that a batch of records of
/// any size passes and the rate holds on average.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    per_second: f64,
    tokens: f64,
    refilled: Time,
}

impl TokenBucket {
    pub(crate) fn new(per_second: f64, clock: Arc<dyn Clock>) -> Self {
        let refilled = clock.now();
        let state = State {
            per_second,
            tokens: per_second.min(1.0),
            refilled,
        };
        Self {
            clock,
            state: Mutex::new(state),
        }
    }

    /// How long to wait until there are tokens again; zero when there are.
    pub(crate) fn delay(&self) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let gained = now.since(state.refilled).as_secs_f64() * state.per_second;
        state.tokens = (state.tokens + gained).min(state.per_second.max(1.0));
        state.refilled = state.refilled.max(now);
        if state.tokens > 0.0 {
            return Duration::ZERO;
        }
        let seconds = (-state.tokens / state.per_second.max(f64::MIN_POSITIVE)).min(3600.0);
        Duration::from_secs_f64(seconds).max(Duration::from_millis(1))
    }

    /// Takes `records` tokens.
    pub(crate) fn take(&self, records: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tokens -= records as f64;
    }

    /// Waits until there are tokens, then takes `records`.
    pub(crate) async fn acquire(&self, records: u64) {
        loop {
            let delay = self.delay();
            if delay.is_zero() {
                break;
            }
            crate::clock::sleep_until(&*self.clock, self.clock.now().plus(delay)).await;
        }
        self.take(records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_rate_holds_on_average_and_bursts_are_bounded() {
        let clock = ManualClock::new(Time::from_millis(0));
        let bucket = TokenBucket::new(100.0, Arc::new(clock.clone()));
        assert_eq!(bucket.delay(), Duration::ZERO);
        bucket.take(201);
        assert_eq!(bucket.delay(), Duration::from_secs(2));
        clock.advance(Duration::from_secs(2));
        assert!(bucket.delay() <= Duration::from_millis(1));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(bucket.delay(), Duration::ZERO);
        bucket.take(150);
        assert_eq!(bucket.delay(), Duration::from_millis(500));
    }
}
