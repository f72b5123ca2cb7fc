//! [`Timed`]: a connection that fails when its peer takes too long.
//!
//! What is too long depends on what is awaited, which [`Phase`] says: the next request, the rest of its head, or
//! nothing, since the answer is ours to give. A body has limits of its own, in [`body`](super::body).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::HttpLimits;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The first byte of a request.
    Idle = 0,
    /// The rest of its head.
    Head = 1,
    /// The answer, which is being made or sent.
    Answer = 2,
}

/// The phase of a connection, shared by its stream and its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Phases(Arc<AtomicU8>);

impl Phases {
    pub(super) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Answer,
        }
    }
}

/// A stream with limits on how long its peer may take.
#[derive(Debug)]
pub(super) struct Timed<S> {
    stream: S,
    phases: Phases,
    limits: HttpLimits,
    reading: Patience,
    writing: Patience,
    /// What `reading` is running for.
    awaited: Phase,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, phases: Phases, limits: HttpLimits) -> Self {
        Self {
            stream,
            phases,
            limits,
            reading: Patience::default(),
            writing: Patience::default(),
            awaited: Phase::Idle,
        }
    }

    /// Whether there is still time to wait for what the connection waits for.
    fn wait_to_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.phases.get();
        let (limit, awaited) = match phase {
            Phase::Idle => (self.limits.idle, "a request"),
            Phase::Head => (self.limits.head, "the rest of a request's head"),
            Phase::Answer => {
                self.reading.end();
                return Poll::Pending;
            }
        };
        if phase != self.awaited {
            self.awaited = phase;
            self.reading.end();
        }
        self.reading.poll(cx, limit, awaited)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buf) else {
            return this.wait_to_read(cx);
        };
        if this.phases.get() == Phase::Idle && buf.filled().len() > before {
            this.phases.set(Phase::Head);
            // It runs from the first byte on, whatever comes after that.
            this.awaited = Phase::Head;
            this.reading.begin(this.limits.head);
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> Timed<S> {
    /// Does `work` on the stream, which may wait for the peer only so long.
    fn write<R>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if let Poll::Ready(result) = work(Pin::new(&mut self.stream), cx) {
            self.writing.end();
            return Poll::Ready(result);
        }
        let awaited = "the peer to take an answer";
        let waited = ready!(self.writing.poll(cx, self.limits.stall, awaited));
        Poll::Ready(Err(waited
            .err()
            .unwrap_or_else(|| io::ErrorKind::TimedOut.into())))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.write(cx, |stream, cx| stream.poll_flush(cx)))?;
        // An answer is out. Nothing may be read again until something comes, so the wait begins here.
        if this.phases.get() == Phase::Idle
            && let Poll::Ready(late) = this.wait_to_read(cx)
        {
            return Poll::Ready(late);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .write(cx, |stream, cx| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let work =
            |stream: Pin<&mut S>, cx: &mut Context<'_>| stream.poll_write_vectored(cx, bytes);
        self.get_mut().write(cx, work)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A time that runs while somebody is waited for. Its timer is made when it is first needed: most connections
/// never wait in most places.
#[derive(Debug, Default)]
pub(super) struct Patience {
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Runs from now on.
    pub(super) fn begin(&mut self, limit: Duration) {
        self.until(Instant::now() + limit);
    }

    /// Runs until then.
    pub(super) fn until(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    pub(super) fn end(&mut self) {
        self.deadline = None;
    }

    pub(super) fn is_running(&self) -> bool {
        self.deadline.is_some()
    }

    /// An error when it is over; it begins if it isn't running.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        limit: Duration,
        awaited: &str,
    ) -> Poll<io::Result<()>> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // One that is still to ring for an earlier wait is set anew when it has: mostly it needn't be.
        loop {
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                break;
            }
            timer.as_mut().reset(deadline);
        }
        self.deadline = None;
        let error = format!("waited too long for {awaited}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, error)))
    }
}
