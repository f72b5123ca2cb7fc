//! [`Block`]: records as one contiguous buffer plus offsets, the layout of an Arrow string array.
//!
//! In the block log a block is: length of the header (u32, little-endian), the header (MessagePack),
//! `records + 1` offsets (u32, little-endian), the data.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::BlockId;
use crate::messagepack;
use crate::uid::OperatorUid;

/// How a block's records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8 text as it came.
    Text,
    /// One MessagePack value a record.
    MessagePack,
}

/// A block's bytes.
#[derive(Debug, Clone)]
pub(crate) enum BlockBytes {
    Text(Arc<String>),
    Binary(Bytes),
}

impl BlockBytes {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Many records in one buffer.
#[derive(Debug, Clone)]
pub struct Block {
    pub(crate) bytes: BlockBytes,
    /// The start of each record and the end of the last.
    pub(crate) offsets: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    stream: OperatorUid,
    id: BlockId,
    encoding: Encoding,
    records: u64,
}

struct SharedText(Arc<String>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Block {
    /// Records that lie in `data` at `offsets`. Text must be valid UTF-8 with record boundaries between
    /// characters.
    pub(crate) fn new(
        encoding: Encoding,
        data: Vec<u8>,
        offsets: Vec<u32>,
    ) -> Result<Self, String> {
        let bytes = match encoding {
            Encoding::Text => BlockBytes::Text(Arc::new(
                String::from_utf8(data).map_err(|error| format!("a text block: {error}"))?,
            )),
            Encoding::MessagePack => BlockBytes::Binary(data.into()),
        };
        let block = Self { bytes, offsets };
        match block.offsets.last() {
            Some(&end) if end as usize == block.len() => Ok(block),
            _ => Err("a block's last offset isn't its length".to_owned()),
        }
    }

    /// How many records there are.
    ///
    /// ```
    /// use tidemill::block::Block;
    ///
    /// assert_eq!(Block::of(["spring", "", "neap"])?.records(), 3);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn records(&self) -> u64 {
        self.offsets.len().saturating_sub(1) as u64
    }

    /// Bytes of all records.
    ///
    /// ```
    /// use tidemill::block::Block;
    ///
    /// assert_eq!(Block::of(["spring", "", "neap"])?.len(), 10);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.bytes.as_bytes().len()
    }

    /// Whether there are no bytes.
    ///
    /// ```
    /// use tidemill::block::Block;
    ///
    /// // Records without a byte are records all the same.
    /// let block = Block::of(["", ""])?;
    /// assert_eq!((block.is_empty(), block.records()), (true, 2));
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a record, counted from 0.
    pub(crate) fn record(&self, index: u64) -> Option<&[u8]> {
        let index = usize::try_from(index).ok()?;
        let (start, end) = (self.offsets.get(index)?, self.offsets.get(index + 1)?);
        self.bytes.as_bytes().get(*start as usize..*end as usize)
    }

    /// Bytes that the block occupies in memory.
    pub(crate) fn footprint(&self) -> u64 {
        (self.len() + self.offsets.len() * size_of::<u32>()) as u64
    }

    pub(crate) fn encoding(&self) -> Encoding {
        match &self.bytes {
            BlockBytes::Text(_) => Encoding::Text,
            BlockBytes::Binary(_) => Encoding::MessagePack,
        }
    }

    /// The block as the parts of a log entry; the data is shared, not copied.
    pub(crate) fn to_parts(&self, stream: &OperatorUid, id: BlockId) -> Result<Vec<Bytes>, String> {
        let header = Header {
            stream: stream.clone(),
            id,
            encoding: self.encoding(),
            records: self.records(),
        };
        let header = rmp_serde::to_vec_named(&header).map_err(|error| error.to_string())?;
        let mut front = BytesMut::with_capacity(4 + header.len() + self.offsets.len() * 4);
        front.extend_from_slice(&(header.len() as u32).to_le_bytes());
        front.extend_from_slice(&header);
        self.offsets
            .iter()
            .for_each(|offset| front.extend_from_slice(&offset.to_le_bytes()));
        let data = match &self.bytes {
            BlockBytes::Text(text) => Bytes::from_owner(SharedText(Arc::clone(text))),
            BlockBytes::Binary(bytes) => bytes.clone(),
        };
        Ok(vec![front.freeze(), data])
    }

    /// Reads a log entry back.
    pub(crate) fn from_payload(mut payload: Bytes) -> Result<(OperatorUid, BlockId, Self), String> {
        let short = || "a block entry ends early".to_owned();
        let header_len = payload.try_get_u32_le().map_err(|_| short())? as usize;
        if payload.len() < header_len {
            return Err(short());
        }
        let header: Header = messagepack::read(&payload.split_to(header_len))
            .map_err(|error| format!("a block's header: {error}"))?;
        let offsets_len = usize::try_from(header.records)
            .ok()
            .and_then(|records| records.checked_add(1)?.checked_mul(4))
            .filter(|len| *len <= payload.len())
            .ok_or_else(short)?;
        let mut offsets = payload.split_to(offsets_len);
        let offsets: Vec<u32> = (0..offsets_len / 4)
            .map_while(|_| offsets.try_get_u32_le().ok())
            .collect();
        if offsets.first() != Some(&0) || !offsets.is_sorted() {
            return Err("a block's offsets don't ascend from 0".to_owned());
        }
        let block = Self::new(header.encoding, payload.to_vec(), offsets)?;
        if let BlockBytes::Text(text) = &block.bytes
            && let Some(offset) = block
                .offsets
                .iter()
                .find(|offset| !text.is_char_boundary(**offset as usize))
        {
            return Err(format!(
                "a record of a text block starts within a character, at offset {offset}"
            ));
        }
        Ok((header.stream, header.id, block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(parts: &[Bytes]) -> Bytes {
        parts.concat().into()
    }

    #[test]
    fn every_cut_of_an_entry_is_an_error() {
        let block = Block::new(Encoding::Text, b"onetwo".to_vec(), vec![0, 3, 6]).unwrap();
        let id = BlockId {
            epoch: 1,
            number: 2,
        };
        let whole = joined(&block.to_parts(&OperatorUid::new("lines"), id).unwrap());
        for cut in 0..whole.len() {
            assert!(
                Block::from_payload(whole.slice(..cut)).is_err(),
                "cut at {cut}"
            );
        }
    }

    /// To write a new format's file: UPDATE_GOLDEN=1. Those of an old format are never changed.
    #[test]
    fn the_first_format_can_be_read_for_ever() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/block/golden/block_v1.bin");
        let data = "to beor täg".as_bytes().to_vec();
        let block = Block::new(Encoding::Text, data, vec![0, 5, 5, 12]).unwrap();
        let (stream, id) = (
            OperatorUid::new("lines"),
            BlockId {
                epoch: 1,
                number: 7,
            },
        );
        let written = joined(&block.to_parts(&stream, id).unwrap());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &written).unwrap();
        }
        let held = Bytes::from(std::fs::read(&path).unwrap());
        assert_eq!(held, written, "today's writer writes the same bytes");
        let (read_stream, read_id, read) = Block::from_payload(held).unwrap();
        assert_eq!((read_stream, read_id), (stream, id));
        assert_eq!(read.offsets, block.offsets);
        assert_eq!(read.bytes.as_bytes(), block.bytes.as_bytes());
    }

    #[test]
    fn records_that_start_elsewhere_are_refused() {
        let read = |text: &str, offsets: Vec<u32>| {
            let block = Block::new(Encoding::Text, text.into(), offsets).unwrap();
            let id = BlockId {
                epoch: 1,
                number: 2,
            };
            let parts = block.to_parts(&OperatorUid::new("lines"), id).unwrap();
            Block::from_payload(joined(&parts)).map(|_| ())
        };
        assert_eq!(read("täg", vec![0, 3, 4]), Ok(()));
        assert!(read("täg", vec![0, 2, 4]).unwrap_err().contains("offset 2"));
        assert!(read("tag", vec![1, 2, 3]).unwrap_err().contains("from 0"));
        assert!(read("tag", vec![0, 2, 1, 3]).is_err());
    }

    proptest! {
        #[test]
        fn entries_read_back_as_written(records in proptest::collection::vec(".{0,9}", 0..20)) {
            let mut offsets = vec![0u32];
            let mut data = Vec::new();
            for record in &records {
                data.extend_from_slice(record.as_bytes());
                offsets.push(data.len() as u32);
            }
            let block = Block::new(Encoding::Text, data.clone(), offsets.clone()).unwrap();
            let id = BlockId { epoch: 3, number: 4 };
            let uid = OperatorUid::new("lines");
            let (stream, read_id, read) =
                Block::from_payload(joined(&block.to_parts(&uid, id).unwrap())).unwrap();
            prop_assert_eq!((stream, read_id), (uid, id));
            prop_assert_eq!(read.offsets, offsets);
            prop_assert_eq!(read.bytes.as_bytes(), &data[..]);
        }
    }
}
