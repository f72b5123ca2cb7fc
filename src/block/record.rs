//! [`Record`]: what a receiver can store, and how it lies in a block.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::data::{Block, BlockBytes, Encoding};
use crate::rdd::{BoxError, Chunk, Data, Element, Sink, Stop, TaskError, TextBuffer};

/// How many records of a block are handed on at once.
const RECORDS: usize = 512;

/// A record that can be stored in blocks: `str`, or any type that serde can write and read.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidemill::block::{Block, Record};
/// use tidemill::rdd::Chunk;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct Level {
///     gauge: String,
///     metres: f64,
/// }
///
/// // Nothing else is to be done for a type: what is stored of it comes back.
/// let level = Level { gauge: "brest".to_owned(), metres: 7.1 };
/// let block = Block::of([&level])?;
/// let mut read = Vec::new();
/// let taken = Level::read(&block, &mut |chunk: Chunk<'_, Level>| {
///     chunk.into_each(|level| read.push(level));
///     Ok(())
/// });
/// assert!(taken.is_ok());
/// assert_eq!(read, [level.clone()]);
///
/// let mut bytes = Vec::new();
/// level.encode(&mut bytes)?;
/// assert_eq!(bytes.len(), block.len());
/// # Ok::<(), tidemill::rdd::BoxError>(())
/// ```
pub trait Record: Element {
    /// How it is written.
    const ENCODING: Encoding;

    /// Appends its bytes.
    ///
    /// # Errors
    /// When serde refuses.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Hands out a block's records, chunk by chunk.
    ///
    /// # Errors
    /// When a record can't be read, or `sink` stops.
    fn read(block: &Block, sink: &mut Sink<'_, Self>) -> Result<(), Stop>;
}

fn wrong_encoding(block: &Block) -> Stop {
    let held = match block.bytes {
        BlockBytes::Text(_) => "text",
        BlockBytes::Binary(_) => "MessagePack",
    };
    TaskError::new(format!(
        "a block holds {held}; the program reads its stream as another type"
    ))
    .into()
}

impl Record for str {
    const ENCODING: Encoding = Encoding::Text;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend_from_slice(self.as_bytes());
        Ok(())
    }

    fn read(block: &Block, sink: &mut Sink<'_, str>) -> Result<(), Stop> {
        let BlockBytes::Text(text) = &block.bytes else {
            return Err(wrong_encoding(block));
        };
        let last = block.offsets.len().saturating_sub(1);
        for first in (0..last).step_by(RECORDS) {
            let offsets = block
                .offsets
                .get(first..=(first + RECORDS).min(last))
                .unwrap_or_default();
            let mut buffer = TextBuffer::of_block(text, offsets);
            sink(Chunk::Owned(&mut buffer))?;
        }
        Ok(())
    }
}

impl<T: Data + Serialize + DeserializeOwned> Record for T {
    const ENCODING: Encoding = Encoding::MessagePack;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())?;
        Ok(())
    }

    fn read(block: &Block, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let BlockBytes::Binary(bytes) = &block.bytes else {
            return Err(wrong_encoding(block));
        };
        let ends = block.offsets.iter().zip(block.offsets.iter().skip(1));
        let mut records = Vec::with_capacity(RECORDS.min(block.offsets.len()));
        for (&start, &end) in ends {
            let slice = bytes.get(start as usize..end as usize).unwrap_or_default();
            records.push(rmp_serde::from_slice(slice).map_err(TaskError::new)?);
            if records.len() == RECORDS {
                sink(Chunk::Owned(&mut records))?;
                records.clear();
            }
        }
        if records.is_empty() {
            Ok(())
        } else {
            sink(Chunk::Owned(&mut records))
        }
    }
}

/// Gathers records into a block.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    data: Vec<u8>,
    offsets: Vec<u32>,
}

impl BlockBuilder {
    pub(crate) fn new() -> Self {
        Self {
            data: Vec::new(),
            offsets: vec![0],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.len() <= 1
    }

    /// Bytes gathered.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn push<T: ?Sized + Record>(&mut self, record: &T) -> Result<(), BoxError> {
        let before = self.data.len();
        if let Err(error) = record.encode(&mut self.data) {
            self.data.truncate(before);
            return Err(error);
        }
        match u32::try_from(self.data.len()) {
            Ok(end) if end < 1 << 31 => self.offsets.push(end),
            _ => {
                self.data.truncate(before);
                return Err("a record is larger than 2 GiB".into());
            }
        }
        Ok(())
    }

    /// What was gathered, as a block; the builder is empty again, with room for as much.
    pub(crate) fn take<T: ?Sized + Record>(&mut self) -> Result<Block, BoxError> {
        let (bytes, records) = (self.data.len(), self.offsets.len());
        let mut offsets = Vec::with_capacity(records);
        offsets.push(0);
        let offsets = std::mem::replace(&mut self.offsets, offsets);
        let data = std::mem::replace(&mut self.data, Vec::with_capacity(bytes));
        Ok(Block::new(T::ENCODING, data, offsets)?)
    }
}

impl Block {
    /// A block of these records: what a receiver that stored them would have made.
    ///
    /// # Errors
    /// When a record can't be written.
    ///
    /// ```
    /// use tidemill::block::{Block, Record};
    /// use tidemill::rdd::Chunk;
    ///
    /// let block = Block::of(["spring", "neap"])?;
    /// let mut read = Vec::new();
    /// let taken = str::read(&block, &mut |chunk: Chunk<'_, str>| {
    ///     chunk.for_each(|word| read.push(word.to_owned()));
    ///     Ok(())
    /// });
    /// assert!(taken.is_ok());
    /// assert_eq!(read, ["spring", "neap"]);
    /// # Ok::<(), tidemill::rdd::BoxError>(())
    /// ```
    pub fn of<'a, T: ?Sized + Record>(
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<Self, BoxError> {
        let mut builder = BlockBuilder::new();
        for record in records {
            builder.push(record)?;
        }
        builder.take::<T>()
    }
}
