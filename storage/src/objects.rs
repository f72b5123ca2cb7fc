//! [`Objects`]: named immutable byte strings with conditional writes, on a disk or in an object store.

use std::fmt;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is durable under its name.
    Written,
    /// The condition didn't hold; nothing was changed.
    Conflict,
}

/// What a conditional replacement compares: it changes with every write of other bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The store's tag of the object's bytes.
    pub(crate) tag: Option<String>,
    /// The store's number of the write, where it counts them.
    pub(crate) number: Option<String>,
}

/// A flat name space of objects below one root. Names are relative, separated by `/`.
///
/// Every call blocks, and every write is durable when it returns. Implementations: any
/// [`Disk`](crate::Disk) folder, and every store of the `object_store` crate.
pub trait Objects: fmt::Debug + Send + Sync + 'static {
    /// Writes an object whole, replacing what was there.
    ///
    /// On a store in the network an attempt that was given up may still take effect, also after a later
    /// write of the same name. So this is for names with one writer, whose bytes never change.
    fn put(&self, name: &str, bytes: Bytes) -> Result<()>;
    /// Creates an object; [`PutOutcome::Conflict`] when the name is taken by other bytes. An answer
    /// "already exists" to its own retried request counts as written: the bytes are compared.
    fn put_new(&self, name: &str, bytes: Bytes) -> Result<PutOutcome>;
    /// Reads an object; `None` when there is none.
    fn get(&self, name: &str) -> Result<Option<Bytes>>;
    /// Reads up to `len` bytes from `offset`, fewer only at the object's end; `None` when there is no
    /// such object.
    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Option<Bytes>>;
    /// Reads an object and what to hand to [`put_if`](Self::put_if); `None` when there is none.
    fn get_versioned(&self, name: &str) -> Result<Option<(Bytes, Version)>>;
    /// Reads several objects, each as [`get`](Self::get) does; a store in the network reads some at a time.
    fn get_many(&self, names: &[String]) -> Vec<Result<Option<Bytes>>> {
        names.iter().map(|name| self.get(name)).collect()
    }
    /// Replaces an object that is still as it was when `expected` was read;
    /// [`PutOutcome::Conflict`] when it isn't, or is gone. An answer "changed" to its own retried request
    /// counts as written: the bytes are compared.
    fn put_if(&self, name: &str, bytes: Bytes, expected: &Version) -> Result<PutOutcome>;
    /// Names (relative to the root) that start with `prefix/`, in name order, with their sizes.
    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>>;
    /// Removes an object; it need not exist. A removed object may come back after a power cut.
    fn delete(&self, name: &str) -> Result<()>;
    /// Removes what writers that crashed left behind unfinished, and says how many pieces. Only for
    /// the one live writer of the root.
    fn sweep(&self) -> Result<usize> {
        Ok(0)
    }
}

/// Refuses names that would leave the root, mean another name, or collide with temporary files.
pub(crate) fn check_name(operation: &'static str, name: &str) -> Result<()> {
    let good =
        |part: &str| !matches!(part, "" | "." | "..") && !crate::temporary::is_temporary(part);
    if name.split('/').all(good) && !name.contains(['\0', '\\']) {
        return Ok(());
    }
    let reason = "not an object name: parts between `/` must not be empty, `.`, `..` or `.*.tmp`";
    Err(Error::new(operation, name, ErrorKind::Unsupported, reason))
}
