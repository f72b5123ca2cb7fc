//! [`FileLines`]: the lines of listed files, one partition a file, read in pieces. A file whose name says that it
//! is compressed is decompressed on the way.

use std::io::Read;
use std::sync::Arc;

use super::folder::{Folder, unreadable};
use super::listing::ListedFile;
use crate::codec::{Codec, decode};
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
    folder: Folder,
    files: Vec<ListedFile>,
}

impl FileLines {
    pub(super) fn new(folder: Folder, files: Vec<ListedFile>) -> Self {
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
        let name = self.folder.name_of(file);
        let mut opened = self.folder.open(file).map_err(TaskError::new)?;
        let text = decode(Codec::of_name(&file.name), &mut opened)
            .map_err(|error| unreadable(&name, &error))
            .map_err(TaskError::new)?;
        Pieces {
            name: &name,
            text,
            ended: false,
            offset: 0,
            held: Vec::new(),
        }
        .push_all(sink)
    }
}

/// A file on its way through memory.
struct Pieces<'a> {
    name: &'a str,
    text: Box<dyn Read + 'a>,
    ended: bool,
    /// Where in the text `held` begins.
    offset: u64,
    /// Read but not handed on: the beginning of a line.
    held: Vec<u8>,
}

impl Pieces<'_> {
    fn push_all(mut self, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
        while !self.ended {
            let begun = self.held.len();
            self.read().map_err(TaskError::new)?;
            let fresh = self.held.get(begun..).unwrap_or_default();
            let whole = match memchr::memrchr(b'\n', fresh) {
                _ if self.ended => self.held.len(),
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
        let read = self
            .text
            .by_ref()
            .take(PIECE as u64)
            .read_to_end(&mut self.held)
            .map_err(|error| unreadable(self.name, &error))?;
        self.ended = read < PIECE;
        Ok(())
    }

    fn text(&self, run: Vec<u8>) -> Result<String, Stop> {
        let text = String::from_utf8(run).unwrap_or_else(|error| {
            let offset = self.offset + error.utf8_error().valid_up_to() as u64;
            tracing::warn!(
                file = self.name,
                offset,
                "not UTF-8: what can't be read is replaced by U+FFFD"
            );
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        if text.len() >= MAX_LINE {
            Err(self.long_line())
        } else {
            Ok(text)
        }
    }

    fn long_line(&self) -> Stop {
        let (name, offset) = (self.name, self.offset);
        TaskError::new(format!(
            "{name}: the line at offset {offset} is longer than 2 GiB"
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
