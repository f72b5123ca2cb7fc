//! What Spark's own suite asks of its tracker, step by step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill_storage::{Fault, OperationKind, SimDisk};
use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};

use super::events::Event;
use super::tracker::{Tracker, TrackerSnapshot};
use super::{BlockId, BlockInfo};
use crate::time::Time;
use crate::uid::OperatorUid;

fn open(disk: &SimDisk) -> Wal {
    let options = WalOptions::new(LogKind(1), 1);
    let opened = Wal::open(Arc::new(disk.clone()), Path::new("/log"), options);
    opened.unwrap().0
}

fn lines() -> OperatorUid {
    OperatorUid::new("lines")
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn blocks(numbers: std::ops::Range<u64>) -> Vec<BlockInfo> {
    let block = |number| BlockInfo {
        id: BlockId { epoch: 1, number },
        records: number,
        bytes: 7,
        cut_ms: number,
        position: None,
        logged_as: None,
        requeued: None,
    };
    numbers.map(block).collect()
}

/// Adds one after the other.
async fn add(tracker: &Tracker, blocks: &[BlockInfo]) {
    for block in blocks {
        tracker.add(&lines(), block.clone()).await.unwrap();
    }
}

/// Numbers of the blocks that wait, in order.
fn waiting(snapshot: &TrackerSnapshot) -> Vec<u64> {
    let blocks = snapshot.unallocated.get(&lines()).into_iter().flatten();
    blocks.map(|block| block.id.number).collect()
}

/// Numbers of the blocks of a batch, in order; `None` for a batch that isn't known.
fn of_batch(snapshot: &TrackerSnapshot, time: Time) -> Option<Vec<u64>> {
    let blocks = snapshot.allocated.get(&time)?.blocks.get(&lines());
    Some(
        blocks
            .into_iter()
            .flatten()
            .map(|block| block.id.number)
            .collect(),
    )
}

/// What a start makes of the log alone; every batch is taken for complete.
fn recovered(log: &Wal) -> TrackerSnapshot {
    let mut snapshot = TrackerSnapshot::default();
    for entry in log.replay(Sequence(0)).unwrap() {
        let entry = entry.unwrap();
        let event = Event::decode(entry.kind, &entry.payload).unwrap();
        snapshot
            .apply(entry.sequence.0, event, at(u64::MAX))
            .unwrap();
    }
    snapshot
}

fn allocate(tracker: &Tracker, ms: u64) -> Vec<u64> {
    let allocation = tracker
        .allocate(at(ms), BTreeMap::new(), &|_| None)
        .unwrap();
    let blocks = allocation.blocks.get(&lines()).into_iter().flatten();
    blocks.map(|block| block.id.number).collect()
}

#[tokio::test]
async fn blocks_wait_go_to_one_batch_and_stay_there() {
    let tracker = Tracker::new(open(&SimDisk::new()), TrackerSnapshot::default());
    assert!(waiting(&tracker.snapshot()).is_empty() && !tracker.has_unallocated());

    add(&tracker, &blocks(0..5)).await;
    assert_eq!(waiting(&tracker.snapshot()), [0, 1, 2, 3, 4]);
    assert!(tracker.has_unallocated());

    assert_eq!(allocate(&tracker, 1), [0, 1, 2, 3, 4]);
    assert!(!tracker.has_unallocated());
    assert_eq!(
        tracker.allocation(at(1)).unwrap().records(),
        BTreeMap::from([(lines(), 10)])
    );

    // A batch with nothing to read is one all the same.
    assert_eq!(allocate(&tracker, 2), [0u64; 0]);
    assert_eq!(tracker.allocated_times(), [at(1), at(2)]);
    assert_eq!(
        (tracker.last_allocated(), tracker.last_filled()),
        (Some(at(2)), Some(at(1)))
    );

    // Asked again, each has what it had, and what came since waits.
    add(&tracker, &blocks(5..8)).await;
    assert_eq!(allocate(&tracker, 1), [0, 1, 2, 3, 4]);
    assert_eq!(allocate(&tracker, 2), [0u64; 0]);
    assert_eq!(waiting(&tracker.snapshot()), [5, 6, 7]);
}

#[tokio::test]
async fn many_blocks_are_in_the_log_in_order_and_once() {
    const MANY: u64 = 2000;
    let log = open(&SimDisk::new());
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    add(&tracker, &blocks(0..MANY)).await;
    assert_eq!(allocate(&tracker, 1), (0..MANY).collect::<Vec<_>>());
    let events: Vec<Event> = log
        .replay(Sequence(0))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| Event::decode(entry.kind, &entry.payload).unwrap())
        .collect();
    let mut added = Vec::new();
    for event in &events[..events.len() - 1] {
        let Event::BlockAddition(event) = event else {
            panic!("{event:?} among the additions");
        };
        added.push(event.block.id.number);
    }
    assert_eq!(added, (0..MANY).collect::<Vec<_>>());
    let Some(Event::BatchAllocation(last)) = events.last() else {
        panic!("{:?} at the end", events.last());
    };
    assert_eq!(
        (last.time, last.blocks[&lines()].len() as u64),
        (at(1), MANY)
    );
}

#[tokio::test]
async fn recovery_takes_from_what_waits_only_what_was_allocated() {
    let log = open(&SimDisk::new());
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    add(&tracker, &blocks(0..5)).await;
    allocate(&tracker, 10);
    add(&tracker, &blocks(5..9)).await;
    let held = recovered(&log);
    assert_eq!(of_batch(&held, at(10)), Some(vec![0, 1, 2, 3, 4]));
    assert_eq!(waiting(&held), [5, 6, 7, 8]);
}

#[tokio::test]
async fn an_allocation_that_cannot_be_logged_loses_no_block() {
    let disk = SimDisk::new();
    let log = open(&disk);
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    add(&tracker, &blocks(0..5)).await;
    let full = Arc::new(AtomicBool::new(true));
    let armed = Arc::clone(&full);
    disk.set_faults(move |operation| {
        let hit = operation.kind == OperationKind::Append && armed.load(Ordering::SeqCst);
        hit.then_some(Fault::Errno(28))
    });
    let error = tracker
        .allocate(at(1), BTreeMap::new(), &|_| None)
        .unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(waiting(&tracker.snapshot()), [0, 1, 2, 3, 4]);
    assert_eq!(tracker.allocation(at(1)), None);
    assert_eq!(tracker.last_allocated(), None);

    full.store(false, Ordering::SeqCst);
    assert_eq!(allocate(&tracker, 2), [0, 1, 2, 3, 4]);
    let held = recovered(&log);
    assert_eq!(
        of_batch(&held, at(1)),
        None,
        "the batch that failed never was"
    );
    assert_eq!(of_batch(&held, at(2)), Some(vec![0, 1, 2, 3, 4]));
    assert!(waiting(&held).is_empty());
}

/// Four lives over one log: blocks that wait, two batches, the first cleaned up, and what is left of it.
#[tokio::test]
async fn recovery_and_clean_up_over_several_lives() {
    let disk = SimDisk::new();
    let live = |snapshot| {
        let log = open(&disk);
        (Tracker::new(log.clone(), snapshot), log)
    };
    let (first, log) = live(TrackerSnapshot::default());
    add(&first, &blocks(0..5)).await;
    log.close().unwrap();

    let (_, log) = live(TrackerSnapshot::default());
    let held = recovered(&log);
    log.close().unwrap();
    assert_eq!(waiting(&held), [0, 1, 2, 3, 4]);
    let (second, log) = live(held);
    assert_eq!(allocate(&second, 2000), [0, 1, 2, 3, 4]);
    add(&second, &blocks(5..9)).await;
    assert_eq!(allocate(&second, 4000), [5, 6, 7, 8]);
    let held = recovered(&log);
    log.close().unwrap();
    assert_eq!(of_batch(&held, at(2000)), Some(vec![0, 1, 2, 3, 4]));
    assert_eq!(of_batch(&held, at(4000)), Some(vec![5, 6, 7, 8]));
    assert!(waiting(&held).is_empty());

    let (third, log) = live(held);
    let cleaned = third.clean_up(&[at(2000)]).unwrap();
    assert_eq!(cleaned.len(), 1);
    assert_eq!(third.allocation(at(2000)), None);
    log.close().unwrap();

    let (_, log) = live(TrackerSnapshot::default());
    let held = recovered(&log);
    assert_eq!(of_batch(&held, at(2000)), None, "it stays cleaned up");
    assert_eq!(of_batch(&held, at(4000)), Some(vec![5, 6, 7, 8]));
    assert_eq!(held.last_allocated, Some(at(4000)));
}
