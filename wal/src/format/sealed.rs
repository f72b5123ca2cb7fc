//! The wrapping of the small records that a log in an object store has beside its segments.
//!
//! | offset | bytes | what                              |
//! |--------|-------|-----------------------------------|
//! | 0      | 8     | magic: the kind of record         |
//! | 8      | 2     | format version of the body        |
//! | 10     | 2     | log kind                          |
//! | 12     | 4     | CRC-32 over bytes 0..12 and 16..  |
//! | 16     | 8     | length of the body                |
//! | 24     |       | the body, a MessagePack map       |
//!
//! The checksum is looked at before the version: a flipped bit in the version is damage, and only an
//! intact record can be called newer than this program.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::format::array;
use crate::options::LogKind;

/// Bytes in front of the body.
pub const SEALED_HEADER_BYTES: usize = 24;
/// How deep values of a body may lie in each other: a reader that follows any depth it is given can be made
/// to overflow its stack.
const MAX_DEPTH: usize = 64;

/// A kind of record: its magic and the newest format that is written and read.
#[derive(Debug, Clone, Copy)]
pub struct RecordKind {
    /// What it starts with.
    pub magic: [u8; 8],
    /// The format version that is written, and the newest that is read.
    pub version: u16,
    /// What to call it in a message.
    pub name: &'static str,
}

/// Wraps a record.
pub(crate) fn seal(kind: RecordKind, log_kind: LogKind, record: &impl Serialize) -> Result<Bytes> {
    let body = rmp_serde::to_vec_named(record).map_err(|error| Error::Encode {
        what: kind.name,
        reason: error.to_string(),
    })?;
    let mut front = Vec::with_capacity(SEALED_HEADER_BYTES.saturating_add(body.len()));
    front.extend_from_slice(&kind.magic);
    front.extend_from_slice(&kind.version.to_le_bytes());
    front.extend_from_slice(&log_kind.0.to_le_bytes());
    let length = (body.len() as u64).to_le_bytes();
    let crc = checksum(&[&front, &length, &body]);
    front.extend_from_slice(&crc.to_le_bytes());
    front.extend_from_slice(&length);
    front.extend_from_slice(&body);
    Ok(front.into())
}

/// Checks and reads a record; `file` is named in errors.
pub(crate) fn open<T: DeserializeOwned>(
    kind: RecordKind,
    file: &str,
    bytes: &[u8],
) -> Result<(LogKind, T)> {
    let damaged = |offset, problem| {
        Err(Error::Corrupt {
            file: file.to_owned(),
            offset,
            problem,
        })
    };
    let fields = || {
        let fields = (array(bytes, 8)?, array(bytes, 10)?, array(bytes, 12)?);
        Some((
            fields,
            array(bytes, 16)?,
            bytes.get(..12)?,
            bytes.get(16..)?,
        ))
    };
    let Some(((version, log_kind, stored), length, front, covered)) = fields() else {
        let problem = format!("{} bytes are too few for {}", bytes.len(), kind.name);
        return damaged(bytes.len() as u64, problem);
    };
    if !bytes.starts_with(&kind.magic) {
        return damaged(0, format!("it doesn't begin as {} does", kind.name));
    }
    let (stored, computed) = (u32::from_le_bytes(stored), checksum(&[front, covered]));
    if stored != computed {
        let problem = format!("its CRC is {stored:08x}, its bytes give {computed:08x}");
        return damaged(12, problem);
    }
    let version = u16::from_le_bytes(version);
    if version > kind.version {
        return Err(Error::NewerVersion {
            file: file.to_owned(),
            found: version,
            known: kind.version,
        });
    }
    let body = bytes.get(SEALED_HEADER_BYTES..).unwrap_or_default();
    let length = u64::from_le_bytes(length);
    if version == 0 || length != body.len() as u64 {
        let problem = format!(
            "it says {length} bytes of format {version}, and has {}",
            body.len()
        );
        return damaged(16, problem);
    }
    let mut reader = rmp_serde::Deserializer::from_read_ref(body);
    reader.set_max_depth(MAX_DEPTH);
    match T::deserialize(&mut reader) {
        Ok(record) => Ok((LogKind(u16::from_le_bytes(log_kind)), record)),
        Err(error) => damaged(
            SEALED_HEADER_BYTES as u64,
            format!("its body can't be read: {error}"),
        ),
    }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: RecordKind = RecordKind {
        magic: *b"TESTKIND",
        version: 3,
        name: "a test record",
    };

    fn open(bytes: &[u8]) -> Result<(LogKind, u64)> {
        super::open(KIND, "here", bytes)
    }

    #[test]
    fn gives_back_what_was_wrapped_and_nothing_else() {
        let sealed = seal(KIND, LogKind(2), &77_u64).unwrap();
        assert_eq!(open(&sealed).unwrap(), (LogKind(2), 77));
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = open(&bytes).unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "bit {bit}: {error}");
        }
        for len in 0..sealed.len() {
            let error = open(&sealed[..len]).unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "cut at {len}");
        }
        assert!(open(&[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn an_intact_newer_record_is_newer_and_not_damaged() {
        let newer = RecordKind { version: 4, ..KIND };
        let sealed = seal(newer, LogKind(2), &"whatever it means by then").unwrap();
        let error = open(&sealed).unwrap_err();
        assert!(
            matches!(error, Error::NewerVersion { found: 4, .. }),
            "{error}"
        );
    }
}
