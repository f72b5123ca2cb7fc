//! [`Decision`]: which bytes a batch's parts have. The object that holds it is created once.
//!
//! ```text
//! tidemill-parts 1 CRC32\n      CRC-32 of all that follows, eight hexadecimal digits
//! BYTES CRC32 OBJECT\n          for each part, in order: its length, its checksum, where its bytes are
//! ```

use std::fmt::Write as _;

use bytes::Bytes;

use crate::rdd::BoxError;

const MAGIC: &str = "tidemill-parts";
const VERSION: u32 = 1;

/// The parts of a batch, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) parts: Vec<StagedPart>,
}

/// A part's bytes, as an object beside the batch's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagedPart {
    pub(crate) object: String,
    pub(crate) len: usize,
    pub(crate) crc: u32,
}

impl StagedPart {
    pub(super) fn new(object: String, bytes: &Bytes) -> Self {
        Self {
            object,
            len: bytes.len(),
            crc: crc32fast::hash(bytes),
        }
    }

    /// What readers see it as: the object's name without the number of the attempt. So a part that was decided
    /// under another codec than the program has now keeps the name that tells how to read it.
    pub(super) fn name(&self) -> &str {
        self.object
            .rsplit_once('.')
            .map_or(self.object.as_str(), |(name, _)| name)
    }

    /// Whether these are the part's bytes.
    pub(super) fn verify(&self, bytes: &Bytes) -> Result<(), BoxError> {
        let (len, crc) = (bytes.len(), crc32fast::hash(bytes));
        if (len, crc) == (self.len, self.crc) {
            return Ok(());
        }
        Err(format!(
            "expected {} bytes with checksum {:08x}, found {len} bytes with checksum {crc:08x}",
            self.len, self.crc
        )
        .into())
    }
}

impl Decision {
    pub(crate) fn encode(&self) -> Bytes {
        let mut body = String::new();
        for StagedPart { object, len, crc } in &self.parts {
            // Writing to a string can't fail.
            let _ = writeln!(body, "{len} {crc:08x} {object}");
        }
        let crc = crc32fast::hash(body.as_bytes());
        format!("{MAGIC} {VERSION} {crc:08x}\n{body}").into()
    }

    /// Reads what [`encode`](Self::encode) wrote, and nothing else.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, BoxError> {
        let damaged = || BoxError::from("it is damaged");
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let (head, body) = text.split_once('\n').ok_or_else(damaged)?;
        let mut head = head.split(' ');
        if head.next() != Some(MAGIC) {
            return Err(damaged());
        }
        let version = head.next().and_then(|version| version.parse::<u32>().ok());
        let crc = head
            .next()
            .and_then(|crc| u32::from_str_radix(crc, 16).ok());
        // Only what is whole can be called newer.
        if let Some(newer) = version
            && newer > VERSION
            && crc == Some(crc32fast::hash(body.as_bytes()))
        {
            return Err(format!(
                "it has format version {newer}, and this release knows {VERSION}: \
                 finish the batch with the release that began it"
            )
            .into());
        }
        let decision = Self {
            parts: body
                .lines()
                .map(|line| part(line).ok_or_else(damaged))
                .collect::<Result<_, _>>()?,
        };
        // Stricter than comparing checksums: no other text means the same. And a batch has a part, if an empty one.
        if decision.parts.is_empty() || decision.encode() != *bytes {
            return Err(damaged());
        }
        Ok(decision)
    }
}

fn part(line: &str) -> Option<StagedPart> {
    let mut fields = line.splitn(3, ' ');
    Some(StagedPart {
        len: fields.next()?.parse().ok()?,
        crc: u32::from_str_radix(fields.next()?, 16).ok()?,
        object: fields.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        let part = |name: &str, text: &'static str| {
            StagedPart::new(name.to_owned(), &Bytes::from_static(text.as_bytes()))
        };
        Decision {
            parts: vec![part("part-00000.0", "a\nb\n"), part("part-00001.12", "")],
        }
    }

    /// Version 1 for ever.
    #[test]
    fn the_format_is_fixed() {
        let golden = include_str!("golden/decision_v1.txt");
        assert_eq!(decision().encode(), golden);
        assert_eq!(
            Decision::decode(&Bytes::from_static(golden.as_bytes())).unwrap(),
            decision()
        );
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let whole = decision().encode();
        for end in 0..whole.len() {
            Decision::decode(&whole.slice(..end)).unwrap_err();
        }
        for index in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[index] ^= 1 << bit;
                Decision::decode(&flipped.into()).unwrap_err();
            }
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let told = |text: &'static str| {
            let error = Decision::decode(&Bytes::from_static(text.as_bytes()));
            error.unwrap_err().to_string()
        };
        let newer = told("tidemill-parts 2 00000000\n");
        assert!(newer.contains("format version 2"), "{newer}");
        assert_eq!(told("tidemill-parts 2 00000001\n"), "it is damaged");
        assert_eq!(told("tidemill-parts 0 00000000\n"), "it is damaged");
    }
}
