//! [`Wal`]: the handle to an open log.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tidemill_storage::durable::create_dir_all_durable;
use tidemill_storage::{self as storage, Disk, Objects};

use crate::append::Append;
use crate::catalog::Catalog;
use crate::compactor;
use crate::error::{Error, Result};
use crate::options::{Clock, WalOptions, system_clock};
use crate::orders::Orders;
use crate::poison::Poison;
use crate::position::{Entry, Position, Sequence};
use crate::queue::Queue;
use crate::recover::{Recovered, recover};
use crate::replay::Replay;
use crate::scan::Scanner;
use crate::segments::Segments;
use crate::segments::disk::DiskSegments;
use crate::segments::objects::ObjectSegments;
use crate::shared::Shared;
use crate::status::WalStatus;
use crate::writer::Writer;

mod truncate;

pub use truncate::Truncated;

/// An open log. Clones are handles to the same log. When the last one is dropped, what was appended
/// is still written, and the drop waits for it; [`Wal::close`] does the same and says how it went.
///
/// A log must have one owner at a time; who opens it holds a lock that sees to that.
///
/// ```
/// use std::sync::Arc;
///
/// use tidemill_storage::LocalDisk;
/// use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let dir = folder.path().join("log");
/// let open = || Wal::open(Arc::new(LocalDisk), &dir, WalOptions::new(LogKind(1), 1));
/// let (log, _recovered) = open()?;
/// // Both are queued at once, and written and synced together.
/// let (first, second) = (log.append(7, vec!["high".into()]), log.append(7, vec!["low".into()]));
/// assert_eq!(second.sequence(), first.sequence().next());
/// let (first, _) = (first.wait()?, second.wait()?);
/// log.close()?;
///
/// let (log, _recovered) = open()?;
/// let payloads: Result<Vec<_>, _> = log.replay(Sequence(0))?.map(|entry| entry.map(|entry| entry.payload)).collect();
/// assert_eq!(payloads?, ["high", "low"]);
/// assert_eq!(log.read(first)?.payload, "high");
/// assert_eq!(log.next_sequence(), Sequence(2));
/// # log.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Wal {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// One truncation at a time.
    truncation: Mutex<()>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("segments", &self.shared.segments)
            .finish_non_exhaustive()
    }
}

impl Wal {
    /// Opens the log in `dir`, which is created if it is missing, and starts its writer thread. Reads
    /// all segments' headers and the last segment's frames, and cuts off a torn tail.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<(Self, Recovered)> {
        Self::open_with_clock(disk, dir, options, system_clock())
    }

    /// As [`Wal::open`], with another clock for the age of segments.
    pub fn open_with_clock(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
        clock: Clock,
    ) -> Result<(Self, Recovered)> {
        create_dir_all_durable(&*disk, dir)?;
        Self::open_segments(Arc::new(DiskSegments::new(disk, dir)), options, clock)
    }

    /// Opens the log below `prefix` in an object store; nothing need be there yet. `location` is what to
    /// call the store in messages. No lock is needed: the options' epoch must be higher than that of all
    /// owners before, who can't write any more when this is `Ok`.
    pub fn open_objects(
        objects: Arc<dyn Objects>,
        prefix: &str,
        location: &str,
        options: WalOptions,
    ) -> Result<(Self, Recovered)> {
        let segments = ObjectSegments::new(objects, prefix, location);
        Self::open_segments(Arc::new(segments), options, system_clock())
    }

    /// As [`Wal::open`], over any home of segments.
    pub fn open_segments(
        segments: Arc<dyn Segments>,
        options: WalOptions,
        clock: Clock,
    ) -> Result<(Self, Recovered)> {
        let (catalog, recovered) = recover(&segments, &options)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(catalog.end, options.max_queued_bytes),
            catalog: Mutex::new(catalog),
            counts: Mutex::default(),
            compaction: segments.compacts().then(Orders::default),
            segments,
        });
        let writer = Writer::new(Arc::clone(&shared), options, clock);
        let mut inner = Inner {
            shared,
            threads: Mutex::default(),
            truncation: Mutex::default(),
        };
        // Whatever fails here, dropping `inner` ends what has been started.
        inner.start("tidemill-wal", || writer.run())?;
        if inner.shared.compaction.is_some() {
            let shared = Arc::clone(&inner.shared);
            if shared.segments.wants_compaction() {
                shared.compaction.iter().for_each(Orders::wake);
            }
            inner.start("tidemill-compact", move || compactor::run(&shared))?;
        }
        let inner = Arc::new(inner);
        Ok((Self { inner }, recovered))
    }

    /// Queues an entry whose payload is `parts` one after the other, and gives it its number at once.
    /// Never blocks on the disk. `kind` is below 128 and means something to the caller only.
    pub fn append(&self, kind: u8, parts: Vec<Bytes>) -> Append {
        self.inner.shared.queue.push(kind, parts)
    }

    /// The number that the next append gets.
    pub fn next_sequence(&self) -> Sequence {
        self.inner.shared.queue.next_sequence()
    }

    /// Reads the entries from `from` to what is durable now. [`Error::NotKept`] if they have been
    /// truncated away, [`Error::BeyondEnd`] if the log never got there (as far as it is kept).
    pub fn replay(&self, from: Sequence) -> Result<Replay> {
        Replay::new(Arc::clone(&self.inner.shared), from)
    }

    /// Reads one entry, and verifies it.
    pub fn read(&self, position: Position) -> Result<Entry> {
        let shared = &self.inner.shared;
        let (wanted, catalog) = (position.sequence, self.catalog());
        if wanted >= catalog.end {
            return Err(Error::BeyondEnd {
                wanted,
                next: catalog.end,
            });
        }
        let Some(segment) = catalog.segments.get(&position.segment).copied() else {
            return Err(Error::NotKept {
                wanted,
                oldest: catalog.oldest(),
            });
        };
        drop(catalog);
        let segments = Arc::clone(&shared.segments);
        let scanner = Scanner::exact(segments, segment.id, segment.header, position);
        let read = scanner.only(position);
        // Perhaps it was truncated away under our eyes.
        read.map_err(|error| {
            let catalog = self.catalog();
            match catalog.segments.contains_key(&position.segment) {
                true => error,
                false => Error::NotKept {
                    wanted,
                    oldest: catalog.oldest(),
                },
            }
        })
    }

    /// The log's figures.
    pub fn status(&self) -> WalStatus {
        let shared = &self.inner.shared;
        let (segments, bytes, oldest_sequence) = {
            let catalog = self.catalog();
            let bytes = catalog.segments.values().map(|segment| segment.bytes).sum();
            (catalog.segments.len() as u64, bytes, catalog.oldest())
        };
        let counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        WalStatus {
            segments,
            bytes,
            next_sequence: shared.queue.next_sequence(),
            oldest_sequence,
            last_sync_ms: counts.last_sync_ms,
            appends: counts.appends,
            syncs: counts.syncs,
            synced_bytes: counts.synced_bytes,
            sync_latency: counts.latency.clone(),
            poisoned: shared.queue.poisoned().map(|poison| match poison {
                Poison::Failed(reason) => reason.to_string(),
                fenced @ Poison::Fenced { .. } => fenced.error().to_string(),
            }),
        }
    }

    /// Lets no more appends in, writes those that are queued, and ends the writer thread. Every
    /// append has been answered when it returns. [`Error::Poisoned`] if the log had been poisoned,
    /// [`Error::Fenced`] if a later owner has it.
    pub fn close(&self) -> Result<()> {
        self.inner.finish();
        match self.inner.shared.queue.poisoned() {
            Some(poison) => Err(poison.error()),
            None => Ok(()),
        }
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.inner.shared.catalog()
    }
}

impl Inner {
    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = thread::Builder::new().name(name.into()).spawn(run);
        let thread = thread.map_err(|error| {
            storage::Error::io("start a thread for", Path::new("the log"), error)
        })?;
        self.threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    fn finish(&self) {
        self.shared.queue.close();
        self.shared.compaction.iter().for_each(Orders::stop);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log has panicked");
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.finish();
    }
}
