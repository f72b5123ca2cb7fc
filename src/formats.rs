//! The stored forms that no other part of the public face reads: for fuzz targets, and for the test that
//! holds `docs/formats.md` against the code. Not for programs; it changes without notice.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_wal::Wal;

use crate::block::{Block, BlockId, Encoding, Event, Record};
use crate::error::Result;
use crate::rdd::Chunk;
use crate::recovery::{Metadata, Renames, replay_driver_log};
use crate::sink::Decision;
use crate::uid::OperatorUid;

/// The versions that are written, by the heading they have in `docs/formats.md`.
pub const VERSIONS: [(&str, u64); 5] = [
    ("Driver log", Event::FORMAT as u64),
    ("Metadata", Metadata::FORMAT as u64),
    ("State entries", crate::state::STATE_FORMAT as u64),
    ("Plans and positions", crate::source::CODEC_VERSION as u64),
    ("Object file", crate::object_file::VERSION as u64),
];

/// The kinds of entries in the driver's log, and the event that each is.
pub const EVENT_KINDS: [(u8, &str); 3] = Event::KINDS;

/// The kind of an entry in the block log.
pub const BLOCK_ENTRY: u8 = crate::block::BLOCK_ENTRY;

/// The kinds of the driver's and the block log, in their segments' headers.
pub const LOG_KINDS: [u16; 2] = [
    crate::context::DRIVER_LOG_KIND.0,
    crate::context::BLOCK_LOG_KIND.0,
];

/// Writes an event of the driver's log: the entry's kind and payload.
///
/// # Errors
/// When serde refuses.
pub fn encode_event(event: &Event) -> Result<(u8, Bytes), String> {
    event.encode()
}

/// An entry of the block log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockEntry {
    /// The stream that received it.
    pub stream: OperatorUid,
    /// The block's name.
    pub id: BlockId,
    /// How its records are written.
    pub encoding: Encoding,
    /// The start of each record and the end of the last.
    pub offsets: Vec<u32>,
    /// All records.
    pub data: Vec<u8>,
}

/// Reads an entry of the block log.
///
/// # Errors
/// Says what is wrong with it.
pub fn decode_block(payload: Bytes) -> Result<BlockEntry, String> {
    let (stream, id, block) = Block::from_payload(payload)?;
    Ok(BlockEntry {
        stream,
        id,
        encoding: block.encoding(),
        offsets: block.offsets.clone(),
        data: block.bytes.as_bytes().to_vec(),
    })
}

/// Writes an entry of the block log.
///
/// # Errors
/// When it isn't a block.
pub fn encode_block(entry: BlockEntry) -> Result<Bytes, String> {
    let block = Block::new(entry.encoding, entry.data, entry.offsets)?;
    Ok(block.to_parts(&entry.stream, entry.id)?.concat().into())
}

/// The lines of a text block, as a batch reads them.
///
/// # Errors
/// When they can't be read as text.
pub fn block_lines(payload: Bytes) -> Result<Vec<String>, String> {
    let (_, _, block) = Block::from_payload(payload)?;
    let mut lines = Vec::new();
    <str as Record>::read(&Arc::new(block), &mut |chunk: Chunk<'_, str>| {
        chunk.into_each(|line| lines.push(line));
        Ok(())
    })
    .map_err(|stop| format!("{stop:?}"))?;
    Ok(lines)
}

/// Reads a checkpoint's metadata and writes it again.
///
/// # Errors
/// As recovery, when it reads them.
pub fn rewrite_metadata(bytes: &[u8], place: &str) -> Result<Bytes> {
    let metadata = Metadata::decode(bytes, place)?;
    encode(&metadata, place)
}

/// A part of a batch, as a decision of the sink of text files names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedPart {
    /// Its length.
    pub bytes: usize,
    /// Its checksum.
    pub crc: u32,
    /// The object that holds it until it is published.
    pub object: String,
}

/// Reads which bytes a batch's parts have.
///
/// # Errors
/// Says what is wrong with it.
pub fn decode_decision(bytes: Bytes) -> Result<Vec<DecidedPart>, String> {
    let decision = Decision::decode(&bytes).map_err(|error| error.to_string())?;
    let parts = decision.parts.into_iter().map(|part| DecidedPart {
        bytes: part.len,
        crc: part.crc,
        object: part.object,
    });
    Ok(parts.collect())
}

/// Reads an object file's elements, whatever they are.
///
/// # Errors
/// Says what is wrong with it.
pub fn decode_object_file(bytes: &[u8]) -> Result<Vec<serde_json::Value>, String> {
    let mut reader = crate::object_file::Reader::new(bytes)?;
    let mut elements = Vec::new();
    while reader.next_frame(|element| elements.push(element))? {}
    Ok(elements)
}

/// Brings a checkpoint's metadata up to the end of the driver's log, as recovery does.
///
/// # Errors
/// As recovery.
pub fn replay(log: &Wal, place: &str, metadata: &[u8]) -> Result<Bytes> {
    let mut metadata = Metadata::decode(metadata, place)?;
    replay_driver_log(log, place, &mut metadata, &Renames::default(), || ())?;
    encode(&metadata, place)
}

fn encode(metadata: &Metadata, place: &str) -> Result<Bytes> {
    metadata
        .encode()
        .map_err(|reason| crate::error::Error::Unreadable {
            place: place.to_owned(),
            reason,
        })
}
