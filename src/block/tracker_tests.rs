//! The tracker against its log: whatever happens in memory, a snapshot and the entries behind it say it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use tidemill_storage::{Fault, OperationKind, SimDisk};
use tidemill_wal::{LogKind, Sequence, Wal, WalOptions};

use super::events::Event;
use super::tracker::{Tracker, TrackerError, TrackerSnapshot};
use super::{BlockId, BlockInfo};
use crate::time::Time;
use crate::uid::OperatorUid;

fn open(disk: &SimDisk) -> Wal {
    let options = WalOptions::new(LogKind(1), 1);
    Wal::open(Arc::new(disk.clone()), Path::new("/log"), options)
        .unwrap()
        .0
}

fn block(number: u64) -> BlockInfo {
    let id = BlockId { epoch: 1, number };
    BlockInfo {
        id,
        records: 1,
        bytes: 1,
        cut_ms: 0,
        position: None,
        logged_as: None,
        requeued: None,
    }
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

/// What recovery makes of a snapshot and the log.
fn recovered(log: &Wal, mut snapshot: TrackerSnapshot, complete_through: Time) -> TrackerSnapshot {
    for entry in log.replay(Sequence(snapshot.replay_from)).unwrap() {
        let entry = entry.unwrap();
        let event = Event::decode(entry.kind, &entry.payload).unwrap();
        snapshot
            .apply(entry.sequence.0, event, complete_through)
            .unwrap();
    }
    snapshot
}

/// A snapshot without what only tells where it was taken.
fn contents(snapshot: &TrackerSnapshot) -> TrackerSnapshot {
    let mut contents = snapshot.clone();
    contents.unallocated.retain(|_, blocks| !blocks.is_empty());
    for allocation in contents.allocated.values_mut() {
        allocation.blocks.retain(|_, blocks| !blocks.is_empty());
    }
    contents.replay_from = 0;
    contents.contained.clear();
    contents
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8),
    Allocate,
    CleanUp,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3).prop_map(Step::Add),
        2 => Just(Step::Allocate),
        1 => Just(Step::CleanUp),
        1 => Just(Step::Snapshot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_snapshot_and_the_log_behind_it_give_the_tracker_back(steps in proptest::collection::vec(step(), 1..60)) {
        let disk = SimDisk::new();
        let log = open(&disk);
        let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
        let mut snapshots = vec![tracker.snapshot()];
        let mut blocks_in_batches: BTreeMap<(OperatorUid, BlockId), usize> = BTreeMap::new();
        for (number, step) in steps.iter().enumerate() {
            let number = number as u64 + 1;
            match step {
                Step::Add(stream) => {
                    let uid = OperatorUid::new(format!("s{stream}"));
                    futures_executor(tracker.add(&uid, block(number))).unwrap();
                }
                Step::Allocate => {
                    let allocation = tracker.allocate(at(number), BTreeMap::new(), &|_| None).unwrap();
                    for (stream, blocks) in &allocation.blocks {
                        for block in blocks {
                            *blocks_in_batches.entry((stream.clone(), block.id)).or_default() += 1;
                        }
                    }
                }
                Step::CleanUp => {
                    let times = tracker.allocated_times();
                    tracker.clean_up(&times[..times.len() / 2]).unwrap();
                }
                Step::Snapshot => snapshots.push(tracker.snapshot()),
            }
        }
        prop_assert!(blocks_in_batches.values().all(|times| *times == 1));
        let now = contents(&tracker.snapshot());
        for snapshot in snapshots {
            let replayed = recovered(&log, snapshot, at(u64::MAX));
            prop_assert_eq!(contents(&replayed), now.clone());
        }
    }
}

#[derive(Debug, Clone)]
enum FullStep {
    Begin,
    /// Ends one of those that were begun.
    End(usize),
    Allocate,
    Snapshot,
    Full(bool),
}

type Begun<'a> = (u64, BoxFuture<'a, Result<BlockInfo, TrackerError>>);

/// Ends one; what was refused is begun anew.
fn end<'a>(
    tracker: &'a Tracker,
    uid: &OperatorUid,
    begun: &mut Vec<Begun<'a>>,
    which: usize,
    added: &mut BTreeSet<u64>,
) {
    if begun.is_empty() {
        return;
    }
    let (number, adding) = begun.remove(which % begun.len());
    match futures_executor(adding) {
        Ok(_) => {
            added.insert(number);
        }
        Err(error) => {
            assert!(error.is_full(), "{error}");
            begun.push((number, tracker.add(uid, block(number)).boxed()));
        }
    }
}

fn full_step() -> impl Strategy<Value = FullStep> {
    prop_oneof![
        5 => Just(FullStep::Begin),
        4 => (0usize..4).prop_map(FullStep::End),
        1 => Just(FullStep::Allocate),
        2 => Just(FullStep::Snapshot),
        2 => any::<bool>().prop_map(FullStep::Full),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn numbers_that_a_full_log_takes_back_confuse_no_snapshot(steps in proptest::collection::vec(full_step(), 1..60)) {
        let disk = SimDisk::new();
        let log = open(&disk);
        let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
        let uid = OperatorUid::new("lines");
        let full = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let armed = Arc::clone(&full);
        disk.set_faults(move |operation| {
            let hit = operation.kind == OperationKind::Append && armed.load(Ordering::SeqCst);
            hit.then_some(Fault::Errno(28))
        });
        let mut snapshots = vec![tracker.snapshot()];
        let mut begun: Vec<Begun<'_>> = Vec::new();
        let mut added = BTreeSet::new();
        let mut count = 0;
        for (at_step, step) in steps.iter().enumerate() {
            match step {
                FullStep::Begin => {
                    count += 1;
                    begun.push((count, tracker.add(&uid, block(count)).boxed()));
                }
                FullStep::End(which) => end(&tracker, &uid, &mut begun, *which, &mut added),
                FullStep::Allocate => {
                    if let Err(error) = tracker.allocate(at(at_step as u64 + 1), BTreeMap::new(), &|_| None) {
                        prop_assert!(error.is_full(), "{error}");
                    }
                }
                FullStep::Snapshot => snapshots.push(tracker.snapshot()),
                FullStep::Full(is_full) => full.store(*is_full, Ordering::SeqCst),
            }
        }
        full.store(false, Ordering::SeqCst);
        while !begun.is_empty() {
            end(&tracker, &uid, &mut begun, 0, &mut added);
        }
        prop_assert_eq!(added.len() as u64, count);
        let now = contents(&tracker.snapshot());
        let in_batches = now.allocated.values().flat_map(|batch| batch.blocks.values());
        for blocks in in_batches.map(numbers).chain(now.unallocated.values().map(numbers)) {
            prop_assert!(blocks.is_sorted(), "{:?}", blocks);
        }
        for snapshot in snapshots {
            let replayed = recovered(&log, snapshot, at(u64::MAX));
            prop_assert_eq!(contents(&replayed), now.clone());
        }
    }
}

/// Polls a future on this thread until it's done.
fn futures_executor<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        if let Some(output) = future.as_mut().now_or_never() {
            return output;
        }
        std::thread::yield_now();
    }
}

#[test]
fn an_entry_applied_ahead_of_an_older_one_is_applied_once() {
    let disk = SimDisk::new();
    let log = open(&disk);
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    let first = tracker.add(&uid, block(1));
    futures_executor(tracker.add(&uid, block(2))).unwrap();
    // Entry 0 is durable but hasn't changed memory; entry 1 has.
    let snapshot = tracker.snapshot();
    assert_eq!(
        (snapshot.replay_from, snapshot.contained.clone()),
        (0, BTreeSet::from([1]))
    );
    futures_executor(first).unwrap();
    let replayed = recovered(&log, snapshot, at(0));
    assert_eq!(numbers(&replayed.unallocated[&uid]), [1, 2]);
}

fn numbers<'a>(blocks: impl IntoIterator<Item = &'a BlockInfo>) -> Vec<u64> {
    blocks.into_iter().map(|block| block.id.number).collect()
}

#[test]
fn blocks_are_in_batches_in_the_order_in_which_they_were_received() {
    let log = open(&SimDisk::new());
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    let (uid, other) = (OperatorUid::new("lines"), OperatorUid::new("others"));
    let mut begun: BTreeMap<u64, _> = (1..=4)
        .map(|number| (number, tracker.add(&uid, block(number)).boxed()))
        .collect();
    let mut ends = |number| futures_executor(begun.remove(&number).unwrap()).unwrap();
    let allocate = |ms, stream| {
        let allocation = tracker
            .allocate(at(ms), BTreeMap::new(), &|_| None)
            .unwrap();
        numbers(allocation.blocks.get(stream).into_iter().flatten())
    };
    ends(3);
    ends(2);
    futures_executor(tracker.add(&other, block(9))).unwrap();
    // All are durable, and the first hasn't come to its end: the others of its stream wait for it.
    let early = tracker.snapshot();
    assert_eq!(allocate(10, &uid), [] as [u64; 0]);
    assert_eq!(tracker.allocation(at(10)).unwrap().blocks.len(), 1);
    ends(1);
    assert_eq!(allocate(20, &uid), [1, 2, 3]);
    ends(4);
    assert_eq!(numbers(&tracker.snapshot().unallocated[&uid]), [4]);
    for snapshot in [TrackerSnapshot::default(), early] {
        let replayed = recovered(&log, snapshot, at(0));
        assert_eq!(contents(&replayed), contents(&tracker.snapshot()));
        assert_eq!(
            numbers(&replayed.allocated[&at(20)].blocks[&uid]),
            [1, 2, 3]
        );
    }
}

#[test]
fn a_snapshot_after_a_failed_sync_doesnt_claim_what_may_be_lost() {
    let disk = SimDisk::new();
    let log = open(&disk);
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    futures_executor(tracker.add(&uid, block(1))).unwrap();
    disk.fail_sync_for_ever(|_| true);
    for number in 2..4 {
        let error = futures_executor(tracker.add(&uid, block(number))).unwrap_err();
        assert!(!error.is_full(), "{error}");
        assert_eq!(tracker.snapshot().replay_from, 1);
    }
}

#[test]
fn a_snapshot_beside_an_allocation_still_has_its_blocks() {
    let log = open(&SimDisk::new());
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    futures_executor(tracker.add(&uid, block(1))).unwrap();
    let (allocation, append, _) = tracker
        .append_allocation(at(10), BTreeMap::new(), &|_| None)
        .unwrap();
    let snapshot = tracker.snapshot();
    append.wait().unwrap();
    let replayed = recovered(&log, snapshot, at(0));
    assert_eq!(replayed.allocated, BTreeMap::from([(at(10), allocation)]));
    assert!(replayed.unallocated[&uid].is_empty());
}

#[test]
fn what_isnt_processed_is_what_waits_and_what_is_in_open_batches() {
    let tracker = Tracker::new(open(&SimDisk::new()), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    let add = |number| {
        let block = BlockInfo {
            cut_ms: number * 100,
            bytes: 5,
            ..block(number)
        };
        futures_executor(tracker.add(&uid, block)).unwrap();
    };
    add(1);
    tracker
        .allocate(at(150), BTreeMap::new(), &|_| None)
        .unwrap();
    add(2);
    tracker
        .allocate(at(250), BTreeMap::new(), &|_| None)
        .unwrap();
    add(3);
    let of = |open: &[Time]| tracker.backlog(open).remove(&uid).unwrap();
    let backlog = of(&[at(150), at(250)]);
    assert_eq!((backlog.records, backlog.bytes), (3, 15));
    assert_eq!(backlog.oldest, Some(at(100)));
    assert_eq!(of(&[at(250)]).oldest, Some(at(200)));
    let backlog = of(&[]);
    assert_eq!((backlog.records, backlog.oldest), (1, Some(at(300))));
    // A plan has no blocks: its batch says since when.
    let files = OperatorUid::new("files");
    let plans = BTreeMap::from([(files.clone(), vec![1])]);
    tracker.allocate(at(350), plans, &|_| None).unwrap();
    assert_eq!(tracker.backlog(&[at(350)])[&files].oldest, Some(at(350)));
}

#[test]
fn blocks_that_come_beside_an_allocation_wait_for_the_next() {
    let tracker = Tracker::new(open(&SimDisk::new()), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    for number in 1..=3 {
        futures_executor(tracker.add(&uid, block(number))).unwrap();
        let allocation = tracker
            .allocate(at(number), BTreeMap::new(), &|_| None)
            .unwrap();
        let ids: Vec<_> = allocation.blocks[&uid]
            .iter()
            .map(|block| block.id.number)
            .collect();
        assert_eq!(ids, [number]);
    }
    assert!(!tracker.has_unallocated());
}

#[test]
fn an_older_checkpoint_ignores_clean_ups_made_on_the_word_of_a_newer_one() {
    let disk = SimDisk::new();
    let log = open(&disk);
    let tracker = Tracker::new(log.clone(), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    let old = tracker.snapshot();
    futures_executor(tracker.add(&uid, block(1))).unwrap();
    tracker
        .allocate(at(10), BTreeMap::new(), &|_| None)
        .unwrap();
    tracker.clean_up(&[at(10)]).unwrap();
    assert!(
        recovered(&log, old.clone(), at(9))
            .allocated
            .contains_key(&at(10))
    );
    assert!(!recovered(&log, old, at(10)).allocated.contains_key(&at(10)));
}

#[test]
fn a_batch_is_allocated_once() {
    let tracker = Tracker::new(open(&SimDisk::new()), TrackerSnapshot::default());
    let uid = OperatorUid::new("lines");
    futures_executor(tracker.add(&uid, block(1))).unwrap();
    let first = tracker
        .allocate(at(10), BTreeMap::new(), &|_| None)
        .unwrap();
    futures_executor(tracker.add(&uid, block(2))).unwrap();
    assert_eq!(
        tracker
            .allocate(at(10), BTreeMap::new(), &|_| None)
            .unwrap(),
        first
    );
    assert!(tracker.has_unallocated());
}

#[test]
fn a_batch_that_names_unknown_blocks_is_an_error() {
    let event = Event::BatchAllocation(super::BatchAllocationEvent {
        time: at(5),
        blocks: BTreeMap::from([(OperatorUid::new("lines"), vec![block(9).id])]),
        plans: BTreeMap::new(),
    });
    let error = TrackerSnapshot::default()
        .apply(0, event, at(0))
        .unwrap_err();
    assert!(error.contains("never added"), "{error}");
}
