//! [`Plan`]: what is to become of each segment of a damaged log, and what would be lost. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use super::examine::{Examined, ExaminedSegment};
use super::work::Work;
use super::{holes, names};
use crate::error::Result;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::options::LogKind;
use crate::position::{Position, Sequence};

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

impl Plan {
    /// Decides.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when two segments hold the same entries: no damage does that, so which of them
    /// is right is for people to say.
    pub fn new(examined: &Examined, policy: Policy) -> Result<Self> {
        let mut plan = Self {
            segments: Vec::new(),
            losses: examined.beside.clone(),
            cut_at: None,
            has_torn_tail: false,
            tears: examined.tears,
            policy,
        };
        let mut epoch = examined
            .segments
            .iter()
            .find_map(|segment| Some(segment.header.as_ref()?.epoch))
            .unwrap_or_default();
        let mut segments = examined.segments.clone();
        let named = names::spread(examined, &plan.policy);
        for (segment, name) in segments.iter_mut().zip(named) {
            segment.name = name;
        }
        let followers = segments.iter().skip(1).map(Some).chain([None]);
        for (segment, follower) in segments.iter().zip(followers) {
            if plan.cut_at.is_some() {
                plan.set_aside(segment, follower);
                continue;
            }
            epoch = segment.header.map_or(epoch, |header| header.epoch);
            let action = Work::on(&mut plan, segment, follower, epoch)?;
            plan.segments.push(SegmentPlan {
                segment: segment.clone(),
                action,
            });
        }
        Ok(plan)
    }

    /// Whether there is nothing to repair.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.losses.is_empty()
    }

    /// The bytes that come in the place of `damaged`.
    #[must_use]
    pub fn repaired(&self, header: &SegmentHeader, parts: &[Part], damaged: &[u8]) -> Vec<u8> {
        let mut out = header.encode().to_vec();
        for part in parts {
            match part {
                Part::Copy(range) => {
                    out.extend_from_slice(damaged.get(range.clone()).unwrap_or_default());
                }
                Part::Holes { entries, end } => {
                    let Policy {
                        hole_kind, noted, ..
                    } = &self.policy;
                    holes::append(&mut out, header, entries.clone(), *end, *hole_kind, noted);
                }
            }
        }
        out
    }

    fn set_aside(&mut self, segment: &ExaminedSegment, follower: Option<&ExaminedSegment>) {
        let end = segment.end();
        let mut lose = |entries: Range<Sequence>, is_readable, problem: &str| {
            if entries.start < entries.end {
                self.losses.push(Loss {
                    file: segment.file.clone(),
                    offset: segment.start.saturating_add(HEADER_BYTES as u64),
                    entries,
                    is_readable,
                    may_be_more: false,
                    problem: problem.to_owned(),
                });
            }
        };
        lose(segment.name..end, true, "its entries depend on lost ones");
        let limit = follower.map_or(self.policy.known_end, |next| next.name);
        lose(end..limit, false, "they can't be read either");
        self.segments.push(SegmentPlan {
            segment: segment.clone(),
            action: Action::SetAside,
        });
    }
}
