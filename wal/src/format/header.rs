//! The first 40 bytes of a segment.
//!
//! | offset | bytes | what                                        |
//! |--------|-------|---------------------------------------------|
//! | 0      | 8     | magic `TIDEMWAL`                            |
//! | 8      | 2     | format version, 1                           |
//! | 10     | 2     | log kind                                    |
//! | 12     | 4     | flags, 0                                    |
//! | 16     | 8     | epoch of the owner that wrote the segment   |
//! | 24     | 8     | sequence number of the first frame          |
//! | 32     | 4     | reserved, 0                                 |
//! | 36     | 4     | CRC-32 of the 36 bytes before               |
//!
//! Magic and version stay where they are in every later version; a newer version is refused before
//! anything else of the header is looked at.

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
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.log_kind.0.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        array(&bytes, 0).unwrap_or([0; HEADER_BYTES])
    }

    /// Reads and verifies the header of `file`, which is named by the sequence number `name`.
    pub fn decode(file: &str, name: Sequence, bytes: &[u8]) -> Result<Self> {
        let damaged = |offset, problem: String| Error::Corrupt {
            file: file.into(),
            offset,
            problem,
        };
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
            return Err(Error::NewerVersion {
                file: file.into(),
                found: version,
                known: VERSION,
            });
        }
        let (Some(kind), Some(epoch), Some(first), Some(crc), Some(covered)) = (
            array(bytes, 10),
            array(bytes, 16),
            array(bytes, 24),
            array(bytes, 36),
            bytes.get(..36),
        ) else {
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
        let first = Sequence(u64::from_le_bytes(first));
        if first != name {
            let problem = format!("it says that it starts with sequence {first}, unlike its name");
            return Err(damaged(24, problem));
        }
        let log_kind = LogKind(u16::from_le_bytes(kind));
        Ok(Self {
            log_kind,
            epoch: u64::from_le_bytes(epoch),
            first,
        })
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
    }

    #[test]
    fn a_newer_version_is_refused_as_such() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
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
            SegmentHeader::decode("x.wal", HEADER.first, &bytes).unwrap_err();
        }
        SegmentHeader::decode("x.wal", Sequence(1_001), &good).unwrap_err();
    }
}
