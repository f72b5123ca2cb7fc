//! A log in an object store, one of whose objects holds anything.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{DiskObjects, Objects, SimDisk};
use tidemill_wal::{Error, LogKind, LogReader, Sequence, Wal, WalOptions};

use crate::repair;
use crate::run::{Outcome, Target};

const PREFIX: &str = "log";
const PLACE: &str = "mem";
const KIND: LogKind = LogKind(1);

fn options(epoch: u64, compact_segments: usize) -> WalOptions {
    WalOptions {
        compact_segments,
        ..WalOptions::new(KIND, epoch)
    }
}

fn open(objects: &Arc<dyn Objects>, options: WalOptions) -> tidemill_wal::Result<Wal> {
    Wal::open_objects(Arc::clone(objects), PREFIX, PLACE, options).map(|(wal, _)| wal)
}

type Stored = Vec<(String, Bytes)>;

fn objects(disk: &SimDisk) -> Arc<dyn Objects> {
    Arc::new(DiskObjects::new(Arc::new(disk.clone()), "/store"))
}

fn stored(objects: &dyn Objects) -> Stored {
    let names = objects.list("").unwrap().into_iter();
    names
        .map(|(name, _)| {
            let bytes = objects.get(&name).unwrap().unwrap();
            (name, bytes)
        })
        .collect()
}

/// Two owners' groups: a run, slots behind it, and their fences.
fn some_log() -> SimDisk {
    let disk = SimDisk::new();
    let objects = objects(&disk);
    let mut number = 0_u8;
    for (epoch, groups, compact) in [(1, 5, 4), (2, 3, 0)] {
        let wal = open(&objects, options(epoch, compact)).unwrap();
        for _ in 0..groups {
            number += 1;
            let payload = Bytes::from(vec![number; usize::from(number) * 5]);
            wal.append(number, vec![payload]).wait().unwrap();
        }
        wal.close().unwrap();
    }
    disk
}

/// The payloads from the start, up to an error.
fn replay(wal: &Wal, from: u64) -> Result<Vec<Bytes>, Error> {
    wal.replay(Sequence(from))?
        .map(|entry| entry.map(|entry| entry.payload))
        .collect()
}

/// A length, a kind, a number: with these right, whatever a header or head says is looked at.
fn repair_object(case: &mut [u8]) {
    if case.starts_with(b"TIDEMWAL") {
        if case.len() >= 40 {
            let length = case.len() as u32;
            case[12..16].copy_from_slice(&length.to_le_bytes());
        }
        repair::segment(case);
    } else {
        repair::sealed(case);
    }
}

/// Two objects to put a case in the place of: any one, and one of its own kind.
fn places<'a>(log: &'a Stored, case: &[u8]) -> Vec<&'a str> {
    let hash = crc32fast::hash(case) as usize;
    let alike = log
        .iter()
        .filter(|(_, bytes)| case.get(..8) == bytes.get(..8));
    let alike: Vec<_> = alike.collect();
    let own = (!alike.is_empty()).then(|| alike[hash % alike.len()]);
    let places = std::iter::once(&log[hash % log.len()]).chain(own);
    places.map(|(name, _)| name.as_str()).collect()
}

#[test]
fn wal_objects() {
    let disk = some_log();
    let log = stored(&*objects(&disk));
    let wal = open(&objects(&disk.snapshot()), options(9, 0)).unwrap();
    assert_eq!(replay(&wal, 0).unwrap().len(), 8);
    let target = Target {
        name: "wal_objects",
        seeds: log.iter().map(|(_, bytes)| bytes.to_vec()).collect(),
        words: &[
            "TIDEMWAL",
            "TIDEHEAD",
            "TIDERUNX",
            "runs",
            "slots",
            "oldest_slot",
            "owner",
        ],
        repair: repair_object,
        cases: 400,
    };
    target.run(|case| {
        let mut told: Vec<Outcome> = Vec::new();
        for name in places(&log, case) {
            let objects = objects(&disk.snapshot());
            objects.put(name, Bytes::copy_from_slice(case)).unwrap();
            let reader = LogReader::open_objects(Arc::clone(&objects), PREFIX, PLACE);
            if let Ok(reader) = reader {
                let _ = reader.verify();
            }
            let opened = open(&objects, options(9, 0));
            told.push(match opened.and_then(|wal| replay(&wal, 0)) {
                // A checksum that is right makes any slot another log's or an earlier end.
                Ok(_) => "read".to_owned(),
                Err(error) => {
                    let text = error.to_string();
                    let names_it = text.contains(PLACE);
                    let is_place = matches!(error, Error::NotKept { .. } | Error::BeyondEnd { .. });
                    assert!(names_it || is_place, "an error without its place: {text}");
                    // Only the head is ever replaced, by whoever may take the log over.
                    let kept = objects.get(name).unwrap().unwrap();
                    assert!(kept == case || name.ends_with("head"), "{name} was touched");
                    text.split(": ").last().unwrap_or_default().to_owned()
                }
            });
        }
        told.join(", ")
    });
}
