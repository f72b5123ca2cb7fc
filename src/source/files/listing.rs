//! Lists a watched folder.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Glob;

/// A file as it was when the folder was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedFile {
    /// Its name within the folder: bytes, since a name needn't be UTF-8.
    pub(super) name: ByteBuf,
    /// Its length in bytes.
    pub(super) length: u64,
    /// The file system's number for it.
    pub(super) inode: u64,
    /// When its contents last changed: nanoseconds since the Unix epoch.
    pub(super) changed_ns: i64,
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
        }
    }

    /// Where it is.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(std::ffi::OsStr::from_bytes(&self.name))
    }

    /// Whether `other`, of the same name, is another file: see the module's notes.
    pub(super) fn was_replaced_by(&self, other: &ListedFile) -> bool {
        self.inode != other.inode && self.changed_ns != other.changed_ns
    }
}

/// The files in `folder` that aren't ignored, in no order. A link counts as what it leads to.
pub(super) fn list(folder: &Path, pattern: Option<&Glob>) -> io::Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_ignored(name.as_bytes())
            || pattern.is_some_and(|pattern| !pattern.matches(&name.to_string_lossy()))
        {
            continue;
        }
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_file() => {
                files.push(ListedFile::new(name.as_bytes(), &metadata));
            }
            Ok(_) => {}
            // It left between being listed and being looked at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let path = entry.path();
                return Err(io::Error::new(
                    error.kind(),
                    format!("{}: {error}", path.display()),
                ));
            }
        }
    }
    Ok(files)
}

/// Hidden files and those that a writer marks as unfinished.
fn is_ignored(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"_") || name.ends_with(b".tmp")
}
