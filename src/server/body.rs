//! [`Paced`]: the body of a request, which must keep coming. [`Told`]: that of an answer, whose end is noticed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{HeaderMap, header};
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::timed::{Patience, Phase, Phases};

/// How fast a body must come on average, in bytes a second: one that drips would hold its connection for days.
const MIN_RATE: u64 = 1024;

/// How many bytes a request says that its body has, if it does.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The body of a request; an error of the kind [`io::ErrorKind::TimedOut`] when it comes too slowly.
#[derive(Debug)]
pub(super) struct Paced<B> {
    body: B,
    stall: Duration,
    bytes: u64,
    begun: Option<Instant>,
    waiting: Patience,
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, stall: Duration) -> Self {
        Self {
            body,
            stall,
            bytes: 0,
            begun: None,
            waiting: Patience::default(),
        }
    }

    /// When the next piece must be there.
    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let begun = *self.begun.get_or_insert(now);
        let earned = Duration::from_secs(self.bytes / MIN_RATE);
        (now + self.stall).min(begun + self.stall + earned)
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            if !this.waiting.is_running() {
                let deadline = this.deadline();
                this.waiting.until(deadline);
            }
            let waited = this.waiting.poll(cx, this.stall, "the rest of the body");
            return waited.map(|waited| waited.err().map(|error: io::Error| Err(error.into())));
        };
        this.waiting.end();
        if let Some(Ok(data)) = frame
            .as_ref()
            .map(|frame| frame.as_ref().map(Frame::data_ref))
        {
            this.bytes += data.map_or(0, |data| data.remaining() as u64);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. When it has been sent, or given up, the connection waits for a request.
#[derive(Debug)]
pub(super) struct Told<B> {
    body: B,
    _end: End,
}

#[derive(Debug)]
struct End(Phases);

impl Drop for End {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

impl<B> Told<B> {
    pub(super) fn new(body: B, phases: Phases) -> Self {
        Self {
            body,
            _end: End(phases),
        }
    }
}

impl<B: HttpBody + Unpin> HttpBody for Told<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
