//! A chunk: an immutable sorted run of keyed entries, each a value or a tombstone.
//!
//! Invariant: a [`Chunk`] exists only for bytes that were checked from end to end, so that going
//! through it can't fail, and it hands out slices of its one buffer without copying.
//!
//! | offset | bytes | what (little-endian)                       |
//! |--------|-------|--------------------------------------------|
//! | 0      | 8     | magic `tidechnk`                           |
//! | 8      | 2     | format version, 1                          |
//! | 10     | 2     | reserved, 0                                |
//! | 12     | 4     | CRC-32 over bytes 0..12 and 16..           |
//! | 16     | 8     | entries                                    |
//! | 24     | 8     | bytes behind the header                    |
//! | 32     |       | the entries, keys strictly ascending       |
//!
//! An entry is the key's length, then 0 for a tombstone or the value's length plus 1 (both LEB128),
//! the key, the value.

mod builder;
mod merge;
mod varint;

use bytes::{BufMut, Bytes};

pub use builder::ChunkBuilder;
pub use merge::{Tombstones, merge};

use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"tidechnk";
const VERSION: u16 = 1;
/// Bytes in front of the first entry.
const HEADER: usize = 32;
const CRC_AT: usize = 12;
const CRC_END: usize = 16;

/// A checked, sorted run of entries.
#[derive(Debug, Clone)]
pub struct Chunk {
    bytes: Bytes,
    entries: u64,
    crc: u32,
}

impl Chunk {
    /// Checks `bytes` from end to end.
    ///
    /// # Errors
    /// [`Error::Damaged`] when anything about them is wrong, [`Error::NewerFormat`] when they are
    /// intact and of a format this program doesn't know.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        Self::decode_at("a chunk", bytes)
    }

    /// As [`Chunk::decode`], with the place that errors name.
    pub(crate) fn decode_at(place: &str, bytes: Bytes) -> Result<Self> {
        let damaged = |what: String| Error::damaged(place, what);
        let header = Header::read(&bytes)
            .ok_or_else(|| damaged(format!("{} bytes are too few for a chunk", bytes.len())))?;
        if header.magic != MAGIC {
            return Err(damaged("it does not begin as a chunk does".to_owned()));
        }
        let found = checksum(&bytes);
        if header.crc != found {
            return Err(damaged(format!(
                "its checksum is {found:08x}, {:08x} is written at offset {CRC_AT}",
                header.crc
            )));
        }
        if header.version > VERSION {
            return Err(Error::NewerFormat {
                place: place.to_owned(),
                what: "a chunk",
                found: header.version,
                known: VERSION,
            });
        }
        let body = bytes.get(HEADER..).unwrap_or_default();
        if header.version == 0 || u64::try_from(body.len()) != Ok(header.length) {
            return Err(damaged(format!(
                "it says {} bytes of format {}, has {}",
                header.length,
                header.version,
                body.len()
            )));
        }
        let entries = count(body).map_err(|left| {
            let at = bytes.len().saturating_sub(left);
            damaged(format!(
                "no well-formed entry with a higher key at offset {at}"
            ))
        })?;
        if entries != header.entries {
            return Err(damaged(format!(
                "it says {} entries, has {entries}",
                header.entries
            )));
        }
        Ok(Self {
            entries,
            crc: header.crc,
            bytes,
        })
    }

    /// Entries, tombstones included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The whole chunk as it is stored.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The checksum in its header.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    /// Its entries in ascending order of their keys; `None` is a tombstone.
    #[must_use]
    pub fn iter(&self) -> Entries<'_> {
        Entries {
            rest: self.bytes.get(HEADER..).unwrap_or_default(),
        }
    }
}

impl<'a> IntoIterator for &'a Chunk {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// Goes through the entries of a [`Chunk`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (key, value, rest) = split_entry(self.rest)?;
        self.rest = rest;
        Some((key, value))
    }
}

/// Takes the first entry off `bytes`; `None` when there is no whole one.
#[inline]
#[expect(
    clippy::type_complexity,
    reason = "key, value, rest: named by the one caller's pattern"
)]
fn split_entry(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>, &[u8])> {
    let (key_len, rest) = varint::read(bytes)?;
    let (tag, rest) = varint::read(rest)?;
    let (key, rest) = rest.split_at_checked(usize::try_from(key_len).ok()?)?;
    match tag.checked_sub(1) {
        None => Some((key, None, rest)),
        Some(value_len) => {
            let (value, rest) = rest.split_at_checked(usize::try_from(value_len).ok()?)?;
            Some((key, Some(value), rest))
        }
    }
}

/// Counts the entries of a body, or says how many bytes were left at the first bad one.
fn count(body: &[u8]) -> std::result::Result<u64, usize> {
    let mut rest = body;
    let mut entries = 0_u64;
    let mut last: Option<&[u8]> = None;
    while !rest.is_empty() {
        let (key, _, behind) = split_entry(rest).ok_or(rest.len())?;
        if last.is_some_and(|last| last >= key) {
            return Err(rest.len());
        }
        last = Some(key);
        rest = behind;
        entries += 1;
    }
    Ok(entries)
}

/// The fixed part in front of the entries.
#[derive(Debug)]
struct Header {
    magic: [u8; 8],
    version: u16,
    crc: u32,
    entries: u64,
    length: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (_, rest) = rest.split_first_chunk::<2>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (entries, rest) = rest.split_first_chunk::<8>()?;
        let (length, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            magic: *magic,
            version: u16::from_le_bytes(*version),
            crc: u32::from_le_bytes(*crc),
            entries: u64::from_le_bytes(*entries),
            length: u64::from_le_bytes(*length),
        })
    }

    /// The header of a chunk with these entries behind it.
    fn new(entries: u64, body: &[u8]) -> Self {
        let length = body.len() as u64;
        let mut header = Self {
            magic: MAGIC,
            version: VERSION,
            crc: 0,
            entries,
            length,
        };
        let bytes = header.encode();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes.get(..CRC_AT).unwrap_or_default());
        hasher.update(bytes.get(CRC_END..).unwrap_or_default());
        hasher.update(body);
        header.crc = hasher.finalize();
        header
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut room = &mut bytes[..];
        room.put_slice(&self.magic);
        room.put_u16_le(self.version);
        room.put_u16_le(0);
        room.put_u32_le(self.crc);
        room.put_u64_le(self.entries);
        room.put_u64_le(self.length);
        bytes
    }
}

/// The checksum that belongs into the header of these bytes.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..CRC_AT).unwrap_or_default());
    hasher.update(bytes.get(CRC_END..).unwrap_or_default());
    hasher.finalize()
}

#[cfg(test)]
mod tests;
