//! A log in an object store, one of whose objects holds anything.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{DiskObjects, Objects, SimDisk};
use tidemill_wal::{Error, LogKind, LogReader, Sequence, Wal, WalOptions};

use crate::log_model::{self, Opener, Segment, Then};
use crate::repair;
use crate::run::{Outcome, Target};
use crate::support;

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
    for (epoch, groups, compact) in [(1, 3, 4), (2, 5, 0)] {
        let wal = open(&objects, options(epoch, compact)).unwrap();
        for _ in 0..groups {
            number += 1;
            let payload = Bytes::from(vec![number; usize::from(number) * 5]);
            wal.append(number, vec![payload]).wait().unwrap();
        }
        // The fence and the first owner's slots are put together beside all else.
        support::eventually("a run", || {
            // Only listed: what is listed may be gone when it is asked for.
            let names = objects.list("").unwrap().into_iter();
            let slots = names.filter(|(name, _)| name.contains("slot/")).count();
            (slots == 1 || compact == 0).then_some(())
        });
        wal.close().unwrap();
    }
    disk
}

/// How many entries lie before an object's first slot; none before the head, which says where the log begins.
fn entries_before(written: &[(u64, Bytes)], name: &str) -> usize {
    let (_, number) = name.rsplit_once('/').unwrap_or(("", ""));
    let digits = number.split('-').next().unwrap_or_default();
    let slot = digits.parse().unwrap_or(0);
    written.partition_point(|(place, _)| *place < slot)
}

/// Whether all checksums of an object are right, by what `docs/formats.md` says: then what it says was either
/// written or forged. In a run with an index of ours the slots are looked at, too.
fn is_sound(case: &[u8], runs: &[&Bytes]) -> bool {
    if case.starts_with(b"TIDEMWAL") {
        return is_slot(case);
    }
    let mut sealed = case.to_vec();
    repair::sealed(&mut sealed);
    let ours = runs.iter().find_map(|run| {
        let length = u64::from_le_bytes(run[16..24].try_into().unwrap()) as usize;
        let index = run.get(..24 + length)?;
        case.starts_with(index)
            .then(|| (case.get(index.len()..), run.len() - index.len()))
    });
    match ours {
        _ if sealed != case => false,
        Some((Some(mut slots), length)) => {
            if slots.len() != length {
                return false;
            }
            while slots.len() >= 40 {
                let length = u32::from_le_bytes(slots[12..16].try_into().unwrap()) as usize;
                if length < 40 || length > slots.len() || !is_slot(&slots[..length]) {
                    return false;
                }
                slots = &slots[length..];
            }
            slots.is_empty()
        }
        _ => true,
    }
}

fn is_slot(case: &[u8]) -> bool {
    if case.len() < 40 || case[12..16] != (case.len() as u32).to_le_bytes() {
        return false;
    }
    let first = u64::from_le_bytes(case[24..32].try_into().unwrap());
    let opener = Opener {
        kind: KIND.0,
        epoch: u64::MAX,
        first,
    };
    let read = log_model::read(case, &opener);
    matches!(
        read,
        Segment::Frames {
            then: Then::End,
            ..
        }
    )
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
    let payloads = replay(&wal, 0).unwrap();
    assert_eq!(payloads.len(), 8);
    // In slots 0 and 4 are the fences of the two owners.
    let slots = [1, 2, 3, 5, 6, 7, 8, 9];
    let written: Vec<(u64, Bytes)> = slots.into_iter().zip(payloads.iter().cloned()).collect();
    let runs = log.iter().filter(|(name, _)| name.contains("run/"));
    let runs: Vec<&Bytes> = runs.map(|(_, bytes)| bytes).collect();
    assert!(!runs.is_empty() && log.iter().all(|(_, bytes)| is_sound(bytes, &runs)));
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
                Ok(read) => {
                    // Nothing that a checksum refuses is read, and nothing is left out for it: the log is
                    // whole without it. A forged slot can say what it likes, but only from its place on.
                    let before = entries_before(&written, name);
                    let is_prefix = read.starts_with(&payloads[..before]);
                    let forged = is_sound(case, &runs) && (is_prefix || name.ends_with("head"));
                    assert!(forged || read == payloads, "{name}: {read:?}");
                    format!("read {}", read == payloads)
                }
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
