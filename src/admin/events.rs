//! `/api/v1/events`: what happens, told as it happens, as server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `state` | the context's state, whether it is ready, why it isn't, and what to look at though it is |
//! | `batch` | a batch that was submitted, began, got on, failed or was completed, as `batches/{time}` shows it |
//! | `receiver` | a receiver that started, failed or ended, as `receivers/{id}` shows it |
//! | `checkpoint` | how checkpoints are doing, as `/api/v1/checkpoint` shows it |
//! | `lagged` | how many events the client was too slow to take: ask for what is missed |
//!
//! Invariant: nothing waits for a client. Events go through a bounded ring that forgets its oldest; streams are
//! counted; without any, nothing is written at all. A new stream begins with `state` and `checkpoint`.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::checkpoint;
use super::streaming::{batches, receivers};
use super::{Admin, Shared};
use crate::ContextState;
use crate::problem::Problem;
use crate::scheduler::StreamingEvent;
use crate::time::Time;

/// How many events a client may be behind.
const BEHIND: usize = 1024;

/// How many streams may be open.
const MAX_STREAMS: usize = 32;

/// How long a stream lasts at most: a client that is still there opens the next.
const LONGEST: Duration = Duration::from_secs(3600);

/// How often a comment is sent when nothing happens, so that both ends see that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How often is looked at what nobody tells of.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Something that happened, as it is sent.
#[derive(Clone)]
struct Note {
    name: &'static str,
    json: Arc<str>,
}

impl Note {
    fn new(name: &'static str, data: &impl Serialize) -> Self {
        // Plain data with names for keys: this can't fail.
        let json = serde_json::to_string(data).unwrap_or_default().into();
        Self { name, json }
    }

    fn event(&self) -> Event {
        Event::default().event(self.name).data(&*self.json)
    }
}

/// Tells open streams what happens.
pub(super) struct Events {
    notes: broadcast::Sender<Note>,
    streams: Arc<Semaphore>,
    end: CancellationToken,
}

impl Events {
    /// Streams end with `end`.
    pub(super) fn new(end: CancellationToken) -> Self {
        Self {
            notes: broadcast::Sender::new(BEHIND),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            end,
        }
    }

    fn is_watched(&self) -> bool {
        self.notes.receiver_count() > 0
    }

    fn tell(&self, note: Note) {
        // An error says that the last stream has just ended.
        let _ = self.notes.send(note);
    }
}

#[derive(Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct ContextStatus {
    state: ContextState,
    is_ready: bool,
    reasons: Vec<String>,
    warnings: Vec<String>,
}

impl ContextStatus {
    fn of(shared: &Shared) -> Self {
        let reasons = shared.context.obstacles();
        Self {
            state: shared.context.state(),
            is_ready: reasons.is_empty(),
            reasons,
            warnings: shared.context.warnings(),
        }
    }
}

/// A listener that passes the engine's events on.
pub(super) fn listener(shared: Weak<Shared>) -> impl FnMut(&StreamingEvent) + Send + 'static {
    move |event| {
        if let Some(shared) = shared.upgrade()
            && shared.events.is_watched()
            && let Some(note) = note_of(&shared, event)
        {
            shared.events.tell(note);
        }
    }
}

fn note_of(shared: &Shared, event: &StreamingEvent) -> Option<Note> {
    let batch = |time: Time| {
        let info = shared.context.progress().batch(time)?;
        Some(Note::new("batch", &batches::describe_now(shared, &info)))
    };
    match event {
        StreamingEvent::BatchSubmitted(info)
        | StreamingEvent::BatchStarted(info)
        | StreamingEvent::BatchCompleted(info) => {
            Some(Note::new("batch", &batches::describe_now(shared, info)))
        }
        StreamingEvent::OutputOperationCompleted(time, _)
        | StreamingEvent::BatchFailed(time, _) => batch(*time),
        StreamingEvent::ReceiverStarted(status)
        | StreamingEvent::ReceiverError(status)
        | StreamingEvent::ReceiverStopped(status) => {
            let described = receivers::describe(shared, status.clone());
            Some(Note::new("receiver", &described))
        }
        StreamingEvent::StreamingStarted(_) => Some(Note::new("state", &ContextStatus::of(shared))),
        // What a page shows of these it learns from batches, and from looking at checkpoints.
        StreamingEvent::OutputOperationStarted(..)
        | StreamingEvent::BatchAllocated(_)
        | StreamingEvent::CheckpointCompleted(_) => None,
    }
}

/// Looks, while anybody listens, at what nobody tells of: the context's state and its checkpoints.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut known = (None, None);
    loop {
        tokio::select! {
            () = shared.events.end.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if !shared.events.is_watched() {
            known = (None, None);
            continue;
        }
        let state = ContextStatus::of(&shared);
        if known.0.as_ref() != Some(&state) {
            shared.events.tell(Note::new("state", &state));
            known.0 = Some(state);
        }
        let checkpoint = checkpoint::describe(&shared);
        let seen = checkpoint.as_ref().map(|status| status.without_age());
        if known.1 != seen {
            if let Some(checkpoint) = checkpoint {
                shared.events.tell(Note::new("checkpoint", &checkpoint));
            }
            known.1 = seen;
        }
    }
}

/// A client's stream.
struct Open {
    /// What it is told first.
    first: Vec<Note>,
    notes: broadcast::Receiver<Note>,
    end: CancellationToken,
    until: tokio::time::Instant,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    async fn next(&mut self) -> Option<Event> {
        if let Some(note) = self.first.pop() {
            return Some(note.event());
        }
        tokio::select! {
            () = self.end.cancelled() => None,
            () = tokio::time::sleep_until(self.until) => None,
            note = self.notes.recv() => match note {
                Ok(note) => Some(note.event()),
                Err(RecvError::Lagged(missed)) => Some(Note::new("lagged", &Lagged { missed }).event()),
                Err(RecvError::Closed) => None,
            }
        }
    }
}

#[derive(Serialize)]
struct Lagged {
    missed: u64,
}

/// Opens a stream.
pub(super) async fn events(State(shared): Admin) -> Result<impl IntoResponse, Problem> {
    let events = &shared.events;
    let permit = Arc::clone(&events.streams).try_acquire_owned();
    let permit = permit.map_err(|_| {
        let detail = format!("{MAX_STREAMS} streams of events are open, the most there may be");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    })?;
    // Listens before it looks, so that nothing is missed in between.
    let notes = events.notes.subscribe();
    let checkpoint = checkpoint::describe(&shared);
    let checkpoint = checkpoint.map(|status| Note::new("checkpoint", &status));
    let state = Note::new("state", &ContextStatus::of(&shared));
    let open = Open {
        first: checkpoint.into_iter().chain([state]).collect(),
        notes,
        end: events.end.clone(),
        until: tokio::time::Instant::now() + LONGEST,
        _permit: permit,
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok((headers, Sse::new(told(open)).keep_alive(keep_alive)))
}

fn told(open: Open) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(open, |mut open| async move {
        let event = open.next().await?;
        Some((Ok(event), open))
    })
}
