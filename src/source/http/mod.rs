//! HTTP ingest: lines that clients post, answered when they are durable.
//!
//! An [`HttpSource`] is a receiver that only lends its store to the [`Ingest`] hub; requests find it
//! there by the source's name, on the admin address or on an address of the source's own.

mod admission;
mod answer;
mod body;
mod budget;
mod error;
mod hub;
mod router;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use error::IngestError;
pub use hub::Ingest;
pub(crate) use router::Taken as IngestAnswer;
pub use router::ingest_router;
pub(crate) use router::is_ingest;

use crate::rdd::BoxError;
use crate::receiver::{Receiver, Store};
use crate::server::{Door, HttpLimits, Server};

/// Receives the lines that clients post to `/ingest/NAME`.
#[derive(Debug)]
pub struct HttpSource {
    name: Arc<str>,
    ingest: Ingest,
    listen: Option<SocketAddr>,
    max_body: usize,
    limits: HttpLimits,
}

impl HttpSource {
    /// A source of this name in the hub `ingest`, with bodies of at most `max_body` bytes. With `listen`
    /// it has a server of its own, which serves no other source.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::source::HttpSource;
    ///
    /// // As `context.http_stream("visits", None)` makes it, with smaller bodies.
    /// let source = HttpSource::new("visits", context.ingest().clone(), None, 64 << 10);
    /// let visits = context.receiver_stream_with("visits", source, Default::default());
    /// visits.print();
    /// assert_eq!(context.ingest().sources(), ["visits"]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn new(
        name: impl Into<Arc<str>>,
        ingest: Ingest,
        listen: Option<SocketAddr>,
        max_body: usize,
    ) -> Self {
        let name = name.into();
        ingest.announce(&name, max_body);
        Self {
            name,
            ingest,
            listen,
            max_body,
            limits: HttpLimits::default(),
        }
    }

    /// The same, whose clients may take so much of its own address.
    ///
    /// ```
    /// use tidemill::source::{HttpLimits, HttpSource, Ingest};
    ///
    /// let limits = HttpLimits { connections: 100, ..HttpLimits::default() };
    /// let listen = Some(([127, 0, 0, 1], 4041).into());
    /// let visits = HttpSource::new("visits", Ingest::new(), listen, 1 << 20).with_limits(limits);
    /// ```
    #[must_use]
    pub fn with_limits(self, limits: HttpLimits) -> Self {
        Self { limits, ..self }
    }

    /// Serves on an address of its own until `stop`. The server outlives its receiver by the requests
    /// that are on their way, whose answers come when the last block is durable; [`Ingest::drained`]
    /// waits for them.
    async fn serve(&self, address: SocketAddr, stop: CancellationToken) -> Result<(), BoxError> {
        let failed = |error| format!("can't listen on {address}: {error}");
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        tracing::info!(source = &*self.name, address = %bound, "takes lines at /ingest/{}", self.name);
        let router = router::router(
            self.ingest.clone(),
            self.max_body,
            Some(Arc::clone(&self.name)),
        );
        let door = Door::new(self.limits.clone());
        self.ingest.listens(&self.name, bound, Arc::clone(&door));
        let server = Server {
            router,
            door,
            tls: self.ingest.tls(&self.name),
            end: stop,
        };
        self.ingest.spawn(server.run(listener));
        Ok(())
    }
}

impl Receiver for HttpSource {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        // Both end when this future is dropped: the server first, then the entry in the hub.
        let _open = self.ingest.open(&self.name, store.clone())?;
        let server = CancellationToken::new();
        let _stop_server = server.clone().drop_guard();
        if let Some(address) = self.listen {
            self.serve(address, server).await?;
        }
        store.stopped().await;
        Ok(())
    }

    fn is_reliable(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        match self.listen {
            Some(address) => {
                let is_encrypted = self.ingest.tls(&self.name).is_set();
                let scheme = if is_encrypted { "https" } else { "http" };
                format!("lines posted to {scheme}://{address}/ingest/{}", self.name)
            }
            None => format!("lines posted to /ingest/{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests;
