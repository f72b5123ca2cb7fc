//! Puts checksums and lengths right after a change, by what `docs/formats.md` says about them.

use crc32fast::Hasher;

/// A segment of a log: its header's checksum, then each frame's whose length fits.
pub fn segment(case: &mut [u8]) {
    if case.len() < 40 {
        return;
    }
    let crc = crc32fast::hash(&case[..36]);
    case[36..40].copy_from_slice(&crc.to_le_bytes());
    let binding = crc32fast::hash(&case[16..32]);
    let mut at = 40;
    while let Some(len) = case.get(at..at + 4) {
        let len = u32::from_le_bytes(len.try_into().unwrap()) as usize;
        let end = at.saturating_add(17).saturating_add(len);
        if end > case.len() {
            return;
        }
        let mut hasher = Hasher::new_with_initial(binding);
        hasher.update(&case[at..at + 4]);
        hasher.update(&case[at + 8..end]);
        case[at + 4..at + 8].copy_from_slice(&hasher.finalize().to_le_bytes());
        at = end;
    }
}

/// One frame, in a segment of this binding.
pub const FRAME_BINDING: u32 = 5;

/// See [`FRAME_BINDING`].
pub fn frame(case: &mut [u8]) {
    if case.len() < 17 {
        return;
    }
    let len = case.len() as u32 - 17;
    case[..4].copy_from_slice(&len.to_le_bytes());
    let mut hasher = Hasher::new_with_initial(FRAME_BINDING);
    hasher.update(&case[..4]);
    hasher.update(&case[8..]);
    let crc = hasher.finalize().to_le_bytes();
    case[4..8].copy_from_slice(&crc);
}

/// An envelope: the body's length and the checksum.
pub fn envelope(case: &mut [u8]) {
    if case.len() >= 24 {
        let length = case.len() as u64 - 24;
        case[16..24].copy_from_slice(&length.to_le_bytes());
        checksum_at_12(case);
    }
}

/// The head of a log in an object store, or a run: the checksum of the body that its length says.
pub fn sealed(case: &mut [u8]) {
    if case.len() >= 24 {
        let length = u64::from_le_bytes(case[16..24].try_into().unwrap());
        let end = case
            .len()
            .min(usize::try_from(length).unwrap_or(0).saturating_add(24));
        checksum_at_12(&mut case[..end]);
    }
}

/// A chunk: the number of entries (where they are well-formed), the body's length and the checksum.
pub fn chunk(case: &mut [u8]) {
    if case.len() >= 32 {
        if let Some(entries) = entries(&case[32..]) {
            case[16..24].copy_from_slice(&entries.to_le_bytes());
        }
        let length = case.len() as u64 - 32;
        case[24..32].copy_from_slice(&length.to_le_bytes());
        checksum_at_12(case);
    }
}

/// Entries of a chunk, of lengths below 128.
fn entries(mut rest: &[u8]) -> Option<u64> {
    let mut count = 0;
    while let [key, tag, behind @ ..] = rest {
        if key.max(tag) & 0x80 != 0 {
            return None;
        }
        rest = behind.get(usize::from(*key) + usize::from(tag.saturating_sub(1))..)?;
        count += 1;
    }
    rest.is_empty().then_some(count)
}

/// Whatever record of a checkpoint store it is.
pub fn record(case: &mut [u8]) {
    if case.starts_with(b"tidechnk") {
        chunk(case);
    } else {
        envelope(case);
    }
}

/// Entries of a sled index, as `records` lays them out: each value's checksum, of its key and what follows.
pub fn index_entries(case: &mut [u8]) {
    let mut at = 0;
    while let Some(&[key, low, high]) = case.get(at..at + 3) {
        let (from, value) = (at + 3, usize::from(u16::from_le_bytes([low, high])));
        let middle = from + usize::from(key);
        let end = middle + value;
        if end > case.len() {
            return;
        }
        if value >= 4 {
            let mut hasher = Hasher::new();
            hasher.update(&case[from..middle]);
            hasher.update(&case[middle + 4..end]);
            case[middle..middle + 4].copy_from_slice(&hasher.finalize().to_le_bytes());
        }
        at = end;
    }
}

/// A decision of the sink of text files: the checksum of what is behind its first line.
pub fn decision(case: &mut [u8]) {
    let Some(end) = case.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let crc = format!("{:08x}", crc32fast::hash(&case[end + 1..]));
    if end >= 8 {
        case[end - 8..end].copy_from_slice(crc.as_bytes());
    }
}

/// An object file: the checksums of its header and of each frame.
pub fn object_file(case: &mut [u8]) {
    if case.len() < 16 {
        return;
    }
    let crc = crc32fast::hash(&case[..12]).to_le_bytes();
    case[12..16].copy_from_slice(&crc);
    let mut at = 16;
    while case.len() >= at + 20 {
        let bytes = u32::from_le_bytes(case[at..at + 4].try_into().unwrap()) as usize;
        let Some(end) = at.checked_add(20 + bytes).filter(|end| *end <= case.len()) else {
            return;
        };
        let mut hasher = Hasher::new();
        hasher.update(&case[at..at + 16]);
        hasher.update(&case[at + 20..end]);
        case[at + 16..at + 20].copy_from_slice(&hasher.finalize().to_le_bytes());
        at = end;
    }
}

fn checksum_at_12(case: &mut [u8]) {
    let mut hasher = Hasher::new();
    hasher.update(&case[..12]);
    hasher.update(&case[16..]);
    let crc = hasher.finalize().to_le_bytes();
    case[12..16].copy_from_slice(&crc);
}
