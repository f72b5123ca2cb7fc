//! [`Pace`]: how fast a generator goes: as fast as can be sustained, and no faster.
//!
//! A generator that is faster than the pipeline fills all memory, batches grow with it, and what is then
//! measured is the filling and emptying of memory. So the pace follows the batches: faster while they
//! take less than their interval, slower when they take longer or have to wait.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidemill::StreamingContext;
use tidemill::scheduler::{BatchInfo, StreamingEvent};

/// The part of the interval that a batch should take.
const AIM: f64 = 0.93;
/// Milliseconds that a batch may wait for the one before it.
const PATIENCE: u64 = 150;

/// A pace in lines a second, shared by a generator and who sets it.
#[derive(Clone)]
pub struct Pace(Arc<Mutex<State>>);

struct State {
    per_second: f64,
    /// When what was taken so far is due.
    due: Instant,
}

impl Pace {
    /// Begins with `per_second` and follows the batches of `context`.
    pub fn following(context: &StreamingContext, per_second: f64) -> Self {
        let pace = Self(Arc::new(Mutex::new(State {
            per_second,
            due: Instant::now(),
        })));
        let (follower, interval) = (pace.clone(), context.batch_interval());
        context
            .add_streaming_listener(move |event: &StreamingEvent| {
                if let StreamingEvent::BatchCompleted(info) = event {
                    follower.adjust(info, interval);
                }
            })
            .unwrap();
        pace
    }

    fn adjust(&self, info: &BatchInfo, interval: Duration) {
        let delays = info.processing_delay().zip(info.scheduling_delay());
        let Some((processing, waited)) = delays.filter(|_| info.num_records > 0) else {
            return;
        };
        let part = Duration::from_millis(processing).as_secs_f64() / interval.as_secs_f64();
        let change = if waited > PATIENCE {
            0.8
        } else {
            (AIM / part).clamp(0.8, 1.15)
        };
        self.0.lock().unwrap().per_second *= change;
    }

    /// Takes `lines`; returns how long to wait before more.
    pub fn take(&self, lines: usize) -> Duration {
        let mut state = self.0.lock().unwrap();
        let now = Instant::now();
        let seconds = lines as f64 / state.per_second;
        state.due =
            state.due.max(now - Duration::from_millis(50)) + Duration::from_secs_f64(seconds);
        state.due.saturating_duration_since(now)
    }
}
