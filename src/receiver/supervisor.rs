//! The supervisor: keeps a receiver running, with back-off between failures, for ever.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{Receiver, ReceiverState, ReceiverStatus, Store};
use crate::clock::Clock;
use crate::rdd::panic_message;
use crate::scheduler::{ListenerBus, StreamingEvent};

/// A receiver that has run this long starts over with the shortest wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// What a supervisor watches and tells.
pub(crate) struct Supervision {
    pub(crate) status: Arc<Mutex<ReceiverStatus>>,
    pub(crate) bus: ListenerBus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: CancellationToken,
}

impl Supervision {
    fn set(&self, change: impl FnOnce(&mut ReceiverStatus)) -> ReceiverStatus {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
        status.clone()
    }
}

/// Runs `receiver` until it's done or told to stop.
pub(crate) async fn supervise<R: Receiver>(
    mut receiver: R,
    store: Store<R::Record>,
    supervision: Supervision,
) {
    let (shortest, longest) = receiver.back_off();
    let mut delay = shortest;
    loop {
        let started = supervision.clock.now();
        let location = location(&receiver);
        let status = supervision.set(|status| {
            status.starts(started);
            status.location = location.unwrap_or_else(|| status.location.clone());
        });
        supervision
            .bus
            .post(StreamingEvent::ReceiverStarted(status));
        let ended = run_once(&mut receiver, &store, &supervision.stop).await;
        if AssertUnwindSafe(receiver.on_stop())
            .catch_unwind()
            .await
            .is_err()
        {
            tracing::warn!("a receiver panicked in on_stop");
        }
        let Some(error) = ended else { break };
        let now = supervision.clock.now();
        if now.since(started) > HEALTHY_AFTER {
            delay = shortest;
        }
        let status =
            supervision.set(|status| status.failed(now, store.records(), error.clone(), delay));
        tracing::warn!(stream = %status.stream_name, location = %status.location, %error,
            retry_in = ?delay, "a receiver failed");
        supervision.bus.post(StreamingEvent::ReceiverError(status));
        tokio::select! {
            () = supervision.stop.cancelled() => break,
            () = tokio::time::sleep(delay) => {}
        }
        delay = (delay * 2).min(longest);
    }
    let status = supervision.set(|status| {
        status.state = ReceiverState::Stopped;
        (status.next_try, status.down_since) = (None, None);
        status.records = store.records();
    });
    supervision
        .bus
        .post(StreamingEvent::ReceiverStopped(status));
}

/// Where a receiver receives from: it may know better by now. `None` when it panics.
fn location<R: Receiver>(receiver: &R) -> Option<String> {
    std::panic::catch_unwind(AssertUnwindSafe(|| receiver.describe())).ok()
}

/// Runs a receiver to its end: `None` when it is done or was stopped, else why it failed.
async fn run_once<R: Receiver>(
    receiver: &mut R,
    store: &Store<R::Record>,
    stop: &CancellationToken,
) -> Option<String> {
    let wish = store.restart_wish();
    let running = AssertUnwindSafe(receiver.on_start(store.clone())).catch_unwind();
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        () = wish.wanted.notified() => {
            Some(wish.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
        }
        ended = running => match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(payload) => Some(format!("it panicked: {}", panic_message(&*payload))),
        },
    }
}
