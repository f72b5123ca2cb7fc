//! [`Wal`]: the handle to an open log.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tidemill_storage::durable::create_dir_all_durable;
use tidemill_storage::{self as storage, Disk};

use crate::append::Append;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::options::{Clock, WalOptions, system_clock};
use crate::position::{Entry, Position, Sequence};
use crate::queue::Queue;
use crate::recover::{Recovered, recover};
use crate::replay::Replay;
use crate::scan::{Scanner, Step};
use crate::segments::Segments;
use crate::segments::disk::DiskSegments;
use crate::shared::Shared;
use crate::status::WalStatus;
use crate::writer::Writer;

/// An open log. Clones are handles to the same log. When the last one is dropped, what was appended
/// is still written, and the drop waits for it; [`Wal::close`] does the same and says how it went.
///
/// A log must have one owner at a time; who opens it holds a lock that sees to that.
#[derive(Clone, Debug)]
pub struct Wal {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
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

/// What [`Wal::truncate_before`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Truncated {
    /// Segments deleted.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest sequence number that is left.
    pub oldest_sequence: Sequence,
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

    /// As [`Wal::open`], over any home of segments.
    pub fn open_segments(
        segments: Arc<dyn Segments>,
        options: WalOptions,
        clock: Clock,
    ) -> Result<(Self, Recovered)> {
        let (catalog, recovered) = recover(&segments, &options)?;
        let shared = Arc::new(Shared {
            segments,
            queue: Queue::new(catalog.end),
            catalog: Mutex::new(catalog),
            counts: Mutex::default(),
        });
        let writer = Writer::new(Arc::clone(&shared), options, clock);
        let thread = thread::Builder::new()
            .name("tidemill-wal".into())
            .spawn(|| writer.run())
            .map_err(|error| {
                storage::Error::io("start a thread for", Path::new("the log"), error)
            })?;
        let writer = Mutex::new(Some(thread));
        let inner = Arc::new(Inner {
            shared,
            writer,
            truncation: Mutex::default(),
        });
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
        let catalog = self.catalog();
        let segments = catalog.covering(from)?;
        Ok(Replay::new(
            Arc::clone(&self.inner.shared.segments),
            segments,
            from,
            catalog.end,
        ))
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
        let mut scanner = Scanner::exact(segments, segment.header, position);
        match scanner.step()? {
            Step::Frame(entry) if entry.position == position => Ok(entry),
            Step::Frame(_) | Step::End => {
                let problem = format!("no entry {wanted} of {} bytes is there", position.len);
                Err(scanner.damaged(position.offset, problem))
            }
            Step::Bad { offset, problem } => Err(scanner.damaged(offset, problem)),
        }
    }

    /// Deletes the segments whose every entry is older than `sequence`, oldest first, each durably
    /// before the next, so that after a crash what is left has no gap. The newest segment always
    /// stays.
    pub fn truncate_before(&self, sequence: Sequence) -> Result<Truncated> {
        let _one = self
            .inner
            .truncation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (mut segments, mut bytes) = (0, 0_u64);
        let older = self.catalog().before(sequence);
        for old in older {
            // Out of the catalog first, so that no replay starts on it.
            self.catalog().segments.remove(&old.header.first);
            if let Err(error) = self.inner.shared.segments.delete(old.header.first) {
                self.catalog().segments.insert(old.header.first, old);
                return Err(error.into());
            }
            segments += 1;
            bytes = bytes.saturating_add(old.bytes);
        }
        Ok(Truncated {
            segments,
            bytes,
            oldest_sequence: self.catalog().oldest(),
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
            poisoned: shared.queue.poisoned().map(|reason| reason.to_string()),
        }
    }

    /// Lets no more appends in, writes those that are queued, and ends the writer thread. Every
    /// append has been answered when it returns. [`Error::Poisoned`] if the log had been poisoned.
    pub fn close(&self) -> Result<()> {
        self.inner.finish();
        match self.inner.shared.queue.poisoned() {
            Some(reason) => Err(Error::Poisoned { reason }),
            None => Ok(()),
        }
    }

    fn catalog(&self) -> std::sync::MutexGuard<'_, Catalog> {
        self.inner
            .shared
            .catalog
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn finish(&self) {
        self.shared.queue.close();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = writer.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's writer has panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.finish();
    }
}
