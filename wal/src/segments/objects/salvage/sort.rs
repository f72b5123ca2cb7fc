//! [`Sorter`]: what is good in each slot and what is not. Pure.

use bytes::Bytes;

use super::super::known::Known;
use super::super::names::Slot;
use crate::error::{Error, Result};
use crate::format::array;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::options::LogKind;
use crate::position::{Entry, Sequence};
use crate::repair::{Bad, ExaminedSegment, Piece, frames};

/// A slot's bytes as they are.
#[derive(Debug, Clone)]
pub(super) struct FoundSlot {
    pub(super) slot: Slot,
    /// What to call the object that it is in.
    pub(super) place: String,
    /// Where in that object it begins.
    pub(super) start: u64,
    pub(super) bytes: Bytes,
    /// What a run's index says about it.
    pub(super) known: Option<Known>,
    /// What is wrong already, without a look at the bytes.
    pub(super) problem: Option<String>,
}

impl FoundSlot {
    pub(super) fn missing(slot: Slot, place: String) -> Self {
        Self {
            slot,
            place,
            start: 0,
            bytes: Bytes::new(),
            known: None,
            problem: Some(format!("slot {slot} is missing")),
        }
    }
}

/// What is known of a segment's header.
struct Headed {
    header: SegmentHeader,
    /// How long the segment was, where that is known.
    bytes: Option<u32>,
    problem: Option<String>,
}

/// Takes slots in order and makes segments of them.
pub(super) struct Sorter<'a> {
    kind: LogKind,
    each: &'a mut dyn FnMut(Entry),
    /// The number behind all good entries so far; unknown at the beginning of a log without a head.
    end: Option<Sequence>,
    epochs: Vec<u64>,
    /// Slots whose headers can't be read: what they can have been depends on what follows.
    unread: Vec<(FoundSlot, String)>,
    segments: Vec<ExaminedSegment>,
}

impl<'a> Sorter<'a> {
    pub(super) fn new(
        kind: LogKind,
        begins: Option<Sequence>,
        each: &'a mut dyn FnMut(Entry),
    ) -> Self {
        Self {
            kind,
            each,
            end: begins,
            epochs: vec![0],
            unread: Vec::new(),
            segments: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, found: FoundSlot) -> Result<()> {
        match self.header(&found)? {
            Ok(headed) => {
                self.settle(Some(headed.header.first));
                self.add(&found, headed);
            }
            Err(problem) => self.unread.push((found, problem)),
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<ExaminedSegment> {
        self.settle(None);
        self.segments
    }

    /// The header as the slot or the index has it, or what is wrong with it.
    fn header(&self, found: &FoundSlot) -> Result<Result<Headed, String>> {
        let front = found.bytes.get(..HEADER_BYTES).unwrap_or(&found.bytes);
        let decoded = match SegmentHeader::decode_slot(&found.place, found.slot.0, front) {
            Ok((header, bytes)) => Ok(Known { header, bytes }),
            Err(Error::Corrupt { problem, .. }) => Err(problem),
            Err(other) => return Err(other),
        };
        let headed = |known: Known, problem: Option<String>| Headed {
            header: known.header,
            bytes: Some(known.bytes),
            problem: found.problem.clone().or(problem),
        };
        Ok(match (found.known, decoded) {
            (Some(known), Ok(decoded)) if known == decoded => Ok(headed(known, None)),
            (Some(known), Ok(_)) => {
                let problem = "the header isn't the one that the run's index says";
                Ok(headed(known, Some(problem.to_owned())))
            }
            // Cut off: what it costs is said behind.
            (Some(known), Err(_)) if found.bytes.len() < HEADER_BYTES => Ok(headed(known, None)),
            (Some(known), Err(problem)) => Ok(headed(known, Some(problem))),
            (None, Ok(decoded)) if decoded.header.log_kind != self.kind => {
                return Err(Error::OtherKind {
                    file: found.place.clone(),
                    found: decoded.header.log_kind,
                    expected: self.kind,
                });
            }
            (None, Ok(decoded)) => Ok(headed(decoded, None)),
            (None, Err(problem)) => Err(found.problem.clone().unwrap_or(problem)),
        })
    }

    /// Those whose headers can't be read, given the number that what follows begins with.
    fn settle(&mut self, limit: Option<Sequence>) {
        let unread = std::mem::take(&mut self.unread);
        let mut lost: Vec<(FoundSlot, String)> = Vec::new();
        for (found, problem) in unread {
            match self.proven(&found, limit) {
                Some(header) => {
                    self.lose(std::mem::take(&mut lost), Some(header.first));
                    let headed = Headed {
                        header,
                        bytes: None,
                        problem: Some(problem),
                    };
                    self.add(&found, headed);
                }
                None => lost.push((found, problem)),
            }
        }
        self.lose(lost, limit);
    }

    /// The first of them stands for all that is missing up to `limit`.
    fn lose(&mut self, lost: Vec<(FoundSlot, String)>, limit: Option<Sequence>) {
        for (found, problem) in lost {
            let name = self.end.or(limit).unwrap_or_default();
            self.segments.push(ExaminedSegment {
                name,
                file: found.place,
                start: found.start,
                bytes: found.bytes.len() as u64,
                checksum: crc32fast::hash(&found.bytes),
                header: None,
                header_problem: Some(problem),
                pieces: Vec::new(),
            });
            self.end = Some(limit.unwrap_or(name).max(name));
        }
    }

    /// The header that a slot must have had, since its frames verify under it and fit in here.
    fn proven(&self, found: &FoundSlot, limit: Option<Sequence>) -> Option<SegmentHeader> {
        let bytes = &found.bytes;
        let number = |offset| array(bytes, offset).map(u64::from_le_bytes);
        // As the header, the first frame or the slot before has it.
        let firsts = [
            number(24),
            number(HEADER_BYTES + 8),
            self.end.map(|end| end.0),
        ];
        let field = number(16);
        let before = self.epochs.iter().rev().copied();
        let turned = field
            .into_iter()
            .flat_map(|field| (0..64).map(move |bit| field ^ (1 << bit)));
        let epochs: Vec<u64> = field.into_iter().chain(before).chain(turned).collect();
        firsts.into_iter().flatten().find_map(|first| {
            let fits = |header: &SegmentHeader| {
                let ends =
                    frames::pieces(header, bytes)
                        .iter()
                        .rev()
                        .find_map(|piece| match piece {
                            Piece::Good { entries, .. } => Some(entries.end),
                            Piece::Bad(_) => None,
                        });
                self.end.is_none_or(|end| end.0 <= first)
                    && limit.is_none_or(|limit| ends.is_none_or(|ends| ends <= limit))
            };
            let headers = epochs.iter().map(|epoch| SegmentHeader {
                log_kind: self.kind,
                epoch: *epoch,
                first: Sequence(first),
            });
            let mut headers = headers.filter(|header| frames::proves(header, bytes));
            headers.find(fits)
        })
    }

    /// A slot whose header is known.
    fn add(&mut self, found: &FoundSlot, headed: Headed) {
        let Headed {
            header,
            bytes: expected,
            mut problem,
        } = headed;
        let len = found.bytes.len();
        let expected = expected.map_or(len, |bytes| bytes as usize);
        let body = found.bytes.slice(..len.min(expected));
        let mut pieces = frames::pieces(&header, &body);
        let end = pieces.iter().rev().find_map(|piece| match piece {
            Piece::Good { entries, .. } => Some(entries.end),
            Piece::Bad(_) => None,
        });
        let end = end.unwrap_or(header.first);
        if len > expected {
            let more = format!("it goes on behind the {expected} bytes that were written");
            problem.get_or_insert(more);
        } else if len < expected && !matches!(pieces.last(), Some(Piece::Bad(_))) {
            pieces.push(Piece::Bad(Bad {
                offsets: len..len,
                from: end,
                to: None,
                proven_synced: true,
                problem: format!("it ends here, in the middle of a segment of {expected} bytes"),
            }));
        }
        for piece in &pieces {
            if let Piece::Good { offsets, .. } = piece {
                frames::entries(header.first, &body, offsets.clone(), self.each);
            }
        }
        self.epochs.push(header.epoch);
        self.end = Some(end);
        self.segments.push(ExaminedSegment {
            name: header.first,
            file: found.place.clone(),
            start: found.start,
            bytes: len as u64,
            checksum: crc32fast::hash(&found.bytes),
            header: Some(header),
            header_problem: problem,
            pieces,
        });
    }
}
