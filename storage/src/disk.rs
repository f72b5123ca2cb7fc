//! [`Disk`]: every file operation that tidemill's durability rests on, as one trait.
//!
//! All calls block; callers run them on threads that may wait. Nothing a call did is durable until the
//! sync that belongs to it has succeeded: bytes by [`DiskFile::sync_data`] (or `sync_all`), names
//! (create, rename, link, remove) by [`Disk::sync_dir`] of the folder that holds them.

use std::fmt;
use std::io::IoSlice;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::Result;

/// What a name in a folder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Bytes in the file; 0 for a folder.
    pub len: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// When its bytes last changed, by the disk's clock.
    pub modified: SystemTime,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The last component of its path.
    pub name: String,
    /// What it stands for.
    pub metadata: Metadata,
}

/// A disk: the local one, or a simulated one in tests.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Creates a file that must not exist yet, open for writing and reading.
    fn create_new(&self, path: &Path) -> Result<Box<dyn DiskFile>>;
    /// Opens an existing file for writing and reading; writes go to its end.
    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> Result<Bytes>;
    /// Reads up to `len` bytes from `offset`; fewer only at the file's end.
    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Bytes>;
    /// Writes over bytes that an existing file has, from `offset`. They are durable once the file is synced,
    /// through a handle that was opened before.
    fn rewrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Renames a file or folder; an existing file of the new name is replaced, a folder is not.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Gives an existing file a second name that must not exist yet: the atomic "create if absent".
    fn link_new(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file; it need not exist.
    fn remove_file(&self, path: &Path) -> Result<()>;
    /// Removes a folder and all that is in it; it need not exist.
    fn remove_dir_all(&self, path: &Path) -> Result<()>;
    /// Creates one folder; it may exist already. Parents must exist.
    fn create_dir(&self, path: &Path) -> Result<()>;
    /// The names in a folder, in name order.
    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>>;
    /// What a path stands for; `None` when it doesn't exist.
    fn metadata(&self, path: &Path) -> Result<Option<Metadata>>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<()>;
    /// Bytes that this process may still write where `path`, which exists, lies; `None` when the disk
    /// can't tell.
    fn free_space(&self, _path: &Path) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// An open file of a [`Disk`].
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Appends all of the buffers at the file's end, in as few system calls as possible.
    fn append(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<()>;
    /// Bytes in the file.
    fn len(&self) -> Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends (with zeros) the file.
    fn set_len(&mut self, len: u64) -> Result<()>;
    /// Makes the file's bytes and its length durable. After an error the state of the unsynced bytes is
    /// unknown for ever: the caller must not sync again and believe the answer.
    fn sync_data(&mut self) -> Result<()>;
    /// As [`DiskFile::sync_data`], with all metadata.
    fn sync_all(&mut self) -> Result<()>;
}
