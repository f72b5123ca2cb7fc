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

impl Version {
    /// Nothing was told.
    pub(crate) const UNKNOWN: Self = Self {
        tag: None,
        number: None,
    };
}

/// What a listing tells of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Its name, relative to the root.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// The store's tag of its bytes, without quotes; `None` where the store has none.
    pub tag: Option<String>,
    /// When it was last written, by the store's clock: nanoseconds since the Unix epoch; 0 where it isn't known.
    pub changed_ns: i64,
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
    /// Objects in `folder` (empty: the root), in name order, with what tells one from another of the same name: those
    /// right in it, or with `deep` also those further down; only names behind `after` where one is given. An object
    /// that stands for a folder itself isn't among them.
    ///
    /// By default only name and length are known, from [`list`](Self::list).
    fn list_entries(
        &self,
        folder: &str,
        deep: bool,
        after: Option<&str>,
    ) -> Result<Vec<ObjectEntry>> {
        let entry = |(name, len): (String, u64)| ObjectEntry {
            name,
            len,
            tag: None,
            changed_ns: 0,
        };
        let mut entries: Vec<_> = self.list(folder)?.into_iter().map(entry).collect();
        keep_entries(&mut entries, folder, deep, after);
        Ok(entries)
    }
    /// As [`get_range`](Self::get_range), with the object's tag as [`list_entries`](Self::list_entries) tells it. Takes
    /// any name that was listed.
    fn get_range_tagged(
        &self,
        name: &str,
        offset: u64,
        len: usize,
    ) -> Result<Option<(Bytes, Option<String>)>> {
        let found = self.get_range(name, offset, len)?;
        Ok(found.map(|bytes| (bytes, None)))
    }
    /// Removes an object; it need not exist. A removed object may come back after a power cut.
    fn delete(&self, name: &str) -> Result<()>;
    /// Removes what writers that crashed left behind unfinished, and says how many pieces. Only for
    /// the one live writer of the root.
    fn sweep(&self) -> Result<usize> {
        Ok(0)
    }
}

/// Brings entries of a listing of `folder`, or of more, into order, and keeps those that were asked for.
pub(crate) fn keep_entries(
    entries: &mut Vec<ObjectEntry>,
    folder: &str,
    deep: bool,
    after: Option<&str>,
) {
    entries.retain(|entry| {
        let within = match folder {
            "" => Some(entry.name.as_str()),
            _ => entry
                .name
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        within.is_some_and(|name| !name.is_empty() && (deep || !name.contains('/')))
            && after.is_none_or(|after| entry.name.as_str() > after)
    });
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
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
