//! The first 40 bytes of a segment.
//!
//! | offset | bytes | what                                             |
//! |--------|-------|--------------------------------------------------|
//! | 0      | 8     | magic `TIDEMWAL`                                 |
//! | 8      | 2     | format version, 1                                |
//! | 10     | 2     | log kind                                         |
//! | 12     | 4     | in a slot: bytes of the segment; in a file: 0    |
//! | 16     | 8     | epoch of the owner that wrote the segment        |
//! | 24     | 8     | sequence number of the first frame               |
//! | 32     | 4     | in a slot: its number's low half; in a file: 0   |
//! | 36     | 4     | CRC-32 of the 36 bytes before                    |
//!
//! Magic and version stay where they are in every later version; a newer version is refused before
//! anything else of the header is looked at. Only when the CRC is that of a version known here, the version
//! itself is what is damaged.

use crate::error::{Error, Result};
use crate::format::array;
use crate::options::LogKind;
use crate::position::Sequence;

/// What every segment starts with.
pub const MAGIC: [u8; 8] = *b"TIDEMWAL";
/// The format version that is written, and the newest that is read.
pub const VERSION: u16 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 40;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// What the log is for.
    pub log_kind: LogKind,
    /// The epoch of the owner that wrote the segment.
    pub epoch: u64,
    /// The sequence number of its first frame, and its name.
    pub first: Sequence,
}

impl SegmentHeader {
    /// The header's bytes in a file.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        self.encode_bound(0, 0)
    }

    /// The header's bytes in the slot of this number, for a segment of `bytes` bytes.
    pub fn encode_slot(&self, slot: u64, bytes: u32) -> [u8; HEADER_BYTES] {
        self.encode_bound(bytes, low_half(slot))
    }

    fn encode_bound(&self, segment_bytes: u32, slot: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.log_kind.0.to_le_bytes());
        bytes.extend_from_slice(&segment_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&slot.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        array(&bytes, 0).unwrap_or([0; HEADER_BYTES])
    }

    /// Reads and verifies the header of `file`, which is named by the sequence number `name`.
    pub fn decode(file: &str, name: Sequence, bytes: &[u8]) -> Result<Self> {
        let (header, ..) = Self::decode_bound(file, bytes)?;
        if header.first != name {
            let first = header.first;
            let problem = format!("it says that it starts with sequence {first}, unlike its name");
            return Err(damaged(file, 24, problem));
        }
        Ok(header)
    }

    /// Reads and verifies the header of `file`, which is the slot of this number, and how many bytes
    /// the segment has.
    pub fn decode_slot(file: &str, slot: u64, bytes: &[u8]) -> Result<(Self, u32)> {
        let (header, segment_bytes, found) = Self::decode_bound(file, bytes)?;
        if found != low_half(slot) {
            let problem = format!("it was written for slot {found}, not for slot {slot}");
            return Err(damaged(file, 32, problem));
        }
        if (segment_bytes as usize) < HEADER_BYTES {
            let problem = format!("a segment of {segment_bytes} bytes can't hold its header");
            return Err(damaged(file, 12, problem));
        }
        Ok((header, segment_bytes))
    }

    /// The header, the bytes of the segment and the slot, as far as it is in one.
    fn decode_bound(file: &str, bytes: &[u8]) -> Result<(Self, u32, u32)> {
        let damaged = |offset, problem| damaged(file, offset, problem);
        let (Some(magic), Some(version)) = (array(bytes, 0), array(bytes, 8)) else {
            let problem = format!(
                "{} bytes can't hold a header of {HEADER_BYTES}",
                bytes.len()
            );
            return Err(damaged(bytes.len() as u64, problem));
        };
        if magic != MAGIC {
            return Err(damaged(
                0,
                "it doesn't start with TIDEMWAL, so it is no segment".into(),
            ));
        }
        let version = u16::from_le_bytes(version);
        if version > VERSION {
            if let Some(written) = version_by_crc(bytes) {
                let problem = format!("version {version} is read, the CRC is that of {written}");
                return Err(damaged(8, problem));
            }
            return Err(Error::NewerVersion {
                file: file.into(),
                found: version,
                known: VERSION,
            });
        }
        let (
            Some(kind),
            Some(segment_bytes),
            Some(epoch),
            Some(first),
            Some(slot),
            Some(crc),
            Some(covered),
        ) = (
            array(bytes, 10),
            array(bytes, 12),
            array(bytes, 16),
            array(bytes, 24),
            array(bytes, 32),
            array(bytes, 36),
            bytes.get(..36),
        )
        else {
            let problem = format!(
                "{} bytes can't hold a header of {HEADER_BYTES}",
                bytes.len()
            );
            return Err(damaged(bytes.len() as u64, problem));
        };
        let (stored, computed) = (u32::from_le_bytes(crc), crc32fast::hash(covered));
        if stored != computed || version == 0 {
            let problem =
                format!("the header's CRC is {stored:08x}, its bytes give {computed:08x}");
            return Err(damaged(36, problem));
        }
        let header = Self {
            log_kind: LogKind(u16::from_le_bytes(kind)),
            epoch: u64::from_le_bytes(epoch),
            first: Sequence(u64::from_le_bytes(first)),
        };
        let (segment_bytes, slot) = (u32::from_le_bytes(segment_bytes), u32::from_le_bytes(slot));
        Ok((header, segment_bytes, slot))
    }

    /// What the checksums of this segment's frames start from: it ties them to this segment, so that
    /// a frame of another log or time never verifies here.
    pub fn binding(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.epoch.to_le_bytes());
        hasher.update(&self.first.0.to_le_bytes());
        hasher.finalize()
    }
}

/// The version that a header was written with, if it is one of ours: the one its CRC fits.
fn version_by_crc(bytes: &[u8]) -> Option<u16> {
    let (before, behind) = (bytes.get(..8)?, bytes.get(10..36)?);
    let stored = u32::from_le_bytes(array(bytes, 36)?);
    (1..=VERSION).find(|version| {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(before);
        hasher.update(&version.to_le_bytes());
        hasher.update(behind);
        hasher.finalize() == stored
    })
}

fn damaged(file: &str, offset: u64, problem: String) -> Error {
    Error::Corrupt {
        file: file.into(),
        offset,
        problem,
    }
}

/// What of a slot's number its header holds.
fn low_half(slot: u64) -> u32 {
    (slot & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        log_kind: LogKind(2),
        epoch: 7,
        first: Sequence(1_000),
    };

    #[test]
    fn the_table_above_is_what_is_written() {
        let bytes = HEADER.encode();
        let table = include_str!("header.rs")
            .lines()
            .filter(|line| line.starts_with("//! | "));
        let rows: Vec<(usize, usize)> = table
            .filter_map(|line| {
                let mut cells = line.split('|').skip(1).map(str::trim);
                Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
            })
            .collect();
        assert_eq!(rows.len(), 8);
        let end = rows.iter().fold(0, |end, (offset, len)| {
            assert_eq!(end, *offset);
            end + len
        });
        assert_eq!(end, HEADER_BYTES);
        let field = |row: usize| &bytes[rows[row].0..rows[row].0 + rows[row].1];
        assert_eq!(field(0), b"TIDEMWAL");
        assert_eq!(field(1), VERSION.to_le_bytes());
        assert_eq!(field(2), 2_u16.to_le_bytes());
        assert_eq!(field(4), 7_u64.to_le_bytes());
        assert_eq!(field(5), 1_000_u64.to_le_bytes());
        assert_eq!(field(7), crc32fast::hash(&bytes[..36]).to_le_bytes());
        assert_eq!([field(3), field(6)], [[0; 4], [0; 4]]);
        let bytes = HEADER.encode_slot((1 << 32) + 5, 77);
        assert_eq!(bytes[12..16], 77_u32.to_le_bytes());
        assert_eq!(bytes[32..36], 5_u32.to_le_bytes());
    }

    #[test]
    fn a_slot_knows_its_place_and_its_length() {
        let bytes = HEADER.encode_slot(5, 77);
        let decode = |slot| SegmentHeader::decode_slot("slot/5", slot, &bytes);
        assert_eq!(decode(5).unwrap(), (HEADER, 77));
        assert!(matches!(decode(6), Err(Error::Corrupt { offset: 32, .. })));
        let short = HEADER.encode_slot(5, 39);
        let error = SegmentHeader::decode_slot("slot/5", 5, &short).unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { offset: 12, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_newer_version_is_refused_as_such() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&crc.to_le_bytes());
        let error = SegmentHeader::decode("x.wal", HEADER.first, &bytes).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NewerVersion {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn no_damaged_or_short_header_passes() {
        let good = HEADER.encode();
        assert_eq!(
            SegmentHeader::decode("x.wal", HEADER.first, &good).unwrap(),
            HEADER
        );
        for len in 0..HEADER_BYTES {
            SegmentHeader::decode("x.wal", HEADER.first, &good[..len]).unwrap_err();
        }
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = SegmentHeader::decode("x.wal", HEADER.first, &bytes).unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "bit {bit}: {error}");
        }
        SegmentHeader::decode("x.wal", Sequence(1_001), &good).unwrap_err();
    }
}
