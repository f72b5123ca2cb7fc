//! The admin side: health, metrics, the HTTP API with its events, ingest and the streaming page, on one address.
//!
//! Invariant: nothing here can hold up the engine. Handlers read snapshots; what may block (cutting a
//! checkpoint) runs off the server's threads; the number of requests under way is bounded.
//!
//! Errors are `application/problem+json` (RFC 9457), field names camelCase, times milliseconds since the
//! Unix epoch.

mod applications;
mod checkpoint;
mod dates;
mod dead_letters;
mod events;
mod graph;
mod guard;
mod health;
mod metrics;
mod no_such;
mod openapi;
mod page;
mod query;
mod reload;
mod routes;
mod stop;
mod streaming;
mod wal;

use std::fmt;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use events::Events;
pub use reload::{ReloadError, Reloaded, ReloadedSetting};

use crate::StreamingContext;
use crate::access::Audit;
pub use crate::access::{Access, AccessSlot, Role, SameToken, Token, TokenError};
use crate::clock::wall_clock;
use crate::error::Error;
use crate::server::{Door, Server};
pub use crate::server::{Pem, Tls, TlsError, TlsParts, TlsSlot};
use crate::source::HttpLimits;
use crate::time::Time;

/// The most that a post to `/ingest` may hold, in bytes; a source may take less.
const MAX_INGEST_BODY: usize = 1 << 30;

/// How long answers that are on their way may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What is done when somebody asks for a reload; who it is, in words, is noted.
pub type OnReload = dyn Fn(&str) -> Result<Reloaded, ReloadError> + Send + Sync;

/// How an admin server behaves.
pub struct Options {
    /// Who may do what. `/healthz` and the page's own files are for everybody.
    pub access: Arc<AccessSlot>,
    /// Its TLS, if it is to have one.
    pub tls: TlsSlot,
    /// How much its clients may take.
    pub limits: HttpLimits,
    /// Called when somebody asks to stop: gracefully or not. Must return at once.
    pub on_stop: Box<dyn Fn(bool) + Send + Sync>,
    /// Called when somebody asks for a reload, on a thread that may block; `None`: there is nothing to read
    /// again.
    pub on_reload: Option<Box<OnReload>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("access", &self.access)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What handlers share.
struct Shared {
    context: StreamingContext,
    options: Options,
    /// Its connections.
    door: Arc<Door>,
    audit: Audit,
    /// When the server started.
    since: Time,
    events: Events,
}

/// The state of every handler.
type Admin = State<Arc<Shared>>;

/// A running admin server.
#[derive(Debug)]
pub struct AdminServer {
    /// Keeps the runtime: the server lets go of its own context while its end is still waited for.
    context: StreamingContext,
    runtime: Handle,
    end: CancellationToken,
    server: JoinHandle<()>,
}

impl AdminServer {
    /// Answers on `listener` from now on, on the context's runtime; the context needn't have started.
    ///
    /// # Errors
    /// When the runtime can't be had, or the listener isn't usable in it.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use std::time::Duration;
    ///
    /// use tidemill::StreamingContext;
    /// use tidemill::admin::{AccessSlot, AdminServer, Options, TlsSlot};
    /// use tidemill::source::HttpLimits;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = StreamingContext::builder("tides", Duration::from_millis(20)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// lines.count().print();
    ///
    /// // Whoever asks to stop stops the program below, which waits.
    /// let (stop, asked) = std::sync::mpsc::channel();
    /// let options = Options {
    ///     access: AccessSlot::default().into(),
    ///     tls: TlsSlot::default(),
    ///     limits: HttpLimits::default(),
    ///     on_stop: Box::new(move |gracefully| drop(stop.send(gracefully))),
    ///     on_reload: None,
    /// };
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let server = AdminServer::start(listener, context.clone(), options)?;
    /// context.start()?;
    ///
    /// # use std::io::{Read, Write};
    /// # let ask = |request: &str| -> std::io::Result<String> {
    /// #     let mut connection = std::net::TcpStream::connect(address)?;
    /// #     write!(connection, "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
    /// #     let mut answer = String::new();
    /// #     connection.read_to_string(&mut answer)?;
    /// #     Ok(answer)
    /// # };
    /// assert!(ask("GET /healthz")?.starts_with("HTTP/1.1 200"));
    /// assert!(ask("POST /api/v1/stop")?.starts_with("HTTP/1.1 202"));
    /// context.stop(asked.recv()?)?;
    /// server.shut_down();
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(
        listener: TcpListener,
        context: StreamingContext,
        options: Options,
    ) -> crate::Result<Self> {
        let system = |error| Error::System {
            what: "start the admin server",
            error,
        };
        let runtime = context.runtime()?;
        listener.set_nonblocking(true).map_err(system)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(system)?
        };
        let end = CancellationToken::new();
        let shared = Arc::new(Shared {
            context: context.clone(),
            door: Door::new(options.limits.clone()),
            audit: Audit::default(),
            options,
            since: wall_clock(),
            events: Events::new(end.clone()),
        });
        context.add_streaming_listener(events::listener(Arc::downgrade(&shared)))?;
        runtime.spawn(events::watch(Arc::clone(&shared)));
        let server = Server {
            door: Arc::clone(&shared.door),
            tls: shared.options.tls.clone(),
            router: routes::router(shared),
            end: end.clone(),
        };
        let server = runtime.spawn(server.run(listener));
        Ok(Self {
            context,
            runtime,
            end,
            server,
        })
    }

    /// Takes no more requests, and waits a moment for the answers that are on their way. Not to be called
    /// on an asynchronous task.
    ///
    /// ```
    /// # use tidemill::admin::{AccessSlot, AdminServer, Options, TlsSlot};
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// # let options = Options {
    /// #     access: AccessSlot::default().into(),
    /// #     tls: TlsSlot::default(),
    /// #     limits: Default::default(),
    /// #     on_stop: Box::new(|_| {}),
    /// #     on_reload: None,
    /// # };
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let server = AdminServer::start(listener, context, options)?;
    /// // Behind the context's own end, so that its last state could still be asked for.
    /// server.shut_down();
    /// assert!(std::net::TcpStream::connect(address).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shut_down(self) {
        self.end.cancel();
        let last = async { tokio::time::timeout(LAST_ANSWERS, self.server).await };
        match self.runtime.block_on(last) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the admin server ended badly"),
            Err(_) => tracing::debug!("connections were still open when the admin server ended"),
        }
        drop(self.context);
    }
}
