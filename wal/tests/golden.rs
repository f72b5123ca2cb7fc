//! Segments written by every version of the format are read for ever.
//!
//! `TIDEMILL_BLESS=1 cargo test -p tidemill-wal --test golden` writes the file of the present version
//! anew; only ever for a new version, under a new name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use bytes::Bytes;
use common::*;
use tidemill_storage::SimDisk;
use tidemill_wal::{LogKind, Sequence, WalOptions};

const V1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1.wal");

fn entries() -> Vec<(u8, Vec<Bytes>)> {
    vec![
        (0, vec![]),
        (
            1,
            vec![Bytes::from_static(b"hello, "), Bytes::from_static(b"tide")],
        ),
        (127, vec![Bytes::from((0..=255).collect::<Vec<u8>>())]),
    ]
}

fn written_now() -> Vec<u8> {
    let disk = SimDisk::new();
    let (wal, _) = try_open(&disk, WalOptions::new(LogKind(7), 0x0102_0304_0506_0708)).unwrap();
    for (kind, parts) in entries() {
        wal.append(kind, parts).wait().unwrap();
    }
    drop(wal);
    read(&disk, &segments(&disk)[0])
}

#[test]
fn version_1_is_read_and_written_byte_for_byte() {
    if std::env::var_os("TIDEMILL_BLESS").is_some() {
        std::fs::write(V1, written_now()).unwrap();
    }
    let golden = std::fs::read(V1).unwrap();
    assert_eq!(written_now(), golden);
    let disk = SimDisk::new();
    tidemill_storage::durable::create_dir_all_durable(&disk, DIR.as_ref()).unwrap();
    overwrite(&disk, "00000000000000000000.wal", &golden);
    let (wal, recovered) = try_open(&disk, WalOptions::new(LogKind(7), u64::MAX)).unwrap();
    assert_eq!(recovered.torn_tail, None);
    let found: Vec<_> = wal
        .replay(Sequence(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found.len(), entries().len());
    for (entry, (kind, parts)) in found.iter().zip(entries()) {
        assert_eq!((entry.kind, entry.payload.to_vec()), (kind, parts.concat()));
    }
}
