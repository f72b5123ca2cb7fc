//! [`Work`]: goes over one segment's pieces and decides what comes in their place. Pure.

use std::ops::Range;

use super::terms::{Action, Bad, ExaminedSegment, Loss, Part, Piece, Plan};
use crate::error::{Error, Result};
use crate::format::header::SegmentHeader;
use crate::position::Sequence;

/// The work on one segment.
pub(super) struct Work<'a> {
    plan: &'a mut Plan,
    segment: &'a ExaminedSegment,
    parts: Vec<Part>,
    is_changed: bool,
}

impl<'a> Work<'a> {
    /// Decides about a segment, given the one that follows it and the epoch of those before.
    pub(super) fn on(
        plan: &'a mut Plan,
        segment: &'a ExaminedSegment,
        follower: Option<&ExaminedSegment>,
        epoch: u64,
    ) -> Result<Action> {
        let header = segment.header.unwrap_or(SegmentHeader {
            log_kind: plan.policy.log_kind,
            epoch,
            first: segment.name,
        });
        let mut work = Self {
            plan,
            segment,
            parts: Vec::new(),
            is_changed: false,
        };
        work.header(follower);
        let reached = work.pieces(follower)?;
        let limit = follower.map_or(work.plan.policy.known_end, |next| next.name);
        if work.plan.cut_at.is_none() && reached < limit {
            let problem = match segment.header {
                Some(_) => format!("the segment ends before entry {reached}"),
                None => "nothing of it can be read without its header".to_owned(),
            };
            work.lose(segment.bytes, reached..limit, None, problem);
        }
        Ok(match work.is_changed {
            true => Action::Replace {
                header,
                parts: work.parts,
            },
            false => Action::Keep,
        })
    }

    /// A header that had to be made again is a finding; what it costs, if anything, comes behind.
    fn header(&mut self, follower: Option<&ExaminedSegment>) {
        let Some(problem) = &self.segment.header_problem else {
            return;
        };
        let problem = match self.segment.header {
            Some(_) => format!("{problem}; the rest proves what it was, so nothing is lost by it"),
            None => problem.clone(),
        };
        // Where a segment follows, it says how many there were.
        let may_be_more = self.segment.header.is_none() && follower.is_none();
        let nothing = self.segment.name..self.segment.name;
        self.note(0, nothing, may_be_more, problem);
        self.is_changed = true;
    }

    /// Goes over the pieces; returns the number behind what is kept.
    fn pieces(&mut self, follower: Option<&ExaminedSegment>) -> Result<Sequence> {
        let mut reached = self.segment.name;
        let mut pieces = self.segment.pieces.iter();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Good { offsets, entries } => {
                    check_overlap(self.segment, offsets, entries, follower)?;
                    self.parts.push(Part::Copy(offsets.clone()));
                    reached = entries.end;
                }
                Piece::Bad(bad) if follower.is_none() && self.is_torn(bad) => {
                    self.plan.has_torn_tail = true;
                    return Ok(reached.max(self.plan.policy.known_end));
                }
                Piece::Bad(bad) => {
                    let Some(to) = bad.to else {
                        // How many entries these bytes were, the next segment or nobody knows.
                        let limit = follower.map_or(self.plan.policy.known_end, |next| next.name);
                        let lost = bad.from..limit.max(bad.from);
                        self.lose(bad.offsets.start as u64, lost, None, bad.problem.clone());
                        self.end_is_unknown(follower);
                        return Ok(limit.max(bad.from));
                    };
                    let lost = bad.from..to;
                    let end = Some(bad.offsets.end);
                    self.lose(bad.offsets.start as u64, lost, end, bad.problem.clone());
                    reached = to;
                    if self.plan.cut_at.is_some() {
                        self.rest_is_lost(pieces.as_slice());
                        return Ok(reached);
                    }
                }
            }
        }
        Ok(reached)
    }

    /// Whether a crash may have left it so: then the next opening cuts it off.
    fn is_torn(&self, bad: &Bad) -> bool {
        self.plan.tears && !bad.proven_synced && bad.from >= self.plan.policy.known_end
    }

    /// What can't be torn held a whole group: nobody may know of how many entries.
    fn end_is_unknown(&mut self, follower: Option<&ExaminedSegment>) {
        if follower.is_none()
            && !self.plan.tears
            && let Some(last) = self.plan.losses.last_mut()
        {
            last.may_be_more = true;
        }
    }

    fn lose(&mut self, offset: u64, lost: Range<Sequence>, end: Option<usize>, problem: String) {
        self.is_changed = true;
        self.note(offset, lost.clone(), false, problem);
        // Where no entry is lost, nothing that depends on one is.
        let is_needed = |from: &Sequence| lost.start < lost.end && lost.end > *from;
        let cut_at = self.plan.policy.cut_from.filter(is_needed);
        let Some(cut_from) = cut_at else {
            if lost.start < lost.end {
                self.parts.push(Part::Holes { entries: lost, end });
            }
            return;
        };
        let cut_at = cut_from.max(lost.start);
        if lost.start < cut_at {
            self.parts.push(Part::Holes {
                entries: lost.start..cut_at,
                end: None,
            });
        }
        self.plan.cut_at = Some(cut_at);
    }

    /// Good entries behind a cut.
    fn rest_is_lost(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let Piece::Good { offsets, entries } = piece else {
                continue;
            };
            self.plan.losses.push(Loss {
                file: self.segment.file.clone(),
                offset: self.segment.start.saturating_add(offsets.start as u64),
                entries: entries.clone(),
                is_readable: true,
                may_be_more: false,
                problem: "its entries depend on lost ones".to_owned(),
            });
        }
    }

    fn note(&mut self, offset: u64, entries: Range<Sequence>, may_be_more: bool, problem: String) {
        self.plan.losses.push(Loss {
            file: self.segment.file.clone(),
            offset: self.segment.start.saturating_add(offset),
            entries,
            is_readable: false,
            may_be_more,
            problem,
        });
    }
}

fn check_overlap(
    segment: &ExaminedSegment,
    offsets: &Range<usize>,
    entries: &Range<Sequence>,
    follower: Option<&ExaminedSegment>,
) -> Result<()> {
    match follower {
        Some(next) if entries.end > next.name => Err(Error::Corrupt {
            file: segment.file.clone(),
            offset: offsets.start as u64,
            problem: format!(
                "it holds entries up to {}, but {} starts with {}: two segments with the same \
                 entries, of which repair can't choose one",
                entries.end, next.file, next.name
            ),
        }),
        _ => Ok(()),
    }
}
