//! [`FileLines`]: the lines of listed files, one partition a file, read in pieces.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listing::ListedFile;
use crate::rdd::{
    BoxError, Buffer, Chunk, Executor, JobError, RddNode, Sink, Stop, TaskError, TextBuffer,
};

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// How many lines are handed on at once.
const LINES: usize = 1024;

/// The longest line that a chunk can hold.
const MAX_LINE: usize = 1 << 31;

/// The lines of files, as many bytes of each as it had when it was listed.
pub(super) struct FileLines {
    folder: PathBuf,
    files: Vec<ListedFile>,
}

impl FileLines {
    pub(super) fn new(folder: PathBuf, files: Vec<ListedFile>) -> Self {
        Self { folder, files }
    }
}

impl RddNode<str> for FileLines {
    fn partitions(&self) -> usize {
        self.files.len()
    }

    fn prepare(&self, _executor: &Executor) -> Result<(), JobError> {
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
        let Some(file) = self.files.get(partition) else {
            return Ok(());
        };
        let path = file.path(&self.folder);
        let opened = open(&path, file).map_err(TaskError::new)?;
        Pieces {
            path: &path,
            file: opened,
            unread: file.length,
            offset: 0,
            held: Vec::new(),
        }
        .push_all(sink)
    }
}

/// Opens a listed file, if it still is that one.
fn open(path: &Path, listed: &ListedFile) -> Result<File, BoxError> {
    let named = |error: std::io::Error| {
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
        return Err(shrunk(path, found.length, listed.length));
    }
    Ok(file)
}

fn shrunk(path: &Path, found: u64, listed: u64) -> BoxError {
    let path = path.display();
    format!("{path} has shrunk to {found} bytes; a batch is to read {listed} of it").into()
}

/// A file on its way through memory.
struct Pieces<'a> {
    path: &'a Path,
    file: File,
    unread: u64,
    /// Where in the file `held` begins.
    offset: u64,
    /// Read but not handed on: the beginning of a line.
    held: Vec<u8>,
}

impl Pieces<'_> {
    fn push_all(mut self, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
        while self.unread > 0 {
            let begun = self.held.len();
            self.read().map_err(TaskError::new)?;
            let fresh = self.held.get(begun..).unwrap_or_default();
            let whole = match memchr::memrchr(b'\n', fresh) {
                _ if self.unread == 0 => self.held.len(),
                Some(at) => begun + at + 1,
                None if self.held.len() < MAX_LINE => continue,
                None => return Err(self.long_line()),
            };
            let mut rest = Vec::with_capacity(self.held.len() - whole + PIECE);
            rest.extend_from_slice(self.held.get(whole..).unwrap_or_default());
            let mut run = std::mem::replace(&mut self.held, rest);
            run.truncate(whole);
            let text = self.text(run)?;
            self.offset += whole as u64;
            push_lines(&Arc::new(text), sink)?;
        }
        Ok(())
    }

    /// Reads one more piece.
    fn read(&mut self) -> Result<(), BoxError> {
        let piece = self.unread.min(PIECE as u64);
        let path = self.path.display();
        let read = self
            .file
            .by_ref()
            .take(piece)
            .read_to_end(&mut self.held)
            .map_err(|error| format!("{path} can't be read: {error}"))?;
        self.unread -= read as u64;
        if (read as u64) < piece {
            let end = self.offset + self.held.len() as u64;
            return Err(shrunk(self.path, end, end + self.unread));
        }
        Ok(())
    }

    fn text(&self, run: Vec<u8>) -> Result<String, Stop> {
        let text = String::from_utf8(run).unwrap_or_else(|error| {
            let offset = self.offset + error.utf8_error().valid_up_to() as u64;
            tracing::warn!(file = %self.path.display(), offset,
                "not UTF-8: what can't be read is replaced by U+FFFD");
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        if text.len() >= MAX_LINE {
            Err(self.long_line())
        } else {
            Ok(text)
        }
    }

    fn long_line(&self) -> Stop {
        let (path, offset) = (self.path.display(), self.offset);
        TaskError::new(format!(
            "{path}: the line at offset {offset} is longer than 2 GiB"
        ))
        .into()
    }
}

/// Hands on each line as a view into `text`, without its line end.
fn push_lines(text: &Arc<String>, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
    let mut lines = TextBuffer::default();
    lines.set_source(Some(text));
    let mut start = 0;
    while start < text.len() {
        let rest = text.get(start..).unwrap_or_default();
        let line = match memchr::memchr(b'\n', rest.as_bytes()) {
            Some(at) => rest.get(..at).unwrap_or_default(),
            None => rest,
        };
        start += line.len() + 1;
        lines.push(line.strip_suffix('\r').unwrap_or(line));
        if lines.len() == LINES {
            sink(Chunk::Owned(&mut lines))?;
            lines.clear();
            lines.set_source(Some(text));
        }
    }
    if lines.is_empty() {
        Ok(())
    } else {
        sink(Chunk::Owned(&mut lines))
    }
}
