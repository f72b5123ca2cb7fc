//! [`Slots`]: where each partition of a kept dataset lies at the moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::StorageLevel;
use super::form::Form;
use super::scratch::ScratchFile;
use super::store::{CacheStore, Evict, Ticket};
use crate::rdd::{BoxError, Buffer, Element};

/// A partition's elements.
type Chunks<T> = Arc<Vec<<T as Element>::Buffer>>;

/// Copies of a partition's bytes, the first place first.
type Files = Vec<Arc<ScratchFile>>;

pub(super) struct Slots<T: ?Sized + Element> {
    level: StorageLevel,
    form: Option<Form<T>>,
    store: Arc<CacheStore>,
    slots: Vec<Mutex<Slot<T>>>,
}

struct Slot<T: ?Sized + Element> {
    memory: Option<(Ticket, InMemory<T>)>,
    files: Files,
}

enum InMemory<T: ?Sized + Element> {
    Elements(Chunks<T>),
    Bytes(Arc<Vec<u8>>),
}

impl<T: ?Sized + Element> Clone for InMemory<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Elements(chunks) => Self::Elements(Arc::clone(chunks)),
            Self::Bytes(bytes) => Self::Bytes(Arc::clone(bytes)),
        }
    }
}

impl<T: ?Sized + Element> Slots<T> {
    pub(super) fn new(
        partitions: usize,
        level: StorageLevel,
        form: Option<Form<T>>,
        store: Arc<CacheStore>,
    ) -> Self {
        let slot = || {
            Mutex::new(Slot {
                memory: None,
                files: Files::new(),
            })
        };
        Self {
            level,
            form,
            store,
            slots: (0..partitions).map(|_| slot()).collect(),
        }
    }

    fn slot(&self, partition: usize) -> Option<MutexGuard<'_, Slot<T>>> {
        let slot = self.slots.get(partition)?;
        Some(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The partition, if it is kept and whole.
    pub(super) fn get(&self, partition: usize) -> Option<Chunks<T>> {
        let (memory, files) = {
            let slot = self.slot(partition)?;
            (slot.memory.clone(), slot.files.clone())
        };
        if let Some((ticket, memory)) = memory {
            self.store.used(ticket);
            return match memory {
                InMemory::Elements(chunks) => Some(chunks),
                InMemory::Bytes(bytes) => self.read(&bytes).ok().map(Arc::new),
            };
        }
        for file in &files {
            let read = std::fs::read(file.path()).map_err(|error| error.to_string());
            match read.and_then(|bytes| self.read(&bytes)) {
                Ok(chunks) => return Some(Arc::new(chunks)),
                Err(reason) => {
                    let file = file.path().display();
                    tracing::warn!(%file, reason, "a kept partition can't be read back from here");
                }
            }
        }
        // None is good any more: it's computed and kept anew.
        let mut slot = self.slot(partition)?;
        slot.files
            .retain(|held| !files.iter().any(|bad| Arc::ptr_eq(bad, held)));
        None
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<T::Buffer>, String> {
        match &self.form {
            Some(form) => (form.read)(bytes),
            None => Err("its elements can't be serialised".to_owned()),
        }
    }

    /// Keeps a partition that has been computed. What can't be kept is only told: the elements are there.
    pub(super) fn keep(self: &Arc<Self>, partition: usize, chunks: &Chunks<T>) {
        if let Err(error) = self.try_keep(partition, chunks) {
            tracing::warn!(partition, %error, level = %self.level, "a partition can't be kept; it is computed again");
        }
    }

    fn try_keep(self: &Arc<Self>, partition: usize, chunks: &Chunks<T>) -> Result<(), BoxError> {
        let level = self.level;
        let to_disk = level.uses_disk() && !level.uses_memory();
        let needs_bytes = level.is_serialized() || to_disk || level.replication() > 1;
        let bytes = match &self.form {
            Some(form) if needs_bytes => Some(Arc::new((form.write)(chunks)?)),
            _ => None,
        };
        let mut files = Vec::new();
        if let Some(bytes) = &bytes {
            if to_disk {
                files.push(self.store.write(0, bytes)?);
            }
            if level.replication() > 1 {
                files.push(self.store.write(1, bytes)?);
            }
        }
        let memory = match bytes {
            Some(bytes) if level.is_serialized() => InMemory::Bytes(bytes),
            _ => InMemory::Elements(Arc::clone(chunks)),
        };
        let size = match &memory {
            InMemory::Bytes(bytes) => bytes.len(),
            InMemory::Elements(chunks) => chunks.iter().map(Buffer::bytes).sum(),
        };
        let ticket = self.store.ticket();
        let Some(mut slot) = self.slot(partition) else {
            return Ok(());
        };
        if slot.memory.is_some() || !slot.files.is_empty() {
            return Ok(());
        }
        slot.files = files.into_iter().map(Arc::new).collect();
        if level.uses_memory() {
            slot.memory = Some((ticket, memory));
        }
        drop(slot);
        if level.uses_memory() {
            let owner: Weak<Self> = Arc::downgrade(self);
            self.store.admit(ticket, owner, partition, size as u64);
        }
        Ok(())
    }

    /// Moves what lies in memory to the first place.
    fn to_disk(&self, memory: &InMemory<T>) -> Result<ScratchFile, BoxError> {
        let bytes = match (memory, &self.form) {
            (InMemory::Bytes(bytes), _) => Arc::clone(bytes),
            (InMemory::Elements(chunks), Some(form)) => Arc::new((form.write)(chunks)?),
            (InMemory::Elements(_), None) => return Err("its elements can't be serialised".into()),
        };
        Ok(self.store.write(0, &bytes)?)
    }
}

impl<T: ?Sized + Element> Evict for Slots<T> {
    fn evict(&self, partition: usize, ticket: Ticket) {
        let Some(mut slot) = self.slot(partition) else {
            return;
        };
        let Some((_, memory)) = slot.memory.take_if(|(held, _)| *held == ticket) else {
            return;
        };
        if !self.level.uses_disk() {
            return;
        }
        match self.to_disk(&memory) {
            Ok(file) => slot.files.insert(0, Arc::new(file)),
            Err(error) => {
                tracing::warn!(partition, %error, "a partition can't be moved to the scratch folder; it is computed again");
            }
        }
    }
}

impl<T: ?Sized + Element> Drop for Slots<T> {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            let slot = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
            if let Some((ticket, _)) = &slot.memory {
                self.store.release(*ticket);
            }
        }
    }
}
