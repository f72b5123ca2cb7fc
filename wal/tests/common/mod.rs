//! What the tests of the log share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{Disk, SimDisk};
use tidemill_wal::{Entry, LogKind, Position, Recovered, Result, Sequence, Wal, WalOptions};

pub const DIR: &str = "/log";

pub fn options() -> WalOptions {
    WalOptions::new(LogKind(1), 1)
}

pub fn try_open(disk: &SimDisk, options: WalOptions) -> Result<(Wal, Recovered)> {
    Wal::open(Arc::new(disk.clone()), Path::new(DIR), options)
}

pub fn open(disk: &SimDisk) -> Wal {
    try_open(disk, options()).unwrap().0
}

pub fn payload(text: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(text.as_bytes())]
}

pub fn append(wal: &Wal, text: &str) -> Position {
    wal.append(1, payload(text)).wait().unwrap()
}

pub fn text(entry: &Entry) -> String {
    String::from_utf8(entry.payload.to_vec()).unwrap()
}

/// The payloads from `from` on.
pub fn texts(wal: &Wal, from: u64) -> Vec<String> {
    wal.replay(Sequence(from))
        .unwrap()
        .map(|entry| text(&entry.unwrap()))
        .collect()
}

pub fn segments(disk: &SimDisk) -> Vec<String> {
    disk.read_dir(Path::new(DIR))
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

/// Replaces a file's bytes, durably.
pub fn overwrite(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let path = Path::new(DIR).join(name);
    tidemill_storage::durable::write_durable(disk, &path, bytes).unwrap();
}

pub fn read(disk: &SimDisk, name: &str) -> Vec<u8> {
    disk.read(&Path::new(DIR).join(name)).unwrap().to_vec()
}
