//! [`Broadcast`]: a value that closures of all tasks read, made once a process.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::dstream::Registry;
use crate::effects::batch_time;
use crate::time::Time;

/// A large value to be read in closures, such as a table to look things up in: a handle to move there. The
/// value isn't copied, neither for a task nor for a record. Clones are handles to the same value.
///
/// It is made when it's first read, by the function that the program gives, and again after a restart: no
/// checkpoint holds it, which in Spark makes a broadcast variable unusable after recovery.
///
/// ```
/// # use std::collections::HashMap;
/// # use tidemill::StreamingContext;
/// # let context = StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
/// # let (lines, _queue) = context.queue_stream::<str>();
/// let names = context.broadcast("country names", || {
///     HashMap::from([("de", "Germany"), ("fr", "France")])
/// });
/// let named = lines.map(move |code| names.value().get(code).copied().unwrap_or("?").to_owned());
/// ```
pub struct Broadcast<T>(Arc<Shared<T>>);

struct Shared<T> {
    name: String,
    make: Box<dyn Fn() -> T + Send + Sync>,
    registry: Arc<Registry>,
    first: OnceLock<T>,
    /// What took the first one's place, by the earliest time of a batch that reads it.
    later: OnceLock<RwLock<Later<T>>>,
}

type Later<T> = BTreeMap<Time, Arc<OnceLock<T>>>;

/// A broadcast value, as a batch reads it.
pub struct BroadcastValue<'a, T>(Found<'a, T>);

enum Found<'a, T> {
    First(&'a T),
    /// It is there: it was made before.
    Later(Arc<OnceLock<T>>),
}

impl<T> Deref for BroadcastValue<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Found::First(value) => value,
            #[allow(clippy::expect_used)]
            Found::Later(value) => value.get().expect("a value is made before it's handed out"),
        }
    }
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Broadcast<T> {
    pub(crate) fn new(
        name: &str,
        make: impl Fn() -> T + Send + Sync + 'static,
        registry: Arc<Registry>,
    ) -> Self {
        Self(Arc::new(Shared {
            name: name.to_owned(),
            make: Box::new(make),
            registry,
            first: OnceLock::new(),
            later: OnceLock::new(),
        }))
    }

    /// The name that it was given, for people.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.broadcast("names", Vec::<String>::new).name(), "names");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The value, made now if nobody has read it before; whoever else needs it waits for that. A batch
    /// sees the same value in all of its tasks, and when they are run again.
    ///
    /// Costs next to nothing until the first [`refresh`](Self::refresh), and a lock from then on: take it
    /// once a partition, or once a batch in [`transform`](crate::DStream::transform).
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let primes = context.broadcast("primes", || vec![2, 3, 5]);
    /// assert_eq!(primes.value().len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> BroadcastValue<'_, T> {
        let shared = &*self.0;
        if let Some(later) = shared.later.get() {
            let time = batch_time().unwrap_or(Time::from_millis(u64::MAX));
            let found = {
                let later = later.read().unwrap_or_else(PoisonError::into_inner);
                let newest = later.range(..=time).next_back();
                newest.map(|(_, value)| Arc::clone(value))
            };
            if let Some(value) = found {
                value.get_or_init(|| (shared.make)());
                return BroadcastValue(Found::Later(value));
            }
        }
        BroadcastValue(Found::First(shared.first.get_or_init(|| (shared.make)())))
    }

    /// Has the value made anew for the batches that haven't begun; those that have go on with the one they
    /// see.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU64, Ordering};
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// let made = AtomicU64::new(0);
    /// let table = context.broadcast("table", move || made.fetch_add(1, Ordering::Relaxed));
    /// assert_eq!((*table.value(), *table.value()), (0, 0));
    /// table.refresh();
    /// assert_eq!(*table.value(), 1);
    /// ```
    pub fn refresh(&self) {
        let shared = &*self.0;
        let later = shared.later.get_or_init(RwLock::default);
        let mut later = later.write().unwrap_or_else(PoisonError::into_inner);
        let from = shared.registry.effects.begun().just_after();
        later.insert(from, Arc::default());
        // Those that only complete batches read may go.
        let complete = shared.registry.complete_through().unwrap_or_default();
        let oldest = later.range(..=complete.just_after()).next_back();
        if let Some(oldest) = oldest.map(|(from, _)| *from) {
            *later = later.split_off(&oldest);
        }
    }

    /// As [`refresh`](Self::refresh), under Spark's name. There the copies are dropped and the same value is
    /// sent again; to have another one, a program has to make another variable.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let primes = context.broadcast("primes", || vec![2, 3, 5]);
    /// assert_eq!(primes.value().len(), 3);
    /// primes.unpersist();
    /// // It is made anew when it is read.
    /// assert_eq!(primes.value().len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unpersist(&self) {
        self.refresh();
    }
}
