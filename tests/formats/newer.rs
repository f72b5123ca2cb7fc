//! Whatever a newer release wrote is refused as such, and left as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill::rdd::{Executor, Rdd};
use tidemill::sink::{BatchIdentity, Sink, TextFiles};
use tidemill::source::{
    DirectSource, FileSource, FileSourceOptions, QueueSource, RateOptions, RateSource,
};
use tidemill::{OperatorUid, Time};
use tidemill_checkpoint::{
    CheckpointReader, CheckpointStore, Draft, Holder, Location, Start, StoreOptions,
};
use tidemill_storage::{DiskObjects, LocalDisk, Objects, SimDisk};
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
fn a_newer_manifest_or_chunk() {
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
            assert_eq!(verification.start, Start::Refused, "{kind}");
        }
        let name = file.display().to_string();
        start_is_refused(folder.path(), &[&name, "format 2"]);
    }
}

/// The objects of a store in memory, by name.
fn objects_of(objects: &dyn Objects) -> BTreeMap<String, Bytes> {
    let names = objects.list("").unwrap().into_iter();
    names
        .map(|(name, _)| {
            let bytes = objects.get(&name).unwrap().unwrap();
            (name, bytes)
        })
        .collect()
}

fn some_objects() -> Arc<dyn Objects> {
    Arc::new(DiskObjects::new(Arc::new(SimDisk::new()), "/store"))
}

/// Replaces an object by what it is in version 2.
fn make_newer(objects: &dyn Objects, name: &str) {
    let mut bytes = objects.get(name).unwrap().unwrap().to_vec();
    bytes[8] = 2;
    seal_envelope(&mut bytes);
    objects.put(name, bytes.into()).unwrap();
}

fn is_newer(error: &tidemill_checkpoint::Error, place: &str) -> bool {
    assert!(error.to_string().contains(place), "{error}");
    let versions = match error {
        tidemill_checkpoint::Error::NewerFormat { found, known, .. } => (*found, *known),
        other => panic!("{other}"),
    };
    versions == (2, 1)
}

/// A driver of a newer release has taken an object store over, and not come further than that.
#[test]
fn a_newer_claim_or_fence() {
    for (kind, name) in [
        ("claim", "epoch/00000000000000000001"),
        ("fence", "manifest/00000000000000000001"),
    ] {
        let objects = some_objects();
        let open = || {
            let options = StoreOptions::new(Holder::current("test", 1));
            CheckpointStore::open_objects(Arc::clone(&objects), "mem", options)
        };
        drop(open().unwrap());
        make_newer(&*objects, name);
        let before = objects_of(&*objects);
        assert_eq!(before.len(), 2, "{:?}", before.keys());
        assert!(is_newer(&open().unwrap_err(), name), "{kind}");
        assert_eq!(objects_of(&*objects), before, "{kind}");
    }
}

#[test]
fn a_newer_claim_of_a_local_location() {
    let folder = stopped();
    let claims = folder.path().join("checkpoint/epoch");
    let claim = newest(&claims);
    change(&claim, |bytes| bytes[8] = 2, seal_envelope);
    let before = contents(&claims);
    let name = claim.display().to_string();
    start_is_refused(folder.path(), &[&name, "an epoch's claim of format 2"]);
    assert!(contents(&claims) == before);
}

#[test]
fn a_newer_pack() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sled(folder.path().join("checkpoint"));
    let open = || CheckpointStore::open(&location, StoreOptions::new(Holder::current("test", 1)));
    let store = open().unwrap();
    let draft = |time_ms| Draft {
        time_ms,
        created_ms: time_ms,
        metadata: Bytes::from_static(b"opaque"),
        low_water: BTreeMap::new(),
        series: Vec::new(),
        unchanged: Vec::new(),
        name: None,
    };
    for time_ms in [10, 20] {
        store.write(draft(time_ms)).unwrap();
    }
    drop(store);
    // The index would answer for the pack, and a newer program's wouldn't be ours.
    std::fs::remove_dir_all(folder.path().join("checkpoint/index")).unwrap();
    let pack = newest(&folder.path().join("checkpoint/pack"));
    let seal_head = |bytes: &mut [u8]| {
        let length = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
        seal_envelope(&mut bytes[..24 + length]);
    };
    change(&pack, |bytes| bytes[8] = 2, seal_head);
    let state = || {
        let mut files = contents(&folder.path().join("checkpoint"));
        files.retain(|path, _| !path.to_string_lossy().contains("/index/"));
        files.extend(contents(&folder.path().join("checkpoint/epoch")));
        files
    };
    let before = state();
    assert!(is_newer(&open().unwrap_err(), &pack.display().to_string()));
    let found = CheckpointReader::open(&location).and_then(|reader| reader.verify());
    assert!(is_newer(&found.unwrap_err(), &pack.display().to_string()));
    assert!(state() == before);
}

/// A batch that a newer release was about to commit is not for us to finish.
#[test]
fn a_newer_decision() {
    let objects = some_objects();
    let hidden = ".counts-7000.commit";
    let decision = format!(
        "tidemill-parts 2 {:08x}\nanything",
        crc32fast::hash(b"anything")
    );
    for (name, text) in [("decision", decision.as_str()), ("part-00000.0", "a\n")] {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        objects.put(&format!("{hidden}/{name}"), bytes).unwrap();
    }
    let before = objects_of(&*objects);
    let sink = TextFiles::on_objects("counts", None, Arc::clone(&objects));
    let batch = BatchIdentity {
        application: "test".to_owned(),
        output: OperatorUid::new("files"),
        time: Time::from_millis(7_000),
    };
    let executor = Executor::new(1, 1).unwrap();
    let rdd = Rdd::parallelize(vec!["b".to_owned()], 1, &executor);
    let error = sink.commit(&batch, &rdd).unwrap_err().to_string();
    for text in [hidden, "format version 2", "release that began it"] {
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(objects_of(&*objects), before);
    assert!(!sink.is_committed(batch.time).unwrap());
}

/// Plans and positions of all direct sources: a newer one is refused, and changes nothing.
#[test]
fn newer_plans_and_positions() {
    fn check(source: &impl DirectSource<str>, executor: &Executor) {
        let kind = source.kind();
        let (first, second) = (Time::from_millis(1_000), Time::from_millis(2_000));
        let plan = source.plan(second, Some(first)).unwrap().unwrap().plan;
        let before = source.position();
        let newer = |bytes: &[u8]| [&[2], &bytes[1..]].concat();
        let refusals = [
            source.accept(&newer(&plan)),
            source.rdd(&newer(&plan), executor).map(drop),
            source.restore(&newer(&before)),
        ];
        for refused in refusals {
            let told = refused.unwrap_err().to_string();
            let expected = "has format version 2; this program reads version 1";
            assert!(told.contains(expected), "{kind}: {told}");
        }
        assert_eq!(source.position(), before, "{kind}");
        assert_eq!((plan[0], before[0]), (1, 1), "{kind}");
        source.restore(&before).unwrap();
        source.accept(&plan).unwrap();
        assert_ne!(source.position(), before, "{kind}");
    }
    let executor = Executor::new(1, 1).unwrap();
    check(&RateSource::new(RateOptions::default()), &executor);
    let (queue, handle) = QueueSource::<str>::new();
    handle.push_vec(vec!["one".to_owned()]);
    check(&queue, &executor);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "one\n").unwrap();
    let files = FileSource::new(folder.path(), FileSourceOptions::default());
    check(&files, &executor);
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
