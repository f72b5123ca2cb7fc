//! [`Scanner`]: reads a segment's frames one after the other and verifies each.

use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::format::frame::{FrameHeader, MAX_PAYLOAD_BYTES};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::position::{Entry, FRAME_HEADER_BYTES, Position, Sequence};
use crate::segments::{SegmentId, Segments};

/// How much is read at once: so much that opening the file for it hardly counts.
const WINDOW_BYTES: usize = 1 << 20;
/// Frames of the size met that should fit into what is read at once,
const FRAMES_AHEAD: usize = 8;
/// as long as that isn't more than this.
const MAX_WINDOW_BYTES: usize = 4 << 20;

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Step {
    /// A frame that verifies.
    Frame(Entry),
    /// The segment ends here, between two frames.
    End,
    /// No frame that verifies starts here.
    Bad {
        /// Where, in bytes from the segment's start.
        offset: u64,
        /// What was found and expected.
        problem: String,
    },
}

/// A walk over the frames of one segment.
#[derive(Debug)]
pub(crate) struct Scanner {
    segments: Arc<dyn Segments>,
    id: SegmentId,
    header: SegmentHeader,
    /// What each frame's checksum starts from.
    start: Hasher,
    window: Window,
    /// How much to read at once.
    ahead: usize,
    /// Where the next frame starts.
    offset: u64,
    /// The number the next frame must have.
    next: Sequence,
    /// Where the group begins that the last frame belongs to.
    group: u64,
}

/// Bytes read last.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
}

impl Scanner {
    /// Starts at a segment's first frame; its header has been verified.
    pub(crate) fn new(segments: Arc<dyn Segments>, id: SegmentId, header: SegmentHeader) -> Self {
        Self {
            segments,
            id,
            header,
            start: Hasher::new_with_initial(header.binding()),
            window: Window::default(),
            ahead: WINDOW_BYTES,
            offset: HEADER_BYTES as u64,
            next: header.first,
            group: HEADER_BYTES as u64,
        }
    }

    /// As [`new`](Self::new), over bytes that have been read already: the whole segment, if any.
    pub(crate) fn fetched(mut self, bytes: Option<Bytes>) -> Self {
        if let Some(bytes) = bytes {
            self.window = Window { start: 0, bytes };
        }
        self
    }

    /// Starts at one frame, and reads no further than it goes.
    pub(crate) fn exact(
        segments: Arc<dyn Segments>,
        id: SegmentId,
        header: SegmentHeader,
        position: Position,
    ) -> Self {
        let mut scanner = Self::new(segments, id, header);
        scanner.offset = position.offset;
        scanner.next = position.sequence;
        scanner.ahead = FRAME_HEADER_BYTES.saturating_add(position.len as usize);
        scanner
    }

    /// The entry that a scanner of [`Scanner::exact`] starts at.
    pub(crate) fn only(mut self, position: Position) -> Result<Entry> {
        match self.step()? {
            Step::Frame(entry) if entry.position == position => Ok(entry),
            Step::Frame(_) | Step::End => {
                let (wanted, bytes) = (position.sequence, position.len);
                let problem = format!("no entry {wanted} of {bytes} bytes is there");
                Err(self.damaged(position.offset, problem))
            }
            Step::Bad { offset, problem } => Err(self.damaged(offset, problem)),
        }
    }

    /// The number that the next frame must have.
    pub(crate) fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Where the next frame starts: behind the last one that verified.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the last group begins of which a frame has verified.
    pub(crate) fn last_group(&self) -> u64 {
        self.group
    }

    /// An error about what is at `offset` of this segment.
    pub(crate) fn damaged(&self, offset: u64, problem: String) -> Error {
        self.segments.damaged(self.id, offset, problem)
    }

    /// Sees to it that the window holds the next `len` bytes; fewer only at the segment's end.
    fn fill(&mut self, len: usize) -> Result<()> {
        if self.window.from(self.offset).len() < len {
            let bytes = self
                .segments
                .read(self.id, self.offset, len.max(self.ahead))?;
            self.window = Window {
                start: self.offset,
                bytes,
            };
        }
        Ok(())
    }

    /// The next frame, if the window holds it and it is good: what most frames are. Decides nothing about
    /// any other.
    #[inline]
    pub(crate) fn at_hand(&mut self) -> Option<Entry> {
        let (offset, rest) = (self.offset, self.window.from(self.offset));
        let header = FrameHeader::decode(rest)?;
        let whole = FRAME_HEADER_BYTES.saturating_add(header.len as usize);
        let is_next = header.sequence == self.next && header.len <= MAX_PAYLOAD_BYTES;
        if !is_next || !header.verifies(&self.start, rest.get(..whole)?) {
            return None;
        }
        let payload = self.window.slice(offset, FRAME_HEADER_BYTES, whole);
        let position = Position {
            segment: self.header.first,
            offset,
            len: header.len,
            sequence: header.sequence,
        };
        if header.starts_group() {
            self.group = offset;
        }
        self.offset = position.end();
        self.next = header.sequence.next();
        Some(Entry {
            position,
            sequence: header.sequence,
            kind: header.kind(),
            payload,
        })
    }

    /// Reads the next frame. After anything but [`Step::Frame`] it stays where it is.
    pub(crate) fn step(&mut self) -> Result<Step> {
        if let Some(entry) = self.at_hand() {
            return Ok(Step::Frame(entry));
        }
        let offset = self.offset;
        self.fill(FRAME_HEADER_BYTES)?;
        let start = self.window.from(offset);
        let bad = |problem: String| Ok(Step::Bad { offset, problem });
        if start.is_empty() {
            return Ok(Step::End);
        }
        let Some(header) = FrameHeader::decode(start) else {
            return bad(format!(
                "the file ends {} bytes into a frame's first {FRAME_HEADER_BYTES}",
                start.len()
            ));
        };
        if header.len > MAX_PAYLOAD_BYTES {
            return bad(format!(
                "a frame of {} bytes, where {MAX_PAYLOAD_BYTES} is the most",
                header.len
            ));
        }
        let whole = FRAME_HEADER_BYTES.saturating_add(header.len as usize);
        if start.len() < whole {
            self.look_further_ahead(whole);
            self.fill(whole)?;
        }
        if let Some(entry) = self.at_hand() {
            return Ok(Step::Frame(entry));
        }
        let rest = self.window.from(offset);
        let Some(frame) = rest.get(..whole) else {
            return bad(format!(
                "the file ends {} bytes into a frame of {whole}",
                rest.len()
            ));
        };
        if !header.verifies(&self.start, frame) {
            return bad(format!(
                "the CRC of the frame, {:08x}, doesn't match its bytes",
                header.crc
            ));
        }
        // The bytes are as they were written: no crash does this.
        let (expected, found) = (self.next, header.sequence);
        let problem = format!("sequence {expected} was expected, {found} found");
        Err(self.damaged(offset, problem))
    }

    /// A frame that the window cuts off is read again with the next: the window holds several of them, so
    /// that this is little of all that is read.
    fn look_further_ahead(&mut self, whole: usize) {
        let several = whole.saturating_mul(FRAMES_AHEAD).min(MAX_WINDOW_BYTES);
        if self.ahead >= WINDOW_BYTES {
            self.ahead = self.ahead.max(several);
        }
    }

    /// Looks behind the bad frame at which [`step`](Self::step) stopped for a good one that starts a
    /// group, and says where the first is.
    pub(crate) fn find_group_start(&mut self) -> Result<Option<u64>> {
        let mut offset = self.offset.saturating_add(1);
        loop {
            let window = self.segments.read(self.id, offset, WINDOW_BYTES)?;
            let short = window.len() < WINDOW_BYTES;
            for start in window.windows(FRAME_HEADER_BYTES) {
                // Every frame takes bytes, so a number far ahead of the distance is none of ours.
                let distance = offset.saturating_sub(self.offset);
                let plausible = |header: &FrameHeader| {
                    header.starts_group()
                        && header.len <= MAX_PAYLOAD_BYTES
                        && header.sequence > self.next
                        && header.sequence.0.saturating_sub(self.next.0) <= distance
                };
                if let Some(header) = FrameHeader::decode(start).filter(plausible)
                    && self.is_frame(offset, &header)?
                {
                    return Ok(Some(offset));
                }
                offset += 1;
            }
            if short {
                return Ok(None);
            }
        }
    }

    fn is_frame(&self, offset: u64, header: &FrameHeader) -> Result<bool> {
        let whole = FRAME_HEADER_BYTES.saturating_add(header.len as usize);
        let frame = self.segments.read(self.id, offset, whole)?;
        Ok(frame.len() == whole && header.verifies(&self.start, &frame))
    }
}

impl Window {
    /// What it holds from `offset` on; empty when it doesn't reach there.
    fn from(&self, offset: u64) -> &[u8] {
        let start = offset.checked_sub(self.start);
        let start = start.and_then(|start| usize::try_from(start).ok());
        start
            .and_then(|start| self.bytes.get(start..))
            .unwrap_or_default()
    }

    /// The bytes `from..to` behind `offset`, which it holds.
    fn slice(&self, offset: u64, from: usize, to: usize) -> Bytes {
        let start = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let (from, to) = (start.saturating_add(from), start.saturating_add(to));
        if to > self.bytes.len() {
            return Bytes::new();
        }
        self.bytes.slice(from..to)
    }
}
