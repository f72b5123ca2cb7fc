//! [`ListedBytes`]: a listed file's bytes, as many as it had when it was listed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::listing::ListedFile;
use crate::rdd::BoxError;

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
            return Err(unreadable(path, &shrunk(found.length, listed.length)));
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

/// Names the file that can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> BoxError {
    format!("{} can't be read: {error}", path.display()).into()
}
