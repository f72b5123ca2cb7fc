//! [`Replay`]: the entries of a log in order.

use std::fmt;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;

use crate::catalog::Segment;
use crate::error::{Error, Result};
use crate::position::{Entry, Sequence};
use crate::scan::{Scanner, Step};
use crate::shared::Shared;

/// How many segments to offer for one go; each home takes as many of them as it likes.
pub(crate) const FETCH_AHEAD: usize = 4096;

/// Entries in sequence order, each verified. Ends behind what was durable when it was begun. After an
/// error it ends.
///
/// The segments it has yet to read are kept for it: a truncation meanwhile leaves them, and the next one
/// takes them when the replay has passed them or was dropped.
pub struct Replay {
    shared: Arc<Shared>,
    waiting: vec::IntoIter<Segment>,
    /// The first of those waiting, as far as they have been read already.
    fetched: vec::IntoIter<Bytes>,
    scanner: Option<Scanner>,
    /// Keeps the segments.
    hold: u64,
    /// Older entries of the first segment are passed over.
    from: Sequence,
    /// The number the next entry must have, once known.
    next: Option<Sequence>,
    end: Sequence,
}

impl Replay {
    pub(crate) fn new(shared: Arc<Shared>, from: Sequence) -> Result<Self> {
        let mut catalog = shared.catalog();
        let (waiting, end) = (catalog.covering(from)?, catalog.end);
        let first = waiting.first().map_or(end, |segment| segment.header.first);
        let hold = catalog.hold(first);
        drop(catalog);
        Ok(Self {
            shared,
            waiting: waiting.into_iter(),
            fetched: Vec::new().into_iter(),
            scanner: None,
            hold,
            from,
            next: None,
            end,
        })
    }

    /// The next entry, where that is the next good frame of what has been read already.
    #[inline]
    fn at_hand(&mut self) -> Option<Entry> {
        let reached = self
            .next
            .filter(|next| (self.from..self.end).contains(next))?;
        let entry = self.scanner.as_mut()?.at_hand()?;
        self.next = Some(reached.next());
        Some(entry)
    }

    /// The next entry that verifies, or `None` at the end.
    fn advance(&mut self) -> Result<Option<Entry>> {
        loop {
            let reached = self.next.unwrap_or(self.from);
            if reached >= self.end {
                return Ok(None);
            }
            let Some(scanner) = &mut self.scanner else {
                self.open_next(reached)?;
                continue;
            };
            match scanner.step()? {
                Step::Frame(entry) => {
                    self.next = Some(entry.sequence.next());
                    if entry.sequence >= self.from {
                        return Ok(Some(entry));
                    }
                }
                Step::End => {
                    self.next = Some(scanner.next_sequence());
                    self.check_follower()?;
                    self.scanner = None;
                }
                Step::Bad { offset, problem } => return Err(scanner.damaged(offset, problem)),
            }
        }
    }

    /// The segment that ends here must be followed by the one that goes on.
    fn check_follower(&self) -> Result<()> {
        let (Some(scanner), Some(next)) = (&self.scanner, self.next) else {
            return Ok(());
        };
        let follower = self
            .waiting
            .as_slice()
            .first()
            .map(|segment| segment.header.first);
        if follower == Some(next) || (follower.is_none() && next == self.end) {
            return Ok(());
        }
        let problem = match follower {
            Some(first) => {
                format!(
                    "the segment ends before sequence {next}, but the one behind it starts with {first}"
                )
            }
            None => format!(
                "the log ends before sequence {next}, but had reached {}",
                self.end
            ),
        };
        Err(scanner.damaged(scanner.offset(), problem))
    }

    fn open_next(&mut self, reached: Sequence) -> Result<()> {
        let Some(segment) = self.waiting.next() else {
            // Not reached: the catalog has segments up to its end.
            return Err(Error::BeyondEnd {
                wanted: self.end,
                next: reached,
            });
        };
        let first = segment.header.first;
        self.shared.catalog().advance_hold(self.hold, first);
        let segments = Arc::clone(&self.shared.segments);
        let mut fetched = self.fetched.next();
        if fetched.is_none() {
            let coming = [segment]
                .into_iter()
                .chain(self.waiting.as_slice().iter().copied());
            let coming = coming.take_while(|coming| coming.header.first < self.end);
            let coming: Vec<_> = coming.map(|coming| coming.id).take(FETCH_AHEAD).collect();
            self.fetched = segments.fetch(&coming)?.into_iter();
            fetched = self.fetched.next();
        }
        self.scanner = Some(Scanner::new(segments, segment.id, segment.header).fetched(fetched));
        Ok(())
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.shared.catalog().release_hold(self.hold);
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("segments", &self.shared.segments)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Iterator for Replay {
    type Item = Result<Entry>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.at_hand() {
            return Some(Ok(entry));
        }
        let result = self.advance();
        if result.is_err() {
            self.end = Sequence(0);
        }
        result.transpose()
    }
}
