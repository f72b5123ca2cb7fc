//! Objects written by every version of the formats are read for ever.
//!
//! `TIDEMILL_BLESS=1 cargo test -p tidemill-wal --test objects golden` writes the files of the present
//! versions anew; only ever for a new version, under a new name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::Objects;
use tidemill_wal::segments::objects::ObjectSegments;
use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};

use crate::common::text;
use crate::support::*;

const EPOCH: u64 = 0x0102_0304_0506_0708;
const OWNER: u64 = 0x1112_1314_1516_1718;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn open(objects: &Arc<dyn Objects>, epoch: u64) -> Wal {
    let segments = ObjectSegments::owned_by(OWNER, Arc::clone(objects), PREFIX, PLACE);
    let options = WalOptions {
        compact_segments: 4,
        ..WalOptions::new(LogKind(7), epoch)
    };
    let clock = Arc::new(|| 0);
    Wal::open_segments(Arc::new(segments), options, clock)
        .unwrap()
        .0
}

fn entries() -> [(u8, Vec<Bytes>); 4] {
    [
        (0, vec![]),
        (
            1,
            vec![Bytes::from_static(b"hello, "), Bytes::from_static(b"tide")],
        ),
        (127, vec![Bytes::from((0..=255).collect::<Vec<u8>>())]),
        (2, vec![Bytes::from_static(b"behind the run")]),
    ]
}

fn run() -> String {
    format!("run/{:020}-{:020}-{EPOCH}", 0, 3)
}

/// The golden files, and the objects that they are.
fn golden() -> [(&'static str, String); 4] {
    [
        ("head-v1.bin", "head".to_owned()),
        ("run-v1.bin", run()),
        ("fence-v1.bin", slot(0)),
        ("slot-v1.bin", slot(4)),
    ]
}

fn written_now() -> Arc<dyn Objects> {
    let objects = in_memory();
    let wal = open(&objects, EPOCH);
    for (number, (kind, parts)) in entries().into_iter().enumerate() {
        if number == 3 {
            compacted(&objects, 0);
        }
        wal.append(kind, parts).wait().unwrap();
    }
    wal.close().unwrap();
    objects
}

#[test]
fn version_1_is_read_and_written_byte_for_byte() {
    let now = written_now();
    let objects = in_memory();
    for (name, of) in golden() {
        if std::env::var_os("TIDEMILL_BLESS").is_some() {
            std::fs::write(file(name), read(&*now, &of)).unwrap();
        }
        let golden = std::fs::read(file(name)).unwrap();
        assert_eq!(read(&*now, &of), golden, "{name}");
        objects.put(&object(&of), golden.into()).unwrap();
    }
    let wal = open(&objects, u64::MAX);
    let found: Vec<_> = wal
        .replay(Sequence(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found.len(), entries().len());
    for (entry, (kind, parts)) in found.iter().zip(entries()) {
        assert_eq!((entry.kind, entry.payload.to_vec()), (kind, parts.concat()));
    }
    assert_eq!(text(&found[3]), "behind the run");
}
