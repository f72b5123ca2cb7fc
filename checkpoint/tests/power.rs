//! Power cuts, failing disks and late writers, on the simulated disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{draft, newest, options, partition};
use tidemill_checkpoint::{CheckpointReader, CheckpointStore, Epoch, Error, Location};
use tidemill_storage::{DiskObjects, Fault, Objects, PutOutcome, SimDisk};

fn open(disk: &SimDisk) -> Result<CheckpointStore, Error> {
    let objects: Arc<dyn Objects> = Arc::new(DiskObjects::new(Arc::new(disk.clone()), "/store"));
    CheckpointStore::open_objects(objects, "sim:/store", options())
}

#[test]
fn a_power_cut_after_any_write_leaves_that_write_the_newest() {
    let disk = SimDisk::new();
    let mut expected = None;
    for time in 1..=12_u64 {
        let store = open(&disk).unwrap();
        assert_eq!(newest(&store), expected);
        let value = time.to_string();
        let changes = partition(time % 5 == 1, &[("a", Some(&value)), ("b", Some("2"))]);
        store.write(draft(time, vec![changes])).unwrap();
        drop(store);
        disk.power_cut();
        expected = Some((time, format!("a={time} b=2")));
    }
}

/// Two checkpoints, then a disk on which everything from operation `nth` on fails while a third is
/// tried. `None` when the third needs fewer operations.
fn fail_from(nth: u64, once: bool) -> Option<(SimDisk, CheckpointStore, bool)> {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    store
        .write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
        .unwrap();
    store
        .write(draft(2, vec![partition(false, &[("a", Some("2"))])]))
        .unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    disk.set_faults(move |_| {
        let at = counter.fetch_add(1, Ordering::Relaxed);
        let hit = if once { at == nth } else { at >= nth };
        hit.then_some(Fault::Errno(5))
    });
    let written = store.write(draft(3, vec![partition(false, &[("b", Some("3"))])]));
    disk.clear_faults();
    let reached = count.load(Ordering::Relaxed) > nth;
    reached.then(|| (disk, store, written.is_ok()))
}

#[test]
fn after_any_failing_operation_the_next_write_works_and_older_checkpoints_stand() {
    for once in [true, false] {
        for nth in 0.. {
            let Some((disk, store, written)) = fail_from(nth, once) else {
                break;
            };
            // As after a crash at this point: the last reported one, or the one in doubt.
            let crashed = disk.snapshot();
            crashed.power_cut();
            let found = newest(&open(&crashed).unwrap()).unwrap();
            let (two, three) = ((2, "a=2".to_owned()), (3, "a=2 b=3".to_owned()));
            assert!(
                found == three || (!written && found == two),
                "operation {nth}: {found:?}"
            );

            // The driver goes on: the failed changes, with newer ones upon them.
            let mut again = draft(3, vec![partition(false, &[("b", Some("3"))])]);
            again.absorb(draft(
                4,
                vec![partition(false, &[("b", Some("4")), ("c", Some("4"))])],
            ));
            store.write(again).unwrap();
            assert_eq!(newest(&store), Some((4, "a=2 b=4 c=4".to_owned())));
            assert!(store.list().unwrap().len() >= 2);
            drop(store);
            disk.power_cut();
            assert_eq!(
                newest(&open(&disk).unwrap()),
                Some((4, "a=2 b=4 c=4".to_owned()))
            );
        }
    }
}

#[test]
fn a_failed_write_gives_the_draft_back() {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    disk.set_faults(|_| Some(Fault::Errno(28)));
    let failed = store
        .write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
        .unwrap_err();
    disk.clear_faults();
    assert!(failed.to_string().contains("free some space"), "{failed}");
    store.write(*failed.draft).unwrap();
    assert_eq!(newest(&store), Some((1, "a=1".to_owned())));
}

#[test]
fn a_driver_that_was_taken_over_publishes_nothing() {
    let disk = SimDisk::new();
    let old = open(&disk).unwrap();
    old.write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
        .unwrap();
    let new = open(&disk).unwrap();
    let failed = old
        .write(draft(2, vec![partition(false, &[("a", Some("old"))])]))
        .unwrap_err();
    assert!(
        matches!(
            failed.error,
            Error::Fenced {
                epoch: Epoch(1),
                found: Epoch(2),
                ..
            }
        ),
        "{failed}"
    );
    assert_eq!(newest(&new), Some((1, "a=1".to_owned())));
    new.write(draft(2, vec![partition(false, &[("a", Some("new"))])]))
        .unwrap();
    assert_eq!(newest(&new), Some((2, "a=new".to_owned())));
    // What the old one left behind went with the new one's write.
    let chunks = DiskObjects::new(Arc::new(disk.clone()), "/store")
        .list("chunk")
        .unwrap();
    assert_eq!(chunks.len(), 2, "{chunks:?}");
}

/// Objects in which a later driver's claim stays hidden, as if it came just after the look.
#[derive(Debug)]
struct LateLook(DiskObjects);

impl Objects for LateLook {
    fn put(&self, name: &str, bytes: bytes::Bytes) -> tidemill_storage::Result<()> {
        self.0.put(name, bytes)
    }
    fn put_new(&self, name: &str, bytes: bytes::Bytes) -> tidemill_storage::Result<PutOutcome> {
        self.0.put_new(name, bytes)
    }
    fn get(&self, name: &str) -> tidemill_storage::Result<Option<bytes::Bytes>> {
        self.0.get(name)
    }
    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
    ) -> tidemill_storage::Result<Option<bytes::Bytes>> {
        self.0.get_range(name, offset, len)
    }
    fn get_versioned(
        &self,
        name: &str,
    ) -> tidemill_storage::Result<Option<(bytes::Bytes, tidemill_storage::Version)>> {
        self.0.get_versioned(name)
    }
    fn put_if(
        &self,
        name: &str,
        bytes: bytes::Bytes,
        expected: &tidemill_storage::Version,
    ) -> tidemill_storage::Result<PutOutcome> {
        self.0.put_if(name, bytes, expected)
    }
    fn list(&self, prefix: &str) -> tidemill_storage::Result<Vec<(String, u64)>> {
        let mut found = self.0.list(prefix)?;
        if prefix == "epoch" {
            found.truncate(1);
            found.retain(|(name, _)| name.ends_with('1'));
        }
        Ok(found)
    }
    fn delete(&self, name: &str) -> tidemill_storage::Result<()> {
        self.0.delete(name)
    }
}

#[test]
fn a_take_over_between_the_look_and_the_publishing_is_noticed() {
    let disk = SimDisk::new();
    let late = LateLook(DiskObjects::new(Arc::new(disk.clone()), "/store"));
    let old = CheckpointStore::open_objects(Arc::new(late), "sim:/store", options()).unwrap();
    old.write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
        .unwrap();
    let new = open(&disk).unwrap();
    let failed = old
        .write(draft(2, vec![partition(false, &[("a", Some("old"))])]))
        .unwrap_err();
    assert!(matches!(failed.error, Error::Fenced { .. }), "{failed}");
    assert_eq!(newest(&new), Some((1, "a=1".to_owned())));
}

#[test]
fn what_a_crash_left_before_publishing_is_swept_by_the_next_write() {
    let place = common::file();
    let store = place.open();
    store
        .write(draft(1, vec![partition(true, &[("a", Some("1"))])]))
        .unwrap();
    drop(store);
    let Location::File(path) = &place.location else {
        unreachable!()
    };
    let mut chunks = std::fs::read_dir(path.join("chunk")).unwrap();
    let chunk = chunks.next().unwrap().unwrap().path();
    let orphan = chunk.with_file_name("00000000000000000001-00000000000000000077");
    std::fs::copy(&chunk, &orphan).unwrap();
    let reader = CheckpointReader::open(&place.location).unwrap();
    assert_eq!(
        reader.verify().unwrap().orphans,
        [orphan.display().to_string()]
    );
    let store = place.open();
    assert_eq!(newest(&store), Some((1, "a=1".to_owned())));
    store
        .write(draft(2, vec![partition(false, &[("b", Some("1"))])]))
        .unwrap();
    assert!(!orphan.exists() && chunk.exists());
    assert!(reader.verify().unwrap().orphans.is_empty());
}
