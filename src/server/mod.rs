//! An HTTP server whose clients can take only so much: connections, and time with each.
//!
//! The admin side and sources with an address of their own are served by it. What it is for is that a client
//! who is slow, broken or malicious costs at most its own share: a head that drips in, a body that stops, an answer
//! that isn't read, a flood of connections. What requests mean is the router's.

mod body;
mod certificate;
mod door;
mod limits;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod peer;
mod refusal;
mod timed;
#[cfg(feature = "tls")]
mod tls;
mod tls_parts;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::problem::Problem;

pub(crate) use body::announced_length;
use body::{Paced, Told};
pub(crate) use door::{Door, DoorStatus};
use door::{Full, Seat};
pub use limits::HttpLimits;
#[cfg(not(feature = "tls"))]
pub use no_tls::Tls;
pub(crate) use peer::Peer;
use refusal::Explained;
use timed::{Phase, Phases, Timed};
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use tls_parts::{Pem, TlsError, TlsParts, TlsSlot};

/// The longest head of a request, in bytes; a longer one is answered with 431.
const MAX_HEAD: usize = 64 << 10;

/// How long to wait when no connection can be accepted, for want of file descriptors most often.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Every how many such failures in a row one is logged.
const FAILURES_TOLD: u64 = 100;

/// What a connection over the limit is sent.
static NO_ROOM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let detail = "there are as many connections as there may be";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    let problem = problem.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"));
    problem.to_last_answer()
});

/// What answers at an address.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) door: Arc<Door>,
    pub(crate) tls: TlsSlot,
    /// When it is cancelled, no more requests are taken.
    pub(crate) end: CancellationToken,
}

impl Server {
    /// Answers requests on `listener` until the end, and then those that are under way.
    pub(crate) async fn run(self, listener: TcpListener) {
        let server = Arc::new(self);
        let connections = TaskTracker::new();
        loop {
            let (stream, address) = tokio::select! {
                biased;
                () = server.end.cancelled() => break,
                accepted = accept(&listener) => accepted,
            };
            match server.door.enter(address.ip()) {
                Ok(seat) => {
                    let server = Arc::clone(&server);
                    connections
                        .spawn(async move { server.connection(stream, address, seat).await });
                }
                Err(full) => server.turn_away(&stream, address, full),
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    /// Says why, if that can be said at once. Nothing is waited for: that would be one more to hold open.
    fn turn_away(&self, stream: &TcpStream, address: SocketAddr, full: Full) {
        tracing::debug!(%address, ?full, "a connection is turned away");
        if self.tls.get().is_none() {
            let _ = stream.try_write(&NO_ROOM);
        }
    }

    /// Serves a connection to its end.
    async fn connection(&self, stream: TcpStream, address: SocketAddr, _seat: Seat) {
        // Answers are written whole: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.get() else {
            return self.answer(stream, Peer::new(address, None)).await;
        };
        let shaken = tokio::time::timeout(self.door.limits().head, tls.accept(stream)).await;
        match shaken.map_err(io::Error::from).flatten() {
            Ok((stream, certificate)) => self.answer(stream, Peer::new(address, certificate)).await,
            Err(error) => tracing::debug!(%address, %error, "a TLS handshake failed"),
        }
    }

    /// Answers the requests of a connection.
    async fn answer<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let phases = Phases::default();
        let address = peer.address();
        let limits = self.door.limits();
        let stall = limits.stall;
        let stream = Explained::new(Timed::new(stream, phases.clone(), limits.clone()));
        let service = service_fn(|request: Request<Incoming>| {
            phases.set(Phase::Answer);
            let mut request = request.map(|body| Body::new(Paced::new(body, stall)));
            request.extensions_mut().insert(peer.clone());
            let answering = self.router.clone().call(request);
            let phases = phases.clone();
            async move {
                let answer: Response = answering.await?;
                Ok::<_, Infallible>(answer.map(|body| Told::new(body, phases)))
            }
        });
        let mut http = http1::Builder::new();
        // The stream's own limits do what this would, with more in sight.
        http.header_read_timeout(None).max_header_size(MAX_HEAD);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.end.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // A peer that goes, waits or sends what isn't HTTP: of no interest but to who looks for it.
            tracing::debug!(%address, %error, "a connection ended early");
        }
    }
}

/// The next connection. A failure of the system's is waited out: the others are served meanwhile.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut failures: u64 = 0;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                if failures.is_multiple_of(FAILURES_TOLD) {
                    tracing::warn!(%error, "no connection can be accepted; tried on");
                }
                failures += 1;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether it was the connection that failed, not the system.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests;
