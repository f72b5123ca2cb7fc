//! [`Ingest`]: the hub where posted lines find the source that they are for.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use tokio_util::task::TaskTracker;

use super::admission::admit;
use super::budget::Budget;
use super::error::IngestError;
use crate::access::{Caller, Token};
use crate::block::StoreError;
use crate::rdd::BoxError;
use crate::receiver::Store;
use crate::server::{Door, DoorStatus, Peer, Tls, TlsSlot};

/// How long a post that is under way waits for room.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// The longest that a client is told to wait for the rate limit: the next batch may raise it, and a post that
/// comes too early costs little.
const BUSY_RETRY: Duration = Duration::from_secs(5);

/// Where posted lines find the source that they are for. Clones are the same hub.
#[derive(Clone, Default)]
pub struct Ingest(Arc<Hub>);

#[derive(Default)]
struct Hub {
    sources: Mutex<BTreeMap<Arc<str>, Entry>>,
    /// Posts to sources that there aren't.
    strays: AtomicU64,
    servers: TaskTracker,
    bodies: Budget,
}

struct Entry {
    max_body: usize,
    /// What posts must show.
    token: Option<Token>,
    /// The TLS of an address of its own.
    tls: TlsSlot,
    address: Option<SocketAddr>,
    /// The connections of that address; those of its last one after it is closed.
    door: Option<Arc<Door>>,
    state: State,
    /// Posts refused, by the reason.
    refused: BTreeMap<&'static str, u64>,
}

enum State {
    /// The receiver hasn't been started yet.
    Waiting,
    Open(Store<str>),
    /// The receiver has ended, for now or for good.
    Ended,
}

impl Ingest {
    /// A hub without sources.
    ///
    /// ```
    /// assert!(tidemill::source::Ingest::new().sources().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes lines for `source`: `Ok` with their number when all of them are durable and will be in
    /// exactly one batch.
    ///
    /// # Errors
    /// When they may not be: the client should send them again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::source::IngestError;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = StreamingContext::builder("visits", Duration::from_millis(20)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// lines.print();
    /// context.start()?;
    ///
    /// // What `POST /ingest/visits` does, for a server of one's own.
    /// let (ingest, runtime) = (context.ingest().clone(), context.runtime()?);
    /// # while !ingest.closed_sources().is_empty() { std::thread::sleep(Duration::from_millis(1)) }
    /// let taken = runtime.block_on(ingest.ingest("visits", b"one\ntwo\n"))?;
    /// assert_eq!(taken, 2);
    /// let refused = runtime.block_on(ingest.ingest("visit", b"three\n"));
    /// assert!(matches!(refused, Err(IngestError::UnknownSource { nearest: Some(_), .. })));
    /// context.stop(true)?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ingest(&self, source: &str, body: &[u8]) -> Result<u64, IngestError> {
        let store = self.store(source)?;
        let text = std::str::from_utf8(body).map_err(|error| IngestError::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(reasons) = store.no_room() {
            return Err(IngestError::NoRoom { reasons });
        }
        let stored = answered(&store, store.store_lines_or_hold_back(text)).await?;
        let stored = stored.map_err(|delay| IngestError::Busy {
            retry_after: delay.min(BUSY_RETRY),
        })?;
        stored.map_err(|error| match error {
            StoreError::BadRecord(_) => IngestError::BadRecord {
                reason: error.to_string(),
            },
            StoreError::Closed(reason) => IngestError::Closed {
                reason: reason.to_string(),
            },
        })
    }

    /// The names of all sources.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// # lines.print();
    /// assert_eq!(context.ingest().sources(), ["visits"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sources(&self) -> Vec<String> {
        self.lock()
            .keys()
            .map(|name| name.as_ref().to_owned())
            .collect()
    }

    /// The names of sources that take no lines now: not started yet, failed, or stopped.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// # lines.print();
    /// // It hasn't been started.
    /// assert_eq!(context.ingest().closed_sources(), ["visits"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn closed_sources(&self) -> Vec<String> {
        let sources = self.lock();
        let closed = sources
            .iter()
            .filter(|(_, entry)| !matches!(entry.state, State::Open(_)));
        closed.map(|(name, _)| name.as_ref().to_owned()).collect()
    }

    /// Posts refused since the start: by source, and by [`IngestError::reason`].
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// # lines.print();
    /// assert!(context.ingest().refusals()["visits"].is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refusals(&self) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
        let sources = self.lock();
        let refused = sources.iter();
        refused
            .map(|(name, entry)| (name.as_ref().to_owned(), entry.refused.clone()))
            .collect()
    }

    /// Posts since the start to sources that there aren't.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.ingest().strays(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn strays(&self) -> u64 {
        self.0.strays.load(Ordering::Relaxed)
    }

    /// Has posts to `source` show this token from now on; `None`: none, beyond what the admin address asks for.
    /// An operator's token is good for every source. Without a source of this name nothing happens.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::admin::Token;
    ///
    /// let lines = context.http_stream("visits", None);
    /// # lines.print();
    /// let token = Token::parse("the example", b"0123456789abcdef")?;
    /// context.ingest().require_token("visits", Some(token));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn require_token(&self, source: &str, token: Option<Token>) {
        if let Some(entry) = self.lock().get_mut(source) {
            entry.token = token;
        }
    }

    /// Has an address of the source's own speak TLS, with this from now on. Clients whose certificate is of an
    /// authority that it believes may post. Without a source of this name nothing happens.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("visits", Some(([127, 0, 0, 1], 0).into()));
    /// # lines.print();
    /// // None: plain HTTP.
    /// context.ingest().use_tls("visits", None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn use_tls(&self, source: &str, tls: Option<Tls>) {
        self.tls(source).replace(tls);
    }

    pub(super) fn tls(&self, source: &str) -> TlsSlot {
        let sources = self.lock();
        let entry = sources.get(source);
        entry.map(|entry| entry.tls.clone()).unwrap_or_default()
    }

    /// Whether somebody may post to `source`, see [`admit`].
    pub(super) fn admit(
        &self,
        source: &str,
        headers: &HeaderMap,
        caller: Option<&Caller>,
        peer: Option<&Peer>,
    ) -> Result<(), IngestError> {
        let sources = self.lock();
        let token = sources.get(source).and_then(|entry| entry.token.as_ref());
        admit(token, headers, caller, peer)
    }

    /// Counts a post that was refused.
    pub(super) fn refused(&self, source: &str, error: &IngestError) {
        match self.lock().get_mut(source) {
            Some(entry) => *entry.refused.entry(error.reason()).or_default() += 1,
            None => {
                self.0.strays.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Where a source with an address of its own listens, once it does.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let lines = context.http_stream("visits", None);
    /// # lines.print();
    /// assert_eq!(context.ingest().address("visits"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn address(&self, source: &str) -> Option<SocketAddr> {
        self.lock().get(source)?.address
    }

    /// Waits until the servers of stopped sources have answered the requests that were on their way. To
    /// be called when all receivers have stopped and their blocks are pushed; a client that is slow to
    /// send its body is waited for, so set a limit.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let context = tidemill::StreamingContext::builder("doc", Duration::from_millis(20)).build()?;
    /// let lines = context.http_stream("visits", Some(([127, 0, 0, 1], 0).into()));
    /// lines.print();
    /// context.start()?;
    /// # while context.ingest().address("visits").is_none() { std::thread::sleep(Duration::from_millis(1)) }
    /// context.stop(true)?;
    /// // The context waits by itself; who runs the receivers alone does it so.
    /// let (ingest, runtime) = (context.ingest().clone(), context.runtime()?);
    /// let answered = async { tokio::time::timeout(Duration::from_secs(10), ingest.drained()).await };
    /// assert!(runtime.block_on(answered).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drained(&self) {
        self.0.servers.close();
        self.0.servers.wait().await;
    }

    /// Has the bodies of posts that are under way hold at most so many bytes together, over all sources; 256 MiB
    /// unless it is set. Each source's largest body has room at any rate, by itself. A post that would take more is
    /// refused with [`IngestError::NoRoom`]. To be set before posts come: what bodies hold by then can't be given up.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// context.ingest().limit_bodies(64 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn limit_bodies(&self, bytes: usize) {
        self.0.bodies.set(bytes);
    }

    /// Room for what bodies under way hold.
    pub(super) fn bodies(&self) -> &Budget {
        &self.0.bodies
    }

    /// The largest body that `source` takes, in bytes.
    pub(super) fn max_body(&self, source: &str) -> Result<usize, IngestError> {
        let sources = self.lock();
        sources
            .get(source)
            .map(|entry| entry.max_body)
            .ok_or_else(|| unknown(source, &sources))
    }

    /// Makes a source's name known before its receiver starts.
    pub(super) fn announce(&self, name: &Arc<str>, max_body: usize) {
        let entry = Entry {
            max_body,
            token: None,
            tls: TlsSlot::default(),
            address: None,
            door: None,
            state: State::Waiting,
            refused: BTreeMap::new(),
        };
        self.0.bodies.hold(max_body);
        self.lock().insert(Arc::clone(name), entry);
    }

    /// Takes lines for a source from now on, until the answer is dropped.
    pub(super) fn open(&self, name: &Arc<str>, store: Store<str>) -> Result<Open, BoxError> {
        let mut sources = self.lock();
        match sources.get_mut(name) {
            Some(Entry {
                state: State::Open(_),
                ..
            }) => Err(format!("two sources have the name `{name}`: rename one").into()),
            Some(entry) => {
                entry.state = State::Open(store);
                Ok(Open {
                    ingest: self.clone(),
                    name: Arc::clone(name),
                })
            }
            None => Err(unknown(name, &sources).into()),
        }
    }

    pub(super) fn listens(&self, name: &str, address: SocketAddr, door: Arc<Door>) {
        if let Some(entry) = self.lock().get_mut(name) {
            entry.address = Some(address);
            entry.door = Some(door);
        }
    }

    /// The connections of sources with an address of their own.
    pub(crate) fn doors(&self) -> Vec<(String, DoorStatus)> {
        let sources = self.lock();
        let doors = sources.iter().filter_map(|(name, entry)| {
            Some((name.as_ref().to_owned(), entry.door.as_ref()?.status()))
        });
        doors.collect()
    }

    /// Runs a source's server, which [`Ingest::drained`] waits for.
    pub(super) fn spawn(&self, server: impl Future<Output = ()> + Send + 'static) {
        self.0.servers.spawn(server);
    }

    fn store(&self, source: &str) -> Result<Store<str>, IngestError> {
        let closed = |reason: &str| {
            Err(IngestError::Closed {
                reason: reason.to_owned(),
            })
        };
        let sources = self.lock();
        match sources.get(source).map(|entry| &entry.state) {
            Some(State::Open(store)) => Ok(store.clone()),
            Some(State::Waiting) => closed("it hasn't been started yet"),
            Some(State::Ended) => closed("it is stopped"),
            None => Err(unknown(source, &sources)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Entry>> {
        self.0
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of storing lines, unless a disk fills up meanwhile: room may be long in coming, and nobody's client
/// waits for ever. What was taken in of them by then may be in the stream all the same.
async fn answered<R>(
    store: &Store<str>,
    storing: impl Future<Output = R>,
) -> Result<R, IngestError> {
    let mut storing = std::pin::pin!(storing);
    loop {
        if let Ok(stored) = tokio::time::timeout(ROOM_PATIENCE, &mut storing).await {
            return Ok(stored);
        }
        if let Some(reasons) = store.no_room() {
            let reasons = reasons.join("; ");
            return Err(IngestError::Closed {
                reason: format!("there was no room left to store all of them: {reasons}"),
            });
        }
    }
}

fn unknown(name: &str, sources: &BTreeMap<Arc<str>, Entry>) -> IngestError {
    let distance = |known: &str| strsim::damerau_levenshtein(known, name);
    let nearest = sources.keys().min_by_key(|known| distance(known));
    IngestError::UnknownSource {
        name: name.to_owned(),
        nearest: nearest.map(|nearest| nearest.as_ref().to_owned()),
    }
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("sources", &self.sources())
            .finish_non_exhaustive()
    }
}

/// An open source; dropping it closes the source.
pub(super) struct Open {
    ingest: Ingest,
    name: Arc<str>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(entry) = self.ingest.lock().get_mut(&self.name) {
            entry.state = State::Ended;
            entry.address = None;
        }
    }
}
