//! [`ChunkBuilder`]: entries in any order become a chunk.
//!
//! Entries are laid down once, in the chunk's own layout and behind room for its header. When they
//! came in ascending order that buffer already is the chunk; otherwise their places are sorted (by the
//! key's first eight bytes, which settles most comparisons without touching the key) and copied out.

use bytes::Bytes;

use super::{Chunk, HEADER, Header, split_entry, varint};

/// Collects entries and makes a chunk of them. The last push of a key wins.
#[derive(Debug, Clone)]
pub struct ChunkBuilder {
    /// Room for the header, then the entries as pushed.
    data: Vec<u8>,
    pushes: u64,
    /// Where the last pushed key stands in `data`.
    last_key: (usize, usize),
    ascending: bool,
}

impl Default for ChunkBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkBuilder {
    /// An empty one; takes no memory until the first push.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            data: Vec::new(),
            pushes: 0,
            last_key: (0, 0),
            ascending: true,
        }
    }

    /// One with room for about `bytes` of keys and values.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut data = Vec::with_capacity(bytes.saturating_add(HEADER));
        data.resize(HEADER, 0);
        Self {
            data,
            ..Self::new()
        }
    }

    /// Adds an entry: a value, or `None` for "this key is gone".
    #[inline]
    pub fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        if self.data.is_empty() {
            self.data.resize(HEADER, 0);
        }
        if self.ascending && self.pushes > 0 {
            let (start, end) = self.last_key;
            self.ascending = self.data.get(start..end).is_some_and(|last| last < key);
        }
        varint::write(&mut self.data, key.len() as u64);
        varint::write(
            &mut self.data,
            value.map_or(0, |value| (value.len() as u64) + 1),
        );
        let start = self.data.len();
        self.data.extend_from_slice(key);
        self.last_key = (start, self.data.len());
        if let Some(value) = value {
            self.data.extend_from_slice(value);
        }
        self.pushes += 1;
    }

    /// Adds all of `newer`'s entries behind this one's: they win.
    pub fn absorb(&mut self, newer: Self) {
        if self.is_empty() {
            *self = newer;
            return;
        }
        if newer.is_empty() {
            return;
        }
        let shift = self.data.len();
        let body = newer.body();
        if self.ascending && newer.ascending {
            let (start, end) = self.last_key;
            let first = split_entry(body).map(|(key, _, _)| key);
            self.ascending = self.data.get(start..end) < first;
        } else {
            self.ascending = false;
        }
        self.data.extend_from_slice(body);
        let moved = |at: usize| shift + at.saturating_sub(HEADER);
        self.last_key = (moved(newer.last_key.0), moved(newer.last_key.1));
        self.pushes += newer.pushes;
    }

    /// Pushes so far, repeated keys counted each time.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.pushes
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pushes == 0
    }

    /// Bytes the entries take as pushed: an upper bound for the chunk, but for its header.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.body().len() as u64
    }

    /// The chunk as it is stored, in one contiguous buffer.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.build().bytes
    }

    /// The chunk.
    #[must_use]
    pub fn build(mut self) -> Chunk {
        if !self.ascending {
            return self.sorted().build();
        }
        if self.data.is_empty() {
            self.data.resize(HEADER, 0);
        }
        let header = Header::new(self.pushes, self.body());
        if let Some(room) = self.data.first_chunk_mut::<HEADER>() {
            *room = header.encode();
        }
        Chunk {
            bytes: Bytes::from(self.data),
            entries: header.entries,
            crc: header.crc,
        }
    }

    fn body(&self) -> &[u8] {
        self.data.get(HEADER..).unwrap_or_default()
    }

    /// The same entries in ascending order, of each key only the last.
    fn sorted(&self) -> Self {
        let mut slots = Vec::with_capacity(usize::try_from(self.pushes).unwrap_or_default());
        let mut rest = self.body();
        while let Some((key, value, behind)) = split_entry(rest) {
            slots.push((prefix(key), key, value));
            rest = behind;
        }
        // Stable: pushes of one key stay in their order, so that the last of them stands last.
        slots.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        let mut out = Self::with_capacity(self.body().len());
        let mut slots = slots.into_iter().peekable();
        while let Some((_, key, value)) = slots.next() {
            if slots.peek().is_none_or(|(_, next, _)| *next != key) {
                out.push(key, value);
            }
        }
        out
    }
}

impl From<&Chunk> for ChunkBuilder {
    /// A builder that holds a chunk's entries, as if they had just been pushed.
    fn from(chunk: &Chunk) -> Self {
        let mut builder = Self::with_capacity(chunk.bytes().len());
        for (key, value) in chunk {
            builder.push(key, value);
        }
        builder
    }
}

/// The first eight bytes of a key as a number that sorts as they do.
fn prefix(key: &[u8]) -> u64 {
    let mut head = [0_u8; 8];
    for (to, from) in head.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}
