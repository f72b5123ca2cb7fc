//! [`DiskObjects`]: a folder of a [`Disk`] as an object store.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::disk::Disk;
use crate::durable::{self, create_dir_all_durable, create_durable, write_durable};
use crate::error::Result;
use crate::objects::{Objects, PutOutcome, Version, check_name};
use crate::temporary::is_temporary;

/// Objects as files below a folder; a name's `/` are folders. Missing folders are made on the first
/// write. Files being written have temporary names, which are never listed.
///
/// Conditional replacement excludes the others of this process, not those of other processes: whoever
/// relies on it there holds a lock on the folder.
#[derive(Debug, Clone)]
pub struct DiskObjects {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    replacing: Arc<Mutex<()>>,
    /// Folders that are known to be durable. One that is merely there need not be: its maker may have
    /// been killed before it synced the name.
    durable: Arc<Mutex<HashSet<PathBuf>>>,
}

impl DiskObjects {
    /// The objects below `root`, which need not exist yet.
    pub fn new(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> Self {
        Self {
            disk,
            root: root.into(),
            replacing: Arc::default(),
            durable: Arc::default(),
        }
    }

    fn path(&self, operation: &'static str, name: &str) -> Result<PathBuf> {
        check_name(operation, name)?;
        Ok(self.root.join(name))
    }

    /// Does `write` in a folder that is durable, or made so.
    fn with_folder<T>(&self, path: &Path, write: impl Fn() -> Result<T>) -> Result<T> {
        let folder = durable::parent_of(path);
        let known = || self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            create_dir_all_durable(&*self.disk, folder)?;
            known().insert(folder.to_owned());
            Ok(())
        };
        if !known().contains(folder) {
            make()?;
        }
        match write() {
            // Somebody has removed it since.
            Err(error) if error.is_not_found() => {
                make()?;
                write()
            }
            other => other,
        }
    }

    /// Calls `visit` with the path relative to the root and the length of each file in `folder`.
    fn walk(&self, folder: &str, visit: &mut dyn FnMut(String, u64)) -> Result<()> {
        let entries = match self.disk.read_dir(&self.root.join(folder)) {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let separator = if folder.is_empty() { "" } else { "/" };
            let name = format!("{folder}{separator}{}", entry.name);
            if entry.metadata.is_dir {
                self.walk(&name, visit)?;
            } else {
                visit(name, entry.metadata.len);
            }
        }
        Ok(())
    }
}

/// A file has no tag of its own: length and checksum tell its bytes apart.
fn version_of(bytes: &Bytes) -> Version {
    Version {
        tag: Some(format!("{}-{:08x}", bytes.len(), crc32fast::hash(bytes))),
        number: None,
    }
}

fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Objects for DiskObjects {
    fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let path = self.path("put", name)?;
        self.with_folder(&path, || write_durable(&*self.disk, &path, &bytes))
    }

    fn put_new(&self, name: &str, bytes: Bytes) -> Result<PutOutcome> {
        let path = self.path("put", name)?;
        self.with_folder(&path, || create_durable(&*self.disk, &path, &bytes))
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>> {
        match self.disk.read(&self.path("get", name)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Option<Bytes>> {
        match self.disk.read_range(&self.path("get", name)?, offset, len) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get_versioned(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let found = self.get(name)?;
        Ok(found.map(|bytes| {
            let version = version_of(&bytes);
            (bytes, version)
        }))
    }

    fn put_if(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<PutOutcome> {
        let _alone = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match self.get_versioned(name)? {
            // The same bytes once more are written again: whoever wrote them may not have synced them.
            Some((found, version)) if version == *expected || found == bytes => {}
            _ => return Ok(PutOutcome::Conflict),
        }
        self.put(name, bytes)?;
        Ok(PutOutcome::Written)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        if !prefix.is_empty() {
            check_name("list", prefix)?;
        }
        let mut found = Vec::new();
        self.walk(prefix, &mut |name, len| {
            if !is_temporary(file_name(&name)) {
                found.push((name, len));
            }
        })?;
        // Folder by folder isn't quite name order: `a.b` sorts before `a/b`.
        found.sort_unstable();
        Ok(found)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.disk.remove_file(&self.path("delete", name)?)
    }

    fn sweep(&self) -> Result<usize> {
        let mut left_over = Vec::new();
        self.walk("", &mut |name, _| {
            if is_temporary(file_name(&name)) {
                left_over.push(name);
            }
        })?;
        for name in &left_over {
            self.disk.remove_file(&self.root.join(name))?;
        }
        Ok(left_over.len())
    }
}
