//! [`CacheStore`]: the memory that kept datasets may take, and the folders that they may be moved to.
//!
//! Invariant: no partition's lock is held while another partition is evicted, so tasks can't wait for each other
//! in a circle.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::scratch::{Scratch, ScratchFile};

/// What may be set before the first dataset is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheOptions {
    /// Bytes that kept partitions may take in memory; `None`: no limit.
    pub(crate) budget: Option<u64>,
    /// Where files go [the system's folder for temporary files].
    pub(crate) scratch: Option<PathBuf>,
    /// Where second copies go.
    pub(crate) replica: Option<PathBuf>,
}

/// Something that can let a partition go.
pub(super) trait Evict: Send + Sync {
    /// Lets go of what lies in memory under `ticket`, if it still does.
    fn evict(&self, partition: usize, ticket: Ticket);
}

/// Names one partition in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u64);

#[derive(Default)]
pub(crate) struct CacheStore {
    options: OnceLock<CacheOptions>,
    scratch: OnceLock<[Option<Scratch>; 2]>,
    next: AtomicU64,
    memory: Mutex<Memory>,
}

impl fmt::Debug for CacheStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheStore")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Memory {
    held: HashMap<Ticket, Held>,
    bytes: u64,
    uses: u64,
}

struct Held {
    owner: Weak<dyn Evict>,
    partition: usize,
    bytes: u64,
    last_use: u64,
}

impl CacheStore {
    /// Sets the options, once.
    pub(crate) fn configure(&self, options: CacheOptions) {
        let _ = self.options.set(options);
    }

    /// Whether there is a place for second copies.
    pub(crate) fn has_replica(&self) -> bool {
        self.options().replica.is_some()
    }

    /// Removes what earlier processes left in folders that were named.
    pub(crate) fn clear_leftovers(&self) {
        let options = self.options();
        if options.scratch.is_some() || options.replica.is_some() {
            let folders = self.folders().iter().flatten();
            folders.for_each(Scratch::clear_leftovers);
        }
    }

    /// The process's own folder in the first place: it goes with the store, or with the next process.
    pub(crate) fn folder(&self) -> std::io::Result<PathBuf> {
        let first = self.folders().first().and_then(Option::as_ref);
        first
            .ok_or_else(|| std::io::Error::other("no folder for files that die with the process"))?
            .folder()
    }

    /// Bytes of kept partitions' files, copies included.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let folders = self.scratch.get().into_iter().flatten().flatten();
        folders.map(Scratch::bytes).sum()
    }

    /// Bytes of partitions in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory().bytes
    }

    fn options(&self) -> &CacheOptions {
        self.options.get_or_init(CacheOptions::default)
    }

    fn folders(&self) -> &[Option<Scratch>; 2] {
        self.scratch.get_or_init(|| {
            let options = self.options();
            let first = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
            [
                Some(Scratch::new(first)),
                options.replica.clone().map(Scratch::new),
            ]
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a partition to the first or second place.
    pub(super) fn write(&self, place: usize, bytes: &[u8]) -> std::io::Result<ScratchFile> {
        let folder = self.folders().get(place).and_then(Option::as_ref);
        folder
            .ok_or_else(|| std::io::Error::other("no folder for second copies is set"))?
            .write(bytes)
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts a partition that lies in memory, and makes room for it. Call it without any partition's lock.
    pub(super) fn admit(
        &self,
        ticket: Ticket,
        owner: Weak<dyn Evict>,
        partition: usize,
        bytes: u64,
    ) {
        let mut evicted = Vec::new();
        {
            let mut memory = self.memory();
            memory.uses += 1;
            memory.bytes += bytes;
            let held = Held {
                owner,
                partition,
                bytes,
                last_use: memory.uses,
            };
            memory.held.insert(ticket, held);
            let budget = self.options().budget.unwrap_or(u64::MAX);
            while memory.bytes > budget {
                let oldest = memory.held.iter().min_by_key(|(_, held)| held.last_use);
                let Some(ticket) = oldest.map(|(ticket, _)| *ticket) else {
                    break;
                };
                evicted.extend(memory.remove(ticket).map(|held| (ticket, held)));
            }
        }
        for (ticket, held) in evicted {
            if let Some(owner) = held.owner.upgrade() {
                owner.evict(held.partition, ticket);
            }
        }
    }

    /// Notes that a partition was read.
    pub(super) fn used(&self, ticket: Ticket) {
        let mut memory = self.memory();
        memory.uses += 1;
        let uses = memory.uses;
        if let Some(held) = memory.held.get_mut(&ticket) {
            held.last_use = uses;
        }
    }

    /// A partition is gone.
    pub(super) fn release(&self, ticket: Ticket) {
        self.memory().remove(ticket);
    }
}

impl Memory {
    fn remove(&mut self, ticket: Ticket) -> Option<Held> {
        let held = self.held.remove(&ticket)?;
        self.bytes -= held.bytes;
        Some(held)
    }
}
