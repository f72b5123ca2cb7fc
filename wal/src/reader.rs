//! [`LogReader`]: looks at a log without touching it, for `wal dump` and `wal verify`.
//!
//! It needs no lock and works while the log's owner is writing: what the owner is about to
//! finish then looks like a torn tail.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use tidemill_storage::{Disk, Objects};

use crate::error::{Error, Result};
use crate::format::header::SegmentHeader;
use crate::position::{Entry, Position, Sequence};
use crate::replay::FETCH_AHEAD;
use crate::scan::{Scanner, Step};
use crate::segments::disk::DiskSegments;
use crate::segments::objects::ObjectSegments;
use crate::segments::{SegmentInfo, Segments};
use crate::tail::{self, TornTail};

/// A log that is only looked at.
///
/// ```
/// use std::sync::Arc;
///
/// use tidemill_storage::LocalDisk;
/// use tidemill_wal::{LogKind, LogReader, Wal, WalOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let dir = folder.path().join("log");
/// let (log, _) = Wal::open(Arc::new(LocalDisk), &dir, WalOptions::new(LogKind(1), 1))?;
/// log.append(7, vec!["high".into()]).wait()?;
///
/// // From beside, while its owner goes on.
/// let reader = LogReader::open(Arc::new(LocalDisk), &dir)?;
/// assert_eq!(reader.entries().count(), 1);
/// assert!(reader.verify()?.findings.is_empty());
/// # log.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogReader {
    segments: Arc<dyn Segments>,
    list: Vec<SegmentInfo>,
    known_end: Sequence,
}

/// What [`LogReader::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Segments looked at.
    pub segments: u64,
    /// Entries that verified.
    pub entries: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// An end that looks half-written: the next opening cuts it off. Whether its entries had been acknowledged and were
    /// damaged since can't be told, but for those of which [`LogReader::knowing`] says so.
    pub torn_tail: Option<TornTail>,
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
}

/// Something wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The segment; empty when the log has none, and must have.
    pub file: String,
    /// Where in it, in bytes from its start.
    pub offset: u64,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl LogReader {
    /// Lists the segments in `dir`, which must exist.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self> {
        Self::open_segments(Arc::new(DiskSegments::new(disk, dir)))
    }

    /// Looks at the log below `prefix` in an object store, which must exist. `location` is what to call
    /// the store in messages.
    pub fn open_objects(objects: Arc<dyn Objects>, prefix: &str, location: &str) -> Result<Self> {
        Self::open_segments(Arc::new(ObjectSegments::new(objects, prefix, location)))
    }

    /// As [`LogReader::open`], over any home of segments.
    pub fn open_segments(segments: Arc<dyn Segments>) -> Result<Self> {
        let list = segments.list()?;
        Ok(Self {
            segments,
            list,
            known_end: Sequence(0),
        })
    }

    /// The same, told that all entries before `end` have been durable, as [`WalOptions::known_end`] tells the owner: an
    /// end before that is damage then, and no interrupted write.
    ///
    /// [`WalOptions::known_end`]: crate::WalOptions::known_end
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tidemill_storage::LocalDisk;
    /// # use tidemill_wal::{LogKind, LogReader, Sequence, Wal, WalOptions};
    /// # let folder = tempfile::tempdir()?;
    /// # let dir = folder.path().join("log");
    /// let (log, _) = Wal::open(Arc::new(LocalDisk), &dir, WalOptions::new(LogKind(1), 1))?;
    /// log.append(7, vec!["high".into()]).wait()?;
    /// log.close()?;
    ///
    /// // Somebody noted that there were two.
    /// let reader = LogReader::open(Arc::new(LocalDisk), &dir)?.knowing(Sequence(2));
    /// assert_eq!(reader.verify()?.findings.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn knowing(mut self, end: Sequence) -> Self {
        self.known_end = end;
        self
    }

    /// The headers of all segments, in order; for what kind of log it is and who wrote it.
    pub fn headers(&self) -> impl Iterator<Item = Result<SegmentHeader>> + '_ {
        self.list.iter().map(|info| self.segments.header(info.id))
    }

    /// All entries in order, verified. Ends at a torn tail as if it weren't there; after an error,
    /// goes on with the next segment. The last thing told is that the log ends before the end that is
    /// [known](Self::knowing), if it does.
    pub fn entries(&self) -> Entries {
        let waiting = self.list.clone().into_iter();
        Entries {
            segments: Arc::clone(&self.segments),
            waiting,
            fetched: Vec::new().into_iter(),
            current: None,
            next: self.list.is_empty().then_some(Sequence(0)),
            known_end: self.known_end,
            torn: None,
        }
    }

    /// Reads one entry, and verifies it. [`Error::NotKept`] when its segment wasn't there at the opening, the
    /// storage's error when it has gone since.
    pub fn read(&self, position: Position) -> Result<Entry> {
        // Segments are in the order of their first entries, which only their headers tell.
        let (mut low, mut high) = (0, self.list.len());
        while let Some(info) = self.list.get(low..high).and_then(middle) {
            let header = self.segments.header(info.id)?;
            match header.first.cmp(&position.segment) {
                Ordering::Equal => {
                    let segments = Arc::clone(&self.segments);
                    return Scanner::exact(segments, info.id, header, position).only(position);
                }
                Ordering::Less => low += (high - low) / 2 + 1,
                Ordering::Greater => high = low + (high - low) / 2,
            }
        }
        let oldest = self.list.first().map(|info| self.segments.header(info.id));
        Err(Error::NotKept {
            wanted: position.sequence,
            oldest: oldest
                .transpose()?
                .map_or(position.sequence, |header| header.first),
        })
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.list.iter().map(|info| info.bytes).sum()
    }

    /// Reads every byte and reports everything that is wrong.
    pub fn verify(&self) -> Result<Report> {
        self.verify_with(|_| {})
    }

    /// As [`LogReader::verify`], for whoever shows how far it is: `on_read` is told of each entry that has been read how
    /// many bytes its payload has.
    pub fn verify_with(&self, mut on_read: impl FnMut(u64)) -> Result<Report> {
        let mut report = Report {
            segments: self.list.len() as u64,
            bytes: self.bytes(),
            ..Report::default()
        };
        let mut entries = self.entries();
        loop {
            match entries.advance() {
                Ok(Some(Found::Entry(entry))) => {
                    report.entries += 1;
                    on_read(entry.payload.len() as u64);
                }
                Ok(Some(Found::TornTail(torn))) => report.torn_tail = Some(torn),
                Ok(None) => return Ok(report),
                Err(error) => report.findings.push(self.finding(error)?),
            }
        }
    }

    /// Turns an error about the log into a finding; passes others on.
    fn finding(&self, error: Error) -> Result<Finding> {
        let (file, offset) = match &error {
            Error::Corrupt { file, offset, .. } => (file.clone(), *offset),
            Error::NewerVersion { file, .. } => (file.clone(), 8),
            Error::BeyondEnd { .. } => match self.list.last() {
                Some(last) => self.segments.place(last.id, last.bytes),
                None => (String::new(), 0),
            },
            _ => return Err(error),
        };
        Ok(Finding {
            file,
            offset,
            problem: error.to_string(),
        })
    }
}

fn middle(list: &[SegmentInfo]) -> Option<&SegmentInfo> {
    list.get(list.len() / 2)
}

/// The entries of a [`LogReader`].
#[derive(Debug)]
pub struct Entries {
    segments: Arc<dyn Segments>,
    waiting: vec::IntoIter<SegmentInfo>,
    /// The first of those waiting, as far as they have been read already.
    fetched: vec::IntoIter<Bytes>,
    current: Option<(Scanner, SegmentInfo)>,
    /// The number the next segment must start with; unknown at first and behind damage.
    next: Option<Sequence>,
    /// All entries before this one have been durable.
    known_end: Sequence,
    torn: Option<TornTail>,
}

enum Found {
    Entry(Entry),
    TornTail(TornTail),
}

impl Entries {
    /// The file or object that holds the entry given last, and where in it; `position` is the entry's.
    pub fn place(&self, position: Position) -> (String, u64) {
        match &self.current {
            Some((_, info)) => self.segments.place(info.id, position.offset),
            None => (String::new(), position.offset),
        }
    }

    /// The half-written end, once it has been come to.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Starts on the next segment; `false` when there is none.
    fn open_next(&mut self) -> Result<bool> {
        let Some(info) = self.waiting.next() else {
            return match self.next.take() {
                Some(end) if end < self.known_end => Err(Error::before_known(self.known_end, end)),
                _ => Ok(false),
            };
        };
        let expected = self.next.take();
        let mut fetched = self.fetched.next();
        let header = self.segments.header(info.id)?;
        if fetched.is_none() {
            let coming = [info]
                .into_iter()
                .chain(self.waiting.as_slice().iter().copied());
            let coming: Vec<_> = coming.map(|info| info.id).take(FETCH_AHEAD).collect();
            self.fetched = self.segments.fetch(&coming)?.into_iter();
            fetched = self.fetched.next();
        }
        let scanner = Scanner::new(Arc::clone(&self.segments), info.id, header).fetched(fetched);
        self.current = Some((scanner, info));
        match expected.filter(|expected| *expected != header.first) {
            None => Ok(true),
            Some(expected) => {
                let problem = format!("the segment before it ends before sequence {expected}");
                Err(self.segments.damaged(info.id, 24, problem))
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Found>> {
        loop {
            let Some((scanner, info)) = &mut self.current else {
                match self.open_next()? {
                    true => continue,
                    false => return Ok(None),
                }
            };
            match scanner.step() {
                Ok(Step::Frame(entry)) => return Ok(Some(Found::Entry(entry))),
                Ok(Step::End) => {
                    self.next = Some(scanner.next_sequence());
                    self.current = None;
                }
                Ok(Step::Bad { offset, problem }) => {
                    let is_last = self.waiting.as_slice().is_empty();
                    let result = if is_last && self.segments.tears() {
                        let (file, _) = self.segments.place(info.id, 0);
                        tail::examine(scanner, file, info.bytes, self.known_end)
                    } else {
                        Err(scanner.damaged(offset, problem))
                    };
                    self.current = None;
                    return result.map(|torn| torn.map(Found::TornTail));
                }
                Err(error) => {
                    self.current = None;
                    return Err(error);
                }
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(Some(Found::Entry(entry))) => Some(Ok(entry)),
            Ok(Some(Found::TornTail(torn))) => {
                self.torn = Some(torn);
                None
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
