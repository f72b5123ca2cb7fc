//! A watched folder on the local disk: what is in it, and a file's bytes, as many as it had when it was listed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::listing::{ListedFile, SUCCESS, is_ignored};
use super::{FileSourceOptions, Glob};
use crate::rdd::BoxError;

/// Where a listed file is.
pub(super) fn path_of(folder: &Path, file: &ListedFile) -> PathBuf {
    folder.join(OsStr::from_bytes(&file.name))
}

/// The files in `folder` that aren't ignored, in no order. A link counts as what it leads to.
pub(super) fn list(folder: &Path, options: &FileSourceOptions) -> io::Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    let folders = list_into(&mut files, folder, b"", options.pattern.as_ref())?;
    if !options.batch_folders {
        return Ok(files);
    }
    for name in folders {
        let within = folder.join(OsStr::from_bytes(&name));
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

/// A file as it was listed. Reading it to an end that comes too soon is an error.
pub(super) struct ListedBytes {
    file: File,
    unread: u64,
    length: u64,
}

impl ListedBytes {
    /// Opens a listed file, if it still is that one.
    pub(super) fn open(path: &Path, listed: &ListedFile) -> Result<Self, BoxError> {
        let named = |error: io::Error| {
            format!(
                "{}, which a batch is to read, can't be opened: {error}",
                path.display()
            )
        };
        let file = File::open(path).map_err(named)?;
        let found = ListedFile::new(&listed.name, &file.metadata().map_err(named)?);
        if listed.is_other(&found) {
            let path = path.display();
            return Err(format!("{path} isn't the file any more that a batch is to read").into());
        }
        if found.length < listed.length {
            let shrunk = shrunk(found.length, listed.length);
            return Err(format!("{} can't be read: {shrunk}", path.display()).into());
        }
        Ok(Self {
            file,
            unread: listed.length,
            length: listed.length,
        })
    }
}

impl Read for ListedBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.file.by_ref().take(self.unread).read(buffer)?;
        if read == 0 && self.unread > 0 {
            return Err(shrunk(self.length - self.unread, self.length));
        }
        self.unread -= read as u64;
        Ok(read)
    }
}

fn shrunk(found: u64, listed: u64) -> io::Error {
    let error = format!("it has shrunk to {found} bytes; a batch is to read {listed} of it");
    io::Error::new(io::ErrorKind::UnexpectedEof, error)
}
