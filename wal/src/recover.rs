//! What opening a log does: look at what is there, cut a torn tail, refuse what it can't trust.

use std::sync::Arc;

use crate::catalog::{Catalog, Segment};
use crate::error::{Error, Result};
use crate::options::WalOptions;
use crate::position::Sequence;
use crate::scan::{Scanner, read_header};
use crate::segments::Segments;
use crate::tail::{self, TornTail};

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The half-written end that was cut off, if there was one. None of it had been answered.
    pub torn_tail: Option<TornTail>,
    /// The oldest sequence number that is kept; equal to `next_sequence` when none is.
    pub oldest_sequence: Sequence,
    /// The number that the next append gets.
    pub next_sequence: Sequence,
}

/// Reads all headers and the last segment's frames; repairs a torn tail.
pub(crate) fn recover(
    segments: &Arc<dyn Segments>,
    options: &WalOptions,
) -> Result<(Catalog, Recovered)> {
    segments.sweep()?;
    let mut catalog = Catalog::default();
    for info in segments.list()? {
        let header = read_header(&**segments, info.first)?;
        let file = || segments.name(info.first);
        if header.log_kind != options.log_kind {
            let (found, expected) = (header.log_kind, options.log_kind);
            return Err(Error::OtherKind {
                file: file(),
                found,
                expected,
            });
        }
        if header.epoch > options.epoch {
            let (found, ours) = (header.epoch, options.epoch);
            return Err(Error::NewerEpoch {
                file: file(),
                found,
                ours,
            });
        }
        catalog.segments.insert(
            info.first,
            Segment {
                header,
                bytes: info.bytes,
            },
        );
    }
    let mut torn_tail = None;
    if let Some(mut last) = catalog.segments.last_entry() {
        let last = last.get_mut();
        let file = segments.name(last.header.first);
        let mut scanner = Scanner::new(Arc::clone(segments), last.header);
        torn_tail = tail::examine(&mut scanner, file, last.bytes)?;
        if let Some(torn) = &torn_tail {
            let (next, known) = (scanner.next_sequence(), options.known_end);
            if next < known {
                let problem = format!(
                    "{}; all entries before {known} are known to have been synced, so this is no \
                     interrupted write",
                    torn.problem
                );
                return Err(scanner.damaged(torn.offset, problem));
            }
            tracing::warn!(
                file = torn.file,
                torn.offset,
                torn.bytes,
                torn.problem,
                "cut a torn tail"
            );
            segments.cut(last.header.first, torn.offset)?;
            last.bytes = torn.offset;
        }
        catalog.end = scanner.next_sequence();
    }
    if catalog.end < options.known_end {
        return Err(Error::BeyondEnd {
            wanted: Sequence(options.known_end.0.saturating_sub(1)),
            next: catalog.end,
        });
    }
    let (oldest_sequence, next_sequence) = (catalog.oldest(), catalog.end);
    Ok((
        catalog,
        Recovered {
            torn_tail,
            oldest_sequence,
            next_sequence,
        },
    ))
}
