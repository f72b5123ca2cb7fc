//! Whatever a newer release wrote is refused as such, and left as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_checkpoint::{CheckpointReader, CheckpointStore, Holder, Location, StoreOptions};
use tidemill_storage::LocalDisk;
use tidemill_wal::{LogKind, LogReader, Wal, WalOptions};

use crate::program::{program, stopped};
use crate::support::clock_at;

/// All files below `folder`, but for those by which a start takes a location over.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("epoch") {
                found.extend(contents(&path));
            }
        } else if !path.ends_with("lock") {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// The last file of a folder.
fn newest(folder: &Path) -> PathBuf {
    contents(folder).into_keys().next_back().unwrap()
}

/// Changes a file and seals it again.
fn change(path: &Path, by: impl Fn(&mut [u8]), seal: impl Fn(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    by(&mut bytes);
    seal(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn seal_envelope(bytes: &mut [u8]) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..]);
    let crc = hasher.finalize().to_le_bytes();
    bytes[12..16].copy_from_slice(&crc);
}

fn seal_header(bytes: &mut [u8]) {
    let crc = crc32fast::hash(&bytes[..36]).to_le_bytes();
    bytes[36..40].copy_from_slice(&crc);
}

/// Frames of a segment, sealed anew.
fn seal_frames(bytes: &mut [u8]) {
    let binding = crc32fast::hash(&bytes[16..32]);
    let mut at = 40;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = at + 17 + length;
        let mut hasher = crc32fast::Hasher::new_with_initial(binding);
        hasher.update(&bytes[at..at + 4]);
        hasher.update(&bytes[at + 8..end]);
        let crc = hasher.finalize().to_le_bytes();
        bytes[at + 4..at + 8].copy_from_slice(&crc);
        at = end;
    }
}

/// The program doesn't start on this folder, says why, and leaves it as it is.
fn start_is_refused(folder: &Path, expected: &[&str]) {
    let before = contents(folder);
    let clock = clock_at(110);
    let (context, _feed) = program(folder, &clock);
    let error = context.start().unwrap_err().to_string();
    for text in expected {
        assert!(error.contains(text), "{error}");
    }
    drop(context);
    assert!(contents(folder) == before, "something was changed");
}

#[test]
fn a_newer_segment() {
    let folder = stopped();
    let log = folder.path().join("wal/driver");
    let segment = newest(&log);
    change(&segment, |bytes| bytes[8] = 2, seal_header);
    let before = contents(&log);
    let options = WalOptions::new(LogKind(1), u64::MAX);
    let error = Wal::open(Arc::new(LocalDisk), &log, options).unwrap_err();
    let is_newer = matches!(
        &error,
        tidemill_wal::Error::NewerVersion {
            found: 2,
            known: 1,
            ..
        }
    );
    assert!(is_newer, "{error}");
    let report = LogReader::open(Arc::new(LocalDisk), &log)
        .unwrap()
        .verify()
        .unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(contents(&log) == before);
    let name = segment.display().to_string();
    start_is_refused(folder.path(), &[&name, "version 2", "newer program"]);
}

#[test]
fn a_newer_event() {
    let folder = stopped();
    let segment = newest(&folder.path().join("wal/driver"));
    let last = {
        // The last entry's payload begins with its version.
        let bytes = std::fs::read(&segment).unwrap();
        let (mut at, mut last) = (40, 40);
        while at < bytes.len() {
            last = at;
            at += 17 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        }
        last
    };
    change(&segment, |bytes| bytes[last + 17] = 2, seal_frames);
    // The checkpoint is newer than the event: an older one has to read it.
    let manifests = folder.path().join("checkpoint/manifest");
    let all: Vec<PathBuf> = contents(&manifests).into_keys().collect();
    for path in &all[1..] {
        std::fs::remove_file(path).unwrap();
    }
    start_is_refused(folder.path(), &["event format 2"]);
}

#[test]
fn a_newer_manifest_chunk_or_claim() {
    for kind in ["manifest", "chunk"] {
        let folder = stopped();
        let checkpoint = folder.path().join("checkpoint");
        let file = newest(&checkpoint.join(kind));
        change(&file, |bytes| bytes[8] = 2, seal_envelope);
        let before = contents(&checkpoint);
        let location = Location::File(checkpoint.clone());
        let options = StoreOptions::new(Holder::current("test", 1));
        let opened = CheckpointStore::open(&location, options);
        let error = opened.and_then(|store| store.newest()).unwrap_err();
        let is_newer = matches!(
            &error,
            tidemill_checkpoint::Error::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        );
        assert!(is_newer, "{kind}: {error}");
        assert!(contents(&checkpoint) == before, "{kind}");
        let found = CheckpointReader::open(&location).and_then(|reader| reader.verify());
        if let Ok(verification) = found {
            assert!(!verification.is_whole(), "{kind}");
        }
        let name = file.display().to_string();
        start_is_refused(folder.path(), &[&name, "format 2"]);
    }
}

#[test]
fn newer_metadata() {
    let folder = stopped();
    let manifest = newest(&folder.path().join("checkpoint/manifest"));
    let find = |bytes: &[u8]| {
        let name = b"\xa6format\x01\xaawritten_by";
        let at = bytes.windows(name.len()).position(|found| found == name);
        at.unwrap() + 7
    };
    let newer = |bytes: &mut [u8]| {
        let at = find(bytes);
        bytes[at] = 2;
    };
    change(&manifest, newer, seal_envelope);
    start_is_refused(folder.path(), &["format 2", "newer"]);
}
