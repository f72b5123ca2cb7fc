//! The store in an embedded database: `sled:PATH`, the default.
//!
//! sled 0.34.7 alone doesn't keep the contract. Its `flush` ends in `sync_file_range`, which leaves the
//! disk's cache and the file's metadata alone, and a page of more than 128 KiB goes to a file of its own
//! that is never synced. So, below `PATH`:
//!
//! - `index/` is the database. It holds manifests and small chunks, in [pieces](pieces) so small that no
//!   page can outgrow the log. After each flush the database file and its folder are synced here, through
//!   a handle opened before the first write, so that no failure goes unseen.
//! - `chunk/` holds the larger chunks as sealed files, `epoch/` the claims. Claims lie outside the
//!   database so that an epoch can't be given twice even if the database lost its end.
//! - `published` is created once there is a manifest: a database that then comes back empty is damage,
//!   not a fresh start.
//! - `lock` is the owner's.
//!
//! Invariant: nothing read from the database is believed without its checksum, and after a failed flush
//! or sync nothing is written to it any more (the unsynced bytes' state is unknown; see R10).

mod copy;
mod leftovers;
mod opening;
mod pieces;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidemill_storage::{Disk, DiskFile, DiskObjects, LocalDisk, Objects, PutOutcome, failpoint};

use self::copy::Copied;
use super::{Backend, Folder, Name};
use crate::error::{Error, Result};

/// The database's folder, below the location's.
const INDEX: &str = "index";
/// Exists once a manifest does.
const PUBLISHED: &str = "published";
/// Larger chunks become files.
const INLINE_BYTES: usize = 64 * 1024;
/// Pages that sled may keep in memory. All reads are rare, so this only bounds an idle process.
const CACHE_BYTES: u64 = 1024 * 1024;

/// Records in a sled database and, where large, in files beside it.
pub(crate) struct SledBackend {
    database: sled::Db,
    files: DiskObjects,
    /// `index/db`, for syncing; `None` when only reading.
    log: Option<Mutex<Box<dyn DiskFile>>>,
    index: std::path::PathBuf,
    location: std::path::PathBuf,
    /// Whether chunks were inserted since the last flush.
    unflushed: AtomicBool,
    poison: Mutex<Option<String>>,
    /// The folder that `index` is in when it is a copy.
    _copy: Option<Copied>,
}

impl fmt::Debug for SledBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledBackend")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl SledBackend {
    /// Opens or creates the store at `location`, whose lock the caller holds.
    pub(crate) fn open(location: &Path) -> Result<Self> {
        let index = location.join(INDEX);
        let files = DiskObjects::new(Arc::new(LocalDisk), location);
        files.sweep()?;
        tidemill_storage::durable::create_dir_all_durable(&LocalDisk, &index)?;
        leftovers::remove(&index, files.get(PUBLISHED)?.is_some())?;
        let mut backend = Self::with_database(location, &index)?;
        // What sled has just created or repaired is made durable before anything is built on it.
        let mut log = LocalDisk.open(&index.join("db"))?;
        log.sync_all()?;
        LocalDisk
            .open(&index.join(leftovers::CONFIGURATION))?
            .sync_all()?;
        LocalDisk.sync_dir(&index)?;
        backend.log = Some(Mutex::new(log));
        if !backend.was_published()? && !backend.list(Folder::Manifests)?.is_empty() {
            backend.mark_published()?;
        }
        Ok(backend)
    }

    /// Opens a copy of the store's index, for reading beside its owner.
    pub(crate) fn open_copy(location: &Path) -> Result<Self> {
        let index = location.join(INDEX);
        if !index.join("db").is_file() {
            return Err(Error::NoStore {
                location: format!("sled:{}", location.display()),
            });
        }
        copy::open_copy(&index, |copied| {
            let mut backend = Self::with_database(location, copied.path())?;
            backend.index = index.clone();
            // Reading everything small shows a copy whose parts are from different moments.
            for folder in [Folder::Manifests, Folder::Chunks] {
                for name in backend.list(folder)? {
                    backend.get_inline(name)?;
                }
            }
            backend._copy = Some(copied);
            Ok(backend)
        })
    }

    fn with_database(location: &Path, index: &Path) -> Result<Self> {
        let config = sled::Config::new()
            .path(index)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::LowSpace);
        Ok(Self {
            database: guarded(index, || opening::open(&config))?,
            files: DiskObjects::new(Arc::new(LocalDisk), location),
            log: None,
            index: index.to_owned(),
            location: location.to_owned(),
            unflushed: AtomicBool::new(false),
            poison: Mutex::new(None),
            _copy: None,
        })
    }

    /// Writes the pieces of a record in one atomic step, not durable yet.
    fn insert(&self, name: Name, bytes: &[u8]) -> Result<()> {
        self.check_poison()?;
        let mut batch = sled::Batch::default();
        for (key, value) in pieces::split(name, bytes) {
            batch.insert(key, value);
        }
        guarded(&self.index, || self.database.apply_batch(batch))
    }

    fn get_inline(&self, name: Name) -> Result<Option<Bytes>> {
        let get = |key: &[u8]| guarded(&self.index, || self.database.get(key));
        pieces::join(name, &self.place(name), get)
    }

    /// Makes everything in the database durable.
    fn flush(&self) -> Result<()> {
        self.or_poison(|| {
            self.write_out()?;
            if let Some(log) = &self.log {
                failpoint!("checkpoint::before_file_sync");
                log.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .sync_all()?;
                LocalDisk.sync_dir(&self.index)?;
                failpoint!("checkpoint::after_file_sync");
            }
            Ok(())
        })
    }

    /// Hands everything in the database's buffers to the system.
    fn write_out(&self) -> Result<()> {
        failpoint!("checkpoint::before_flush");
        guarded(&self.index, || self.database.flush())?;
        failpoint!("checkpoint::after_flush");
        Ok(())
    }

    /// After a failure of `sync` nothing is written any more.
    fn or_poison(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        self.check_poison()?;
        let synced = sync();
        if let Err(error) = &synced {
            let mut poison = self.poison.lock().unwrap_or_else(PoisonError::into_inner);
            *poison = Some(error.to_string());
        }
        synced
    }

    fn check_poison(&self) -> Result<()> {
        match &*self.poison.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(reason) => Err(Error::Poisoned {
                location: format!("sled:{}", self.location.display()),
                reason: reason.clone(),
            }),
        }
    }

    fn mark_published(&self) -> Result<()> {
        self.files.put_new(PUBLISHED, Bytes::new())?;
        Ok(())
    }
}

impl Backend for SledBackend {
    fn create(&self, name: Name, bytes: Bytes) -> Result<PutOutcome> {
        if matches!(name, Name::Claim(_)) {
            return Ok(self.files.put_new(&name.to_string(), bytes)?);
        }
        if let Some(found) = self.get_inline(name)? {
            return Ok(if found == bytes {
                PutOutcome::Written
            } else {
                PutOutcome::Conflict
            });
        }
        self.insert(name, &bytes)?;
        self.flush()?;
        if !self.was_published()? {
            self.mark_published()?;
        }
        Ok(PutOutcome::Written)
    }

    fn put_chunk(&self, name: Name, bytes: Bytes) -> Result<()> {
        if bytes.len() > INLINE_BYTES {
            return Ok(self.files.put(&name.to_string(), bytes)?);
        }
        self.insert(name, &bytes)?;
        self.unflushed.store(true, Ordering::Release);
        Ok(())
    }

    fn sync_chunks(&self) -> Result<()> {
        if self.unflushed.swap(false, Ordering::AcqRel) {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn get(&self, name: Name) -> Result<Option<Bytes>> {
        if !matches!(name, Name::Claim(_))
            && let Some(found) = self.get_inline(name)?
        {
            return Ok(Some(found));
        }
        Ok(if matches!(name, Name::Manifest(_)) {
            None
        } else {
            self.files.get(&name.to_string())?
        })
    }

    fn list(&self, folder: Folder) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        if folder != Folder::Claims {
            let prefix = format!("{}/", folder.as_str());
            let keys = guarded(&self.index, || {
                self.database
                    .scan_prefix(prefix)
                    .keys()
                    .collect::<sled::Result<Vec<_>>>()
            })?;
            names.extend(keys.iter().filter_map(|key| pieces::name_of_head(key)));
        }
        if folder != Folder::Manifests {
            let files = self.files.list(folder.as_str())?;
            names.extend(files.iter().filter_map(|(name, _)| Name::parse(name)));
            names.sort_unstable();
        }
        Ok(names)
    }

    fn delete(&self, name: Name) -> Result<()> {
        if !matches!(name, Name::Claim(_)) {
            self.check_poison()?;
            let keys = guarded(&self.index, || {
                let prefix = name.to_string();
                self.database
                    .scan_prefix(prefix)
                    .keys()
                    .collect::<sled::Result<Vec<_>>>()
            })?;
            if !keys.is_empty() {
                let mut batch = sled::Batch::default();
                for key in keys {
                    batch.remove(key);
                }
                return guarded(&self.index, || self.database.apply_batch(batch));
            }
        }
        if matches!(name, Name::Manifest(_)) {
            return Ok(());
        }
        Ok(self.files.delete(&name.to_string())?)
    }

    fn show_deletes(&self) -> Result<()> {
        self.or_poison(|| self.write_out())
    }

    fn was_published(&self) -> Result<bool> {
        Ok(self.files.get(PUBLISHED)?.is_some())
    }

    fn place(&self, name: Name) -> String {
        match name {
            Name::Claim(_) => format!("{}/{name}", self.location.display()),
            _ => {
                let file = self.location.join(name.to_string());
                if file.is_file() {
                    file.display().to_string()
                } else {
                    format!("{}, entry {name}", self.index.display())
                }
            }
        }
    }
}

/// Calls into the database. It panics on some kinds of damage: those panics become errors here.
fn guarded<T>(index: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => Err(Error::damaged(
            index.display().to_string(),
            "the database says it is corrupt",
        )),
        Ok(Err(source)) => Err(Error::Sled {
            place: index.display().to_string(),
            source: Box::new(source),
        }),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            let what = format!("the database gave up: {text}");
            Err(Error::damaged(index.display().to_string(), what))
        }
    }
}
