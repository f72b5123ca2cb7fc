//! Object files: elements written by serde, in checked frames, to be read back as what they were.
//!
//! ```text
//! header   magic, version, encoding, checksum of the three
//! frame    bytes and elements in it, elements before it, checksum; MessagePack values one after the other
//! ...
//! end      a frame of no elements: a file without it was cut
//! ```
//!
//! Invariant: a file that isn't exactly what was written is an error that names it, before any element of the bad
//! frame is handed on. `docs/formats.md` has it byte by byte.

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;

/// What an object file begins with.
const MAGIC: [u8; 8] = *b"TIDEOBJS";

/// The version that is written.
pub(crate) const VERSION: u16 = 1;

/// MessagePack, structs as maps with field names.
const ENCODING: u16 = 1;

/// Bytes of the file's header.
const HEADER: usize = 16;

/// Bytes of a frame's header.
const FRAME_HEADER: usize = 20;

/// The most that a frame holds: as much as a frame of the logs.
const MAX_PAYLOAD: usize = 1 << 30;

/// The numbers in front of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    /// Bytes of payload.
    bytes: u32,
    /// Elements in it; none in the last frame only.
    elements: u32,
    /// Elements in the frames before it.
    before: u64,
}

impl Frame {
    /// Header of a frame with this payload.
    fn encode(self, payload: &[u8]) -> [u8; FRAME_HEADER] {
        let mut header = [0; FRAME_HEADER];
        let numbers = self.numbers();
        let crc = checksum(&numbers, payload).to_le_bytes();
        for (to, from) in header.iter_mut().zip(numbers.iter().chain(&crc)) {
            *to = *from;
        }
        header
    }

    fn numbers(self) -> [u8; 16] {
        let bytes = u128::from(self.bytes)
            | u128::from(self.elements) << 32
            | u128::from(self.before) << 64;
        bytes.to_le_bytes()
    }
}

/// CRC-32 of one and the other.
fn checksum(front: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(front);
    hasher.update(payload);
    hasher.finalize()
}

/// The file's header.
fn header(version: u16, encoding: u16) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let front = [version.to_le_bytes(), encoding.to_le_bytes()];
    let front = MAGIC.iter().chain(front.iter().flatten());
    for (to, from) in header.iter_mut().zip(front) {
        *to = *from;
    }
    let (front, crc) = header.split_at_mut(12);
    crc.copy_from_slice(&crc32fast::hash(front).to_le_bytes());
    header
}

#[cfg(test)]
mod tests;
