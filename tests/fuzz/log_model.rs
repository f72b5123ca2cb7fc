//! A second reader of segments, written from `docs/formats.md` and nothing else: what the log answers must
//! be what this says.

use crc32fast::Hasher;

/// An entry as the page describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub sequence: u64,
    pub kind: u8,
    pub payload: Vec<u8>,
}

/// What a segment is.
#[derive(Debug)]
pub enum Segment {
    /// Its header isn't that of a segment that the opener may read.
    Refused,
    /// Good frames up to `end`, then something else.
    Frames {
        entries: Vec<Entry>,
        end: usize,
        then: Then,
    },
}

/// What follows the last good frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    End,
    /// A frame that doesn't verify, and no good one that starts a group behind it.
    Torn,
    /// Damage: a good frame that starts a group follows a bad one, or numbers jump.
    Damage,
}

/// Who opens: the log's kind, the opener's epoch, the number in the segment's name.
pub struct Opener {
    pub kind: u16,
    pub epoch: u64,
    pub first: u64,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Reads a segment.
pub fn read(bytes: &[u8], opener: &Opener) -> Segment {
    let good_header = bytes.len() >= 40
        && bytes.starts_with(b"TIDEMWAL")
        && bytes[8..10] == [1, 0]
        && bytes[10..12] == opener.kind.to_le_bytes()
        && u64_at(bytes, 16) <= opener.epoch
        && u64_at(bytes, 24) == opener.first
        && u32_at(bytes, 36) == crc32fast::hash(&bytes[..36]);
    if !good_header {
        return Segment::Refused;
    }
    let binding = crc32fast::hash(&bytes[16..32]);
    let mut entries = Vec::new();
    let mut at = 40;
    let mut next = opener.first;
    let then = loop {
        if at == bytes.len() {
            break Then::End;
        }
        let Some((entry, end, _)) = frame(bytes, at, binding) else {
            break if later_group(bytes, at, next, binding) {
                Then::Damage
            } else {
                Then::Torn
            };
        };
        if entry.sequence != next {
            break Then::Damage;
        }
        entries.push(entry);
        next += 1;
        at = end;
    };
    Segment::Frames {
        entries,
        end: at,
        then,
    }
}

/// The frame at `at`, its end, and whether it starts a group.
fn frame(bytes: &[u8], at: usize, binding: u32) -> Option<(Entry, usize, bool)> {
    let front = bytes.get(at..at.checked_add(17)?)?;
    let len = u32_at(front, 0);
    if len > 1 << 30 {
        return None;
    }
    let end = at + 17 + len as usize;
    let behind_crc = bytes.get(at + 8..end)?;
    let mut hasher = Hasher::new_with_initial(binding);
    hasher.update(&front[..4]);
    hasher.update(behind_crc);
    if hasher.finalize() != u32_at(front, 4) {
        return None;
    }
    let entry = Entry {
        sequence: u64_at(front, 8),
        kind: front[16] & 0x7f,
        payload: bytes[at + 17..end].to_vec(),
    };
    Some((entry, end, front[16] & 0x80 != 0))
}

/// Whether a good frame starts a group behind the bad one at `bad`, with a number that fits.
fn later_group(bytes: &[u8], bad: usize, next: u64, binding: u32) -> bool {
    (bad + 1..bytes.len()).any(|at| {
        frame(bytes, at, binding).is_some_and(|(entry, _, starts)| {
            starts && entry.sequence > next && entry.sequence - next <= (at - bad) as u64
        })
    })
}
