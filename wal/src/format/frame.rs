//! One entry in a segment.
//!
//! | offset | bytes | what                                                              |
//! |--------|-------|-------------------------------------------------------------------|
//! | 0      | 4     | length of the payload                                             |
//! | 4      | 4     | CRC-32                                                            |
//! | 8      | 8     | sequence number                                                   |
//! | 16     | 1     | kind (7 bits); the top bit marks the first frame of a group       |
//! | 17     |       | payload                                                           |
//!
//! The CRC-32 (IEEE, as of zlib) starts from the segment's binding (the CRC-32 of its epoch and first
//! sequence number, see [`SegmentHeader::binding`](super::header::SegmentHeader::binding)) and runs
//! over the length, then over everything behind the CRC. So each of a frame's bytes is covered, and
//! so is where the frame belongs.

use crc32fast::Hasher;

use crate::format::array;
use crate::position::Sequence;

/// The largest payload. A length field that says more is damaged, and never used.
pub const MAX_PAYLOAD_BYTES: u32 = 1 << 30;
/// Marks the first frame of a group, in the byte of the kind.
pub const GROUP_START: u8 = 0x80;

/// A frame's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of payload.
    pub len: u32,
    /// The checksum as stored.
    pub crc: u32,
    /// The entry's number.
    pub sequence: Sequence,
    /// The kind with the mark.
    pub tag: u8,
}

impl FrameHeader {
    /// Reads a frame's first bytes, unverified; `None` when there aren't enough.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            len: u32::from_le_bytes(array(bytes, 0)?),
            crc: u32::from_le_bytes(array(bytes, 4)?),
            sequence: Sequence(u64::from_le_bytes(array(bytes, 8)?)),
            tag: u8::from_le_bytes(array(bytes, 16)?),
        })
    }

    /// Writes a frame's first bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.sequence.0.to_le_bytes());
        out.push(self.tag);
    }

    /// The kind without the mark.
    pub fn kind(&self) -> u8 {
        self.tag & !GROUP_START
    }

    /// Whether it is the first frame of its group.
    pub fn starts_group(&self) -> bool {
        self.tag & GROUP_START != 0
    }

    /// A hasher that has seen everything but the payload.
    pub fn hasher(&self, binding: u32) -> Hasher {
        let mut covered = [0; 13];
        let fields = self
            .len
            .to_le_bytes()
            .into_iter()
            .chain(self.sequence.0.to_le_bytes())
            .chain([self.tag]);
        for (to, from) in covered.iter_mut().zip(fields) {
            *to = from;
        }
        let mut hasher = Hasher::new_with_initial(binding);
        hasher.update(&covered);
        hasher
    }

    /// Whether `frame`, from its first byte to its last, is what was written with this header in the segment
    /// whose binding `start` starts from.
    #[inline]
    pub fn verifies(&self, start: &Hasher, frame: &[u8]) -> bool {
        let (Some(length), Some(behind_crc)) = (frame.get(..4), frame.get(8..)) else {
            return false;
        };
        let mut hasher = start.clone();
        hasher.update(length);
        hasher.update(behind_crc);
        hasher.finalize() == self.crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::FRAME_HEADER_BYTES;

    fn frame(binding: u32, payload: &[u8]) -> Vec<u8> {
        let mut header = FrameHeader {
            len: payload.len() as u32,
            crc: 0,
            sequence: Sequence(9),
            tag: 0x83,
        };
        let mut hasher = header.hasher(binding);
        hasher.update(payload);
        header.crc = hasher.finalize();
        let mut bytes = Vec::new();
        header.encode_into(&mut bytes);
        assert_eq!(bytes.len(), FRAME_HEADER_BYTES);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn the_table_above_is_what_is_written() {
        let bytes = frame(5, b"abc");
        assert_eq!(bytes[0..4], 3_u32.to_le_bytes());
        assert_eq!(bytes[8..16], 9_u64.to_le_bytes());
        assert_eq!(bytes[16], 0x83);
        assert_eq!(&bytes[17..], b"abc");
        let header = FrameHeader::decode(&bytes).unwrap();
        assert!(header.starts_group());
        assert_eq!(header.kind(), 3);
        let mut covered = bytes[0..4].to_vec();
        covered.extend_from_slice(&bytes[8..]);
        let mut hasher = Hasher::new_with_initial(5);
        hasher.update(&covered);
        assert_eq!(bytes[4..8], hasher.finalize().to_le_bytes());
    }

    #[test]
    fn every_bit_and_the_segment_are_covered() {
        let good = frame(5, b"payload");
        let verifies = |binding, bytes: &[u8]| {
            let header = FrameHeader::decode(bytes).unwrap();
            header.verifies(&Hasher::new_with_initial(binding), bytes)
        };
        assert!(verifies(5, &good));
        assert!(!verifies(6, &good));
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!verifies(5, &bytes), "bit {bit}");
        }
        for len in 0..FRAME_HEADER_BYTES {
            assert_eq!(FrameHeader::decode(&good[..len]), None);
        }
    }
}
