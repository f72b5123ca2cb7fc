//! Several chunks become one: a k-way merge in which the newest entry of a key wins.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::{Chunk, ChunkBuilder, Entries};

/// What happens to the tombstones that win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// They stay: the result lies above older chunks.
    Keep,
    /// They go: the result is a base, with nothing below for them to hide.
    Drop,
}

/// Merges chunks, given oldest first, into one.
///
/// ```
/// use tidemill_checkpoint::{ChunkBuilder, Tombstones, merge};
///
/// let chunk = |entries: &[(&[u8], Option<&[u8]>)]| {
///     let mut builder = ChunkBuilder::new();
///     entries.iter().for_each(|(key, value)| builder.push(key, *value));
///     builder.build()
/// };
/// let base = chunk(&[(b"brest", Some(b"7.1")), (b"cadiz", Some(b"3.2"))]);
/// let delta = chunk(&[(b"brest", Some(b"6.9")), (b"cadiz", None)]);
/// let merged = merge([&base, &delta], Tombstones::Drop);
/// assert_eq!(merged.iter().collect::<Vec<_>>(), [(&b"brest"[..], Some(&b"6.9"[..]))]);
/// ```
#[must_use]
pub fn merge<'a>(chunks: impl IntoIterator<Item = &'a Chunk>, tombstones: Tombstones) -> Chunk {
    let mut capacity = 0;
    let mut heads: BinaryHeap<Head<'a>> = chunks
        .into_iter()
        .enumerate()
        .filter_map(|(age, chunk)| {
            capacity += chunk.bytes().len();
            let mut rest = chunk.iter();
            let (key, value) = rest.next()?;
            Some(Head {
                key,
                value,
                age,
                rest,
            })
        })
        .collect();
    let mut out = ChunkBuilder::with_capacity(capacity);
    let mut settled: Option<&[u8]> = None;
    while let Some(mut head) = heads.peek_mut() {
        let (key, value) = (head.key, head.value);
        match head.rest.next() {
            Some((key, value)) => (head.key, head.value) = (key, value),
            None => {
                PeekMut::pop(head);
            }
        }
        if settled == Some(key) {
            continue;
        }
        settled = Some(key);
        if value.is_some() || tombstones == Tombstones::Keep {
            out.push(key, value);
        }
    }
    out.build()
}

/// The next entry of one chunk. The greatest is the one to take: lowest key, then newest chunk.
struct Head<'a> {
    key: &'a [u8],
    value: Option<&'a [u8]>,
    /// Place of its chunk, higher is newer.
    age: usize,
    rest: Entries<'a>,
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(self.key).then(self.age.cmp(&other.age))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head<'_> {}
