//! The wrapping that every small record of a store has: what it is, which format, whole or not.
//!
//! | offset | bytes | what (little-endian)                        |
//! |--------|-------|---------------------------------------------|
//! | 0      | 8     | magic: the kind of record                   |
//! | 8      | 2     | format version of the body                  |
//! | 10     | 2     | reserved, 0                                 |
//! | 12     | 4     | CRC-32 over bytes 0..12 and 16..            |
//! | 16     | 8     | length of the body                          |
//! | 24     |       | the body                                    |
//!
//! The checksum is looked at before the version: a flipped bit in the version field is damage, and
//! only an intact record can be called newer than this program.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Bytes in front of the body.
pub(crate) const HEADER: usize = 24;
const CRC_AT: usize = 12;
const CRC_LEN: usize = 4;
/// How deep values of a body may lie in each other: a reader that follows any depth it is given can be made
/// to overflow its stack.
const MAX_DEPTH: usize = 64;

/// A kind of record: its magic and the newest format this program writes and reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub magic: [u8; 8],
    pub version: u16,
    pub name: &'static str,
}

/// Wraps a body.
pub(crate) fn seal(kind: Kind, body: &[u8]) -> Bytes {
    let mut head = BytesMut::with_capacity(CRC_AT);
    head.put_slice(&kind.magic);
    head.put_u16_le(kind.version);
    head.put_u16_le(0);
    let length = (body.len() as u64).to_le_bytes();
    let mut out = BytesMut::with_capacity(HEADER.saturating_add(body.len()));
    out.put_slice(&head);
    out.put_u32_le(checksum(&[&head, &length, body]));
    out.put_slice(&length);
    out.put_slice(body);
    out.freeze()
}

/// Checks a record and returns its format version and body. `place` is named in errors.
pub(crate) fn open(kind: Kind, place: &str, bytes: &Bytes) -> Result<(u16, Bytes)> {
    let damaged = |what: String| Err(Error::damaged(place, what));
    let (Some(magic), Some(head), Some(rest)) = (
        bytes.get(..kind.magic.len()),
        bytes.get(..CRC_AT),
        bytes.get(CRC_AT + CRC_LEN..),
    ) else {
        return damaged(format!(
            "{} bytes are too few for {}",
            bytes.len(),
            kind.name
        ));
    };
    if magic != kind.magic {
        return damaged(format!("it does not begin as {} does", kind.name));
    }
    let stored = read_u32(bytes, CRC_AT);
    let found = checksum(&[head, rest]);
    if stored != Some(found) {
        return damaged(format!(
            "its checksum is {found:08x}, {:08x} is written at offset {CRC_AT}",
            stored.unwrap_or_default()
        ));
    }
    let (Some(version), Some(length)) = (read_u16(bytes, kind.magic.len()), read_u64(rest)) else {
        return damaged(format!(
            "{} bytes are too few for {}",
            bytes.len(),
            kind.name
        ));
    };
    if version > kind.version {
        return Err(Error::NewerFormat {
            place: place.to_owned(),
            what: kind.name,
            found: version,
            known: kind.version,
        });
    }
    let body = bytes.slice(HEADER.min(bytes.len())..);
    if version == 0 || u64::try_from(body.len()) != Ok(length) {
        return damaged(format!(
            "it says {length} bytes of format {version}, has {}",
            body.len()
        ));
    }
    Ok((version, body))
}

/// Bytes of a whole record, as its header has them; `None` when that isn't all there. Not checked yet.
pub(crate) fn total_bytes(header: &[u8]) -> Option<u64> {
    let body = read_u64(header.get(CRC_AT + CRC_LEN..)?)?;
    body.checked_add(HEADER as u64)
}

/// Reads a body: a MessagePack map with field names.
pub(crate) fn read_body<'a, T: Deserialize<'a>>(place: &str, body: &'a [u8]) -> Result<T> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(body);
    reader.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut reader)
        .map_err(|error| Error::damaged(place, format!("its body can't be read: {error}")))
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u16::from_le_bytes(*b))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_le_bytes(*b))
}

fn read_u64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        magic: *b"testkind",
        version: 3,
        name: "a test record",
    };

    #[test]
    fn gives_back_what_was_wrapped() {
        let sealed = seal(KIND, b"body");
        assert_eq!(sealed.len(), HEADER + 4);
        assert_eq!(
            open(KIND, "here", &sealed).unwrap(),
            (3, Bytes::from_static(b"body"))
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_damage() {
        let sealed = seal(KIND, b"body");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bytes = sealed.to_vec();
                bytes[at] ^= 1 << bit;
                let error = open(KIND, "here", &bytes.into()).unwrap_err();
                assert!(matches!(error, Error::Damaged { .. }), "byte {at}: {error}");
            }
            let cut = open(KIND, "here", &sealed.slice(..at)).unwrap_err();
            assert!(matches!(cut, Error::Damaged { .. }), "cut at {at}: {cut}");
        }
        let longer = [&sealed[..], b"x"].concat();
        assert!(open(KIND, "here", &longer.into()).is_err());
    }

    #[test]
    fn an_intact_newer_record_is_newer_and_not_damaged() {
        let newer = seal(Kind { version: 4, ..KIND }, b"whatever it means by then");
        let error = open(KIND, "here", &newer).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NewerFormat {
                    found: 4,
                    known: 3,
                    ..
                }
            ),
            "{error}"
        );
    }
}
