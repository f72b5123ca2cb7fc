//! [`Store`]: a receiver's hands on its block generator.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::block::{BlockGenerator, Encoding, Record, StoreError};
use crate::time::Time;

/// How long to hold back while a disk is too full.
const NO_ROOM: Duration = Duration::from_secs(1);

/// How long to hold back while blocks wait to be written.
const CONGESTED: Duration = Duration::from_millis(200);

/// Where a receiver stores its records.
pub struct Store<T: ?Sized + Record> {
    generator: Arc<BlockGenerator<T>>,
    stop: CancellationToken,
    restart: Arc<Restart>,
}

/// A receiver's wish to be started again.
#[derive(Debug, Default)]
pub(super) struct Restart {
    pub(super) wanted: Notify,
    pub(super) reason: std::sync::Mutex<String>,
}

impl<T: ?Sized + Record> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self {
            generator: Arc::clone(&self.generator),
            stop: self.stop.clone(),
            restart: Arc::clone(&self.restart),
        }
    }
}

impl<T: ?Sized + Record> Store<T> {
    pub(crate) fn new(generator: Arc<BlockGenerator<T>>, stop: CancellationToken) -> Self {
        Self {
            generator,
            stop,
            restart: Arc::default(),
        }
    }

    pub(super) fn restart_wish(&self) -> Arc<Restart> {
        Arc::clone(&self.restart)
    }

    pub(super) fn records(&self) -> u64 {
        self.generator.records()
    }

    /// Stores one record: in memory when this returns, durable when its block is. Waits while the rate
    /// limit or a full queue says so, and while a disk is too full.
    ///
    /// # Errors
    /// When the stream takes no more records or the record can't be written.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// store.store("high tide").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn store(&self, record: &T) -> Result<(), StoreError> {
        self.generator.store([record]).await
    }

    /// Stores many records, as [`Store::store`] does.
    ///
    /// # Errors
    /// As [`Store::store`].
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// store.store_many(["high tide", "ebb"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn store_many<'a>(
        &self,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), StoreError> {
        self.generator.store(records).await
    }

    /// Stores records and waits until they are durable and will be in exactly one batch: then their
    /// source may be acknowledged.
    ///
    /// # Errors
    /// When the records may not be durable: don't acknowledge them.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// store.store_reliably(["high tide", "ebb"]).await?;
    /// // Now the source may be told that they have been taken.
    /// # Ok(())
    /// # }
    /// ```
    pub async fn store_reliably<'a>(
        &self,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), StoreError> {
        self.generator.store_reliably(records).await
    }

    /// Whether the receiver is to stop.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// while !store.is_stopped() {
    ///     store.store("tick").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until the receiver is to stop.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// // Until it is to end.
    /// store.stopped().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Asks to be started again, with back-off; from another task than the receiver's own, which simply
    /// returns an error.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// store.restart("the server closed the connection");
    /// # Ok(())
    /// # }
    /// ```
    pub fn restart(&self, reason: impl Into<String>) {
        *self
            .restart
            .reason
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = reason.into();
        self.restart.wanted.notify_one();
    }

    /// Why nothing is taken in for now, when the disks are too full: whoever stores waits until there is
    /// room again.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// if let Some(reasons) = store.no_room() {
    ///     eprintln!("nothing is taken in now: {reasons:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn no_room(&self) -> Option<Vec<String>> {
        self.generator.no_room()
    }

    /// Records a second that are taken in at most, for now: the set limit, or what back-pressure allows
    /// where that is less. `None`: no limit. Who stores needn't look: storing waits.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// if let Some(rate) = store.rate_limit() {
    ///     println!("at most {rate} records a second");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limit(&self) -> Option<f64> {
        self.generator.rate_limit()
    }

    /// How long the source should hold back, when it can be told so: zero when it needn't.
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// // A source that can wait by itself asks beforehand.
    /// tokio::time::sleep(store.hold_back()).await;
    /// store.store("high tide").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold_back(&self) -> Duration {
        if self.no_room().is_some() {
            return NO_ROOM;
        }
        match self.generator.hold_back() {
            Duration::ZERO if self.generator.is_congested() => CONGESTED,
            delay => delay,
        }
    }
}

impl Store<str> {
    /// Stores each line of `text`, without its line end.
    ///
    /// # Errors
    /// As [`Store::store`].
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// store.store_lines("high tide\nebb\n").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn store_lines(&self, text: &str) -> Result<(), StoreError> {
        self.generator.store(lines(text)).await
    }

    /// As [`Self::store_lines_reliably`], but all or nothing where the rate limit is concerned: `Err` says how
    /// long to hold back, and nothing was stored.
    pub(crate) async fn store_lines_or_hold_back(
        &self,
        text: &str,
    ) -> Result<Result<u64, StoreError>, Duration> {
        if self.generator.is_congested() {
            return Err(CONGESTED);
        }
        let count = lines(text).count() as u64;
        self.generator.admit(count)?;
        let stored = self.generator.store_admitted(lines(text)).await;
        Ok(stored.map(|()| count))
    }

    /// Stores each line of `text` and waits until all are durable; returns how many there were.
    ///
    /// # Errors
    /// As [`Store::store_reliably`].
    ///
    /// ```
    /// # use tidemill::rdd::BoxError;
    /// # use tidemill::receiver::Store;
    /// # async fn receive(store: Store<str>) -> Result<(), BoxError> {
    /// let lines = store.store_lines_reliably("high tide\nebb\n").await?;
    /// assert_eq!(lines, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn store_lines_reliably(&self, text: &str) -> Result<u64, StoreError> {
        self.generator.store_reliably(lines(text)).await?;
        Ok(lines(text).count() as u64)
    }
}

/// The lines of a text; a line end behind the last starts no further line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, behind) = match memchr::memchr(b'\n', rest.as_bytes()) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        rest = behind.strip_prefix('\n').unwrap_or(behind);
        Some(line.strip_suffix('\r').unwrap_or(line))
    })
}

/// Ends a receiver's intake and waits until all it stored is pushed.
pub(crate) trait Close: Send + Sync {
    fn close<'a>(&'a self, reason: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    fn records(&self) -> u64;
    fn on_the_way(&self) -> u64;
    /// When its last record came.
    fn last_record(&self) -> Option<Time>;
    fn rate_limit(&self) -> Option<f64>;
    /// Since when it holds a record that nobody waits for and that isn't durable yet.
    fn at_risk_since(&self) -> Option<Time>;
    /// How its records are written.
    fn encoding(&self) -> Encoding;
    /// Takes in dead letters, once it is durable that they are put back.
    fn put_back<'a>(
        &'a self,
        letters_of: Time,
        records: &'a [Vec<u8>],
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
}

/// As it is kept by the engine.
pub(crate) type CloseReceiver = Arc<dyn Close>;

impl<T: ?Sized + Record> Close for BlockGenerator<T> {
    fn close<'a>(&'a self, reason: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(BlockGenerator::close(self, reason))
    }

    fn records(&self) -> u64 {
        BlockGenerator::records(self)
    }

    fn on_the_way(&self) -> u64 {
        BlockGenerator::on_the_way(self)
    }

    fn last_record(&self) -> Option<Time> {
        BlockGenerator::last_record(self)
    }

    fn rate_limit(&self) -> Option<f64> {
        BlockGenerator::rate_limit(self)
    }

    fn at_risk_since(&self) -> Option<Time> {
        BlockGenerator::at_risk_since(self)
    }

    fn encoding(&self) -> Encoding {
        T::ENCODING
    }

    fn put_back<'a>(
        &'a self,
        letters_of: Time,
        records: &'a [Vec<u8>],
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>> {
        Box::pin(BlockGenerator::put_back(self, letters_of, records))
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_end_with_newlines_of_both_kinds() {
        let of = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(of("a\nb\r\n\nc"), ["a", "b", "", "c"]);
        assert_eq!(of("a\n"), ["a"]);
        assert_eq!(of("\n"), [""]);
        assert!(of("").is_empty());
    }
}
