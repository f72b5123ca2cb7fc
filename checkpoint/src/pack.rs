//! A pack: one sealed file that holds a manifest and the small chunks written with it.
//!
//! Invariant: a pack appears whole and durable or not at all, and never changes. So one create, with one
//! sync of the file and one of its folder, publishes a checkpoint.
//!
//! | what     | bytes                                                                    |
//! |----------|--------------------------------------------------------------------------|
//! | head     | an [envelope](crate::envelope) of kind `tidepack`: [`Head`] as MessagePack |
//! | manifest | as many as the head says; an envelope of its own                         |
//! | chunks   | in the head's order, as many bytes each as it says; each with its own checksum |

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Kind};
use crate::error::{Error, Result};
use crate::id::{CheckpointId, ChunkId};

/// Packs: their magic and newest format.
pub(crate) const KIND: Kind = Kind {
    magic: *b"tidepack",
    version: 1,
    name: "a pack",
};

/// What a pack holds, and how long each part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The checkpoint whose manifest it holds.
    pub id: CheckpointId,
    /// Bytes of the manifest.
    pub manifest: u64,
    /// The chunks, in the order in which they lie, and the bytes of each.
    pub chunks: Vec<(ChunkId, u64)>,
}

/// A part of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub offset: u64,
    pub bytes: u64,
}

/// A checked head, and where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub head: Head,
    /// Bytes of the sealed head.
    pub head_bytes: u64,
}

/// A whole pack, and its head alone.
pub(crate) fn encode(
    id: CheckpointId,
    manifest: &Bytes,
    chunks: &[(ChunkId, Bytes)],
) -> Result<(Bytes, Bytes)> {
    let head = Head {
        id,
        manifest: manifest.len() as u64,
        chunks: chunks
            .iter()
            .map(|(id, bytes)| (*id, bytes.len() as u64))
            .collect(),
    };
    let body = rmp_serde::to_vec_named(&head).map_err(|error| Error::Encode {
        what: KIND.name,
        why: error.to_string(),
    })?;
    let head = envelope::seal(KIND, &body);
    let parts = || std::iter::once(manifest).chain(chunks.iter().map(|(_, bytes)| bytes));
    let mut pack = BytesMut::with_capacity(head.len() + parts().map(Bytes::len).sum::<usize>());
    pack.put_slice(&head);
    parts().for_each(|part| pack.put_slice(part));
    Ok((pack.freeze(), head))
}

impl Contents {
    /// Reads a sealed head, which must be that of checkpoint `id`.
    pub(crate) fn decode(place: &str, id: CheckpointId, sealed: &Bytes) -> Result<Self> {
        let (_, body) = envelope::open(KIND, place, sealed)?;
        let head: Head = envelope::read_body(place, &body)?;
        if head.id != id {
            let what = format!("it is the pack of checkpoint {}", head.id);
            return Err(Error::damaged(place, what));
        }
        Ok(Self {
            head,
            head_bytes: sealed.len() as u64,
        })
    }

    /// Where the manifest lies.
    pub(crate) fn manifest(&self) -> Part {
        Part {
            offset: self.head_bytes,
            bytes: self.head.manifest,
        }
    }

    /// Where each chunk lies.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (ChunkId, Part)> {
        let mut offset = self.head_bytes.saturating_add(self.head.manifest);
        self.head.chunks.iter().map(move |&(id, bytes)| {
            let part = Part { offset, bytes };
            offset = offset.saturating_add(bytes);
            (id, part)
        })
    }

    /// Bytes of the whole pack.
    pub(crate) fn total(&self) -> u64 {
        let chunks = self.head.chunks.iter().map(|(_, bytes)| *bytes);
        chunks.fold(
            self.head_bytes.saturating_add(self.head.manifest),
            u64::saturating_add,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Epoch;

    fn chunk(number: u64) -> ChunkId {
        ChunkId {
            epoch: Epoch(3),
            number,
        }
    }

    fn sample() -> (Bytes, Bytes) {
        let chunks = [
            (chunk(5), Bytes::from_static(b"five")),
            (chunk(9), Bytes::from_static(b"nine nine")),
        ];
        encode(CheckpointId(7), &Bytes::from_static(b"manifest"), &chunks).unwrap()
    }

    #[test]
    fn the_bytes_are_those_of_format_1() {
        let golden = Bytes::from_static(include_bytes!("../tests/golden/pack-v1.bin"));
        let (pack, head) = sample();
        assert_eq!(pack, golden);
        let contents = Contents::decode("golden", CheckpointId(7), &head).unwrap();
        let text = |part: Part| {
            let (from, bytes) = (part.offset as usize, part.bytes as usize);
            String::from_utf8_lossy(&golden[from..from + bytes]).into_owned()
        };
        let chunks: Vec<_> = contents
            .chunks()
            .map(|(id, part)| (id, text(part)))
            .collect();
        assert_eq!(text(contents.manifest()), "manifest");
        assert_eq!(
            chunks,
            [
                (chunk(5), "five".to_owned()),
                (chunk(9), "nine nine".to_owned())
            ]
        );
        assert_eq!(contents.total(), golden.len() as u64);
    }

    #[test]
    fn another_checkpoints_pack_is_refused() {
        let error = Contents::decode("here", CheckpointId(8), &sample().1).unwrap_err();
        assert!(
            error.to_string().contains("pack of checkpoint 7"),
            "{error}"
        );
    }
}
