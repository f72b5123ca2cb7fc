//! [`Encoder`]: the bytes of a group, gathered from its appends without copying large payloads.

use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;

use crate::format::frame::{FrameHeader, GROUP_START};
use crate::format::header::SegmentHeader;
use crate::position::{FRAME_HEADER_BYTES, Position};
use crate::queue::Pending;

/// Parts smaller than this are copied together: a buffer of its own costs the kernel more.
const SMALL_PART_BYTES: usize = 4 << 10;

/// Frame headers and small parts are gathered in one buffer that is kept from group to group; large
/// parts are referred to.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    small: Vec<u8>,
    pieces: Vec<Piece>,
    positions: Vec<Position>,
}

/// A stretch of a group's bytes.
#[derive(Debug)]
enum Piece {
    /// In the gathering buffer.
    Small(Range<usize>),
    /// Where its appender left it.
    Large(Bytes),
}

/// Bytes that `pending` takes in a segment.
pub(crate) fn frame_bytes(pending: &Pending) -> u64 {
    FRAME_HEADER_BYTES as u64 + u64::from(pending.len)
}

impl Encoder {
    /// Lays out `group` behind the first `offset` bytes of a segment.
    pub(crate) fn encode(&mut self, segment: &SegmentHeader, offset: u64, group: &[Pending]) {
        self.small.clear();
        self.pieces.clear();
        self.positions.clear();
        let binding = segment.binding();
        let mut offset = offset;
        for (index, pending) in group.iter().enumerate() {
            let Pending { sequence, len, .. } = *pending;
            let mark = if index == 0 { GROUP_START } else { 0 };
            let mut header = FrameHeader {
                len,
                crc: 0,
                sequence,
                tag: pending.kind | mark,
            };
            let mut hasher = header.hasher(binding);
            match &pending.hashed {
                Some(hashed) => hasher.combine(hashed),
                None => pending.parts.iter().for_each(|part| hasher.update(part)),
            }
            header.crc = hasher.finalize();
            self.gather(|small| header.encode_into(small));
            for part in &pending.parts {
                if part.len() < SMALL_PART_BYTES {
                    self.gather(|small| small.extend_from_slice(part));
                } else {
                    self.pieces.push(Piece::Large(part.clone()));
                }
            }
            let position = Position {
                segment: segment.first,
                offset,
                len,
                sequence,
            };
            offset = position.end();
            self.positions.push(position);
        }
    }

    /// Adds to the gathering buffer, and to the last piece if that is where it ends.
    fn gather(&mut self, add: impl FnOnce(&mut Vec<u8>)) {
        let start = self.small.len();
        add(&mut self.small);
        let end = self.small.len();
        match self.pieces.last_mut() {
            Some(Piece::Small(range)) => range.end = end,
            _ => self.pieces.push(Piece::Small(start..end)),
        }
    }

    /// What is to be written, in order.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Small(range) => {
                    IoSlice::new(self.small.get(range.clone()).unwrap_or_default())
                }
                Piece::Large(bytes) => IoSlice::new(bytes),
            })
            .collect()
    }

    /// Where each append of the group is, in order.
    pub(crate) fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// Lets go of the payloads, and of a buffer that an unusual group made large.
    pub(crate) fn release(&mut self) {
        self.pieces.clear();
        if self.small.capacity() > 1 << 20 {
            self.small = Vec::new();
        }
    }
}
