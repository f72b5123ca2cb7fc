//! What the tests of logs in object stores share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidemill_storage::{FaultyObjects, Objects, RemoteObjects};
use tidemill_wal::{LogKind, Recovered, Result, Wal, WalOptions};

use crate::common::payload;

pub const PREFIX: &str = "log";
pub const PLACE: &str = "memory:test";

/// Nothing is put together unless a test wants it.
pub fn options(epoch: u64) -> WalOptions {
    WalOptions {
        compact_segments: 0,
        ..WalOptions::new(LogKind(1), epoch)
    }
}

/// Four in a row are put together at once.
pub fn compacting(epoch: u64) -> WalOptions {
    WalOptions {
        compact_segments: 4,
        ..options(epoch)
    }
}

pub fn in_memory() -> Arc<dyn Objects> {
    Arc::new(RemoteObjects::in_memory().unwrap())
}

/// A store that counts, and fails when told to.
pub fn faulty() -> (FaultyObjects, Arc<dyn Objects>) {
    let faulty = FaultyObjects::counting(in_memory());
    (faulty.clone(), Arc::new(faulty))
}

pub fn try_open(objects: &Arc<dyn Objects>, options: WalOptions) -> Result<(Wal, Recovered)> {
    Wal::open_objects(Arc::clone(objects), PREFIX, PLACE, options)
}

pub fn open(objects: &Arc<dyn Objects>, epoch: u64) -> Wal {
    try_open(objects, options(epoch)).unwrap().0
}

/// Appends that are groups of their own.
pub fn append_each(wal: &Wal, texts: &[&str]) {
    for text in texts {
        wal.append(1, payload(text)).wait().unwrap();
    }
}

/// The names of all objects, without the log's prefix.
pub fn names(objects: &dyn Objects) -> Vec<String> {
    let list = objects.list(PREFIX).unwrap().into_iter();
    list.map(|(name, _)| name[PREFIX.len() + 1..].to_owned())
        .collect()
}

pub fn slot(number: u64) -> String {
    format!("slot/{number:020}")
}

pub fn object(name: &str) -> String {
    format!("{PREFIX}/{name}")
}

pub fn read(objects: &dyn Objects, name: &str) -> Bytes {
    objects.get(&object(name)).unwrap().unwrap()
}

/// A copy of all objects, in memory.
pub fn copy(objects: &dyn Objects) -> Arc<dyn Objects> {
    let copy = in_memory();
    for (name, _) in objects.list("").unwrap() {
        let bytes = objects.get(&name).unwrap().unwrap();
        copy.put(&name, bytes).unwrap();
    }
    copy
}

/// Waits until something that happens in the background has happened.
pub fn eventually(what: &str, happened: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if happened() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what} never happened");
}

/// Waits until the compactor has nothing left to put together.
pub fn compacted(objects: &Arc<dyn Objects>, at_most: usize) {
    eventually("compaction", || {
        let names = names(&**objects);
        let alone = names.iter().filter(|name| name.starts_with("slot/"));
        let large = alone.filter(|name| read_len(&**objects, name) > 40);
        large.count() <= at_most
    });
}

pub fn read_len(objects: &dyn Objects, name: &str) -> usize {
    let found = objects.get(&object(name)).unwrap();
    found.map_or(0, |bytes| bytes.len())
}
