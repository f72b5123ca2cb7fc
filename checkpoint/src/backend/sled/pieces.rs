//! How a record lies in the database: a head, and pieces of at most 4 KiB, each with its own checksum.
//!
//! sled keeps up to some twenty neighbouring entries in one page and writes pages whole; a page over
//! 128 KiB (a quarter of a log segment) is put into a file that is never synced. Twenty of these pieces
//! stay well below.
//!
//! | key        | value                                                                     |
//! |------------|---------------------------------------------------------------------------|
//! | NAME       | CRC-32, then pieces (u32), then length of the record (u64), little-endian |
//! | NAME#INDEX | CRC-32, then up to 4,000 bytes of the record; the index has 10 digits     |
//!
//! A checksum covers the key and what follows it in the value, so no value passes for another's.

use std::str;

use bytes::{BufMut, Bytes, BytesMut};

use super::Name;
use crate::error::{Error, Result};

/// Bytes of the record in one piece.
const PIECE: usize = 4000;

/// The entries that hold a record.
pub(crate) fn split(name: Name, bytes: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let count = u32::try_from(bytes.len().div_ceil(PIECE)).unwrap_or(u32::MAX);
    let mut head = BytesMut::with_capacity(12);
    head.put_u32_le(count);
    head.put_u64_le(bytes.len() as u64);
    let key = name.to_string().into_bytes();
    let head = (key.clone(), seal(&key, &head));
    let pieces = bytes.chunks(PIECE).zip(0_u32..).map(move |(piece, index)| {
        let key = piece_key(name, index);
        let value = seal(&key, piece);
        (key, value)
    });
    pieces.chain(std::iter::once(head))
}

/// Puts a record together again; `None` when it has no head.
pub(crate) fn join<V: AsRef<[u8]>>(
    name: Name,
    place: &str,
    get: impl Fn(&[u8]) -> Result<Option<V>>,
) -> Result<Option<Bytes>> {
    let key = name.to_string().into_bytes();
    let Some(head) = get(&key)? else {
        return Ok(None);
    };
    let head = open(place, &key, head.as_ref())?;
    let bad_head = || Error::damaged(place, "its head has the wrong size");
    let (count, length) = head.split_first_chunk::<4>().ok_or_else(bad_head)?;
    let count = u32::from_le_bytes(*count);
    let length = u64::from_le_bytes(length.try_into().map_err(|_| bad_head())?);
    let mut bytes = Vec::new();
    for index in 0..count {
        let key = piece_key(name, index);
        let missing = || Error::damaged(place, format!("piece {index} of {count} is missing"));
        let piece = get(&key)?.ok_or_else(missing)?;
        bytes.extend_from_slice(open(place, &key, piece.as_ref())?);
    }
    if bytes.len() as u64 != length {
        let what = format!("it has {} bytes, its head says {length}", bytes.len());
        return Err(Error::damaged(place, what));
    }
    Ok(Some(bytes.into()))
}

/// The record whose head has this key; `None` for a piece's key.
pub(super) fn name_of_head(key: &[u8]) -> Option<Name> {
    Name::parse(str::from_utf8(key).ok()?)
}

fn piece_key(name: Name, index: u32) -> Vec<u8> {
    format!("{name}#{index:010}").into_bytes()
}

fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(body.len().saturating_add(4));
    value.extend_from_slice(&checksum(key, body).to_le_bytes());
    value.extend_from_slice(body);
    value
}

fn open<'a>(place: &str, key: &[u8], value: &'a [u8]) -> Result<&'a [u8]> {
    match value.split_first_chunk::<4>() {
        Some((stored, body)) if u32::from_le_bytes(*stored) == checksum(key, body) => Ok(body),
        _ => {
            let key = String::from_utf8_lossy(key);
            Err(Error::damaged(
                place,
                format!("the database's entry {key} fails its checksum"),
            ))
        }
    }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::id::CheckpointId;

    const NAME: Name = Name::Manifest(CheckpointId(3));

    fn read(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Option<Bytes>> {
        join(NAME, "here", |key| Ok(entries.get(key)))
    }

    #[test]
    fn records_of_any_size_come_back_and_stay_small() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 10 * PIECE + 7] {
            let record: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let entries: BTreeMap<_, _> = split(NAME, &record).collect();
            assert!(entries.values().all(|value| value.len() <= 4096));
            assert_eq!(read(&entries).unwrap().unwrap(), record);
            let heads = entries.keys().filter_map(|key| name_of_head(key));
            assert_eq!(heads.collect::<Vec<_>>(), [NAME]);
        }
        assert_eq!(read(&BTreeMap::new()).unwrap(), None);
    }

    #[test]
    fn missing_swapped_and_flipped_pieces_are_damage() {
        let record = vec![7; 3 * PIECE];
        let entries: BTreeMap<_, _> = split(NAME, &record).collect();
        for key in entries.keys().filter(|key| name_of_head(key).is_none()) {
            let mut missing = entries.clone();
            missing.remove(key);
            assert!(read(&missing).is_err());
            let mut flipped = entries.clone();
            flipped.get_mut(key).unwrap()[5] ^= 1;
            assert!(read(&flipped).is_err());
        }
        let mut swapped = entries.clone();
        let value = swapped[&piece_key(NAME, 0)].clone();
        swapped.insert(piece_key(NAME, 1), value);
        assert!(read(&swapped).is_err());
    }
}
