//! What repair speaks of: what was found in a log, what its owner wants, and what is to become of it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::format::header::SegmentHeader;
use crate::options::LogKind;
use crate::position::{Position, Sequence};

/// A stretch of a segment behind its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Frames that verify, one after the other.
    Good {
        /// Where they are.
        offsets: Range<usize>,
        /// Their numbers.
        entries: Range<Sequence>,
    },
    /// Bytes that are no frame of the log.
    Bad(Bad),
}

/// Bytes that are no frame of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Where they are.
    pub offsets: Range<usize>,
    /// The first entry that is lost with them.
    pub from: Sequence,
    /// The first good entry behind; `None` when none follows in the segment.
    pub to: Option<Sequence>,
    /// Whether a group was begun behind them, so that they had been synced.
    pub proven_synced: bool,
    /// What is wrong.
    pub problem: String,
}

/// One segment, read.
#[derive(Debug, Clone)]
pub struct ExaminedSegment {
    /// The number it is named by.
    pub name: Sequence,
    /// The file or object.
    pub file: String,
    /// Where in it the segment begins.
    pub start: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Their CRC-32: whether the file is still the one that was read.
    pub checksum: u32,
    /// Its header: as it is there, or as the frames prove it.
    pub header: Option<SegmentHeader>,
    /// What is wrong with the header's bytes, if anything.
    pub header_problem: Option<String>,
    /// What is behind the header.
    pub pieces: Vec<Piece>,
}

/// A log, read.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// Its segments in order.
    pub segments: Vec<ExaminedSegment>,
    /// What is wrong beside the segments: nothing of it costs an entry by itself.
    pub beside: Vec<Loss>,
    /// Whether an interrupted write can have left a bad end, which is no damage then.
    pub tears: bool,
}

impl ExaminedSegment {
    /// The number behind its last good entry.
    pub(crate) fn end(&self) -> Sequence {
        let good = self.pieces.iter().rev().find_map(|piece| match piece {
            Piece::Good { entries, .. } => Some(entries.end),
            Piece::Bad(_) => None,
        });
        good.unwrap_or(self.name)
    }
}

/// What the log's owner knows and wants.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What the log is for.
    pub log_kind: LogKind,
    /// The kind of the entries that stand for lost ones.
    pub hole_kind: u8,
    /// Where each entry depends on those before it: the first entry that is still needed. The log is
    /// cut at the first loss from there on. `None` where entries stand for themselves.
    pub cut_from: Option<Sequence>,
    /// Somebody knows that all entries before this one were durable: an end before it is no torn tail.
    pub known_end: Sequence,
    /// Positions that somebody noted: holes are made just there.
    pub noted: BTreeMap<Sequence, Position>,
}

/// A part of a repaired segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes of the damaged one.
    Copy(Range<usize>),
    /// Holes for these entries, filled up to an offset where good frames follow.
    Holes {
        /// The lost entries.
        entries: Range<Sequence>,
        /// Where the next part starts; `None` at the end.
        end: Option<usize>,
    },
}

/// What is to become of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It stays.
    Keep,
    /// It is set aside, and one of these parts comes in its place.
    Replace {
        /// The header, made again.
        header: SegmentHeader,
        /// What follows it.
        parts: Vec<Part>,
    },
    /// It is set aside: what is lost before it makes it useless.
    SetAside,
}

/// One segment's part of a plan.
#[derive(Debug, Clone)]
pub struct SegmentPlan {
    /// The segment.
    pub segment: ExaminedSegment,
    /// What becomes of it.
    pub action: Action,
}

/// Entries that won't be in the log any more, or bytes that are wrong without costing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The file or object.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// The entries; empty when only bytes between entries are wrong.
    pub entries: Range<Sequence>,
    /// Whether they can still be read: they are lost because those before them are.
    pub is_readable: bool,
    /// Whether more entries than these may have been there: nobody knows how far the log went.
    pub may_be_more: bool,
    /// What is wrong.
    pub problem: String,
}

/// What is to be done about a damaged log.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every segment, in order.
    pub segments: Vec<SegmentPlan>,
    /// All that is wrong, in order.
    pub losses: Vec<Loss>,
    /// The number that the log ends with when it is cut.
    pub cut_at: Option<Sequence>,
    /// Whether the log has a torn end, which the next opening cuts off.
    pub has_torn_tail: bool,
    pub(super) tears: bool,
    pub(super) policy: Policy,
}
