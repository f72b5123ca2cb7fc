//! What lies in a checkpoint store: manifests, claims, fences and chunks, each by its own reader.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidemill_checkpoint::{Chunk, ChunkBuilder, formats};

use crate::repair;
use crate::run::{Target, outcome};

pub const MANIFEST: &[u8] = include_bytes!("../../checkpoint/tests/golden/manifest-v1.bin");
pub const CHUNK: &[u8] = include_bytes!("../../checkpoint/tests/golden/chunk-v1.bin");
pub const CLAIM: &[u8] = include_bytes!("../../checkpoint/tests/golden/claim-v1.bin");
pub const FENCE: &[u8] = include_bytes!("../../checkpoint/tests/golden/fence-v1.bin");

pub const PACK: &[u8] = include_bytes!("../../checkpoint/tests/golden/pack-v1.bin");

/// MessagePack whose reader would recurse a thousand times, behind a real field's name.
fn deep(record: &[u8]) -> Vec<u8> {
    let mut case = record[..24].to_vec();
    case.extend(b"\x81\xa1x");
    case.extend(vec![0x91; 100_000]);
    case
}

fn target(name: &'static str, seed: &[u8], words: &'static [&'static str]) -> Target {
    let mut nested = deep(seed);
    repair::record(&mut nested);
    Target {
        name,
        seeds: vec![seed.to_vec(), nested],
        words,
        repair: repair::record,
        cases: 10_000,
    }
}

#[test]
fn checkpoint_manifest() {
    let words = &[
        "tidemani",
        "low_water",
        "series",
        "partitions",
        "deltas",
        "metadata",
    ];
    target("checkpoint_manifest", MANIFEST, words).run(|case| {
        let read = formats::decode_manifest("here", 7, &Bytes::copy_from_slice(case));
        if let Ok(manifest) = &read {
            let again = formats::encode_manifest(manifest).unwrap();
            assert_eq!(
                &formats::decode_manifest("here", 7, &again).unwrap(),
                manifest
            );
        }
        outcome(&read, "here")
    });
}

#[test]
fn checkpoint_claim() {
    let words = &["tideclam", "holder", "admin", "nonce"];
    target("checkpoint_claim", CLAIM, words).run(|case| {
        let read = formats::decode_claim(&Bytes::copy_from_slice(case));
        let Some(claim) = read else {
            return "none".to_owned();
        };
        let again = formats::encode_claim(claim.clone()).unwrap();
        assert_eq!(formats::decode_claim(&again), Some(claim));
        "read".to_owned()
    });
}

#[test]
fn checkpoint_fence() {
    let words = &["tidefenc", "epoch"];
    target("checkpoint_fence", FENCE, words).run(|case| {
        let Some(read) = formats::decode_fence("here", &Bytes::copy_from_slice(case)) else {
            assert!(!case.starts_with(b"tidefenc"));
            return "no fence".to_owned();
        };
        if let Ok(epoch) = &read {
            let again = formats::encode_fence(*epoch).unwrap();
            let again = formats::decode_fence("here", &again).unwrap().unwrap();
            assert_eq!(again, *epoch);
        }
        outcome(&read, "here")
    });
}

/// The head alone; what is behind it has readers and checksums of its own.
#[test]
fn checkpoint_pack() {
    let length = u64::from_le_bytes(PACK[16..24].try_into().unwrap()) as usize;
    let words = &["tidepack", "manifest", "chunks", "epoch"];
    target("checkpoint_pack", &PACK[..24 + length], words).run(|case| {
        let read = formats::decode_pack("here", 7, &Bytes::copy_from_slice(case));
        if let Ok(parts) = &read {
            // Parts lie one behind the other, from the end of the head to the end of the pack.
            let mut end = case.len() as u64;
            let places = parts
                .chunks
                .iter()
                .map(|(_, offset, bytes)| (*offset, *bytes));
            for (offset, bytes) in std::iter::once(parts.manifest).chain(places) {
                assert_eq!(offset, end);
                end = end.saturating_add(bytes);
            }
            assert_eq!(parts.total, end);
        }
        outcome(&read, "here")
    });
}

#[test]
fn checkpoint_chunk() {
    let mut builder = ChunkBuilder::new();
    for key in 0..40_u8 {
        let value = vec![key; usize::from(key) * 7];
        builder.push(&[key / 8, key], (key % 5 != 0).then_some(&value[..]));
    }
    let larger = builder.finish().to_vec();
    let mut builder = ChunkBuilder::new();
    (b'a'..=b'e').for_each(|key| builder.push(&[key], None));
    let smallest = builder.finish().to_vec();
    let mut target = target("checkpoint_chunk", CHUNK, &["tidechnk"]);
    target.seeds = vec![
        CHUNK.to_vec(),
        larger,
        smallest,
        ChunkBuilder::new().finish().to_vec(),
    ];
    target.run(|case| {
        let read = Chunk::decode(Bytes::copy_from_slice(case));
        if let Ok(chunk) = &read {
            let entries: Vec<_> = chunk.iter().collect();
            assert_eq!(entries.len() as u64, chunk.len());
            assert!(entries.is_sorted_by(|one, two| one.0 < two.0));
            let again = Chunk::decode(ChunkBuilder::from(chunk).finish()).unwrap();
            assert_eq!(again.iter().collect::<Vec<_>>(), entries);
        }
        outcome(&read, "a chunk")
    });
}

/// Entries behind one another: the key's length (one byte), the value's (two), key, value. What doesn't fit
/// is cut off.
fn index_entries(mut rest: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = BTreeMap::new();
    while let [key, low, high, behind @ ..] = rest {
        let (key, behind) = behind.split_at(behind.len().min(usize::from(*key)));
        let value = usize::from(u16::from_le_bytes([*low, *high]));
        let (value, behind) = behind.split_at(behind.len().min(value));
        entries.insert(key.to_vec(), value.to_vec());
        rest = behind;
    }
    entries
}

fn laid_out(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let lay_out = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        let lengths = [&[key.len() as u8][..], &(value.len() as u16).to_le_bytes()];
        [&lengths.concat(), &key[..], &value[..]].concat()
    };
    entries.iter().flat_map(lay_out).collect()
}

/// What lies in the database of a sled location: the head of a pack, in pieces.
#[test]
fn sled_index() {
    let length = u64::from_le_bytes(PACK[16..24].try_into().unwrap()) as usize;
    let head = PACK[..24 + length].to_vec();
    // The checksum that covers a piece doesn't care what is in it.
    let heads = [head, Vec::new(), vec![7; 3_999], vec![7; 8_001]];
    let seeds = heads.map(|head| laid_out(&formats::split_index_entry(7, &head)));
    let target = Target {
        name: "sled_index",
        seeds: seeds.to_vec(),
        words: &[
            "pack/00000000000000000007",
            "pack/00000000000000000007#0000000000",
            "pack/00000000000000000007#0000000001",
        ],
        repair: repair::index_entries,
        cases: 10_000,
    };
    target.run(|case| {
        let entries = index_entries(case);
        let read = formats::join_index_entry("here", 7, &entries);
        if let Ok(Some(head)) = &read {
            // Others may lie beside them; these are the ones that say the same, if cut in other places.
            let again = formats::split_index_entry(7, head);
            let again = formats::join_index_entry("here", 7, &again).unwrap();
            assert_eq!(again.as_ref(), Some(head));
            let pieces = entries.values().map(Vec::len).sum::<usize>();
            assert!(head.len() <= pieces, "more than there is");
            return outcome(&formats::decode_pack("here", 7, head), "here");
        }
        outcome(&read, "here")
    });
}
