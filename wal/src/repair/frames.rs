//! The frames of a segment's bytes: which verify, and what lies between those that do.

use std::ops::Range;

use bytes::Bytes;
use crc32fast::Hasher;

use crate::format::frame::{FrameHeader, MAX_PAYLOAD_BYTES};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::position::{Entry, FRAME_HEADER_BYTES, Position, Sequence};

use super::terms::{Bad, Piece};

/// A frame that verifies.
#[derive(Debug, Clone, Copy)]
struct Good {
    sequence: Sequence,
    end: usize,
    starts_group: bool,
}

/// The frame at `offset`, if one verifies there.
fn frame_at(bytes: &[u8], offset: usize, binding: u32) -> Option<Good> {
    let header = FrameHeader::decode(bytes.get(offset..)?)?;
    if header.len > MAX_PAYLOAD_BYTES {
        return None;
    }
    let end = offset
        .checked_add(FRAME_HEADER_BYTES)?
        .checked_add(header.len as usize)?;
    let start = Hasher::new_with_initial(binding);
    header
        .verifies(&start, bytes.get(offset..end)?)
        .then(|| Good {
            sequence: header.sequence,
            end,
            starts_group: header.starts_group(),
        })
}

/// Whether the first frame verifies under this header: then the header is what it was.
pub(crate) fn proves(header: &SegmentHeader, bytes: &[u8]) -> bool {
    let found = frame_at(bytes, HEADER_BYTES, header.binding());
    found.is_some_and(|good| good.sequence == header.first)
}

/// The stretches of a segment under a header that is known to be right.
pub(crate) fn pieces(header: &SegmentHeader, bytes: &[u8]) -> Vec<Piece> {
    let binding = header.binding();
    let mut pieces = Vec::new();
    let (mut offset, mut next) = (HEADER_BYTES.min(bytes.len()), header.first);
    while offset < bytes.len() {
        let start = (offset, next);
        while let Some(good) = frame_at(bytes, offset, binding).filter(|good| good.sequence == next)
        {
            (offset, next) = (good.end, next.next());
        }
        if offset > start.0 {
            pieces.push(Piece::Good {
                offsets: start.0..offset,
                entries: start.1..next,
            });
        }
        if offset >= bytes.len() {
            break;
        }
        let behind = next_good(bytes, offset, next, binding);
        let (end, reached) =
            behind.map_or((bytes.len(), None), |(at, good)| (at, Some(good.sequence)));
        pieces.push(Piece::Bad(Bad {
            offsets: offset..end,
            from: next,
            to: reached,
            proven_synced: behind.is_some() && any_group_start(bytes, end, binding),
            problem: problem(bytes, offset, binding),
        }));
        let Some(reached) = reached else { break };
        (offset, next) = (end, reached);
    }
    pieces
}

/// Hands out the entries of a stretch of good frames.
pub(crate) fn entries(
    segment: Sequence,
    bytes: &Bytes,
    offsets: Range<usize>,
    each: &mut dyn FnMut(Entry),
) {
    let mut offset = offsets.start;
    while let Some(header) = bytes.get(offset..offsets.end).and_then(FrameHeader::decode) {
        let position = Position {
            segment,
            offset: offset as u64,
            len: header.len,
            sequence: header.sequence,
        };
        let start = offset.saturating_add(FRAME_HEADER_BYTES);
        offset = start.saturating_add(header.len as usize);
        each(Entry {
            position,
            sequence: header.sequence,
            kind: header.kind(),
            payload: bytes.slice(start..offset.min(bytes.len())),
        });
    }
}

/// The first good frame behind the bad one at `offset` whose number can be there: every frame in between
/// takes bytes.
fn next_good(bytes: &[u8], offset: usize, next: Sequence, binding: u32) -> Option<(usize, Good)> {
    (offset + 1..bytes.len()).find_map(|at| {
        let header = FrameHeader::decode(bytes.get(at..)?)?;
        let missing = header.sequence.0.checked_sub(next.0)?;
        let room = (at - offset) / FRAME_HEADER_BYTES;
        if missing == 0 || missing > room as u64 {
            return None;
        }
        Some((at, frame_at(bytes, at, binding)?))
    })
}

/// Whether a group was begun at or behind the good frame at `offset`: all before it had been synced.
fn any_group_start(bytes: &[u8], mut offset: usize, binding: u32) -> bool {
    while offset < bytes.len() {
        match frame_at(bytes, offset, binding) {
            Some(good) if good.starts_group => return true,
            Some(good) => offset = good.end,
            None => offset += 1,
        }
    }
    false
}

/// What is wrong with the frame at `offset`, in words.
fn problem(bytes: &[u8], offset: usize, binding: u32) -> String {
    let left = bytes.len().saturating_sub(offset);
    let Some(header) = bytes.get(offset..).and_then(FrameHeader::decode) else {
        return format!("the file ends {left} bytes into a frame's first {FRAME_HEADER_BYTES}");
    };
    match frame_at(bytes, offset, binding) {
        Some(good) => format!("another entry is expected here, {} is found", good.sequence),
        None if header.len > MAX_PAYLOAD_BYTES || header.len as usize > left => format!(
            "a frame of {} bytes doesn't fit the {left} that are left",
            header.len
        ),
        None => format!(
            "the CRC of the frame, {:08x}, doesn't match its bytes",
            header.crc
        ),
    }
}
