//! [`ConnectionPool`]: connections that outlive batches.
//!
//! Invariant: a connection whose use ended in an error or a panic is closed, never handed out again: nobody knows
//! how far a conversation had come. The pool itself stays whole.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rdd::BoxError;

/// Connections to a database or a server, opened when they are needed and kept for further batches. Clones are
/// handles to the same pool.
///
/// ```
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use tidemill::sink::ConnectionPool;
///
/// let pool = ConnectionPool::new(|| TcpStream::connect("localhost:9999"))
///     .max_size(4)
///     .idle_timeout(Duration::from_secs(60))
///     .check(|connection| connection.take_error().map(|_| ()));
/// # let _ = pool;
/// ```
pub struct ConnectionPool<C>(Arc<Pool<C>>);

/// How many connections a pool has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections that are open or being opened, idle ones included.
    pub open: usize,
    /// Connections that nobody uses.
    pub idle: usize,
}

type Open<C> = dyn Fn() -> Result<C, BoxError> + Send + Sync;
type Check<C> = dyn Fn(&mut C) -> Result<(), BoxError> + Send + Sync;

struct Pool<C> {
    rules: Rules<C>,
    held: Mutex<Held<C>>,
    given_back: Condvar,
}

struct Rules<C> {
    open: Arc<Open<C>>,
    check: Option<Arc<Check<C>>>,
    max_size: usize,
    max_idle: usize,
    idle_timeout: Duration,
    max_wait: Duration,
}

struct Held<C> {
    /// The one that was used last is at the end, and is used next.
    idle: Vec<(C, Instant)>,
    open: usize,
}

/// A place in the pool, with a connection once there is one. Dropping it closes the connection.
struct Lease<'a, C> {
    pool: &'a Pool<C>,
    connection: Option<C>,
    /// Whether the connection went back to the pool, and its place with it.
    is_kept: bool,
}

impl<C> Clone for ConnectionPool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for ConnectionPool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPool")
            .field("status", &self.0.status())
            .finish_non_exhaustive()
    }
}

impl<C: Send + 'static> ConnectionPool<C> {
    /// A pool of what `open` opens: as many as are needed at once, of which 8 are kept, for at most 5 minutes
    /// without use.
    ///
    /// ```
    /// use tidemill::sink::{ConnectionPool, PoolStatus};
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(Vec::<u8>::new()));
    /// assert_eq!(pool.status(), PoolStatus::default());
    /// ```
    pub fn new<E: Into<BoxError>>(open: impl Fn() -> Result<C, E> + Send + Sync + 'static) -> Self {
        Self::of(Rules {
            open: Arc::new(move || open().map_err(Into::into)),
            check: None,
            max_size: usize::MAX,
            max_idle: 8,
            idle_timeout: Duration::from_secs(300),
            max_wait: Duration::from_secs(30),
        })
    }

    fn of(rules: Rules<C>) -> Self {
        Self(Arc::new(Pool {
            rules,
            held: Mutex::new(Held {
                idle: Vec::new(),
                open: 0,
            }),
            given_back: Condvar::new(),
        }))
    }

    /// The same rules but for one, in a pool of its own.
    fn with_rule(&self, change: impl FnOnce(&mut Rules<C>)) -> Self {
        let rules = &self.0.rules;
        let mut rules = Rules {
            open: Arc::clone(&rules.open),
            check: rules.check.clone(),
            ..*rules
        };
        change(&mut rules);
        Self::of(rules)
    }

    /// At most so many connections, at least one [no limit]. Who needs one more waits for one, up to
    /// [`max_wait`](Self::max_wait).
    ///
    /// ```
    /// use tidemill::sink::ConnectionPool;
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(())).max_size(2);
    /// ```
    #[must_use]
    pub fn max_size(self, connections: usize) -> Self {
        self.with_rule(|rules| rules.max_size = connections.max(1))
    }

    /// At most so many connections are kept that nobody uses (8 where nothing is said); further ones are
    /// closed after their use.
    ///
    /// ```
    /// use tidemill::sink::{ConnectionPool, PoolStatus};
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(())).max_idle(0);
    /// pool.with(|()| Ok::<_, std::io::Error>(())).unwrap();
    /// assert_eq!(pool.status(), PoolStatus { open: 0, idle: 0 });
    /// ```
    #[must_use]
    pub fn max_idle(self, connections: usize) -> Self {
        self.with_rule(|rules| rules.max_idle = connections)
    }

    /// A connection that nobody has used for so long is closed, when the pool is asked for one the next time
    /// [5 minutes]. Set it below the time after which the other side hangs up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::sink::ConnectionPool;
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(())).idle_timeout(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn idle_timeout(self, time: Duration) -> Self {
        self.with_rule(|rules| rules.idle_timeout = time)
    }

    /// How long to wait for a connection where [`max_size`](Self::max_size) are in use [30 s]; then it is an error.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::sink::ConnectionPool;
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(()))
    ///     .max_size(1)
    ///     .max_wait(Duration::ZERO);
    /// let inner = pool.clone();
    /// let error = pool.with(|()| inner.with(|()| Ok::<_, std::io::Error>(()))).unwrap_err();
    /// assert!(error.to_string().contains("in use"));
    /// ```
    #[must_use]
    pub fn max_wait(self, time: Duration) -> Self {
        self.with_rule(|rules| rules.max_wait = time)
    }

    /// Looks at a kept connection before it is used again: one for which `check` fails is closed, and another
    /// taken or opened.
    ///
    /// ```
    /// use tidemill::sink::ConnectionPool;
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(0))
    ///     .check(|uses| if *uses < 100 { Ok(()) } else { Err("worn out") });
    /// ```
    #[must_use]
    pub fn check<E: Into<BoxError>>(
        self,
        check: impl Fn(&mut C) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.with_rule(|rules| {
            rules.check = Some(Arc::new(move |connection| {
                check(connection).map_err(Into::into)
            }));
        })
    }

    /// Lends a connection to `work`. It is kept when that succeeds, and closed when it fails or panics.
    ///
    /// # Errors
    /// Those of `work`; when no connection can be opened, or none becomes free in time.
    ///
    /// ```
    /// use tidemill::sink::ConnectionPool;
    ///
    /// let pool = ConnectionPool::new(|| Ok::<_, std::io::Error>(Vec::new()));
    /// let written = pool.with(|log| {
    ///     log.push("a line");
    ///     Ok::<_, std::io::Error>(log.len())
    /// });
    /// assert_eq!(written.unwrap(), 1);
    /// assert_eq!(pool.status().idle, 1);
    /// ```
    pub fn with<R, E: Into<BoxError>>(
        &self,
        work: impl FnOnce(&mut C) -> Result<R, E>,
    ) -> Result<R, BoxError> {
        let mut lease = self.0.lease()?;
        let Some(connection) = &mut lease.connection else {
            return Err("a lease without a connection".into());
        };
        let result = work(connection).map_err(Into::into)?;
        lease.give_back();
        Ok(result)
    }

    /// How many connections there are now.
    ///
    /// ```
    /// let pool = tidemill::sink::ConnectionPool::new(|| Ok::<_, std::io::Error>(()));
    /// assert_eq!(pool.status().open, 0);
    /// ```
    pub fn status(&self) -> PoolStatus {
        self.0.status()
    }
}

impl<C> Pool<C> {
    fn held(&self) -> MutexGuard<'_, Held<C>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> PoolStatus {
        let held = self.held();
        PoolStatus {
            open: held.open,
            idle: held.idle.len(),
        }
    }

    /// A connection that is good as far as can be told.
    fn lease(&self) -> Result<Lease<'_, C>, BoxError> {
        loop {
            let mut lease = self.place()?;
            let Some(connection) = &mut lease.connection else {
                lease.connection = Some((self.rules.open)()?);
                return Ok(lease);
            };
            match self.rules.check.as_ref().map(|check| check(connection)) {
                None | Some(Ok(())) => return Ok(lease),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a kept connection is no good any more");
                }
            }
        }
    }

    /// A kept connection, or the right to open one.
    fn place(&self) -> Result<Lease<'_, C>, BoxError> {
        let begun = Instant::now();
        let mut held = self.held();
        loop {
            let stale = self.stale(&mut held);
            if !stale.is_empty() {
                // Closing may take its time: not under the lock.
                drop(held);
                drop(stale);
                held = self.held();
            }
            if let Some((connection, _)) = held.idle.pop() {
                return Ok(Lease {
                    pool: self,
                    connection: Some(connection),
                    is_kept: false,
                });
            }
            if held.open < self.rules.max_size {
                held.open += 1;
                return Ok(Lease {
                    pool: self,
                    connection: None,
                    is_kept: false,
                });
            }
            let Some(left) = self.rules.max_wait.checked_sub(begun.elapsed()) else {
                return Err(format!(
                    "all {} connections of the pool are in use, and none became free in {:?}; allow more, or fewer \
                     tasks at once",
                    self.rules.max_size, self.rules.max_wait
                )
                .into());
            };
            held = self
                .given_back
                .wait_timeout(held, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(held, _)| held);
        }
    }

    /// Takes out those that nobody used for too long: they lie at the front.
    fn stale(&self, held: &mut Held<C>) -> Vec<(C, Instant)> {
        let is_stale = |kept: &&(C, Instant)| kept.1.elapsed() >= self.rules.idle_timeout;
        let count = held.idle.iter().take_while(is_stale).count();
        held.open -= count;
        held.idle.drain(..count).collect()
    }
}

impl<C> Lease<'_, C> {
    /// Keeps the connection, if there is room for it.
    fn give_back(mut self) {
        let mut held = self.pool.held();
        if held.idle.len() >= self.pool.rules.max_idle {
            return drop(held);
        }
        if let Some(connection) = self.connection.take() {
            held.idle.push((connection, Instant::now()));
            self.is_kept = true;
        }
    }
}

impl<C> Drop for Lease<'_, C> {
    fn drop(&mut self) {
        if !self.is_kept {
            drop(self.connection.take());
            self.pool.held().open -= 1;
        }
        self.pool.given_back.notify_one();
    }
}
