//! [`Catalog`]: what is known about the segments there are, shared by the writer and all readers.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::format::header::SegmentHeader;
use crate::position::Sequence;
use crate::segments::SegmentId;

/// A segment that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// Its name in its home.
    pub(crate) id: SegmentId,
    /// Its header, verified.
    pub(crate) header: SegmentHeader,
    /// Its durable bytes.
    pub(crate) bytes: u64,
}

/// The segments by their first sequence number, and where what is durable ends. Only durable frames
/// count, so whatever is looked up here may be handed out.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) segments: BTreeMap<Sequence, Segment>,
    /// The first sequence number that isn't durable.
    pub(crate) end: Sequence,
    /// What replays under way still read: each one's number, and the first segment it needs.
    holds: BTreeMap<u64, Sequence>,
    last_hold: u64,
}

impl Catalog {
    /// The oldest sequence number that is kept; the end when none is.
    pub(crate) fn oldest(&self) -> Sequence {
        self.segments.keys().next().copied().unwrap_or(self.end)
    }

    /// The segment that is being written, or was last.
    pub(crate) fn newest(&self) -> Option<Segment> {
        self.segments.values().next_back().copied()
    }

    /// A segment is new, or holds more than before.
    pub(crate) fn insert(&mut self, segment: Segment) {
        self.segments.insert(segment.header.first, segment);
    }

    /// The segments that hold `from` and what follows it.
    pub(crate) fn covering(&self, from: Sequence) -> Result<Vec<Segment>> {
        if from < self.oldest() {
            return Err(Error::NotKept {
                wanted: from,
                oldest: self.oldest(),
            });
        }
        if from > self.end {
            return Err(Error::BeyondEnd {
                wanted: from,
                next: self.end,
            });
        }
        let first = self
            .segments
            .range(..=from)
            .next_back()
            .map_or(from, |(first, _)| *first);
        Ok(self
            .segments
            .range(first..)
            .map(|(_, segment)| *segment)
            .collect())
    }

    /// The segments whose every frame is older than `sequence` and that no replay holds, oldest first;
    /// never the newest segment, whose name keeps the place where numbering goes on.
    pub(crate) fn before(&self, sequence: Sequence) -> Vec<Segment> {
        let held = self.holds.values().min();
        let sequence = held.map_or(sequence, |held| sequence.min(*held));
        let followers = self.segments.keys().skip(1);
        let older = self.segments.values().zip(followers);
        older
            .take_while(|(_, next)| **next <= sequence)
            .map(|(segment, _)| *segment)
            .collect()
    }

    /// Keeps what is from `first` on, until it is let go of.
    pub(crate) fn hold(&mut self, first: Sequence) -> u64 {
        self.last_hold += 1;
        self.holds.insert(self.last_hold, first);
        self.last_hold
    }

    /// What is before `first` isn't needed any more.
    pub(crate) fn advance_hold(&mut self, hold: u64, first: Sequence) {
        self.holds.insert(hold, first);
    }

    pub(crate) fn release_hold(&mut self, hold: u64) {
        self.holds.remove(&hold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::LogKind;

    #[test]
    fn lookups_by_sequence() {
        let mut catalog = Catalog {
            end: Sequence(25),
            ..Catalog::default()
        };
        for first in [10, 15, 20].map(Sequence) {
            let header = SegmentHeader {
                log_kind: LogKind(0),
                epoch: 0,
                first,
            };
            catalog.segments.insert(
                first,
                Segment {
                    id: SegmentId(first.0),
                    header,
                    bytes: 100,
                },
            );
        }
        let firsts = |segments: Vec<Segment>| -> Vec<u64> {
            segments
                .iter()
                .map(|segment| segment.header.first.0)
                .collect()
        };
        let covering = |from| catalog.covering(Sequence(from)).map(firsts);
        assert!(matches!(
            covering(9),
            Err(Error::NotKept {
                oldest: Sequence(10),
                ..
            })
        ));
        assert_eq!(covering(10).unwrap(), [10, 15, 20]);
        assert_eq!(covering(19).unwrap(), [15, 20]);
        assert_eq!(covering(25).unwrap(), [20]);
        assert!(matches!(
            covering(26),
            Err(Error::BeyondEnd {
                next: Sequence(25),
                ..
            })
        ));
        let before = |sequence| firsts(catalog.before(Sequence(sequence)));
        assert!(before(14).is_empty());
        assert_eq!(before(15), [10]);
        assert_eq!(before(1_000), [10, 15]);
        let hold = catalog.hold(Sequence(15));
        assert_eq!(firsts(catalog.before(Sequence(1_000))), [10]);
        catalog.advance_hold(hold, Sequence(20));
        assert_eq!(firsts(catalog.before(Sequence(1_000))), [10, 15]);
        catalog.release_hold(hold);
        assert!(firsts(catalog.before(Sequence(14))).is_empty());
    }
}
