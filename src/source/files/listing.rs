//! Lists a watched folder.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{FileSourceOptions, Glob};

/// What file sinks put into a folder that is whole.
const SUCCESS: &str = "_SUCCESS";

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
    /// When it was made, where the file system says so: nanoseconds since the Unix epoch.
    #[serde(default)]
    pub(super) born_ns: Option<i64>,
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
        }
    }

    /// Where it is.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(std::ffi::OsStr::from_bytes(&self.name))
    }

    /// Whether this and `other`, of the same name, are different files.
    ///
    /// Files with different inodes are, unless they changed at the same time: then one is a copy that kept
    /// its times (a folder moved to another disk). Files with the same inode are only when they were made
    /// at different times: inodes are used again. So appending to a file doesn't make another of it.
    pub(super) fn is_other(&self, other: &ListedFile) -> bool {
        if self.inode != other.inode {
            return self.changed_ns != other.changed_ns;
        }
        matches!((self.born_ns, other.born_ns), (Some(a), Some(b)) if a != b)
    }

    /// Whether not even its contents can have changed from one listing to the other.
    pub(super) fn is_untouched(&self, other: &ListedFile) -> bool {
        self.changed_ns == other.changed_ns && self.length == other.length
    }
}

fn born_ns(metadata: &Metadata) -> Option<i64> {
    let since = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// The files in `folder` that aren't ignored, in no order. A link counts as what it leads to.
pub(super) fn list(folder: &Path, options: &FileSourceOptions) -> io::Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    let folders = list_into(&mut files, folder, b"", options.pattern.as_ref())?;
    if !options.batch_folders {
        return Ok(files);
    }
    for name in folders {
        let within = folder.join(std::ffi::OsStr::from_bytes(&name));
        let listed = match fs::exists(within.join(SUCCESS)) {
            Ok(true) => list_into(
                &mut files,
                &within,
                &[&name, &b"/"[..]].concat(),
                options.pattern.as_ref(),
            ),
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        match listed {
            // It left between being listed and being looked at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => drop(other.map_err(|error| named(&within, &error))?),
        }
    }
    Ok(files)
}

/// Lists files of one folder under names that begin with `prefix`, and answers the names of the folders in it.
fn list_into(
    files: &mut Vec<ListedFile>,
    folder: &Path,
    prefix: &[u8],
    pattern: Option<&Glob>,
) -> io::Result<Vec<Vec<u8>>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_ignored(name.as_bytes()) {
            continue;
        }
        let fits = pattern.is_none_or(|pattern| pattern.matches(&name.to_string_lossy()));
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => folders.push(name.as_bytes().to_vec()),
            Ok(metadata) if metadata.is_file() && fits => {
                files.push(ListedFile::new(
                    &[prefix, name.as_bytes()].concat(),
                    &metadata,
                ));
            }
            Ok(_) => {}
            // It left between being listed and being looked at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(named(&entry.path(), &error)),
        }
    }
    Ok(folders)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Hidden files and those that a writer marks as unfinished.
fn is_ignored(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"_") || name.ends_with(b".tmp")
}
