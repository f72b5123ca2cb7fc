//! [`Replay`]: the entries of a log in order.

use std::sync::Arc;
use std::vec;

use crate::catalog::Segment;
use crate::error::{Error, Result};
use crate::position::{Entry, Sequence};
use crate::scan::{Scanner, Step};
use crate::segments::Segments;

/// Entries in sequence order, each verified. Ends behind what was durable when it was begun. After an
/// error it ends.
///
/// The segments must not be truncated away while it reads them.
#[derive(Debug)]
pub struct Replay {
    segments: Arc<dyn Segments>,
    waiting: vec::IntoIter<Segment>,
    scanner: Option<Scanner>,
    /// Older entries of the first segment are passed over.
    from: Sequence,
    /// The number the next entry must have, once known.
    next: Option<Sequence>,
    end: Sequence,
}

impl Replay {
    pub(crate) fn new(
        segments: Arc<dyn Segments>,
        waiting: Vec<Segment>,
        from: Sequence,
        end: Sequence,
    ) -> Self {
        Self {
            segments,
            waiting: waiting.into_iter(),
            scanner: None,
            from,
            next: None,
            end,
        }
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
            Some(first) => format!(
                "the segment ends before sequence {next}, but {} starts with {first}",
                self.segments.name(first)
            ),
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
        self.scanner = Some(Scanner::new(Arc::clone(&self.segments), segment.header));
        Ok(())
    }
}

impl Iterator for Replay {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.end = Sequence(0);
        }
        result.transpose()
    }
}
