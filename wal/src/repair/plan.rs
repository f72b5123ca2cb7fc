//! [`Plan::new`]: what is to become of each segment of a damaged log, and what would be lost. Pure.

use std::ops::Range;

use super::terms::{Action, Examined, ExaminedSegment, Loss, Part, Plan, Policy, SegmentPlan};
use super::work::Work;
use super::{holes, names};
use crate::error::Result;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::position::Sequence;

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
