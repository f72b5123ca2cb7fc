//! [`ListedFile`]: a file as it was when its folder was listed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tidemill_storage::ObjectEntry;

use crate::source::Waiting;
use crate::time::Time;

/// What file sinks put into a folder that is whole.
pub(super) const SUCCESS: &str = "_SUCCESS";

/// A file, or an object, as it was when the folder was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedFile {
    /// Its name within the folder: bytes, since a name needn't be UTF-8.
    pub(super) name: ByteBuf,
    /// Its length in bytes.
    pub(super) length: u64,
    /// The file system's number for it; 0 for an object.
    pub(super) inode: u64,
    /// When its contents last changed: nanoseconds since the Unix epoch.
    pub(super) changed_ns: i64,
    /// When it was made, where the file system says so: nanoseconds since the Unix epoch.
    #[serde(default)]
    pub(super) born_ns: Option<i64>,
    /// An object's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
}

impl ListedFile {
    pub(super) fn new(name: &[u8], metadata: &Metadata) -> Self {
        Self {
            name: ByteBuf::from(name),
            length: metadata.len(),
            inode: metadata.ino(),
            changed_ns: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            born_ns: born_ns(metadata),
            tag: None,
        }
    }

    pub(super) fn of_object(name: &str, entry: &ObjectEntry) -> Self {
        Self {
            name: ByteBuf::from(name),
            length: entry.len,
            inode: 0,
            changed_ns: entry.changed_ns,
            born_ns: None,
            tag: entry.tag.clone(),
        }
    }

    /// Whether this and `other`, of the same name, are different files.
    ///
    /// Files with different inodes are, unless they changed at the same time: then one is a copy that kept
    /// its times (a folder moved to another disk). Files with the same inode are only when they were made
    /// at different times: inodes are used again. So appending to a file doesn't make another of it.
    /// Objects are when their tags differ: in S3 the same bytes written again have the same.
    pub(super) fn is_other(&self, other: &ListedFile) -> bool {
        if let (Some(ours), Some(theirs)) = (&self.tag, &other.tag) {
            return ours != theirs;
        }
        if self.inode != other.inode {
            return self.changed_ns != other.changed_ns;
        }
        matches!((self.born_ns, other.born_ns), (Some(a), Some(b)) if a != b)
    }

    /// Whether not even its contents can have changed from one listing to the other.
    pub(super) fn is_untouched(&self, other: &ListedFile) -> bool {
        self.changed_ns == other.changed_ns && self.length == other.length && self.tag == other.tag
    }
}

fn born_ns(metadata: &Metadata) -> Option<i64> {
    let since = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// What files add up to that are left for later.
pub(super) fn waiting(left: &[ListedFile]) -> Waiting {
    let oldest = left.iter().map(|file| file.changed_ns).min();
    Waiting {
        records: None,
        bytes: Some(left.iter().map(|file| file.length).sum()),
        files: Some(left.len() as u64),
        oldest: oldest.map(|ns| Time::from_millis(u64::try_from(ns / 1_000_000).unwrap_or(0))),
    }
}

/// Hidden files and those that a writer marks as unfinished.
pub(super) fn is_ignored(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"_") || name.ends_with(b".tmp")
}
