//! What opening a log does: look at what is there, cut a torn tail, refuse what it can't trust.

use std::sync::Arc;

use crate::catalog::{Catalog, Segment};
use crate::error::{Error, Result};
use crate::options::WalOptions;
use crate::position::Sequence;
use crate::scan::Scanner;
use crate::segments::{SegmentInfo, Segments};
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

/// Takes the log over, reads all headers and the last segment's frames, and repairs a torn tail.
pub(crate) fn recover(
    segments: &Arc<dyn Segments>,
    options: &WalOptions,
) -> Result<(Catalog, Recovered)> {
    segments.take_over(options)?;
    loop {
        let mut catalog = read_headers(&**segments, options)?;
        let torn_tail = read_end(segments, &mut catalog, options.known_end)?;
        if catalog.end < options.known_end {
            return Err(Error::before_known(options.known_end, catalog.end));
        }
        if segments.seal(catalog.end)? {
            let recovered = Recovered {
                torn_tail,
                oldest_sequence: catalog.oldest(),
                next_sequence: catalog.end,
            };
            return Ok((catalog, recovered));
        }
    }
}

fn read_headers(segments: &dyn Segments, options: &WalOptions) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    for SegmentInfo { id, bytes } in segments.list()? {
        let header = segments.header(id)?;
        let file = || segments.place(id, 0).0;
        if header.log_kind != options.log_kind {
            return Err(Error::OtherKind {
                file: file(),
                found: header.log_kind,
                expected: options.log_kind,
            });
        }
        if header.epoch > options.epoch {
            return Err(Error::NewerEpoch {
                file: file(),
                found: header.epoch,
                ours: options.epoch,
            });
        }
        // One without frames gives way to the one that begins with its number.
        let segment = Segment { id, header, bytes };
        catalog.segments.insert(header.first, segment);
    }
    Ok(catalog)
}

/// Finds out where the log ends.
fn read_end(
    segments: &Arc<dyn Segments>,
    catalog: &mut Catalog,
    known_end: Sequence,
) -> Result<Option<TornTail>> {
    let Some(mut last) = catalog.segments.last_entry() else {
        return Ok(None);
    };
    let last = last.get_mut();
    let fetched = segments.fetch(&[last.id])?.pop();
    let mut scanner = Scanner::new(Arc::clone(segments), last.id, last.header).fetched(fetched);
    if !segments.tears() {
        catalog.end = tail::whole(&mut scanner)?;
        return Ok(None);
    }
    let (file, _) = segments.place(last.id, 0);
    let torn_tail = tail::examine(&mut scanner, file, last.bytes, known_end)?;
    if let Some(torn) = &torn_tail {
        tracing::warn!(
            file = torn.file,
            torn.offset,
            torn.bytes,
            torn.problem,
            "cut a torn tail"
        );
        last.bytes = torn.offset;
    }
    // Only the last group can be unsynced: the first frame of each proves all before it. A segment that
    // goes on behind one that isn't durable would stand behind a gap after the next power cut.
    segments.settle(last.id, scanner.last_group(), last.bytes)?;
    catalog.end = scanner.next_sequence();
    Ok(torn_tail)
}
