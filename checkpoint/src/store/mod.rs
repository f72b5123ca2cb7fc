//! [`CheckpointStore`]: the one live writer of a location.
//!
//! Invariants:
//! - Whatever a manifest names is durable before the manifest exists, and the manifest appears in one
//!   step (R7). A failed write leaves the checkpoints before as they were.
//! - The newest `retain` whole checkpoints stay, two at least (R8).
//! - A writer publishes only in the slot behind the last one it knows to be taken, and only while its
//!   epoch is the highest (R11); see the [claim](crate::claim) module for why a late one can't win.
//!
//! One lock serialises writes; what readers ask for (low water, lists) is behind another that is held
//! only for moments, so a long write delays nobody.

mod savepoints;
mod takeover;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_storage::{Holder, Location, Objects};

use crate::backend::{self, Backend, Exclusive, ObjectBackend, Sharing};
use crate::catalog::{self, Summary};
use crate::chunk::Chunk;
use crate::error::{Error, Result};
use crate::fold::FoldPolicy;
use crate::id::{CheckpointId, ChunkId, Epoch};
use crate::manifest::{ChunkRef, Manifest};
use crate::retention::{self, Slot, Slots};

/// How a store is kept.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// How many whole checkpoints stay; less than 2 counts as 2 (R8).
    pub retain: usize,
    /// When deltas are merged.
    pub fold: FoldPolicy,
    /// Who opens it; named to whoever is refused.
    pub holder: Holder,
}

impl StoreOptions {
    /// The usual ones for this holder: three checkpoints, default folding.
    #[must_use]
    pub fn new(holder: Holder) -> Self {
        Self {
            retain: 3,
            fold: FoldPolicy::default(),
            holder,
        }
    }
}

/// The newest checkpoint that is whole.
#[derive(Debug)]
pub struct Newest {
    /// It; `None` when there has never been one.
    pub manifest: Option<Manifest>,
    /// Newer ones that can't be used, newest first, and why.
    pub skipped: Vec<(CheckpointId, Error)>,
}

/// A location of checkpoints, owned.
///
/// ```
/// use tidemill_checkpoint::{
///     CheckpointReader, CheckpointStore, ChunkBuilder, Draft, Holder, PartitionChanges, SeriesChanges,
///     StoreOptions,
/// };
///
/// # let folder = tempfile::tempdir()?;
/// let location = format!("sled:{}", folder.path().join("checkpoint").display()).parse()?;
/// let open = || CheckpointStore::open(&location, StoreOptions::new(Holder::current("tides", 0)));
/// let store = open()?;
/// let mut builder = ChunkBuilder::new();
/// builder.push(b"brest", Some(b"7.1"));
/// let draft = Draft {
///     time_ms: 1000,
///     series: vec![SeriesChanges {
///         name: "levels".to_owned(),
///         format: 1,
///         partitions: vec![PartitionChanges { full: true, builder }],
///     }],
///     ..Draft::default()
/// };
/// store.write(draft)?;
/// drop(store);
///
/// // After a restart, which is a later epoch.
/// let store = open()?;
/// let newest = store.newest()?.manifest.ok_or("there is one")?;
/// let chunk = newest.chunks().next().ok_or("it has one")?;
/// let chunk = store.read_chunk(chunk)?;
/// let entries: Vec<_> = chunk.iter().collect();
/// assert_eq!(entries, [(&b"brest"[..], Some(&b"7.1"[..]))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CheckpointStore {
    backend: Box<dyn Backend>,
    epoch: Epoch,
    location: String,
    options: StoreOptions,
    /// How many whole checkpoints stay, 2 at least.
    retain: AtomicUsize,
    sharing: Sharing,
    writer: Mutex<Writer>,
    slots: Mutex<Slots>,
    /// Chunks that were read to be checked and are still to be read for their contents.
    checked: Mutex<BTreeMap<ChunkId, Chunk>>,
    _exclusive: Exclusive,
}

/// What only a write needs to know.
#[derive(Debug)]
struct Writer {
    /// What the next checkpoint's deltas lie upon, once it is known.
    base: Option<Option<Arc<Manifest>>>,
    /// The slot for the next manifest: the one behind the last that is taken.
    next: CheckpointId,
    next_chunk: u64,
    /// The chunks there are, once listed.
    stored: Option<BTreeSet<ChunkId>>,
}

impl CheckpointStore {
    /// Takes a location over: locks it where a lock can be had, claims the next epoch, and reads what
    /// is there. A fresh location is created.
    ///
    /// # Errors
    /// [`Error::Locked`] when a live driver has it, [`Error::NewerFormat`] when a newer program wrote
    /// it (nothing is touched then).
    pub fn open(location: &Location, options: StoreOptions) -> Result<Self> {
        let (backend, exclusive, sharing) = backend::open_owned(location, &options.holder)?;
        Self::take_over(backend, exclusive, sharing, location.to_string(), options)
    }

    /// As [`CheckpointStore::open`], on objects of the caller's. They count as shared: only epochs
    /// keep drivers apart. `location` is what errors call it.
    ///
    /// # Errors
    /// As [`CheckpointStore::open`].
    pub fn open_objects(
        objects: Arc<dyn Objects>,
        location: impl Into<String>,
        options: StoreOptions,
    ) -> Result<Self> {
        let location = location.into();
        let backend = Box::new(ObjectBackend::new(objects, location.clone()));
        Self::take_over(
            backend,
            Exclusive::Nothing,
            Sharing::Shared,
            location,
            options,
        )
    }

    /// Keeps another number of whole checkpoints from the next write on; less than 2 counts as 2 (R8).
    pub fn set_retain(&self, retain: usize) {
        self.retain.store(retain.max(2), Ordering::Relaxed);
    }

    fn retain(&self) -> usize {
        self.retain.load(Ordering::Relaxed)
    }

    /// What the owner should know of how the location was opened: an index that was damaged and made
    /// anew, say. Nothing here keeps it from being used.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        self.backend.notices()
    }

    /// This driver's epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Finds the newest checkpoint of which manifest and all chunks verify (R9). The next
    /// [`write`](CheckpointStore::write) lays its deltas upon it, so a driver calls this once, when it
    /// restores itself.
    ///
    /// # Errors
    /// [`Error::NoneVerifies`] or [`Error::Vanished`] when there are or were checkpoints and none is
    /// whole. Failures of a remote store are errors too, never a reason to go back to an older one.
    ///
    /// A remote store's chunks are kept until [`read_chunk`](CheckpointStore::read_chunk) fetches them, each
    /// once, or the next write: so each is transferred once. Whoever restores state has it in memory anyway.
    pub fn newest(&self) -> Result<Newest> {
        let mut writer = self.lock_writer();
        self.find_newest(&mut writer)
    }

    fn find_newest(&self, writer: &mut Writer) -> Result<Newest> {
        let slots = self.lock_slots().clone();
        let mut skipped = Vec::new();
        for (id, known) in slots.into_iter().rev() {
            let slot = match known {
                // Read when the location was taken over: no need to transfer it again.
                Slot::Whole(_) | Slot::Fence(_) if self.sharing == Sharing::Shared => Ok(known),
                _ => catalog::read_slot(&*self.backend, id),
            };
            let (checked, named) = match slot {
                // Its logs may be gone: going on from it is a choice to be made by name.
                Ok(Slot::Whole(manifest)) if self.is_left_behind(&manifest) => continue,
                Ok(Slot::Whole(manifest)) => (self.check_chunks(&manifest), Some(manifest)),
                Ok(_) => continue,
                Err(error) => (Err(error), None),
            };
            match (checked, named) {
                (Ok(()), Some(manifest)) => {
                    self.lock_slots()
                        .insert(id, Slot::Whole(Arc::clone(&manifest)));
                    writer.base = Some(Some(Arc::clone(&manifest)));
                    return Ok(Newest {
                        manifest: Some(Manifest::clone(&manifest)),
                        skipped,
                    });
                }
                (Err(error), named) if self.is_skippable(&error) => {
                    tracing::warn!(checkpoint = %id, %error, "a checkpoint can't be used");
                    self.lock_slots().insert(id, Slot::Damaged(named));
                    skipped.push((id, error));
                }
                (Err(error), _) => return Err(error),
                (Ok(()), None) => {}
            }
        }
        let location = self.location.clone();
        let count = skipped.len();
        if let Some((newest, error)) = skipped.into_iter().next() {
            return Err(Error::NoneVerifies {
                location,
                count,
                newest,
                source: Box::new(error),
            });
        }
        if self.backend.was_published()? {
            return Err(Error::Vanished { location });
        }
        writer.base = Some(None);
        Ok(Newest {
            manifest: None,
            skipped: Vec::new(),
        })
    }

    /// Reads and checks every chunk that a manifest names.
    fn check_chunks(&self, manifest: &Manifest) -> Result<()> {
        self.lock_checked().clear();
        for reference in manifest.chunks() {
            let chunk = catalog::read_chunk(&*self.backend, reference)?;
            // A local disk gives it again for nothing.
            if self.sharing == Sharing::Shared {
                self.lock_checked().insert(reference.id, chunk);
            }
        }
        Ok(())
    }

    /// Whether an error means that one checkpoint is unusable (and not the whole store for now). A local
    /// disk that can't read a file won't learn it by asking again; a remote store may.
    fn is_skippable(&self, error: &Error) -> bool {
        error.is_damage()
            || (self.sharing == Sharing::Exclusive && matches!(error, Error::Storage(_)))
    }

    /// Reads a chunk, checked. May be called from many threads at once.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Missing`] when it isn't there as it was written.
    pub fn read_chunk(&self, reference: &ChunkRef) -> Result<Chunk> {
        let checked = self.lock_checked().remove(&reference.id);
        if let Some(chunk) = checked.filter(|chunk| reference.is_to(chunk)) {
            return Ok(chunk);
        }
        catalog::read_chunk(&*self.backend, reference)
    }

    /// The lowest sequence number of `log` that any kept checkpoint needs: what comes before may go.
    /// `None` when nothing may go yet: fewer than two checkpoints are kept (a single one that turned
    /// out bad would need the log from its start), or one of them doesn't name the log.
    #[must_use]
    pub fn low_water(&self, log: &str) -> Option<u64> {
        let slots = self.lock_slots();
        let kept: Vec<_> = retention::current(&slots, self.retain()).collect();
        if kept.len() < 2 {
            return None;
        }
        let marks: Option<Vec<u64>> = kept
            .iter()
            .map(|manifest| manifest.low_water.get(log).copied())
            .collect();
        marks?.into_iter().min()
    }

    /// The batch time of the oldest kept checkpoint, in milliseconds since the Unix epoch: whatever
    /// only earlier batches need may go. `None` when nothing may go yet, as in
    /// [`CheckpointStore::low_water`].
    #[must_use]
    pub fn oldest_time_ms(&self) -> Option<u64> {
        let slots = self.lock_slots();
        let kept: Vec<u64> = retention::current(&slots, self.retain())
            .map(|manifest| manifest.time_ms)
            .collect();
        if kept.len() < 2 {
            None
        } else {
            kept.into_iter().min()
        }
    }

    /// The checkpoints that are kept and not known to be damaged, newest first.
    ///
    /// # Errors
    /// None at present.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let slots = self.lock_slots();
        Ok(retention::whole(&slots)
            .map(|manifest| Summary::from(&**manifest))
            .collect())
    }

    /// Has the next checkpoint know series of the newest one by other names: new ones by old ones. Call it
    /// between [`newest`](CheckpointStore::newest) and the first [`write`](CheckpointStore::write); what is
    /// stored stays as it is, and chunks are shared, not written again.
    pub fn rename_series(&self, renames: &BTreeMap<String, String>) {
        let mut writer = self.lock_writer();
        let Some(Some(base)) = &mut writer.base else {
            return;
        };
        for series in &mut Arc::make_mut(base).series {
            if let Some(name) = renames.get(&series.name) {
                series.name.clone_from(name);
            }
        }
    }

    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that no later driver has claimed the location. Costs nothing where a lock keeps others
    /// out, and one request to a shared store.
    ///
    /// # Errors
    /// [`Error::Fenced`] when one has: this driver must stop. After any other error nothing is known.
    pub fn prove_ownership(&self) -> Result<()> {
        match self.sharing {
            Sharing::Exclusive => Ok(()),
            Sharing::Shared => self.check_epoch(),
        }
    }

    fn lock_checked(&self) -> MutexGuard<'_, BTreeMap<ChunkId, Chunk>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails when a later driver has claimed the location.
    fn check_epoch(&self) -> Result<()> {
        let found = catalog::highest_epoch(&*self.backend)?;
        if found > self.epoch {
            Err(self.fenced(found))
        } else {
            Ok(())
        }
    }

    fn fenced(&self, found: Epoch) -> Error {
        Error::Fenced {
            location: self.location.clone(),
            epoch: self.epoch,
            found,
        }
    }
}
