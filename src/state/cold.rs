//! [`Cold`]: entries of a partition that have no room in memory, in a scratch file.
//!
//! The file belongs to the process and is of no use after it: a start fills it anew from the checkpoint.
//! So nothing in it is ever synced. A database that met an error refuses all that comes after; it is
//! opened anew on the same file then, and holds what was written to it before.
//!
//! Keys of a state lie by shelf, hash and key: a shelf that is written lies together, and a hash finds its
//! keys. What else is kept lies where its owner says.

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition};

use super::bytes::write;
use super::mark::Mark;
use super::shelf::Held;
use super::shelves::{by_shelf, hash_of};
use super::{StateKey, StateValue};
use crate::rdd::{BoxError, Stop, TaskError};

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("state");

/// Bytes in front of a key: its hash.
const FRONT: usize = 8;

/// Bytes that a database keeps in memory, at most.
pub(super) const CACHE: usize = 8 << 20;

/// Where a partition's scratch bytes lie.
pub(crate) trait Scratch: fmt::Debug + Send + Sync + 'static {
    /// How many bytes there are.
    fn len(&self) -> std::io::Result<u64>;
    /// Cuts bytes off, or adds zeros.
    fn set_len(&self, len: u64) -> std::io::Result<()>;
    /// Reads exactly as many bytes as there is room for.
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()>;
    /// Writes all bytes.
    fn write(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()>;
}

/// A scratch file as a database sees it.
#[derive(Debug)]
struct Unsynced(Arc<dyn Scratch>);

impl StorageBackend for Unsynced {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Why work with a scratch file ended.
pub(super) enum Fault {
    /// The file.
    Store(redb::Error),
    /// What was done with its entries.
    Stop(Stop),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

/// An entry that is to be written: where it lies, and what it is; `None` for a key that is gone.
pub(super) type Line = (Vec<u8>, Option<Vec<u8>>);

/// Works with the entries that `cold` holds now; without a reader where there are none.
pub(super) fn read<R>(
    cold: Option<&Cold>,
    work: impl FnOnce(Option<&Reader>) -> Result<R, Fault>,
) -> Result<R, Stop> {
    match cold {
        Some(cold) => cold.read(work),
        None => work(None).map_err(|fault| match fault {
            Fault::Stop(stop) => stop,
            Fault::Store(error) => Stop::Failed(TaskError::new(error)),
        }),
    }
}

/// The entries of one partition that lie in its scratch file.
#[derive(Debug)]
pub(super) struct Cold {
    scratch: Arc<dyn Scratch>,
    database: Mutex<Option<Database>>,
    is_empty: bool,
    /// Bytes that the database may keep in memory.
    cache: usize,
}

impl Cold {
    pub(super) fn new(scratch: Arc<dyn Scratch>, cache: usize) -> Self {
        Self {
            cache,
            scratch,
            database: Mutex::new(None),
            is_empty: true,
        }
    }

    /// Whether nothing was ever written.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Bytes of the scratch file, as far as it can tell.
    pub(super) fn bytes(&self) -> u64 {
        match self.is_empty {
            true => 0,
            false => self.scratch.len().unwrap_or_default(),
        }
    }

    fn read<R>(&self, work: impl FnOnce(Option<&Reader>) -> Result<R, Fault>) -> Result<R, Stop> {
        if self.is_empty {
            return self.settled(work(None));
        }
        let reader = self.with(|database| Ok(Reader(database.begin_read()?.open_table(TABLE)?)));
        let worked = reader.and_then(|reader| work(Some(&reader)));
        self.settled(worked)
    }

    /// Forgets all that was written.
    pub(super) fn clear(&mut self) {
        self.is_empty = true;
        *self.lock() = None;
    }

    /// Writes all lines, or none; after an error it may yet be all. Lines that ascend are written fastest.
    pub(super) fn write(&mut self, lines: &[Line]) -> Result<(), Stop> {
        let written = self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for (key, entry) in lines {
                    match entry {
                        Some(entry) => drop(table.insert(key.as_slice(), entry.as_slice())?),
                        None => drop(table.remove(key.as_slice())?),
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        });
        self.is_empty &= written.is_err();
        self.settled(written)
    }

    fn with<R>(&self, work: impl FnOnce(&Database) -> Result<R, Fault>) -> Result<R, Fault> {
        let mut slot = self.lock();
        if slot.is_none() {
            *slot = Some(self.open()?);
        }
        match &*slot {
            Some(database) => work(database),
            None => Err(Fault::Stop(Stop::Enough)),
        }
    }

    fn open(&self) -> Result<Database, Fault> {
        if self.is_empty {
            // Whatever a write that failed has left.
            self.scratch.set_len(0).map_err(redb::Error::Io)?;
        }
        let backend = Unsynced(Arc::clone(&self.scratch));
        Ok(Database::builder()
            .set_cache_size(self.cache)
            .create_with_backend(backend)?)
    }

    /// Lets a database go that met an error, and says what is wrong.
    fn settled<R>(&self, worked: Result<R, Fault>) -> Result<R, Stop> {
        worked.map_err(|fault| match fault {
            Fault::Stop(stop) => stop,
            Fault::Store(error) => {
                *self.lock() = None;
                Stop::Failed(TaskError::new(format!(
                    "the part of a state that is on the disk, in {:?}, can't be reached: {error}. Nothing is \
                     lost; make room there, or give the state more memory or another scratch folder",
                    self.scratch
                )))
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a scratch file holds, as of one moment.
pub(super) struct Reader(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Reader {
    /// Works with what lies at a place.
    pub(super) fn at<R>(
        &self,
        place: &[u8],
        work: impl FnOnce(&[u8]) -> Result<R, BoxError>,
    ) -> Result<Option<R>, Fault> {
        let entry = self.0.get(place)?;
        let worked = entry.map(|entry| work(entry.value()));
        worked.transpose().map_err(failed)
    }

    /// A key's entry.
    pub(super) fn find<K: StateKey, S: StateValue, M: Mark>(
        &self,
        hash: u64,
        key: &K,
    ) -> Result<Option<Held<K, S, M>>, Fault> {
        let place = place_of(hash, key)?;
        let Some(entry) = self.0.get(place.as_slice())? else {
            return Ok(None);
        };
        decode(&place, entry.value()).map(Some)
    }

    /// Visits the entries of all keys with this hash.
    pub(super) fn with_hash<K: StateKey, S: StateValue, M: Mark>(
        &self,
        hash: u64,
        visit: impl FnMut(Held<K, S, M>) -> Result<(), Stop>,
    ) -> Result<(), Fault> {
        let first = by_shelf(hash);
        let behind = first.checked_add(1).map(u64::to_be_bytes);
        let behind = match &behind {
            Some(behind) => Bound::Excluded(&behind[..]),
            None => Bound::Unbounded,
        };
        self.visit((Bound::Included(&first.to_be_bytes()[..]), behind), visit)
    }

    /// Visits all entries.
    pub(super) fn each<K: StateKey, S: StateValue, M: Mark>(
        &self,
        visit: impl FnMut(Held<K, S, M>) -> Result<(), Stop>,
    ) -> Result<(), Fault> {
        self.visit((Bound::Unbounded, Bound::Unbounded), visit)
    }

    fn visit<K: StateKey, S: StateValue, M: Mark>(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        mut visit: impl FnMut(Held<K, S, M>) -> Result<(), Stop>,
    ) -> Result<(), Fault> {
        for entry in self.0.range::<&[u8]>(range)? {
            let (place, entry) = entry?;
            visit(decode(place.value(), entry.value())?).map_err(Fault::Stop)?;
        }
        Ok(())
    }
}

/// What is written for a key.
pub(super) fn line<K: StateKey, S: StateValue, M: Mark>(
    held: &Held<K, S, M>,
) -> Result<Line, BoxError> {
    let (key, state) = &held.pair;
    let mut entry = Vec::new();
    held.mark.write(&mut entry);
    write(state, &mut entry)?;
    Ok((place_bytes(held.hash(), key)?, Some(entry)))
}

/// What is written for a key that is gone.
pub(super) fn line_without<K: StateKey>(hash: u64, key: &K) -> Result<Line, BoxError> {
    Ok((place_bytes(hash, key)?, None))
}

fn place_bytes<K: StateKey>(hash: u64, key: &K) -> Result<Vec<u8>, BoxError> {
    let mut place = by_shelf(hash).to_be_bytes().to_vec();
    write(key, &mut place)?;
    Ok(place)
}

fn place_of<K: StateKey>(hash: u64, key: &K) -> Result<Vec<u8>, Fault> {
    place_bytes(hash, key).map_err(failed)
}

fn decode<K: StateKey, S: StateValue, M: Mark>(
    place: &[u8],
    entry: &[u8],
) -> Result<Held<K, S, M>, Fault> {
    let damaged = || failed("an entry of a state's scratch file is damaged");
    let (front, key) = place.split_first_chunk::<FRONT>().ok_or_else(damaged)?;
    let (mark, state) = M::split(entry).ok_or_else(damaged)?;
    let key = rmp_serde::from_slice(key).map_err(failed)?;
    let state = rmp_serde::from_slice(state).map_err(failed)?;
    let hash = hash_of(u64::from_be_bytes(*front));
    Ok(Held::new(hash, mark, (key, state)))
}

pub(super) fn failed(error: impl Into<BoxError>) -> Fault {
    Fault::Stop(Stop::Failed(TaskError::new(error)))
}
