//! The end of a log's last segment: whole, torn, or damaged. See the crate's essay for the rule.

use crate::error::Result;
use crate::position::Sequence;
use crate::scan::{Scanner, Step};

/// The end of a log that a crash left half-written, and that was cut off (or would be).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: String,
    /// Where the log now ends in it.
    pub offset: u64,
    /// Bytes behind that.
    pub bytes: u64,
    /// What was wrong with them.
    pub problem: String,
}

/// Walks the last segment of a home in which nothing can be half-written.
pub(crate) fn whole(scanner: &mut Scanner) -> Result<Sequence> {
    loop {
        match scanner.step()? {
            Step::Frame(_) => {}
            Step::End => return Ok(scanner.next_sequence()),
            Step::Bad { offset, problem } => return Err(scanner.damaged(offset, problem)),
        }
    }
}

/// Walks the last segment to its end, which is `len` bytes from its start. `Ok(None)`: every byte
/// verified. `scanner` is left where the good frames end. All entries before `known_end` are known to have been synced.
pub(crate) fn examine(
    scanner: &mut Scanner,
    file: String,
    len: u64,
    known_end: Sequence,
) -> Result<Option<TornTail>> {
    let (offset, problem) = loop {
        match scanner.step()? {
            Step::Frame(_) => {}
            Step::End => return Ok(None),
            Step::Bad { offset, problem } => break (offset, problem),
        }
    };
    if let Some(later) = scanner.find_group_start()? {
        let problem = format!(
            "{problem}; the good frame at offset {later} was begun after this one had been synced, \
             so this is no interrupted write"
        );
        return Err(scanner.damaged(offset, problem));
    }
    if scanner.next_sequence() < known_end {
        let problem = format!(
            "{problem}; all entries before {known_end} are known to have been synced, so this is no \
             interrupted write"
        );
        return Err(scanner.damaged(offset, problem));
    }
    Ok(Some(TornTail {
        file,
        offset,
        bytes: len.saturating_sub(offset),
        problem,
    }))
}
