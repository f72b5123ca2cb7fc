//! Every operation of a short history fails once, in each way that disks fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tidemill_storage::{Fault, Operation, OperationKind};

use crate::history::History;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// How many operations in a row find no room.
const FULL_FOR: u64 = 6;

/// How many cases of each kind a short run tries.
const SAMPLE: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// One operation fails.
    Io,
    /// From one operation on, the next few that need room find none.
    Full,
    /// An append stops halfway for want of room.
    ShortFull,
    /// An append stops halfway.
    ShortIo,
    /// The first sync from there on fails, and later ones succeed.
    SyncOnce,
    /// All syncs from there on fail, until the disk is replaced.
    SyncForEver,
    /// One operation takes its time.
    Slow,
}

const KINDS: [Kind; 7] = [
    Kind::Io,
    Kind::Full,
    Kind::ShortFull,
    Kind::ShortIo,
    Kind::SyncOnce,
    Kind::SyncForEver,
    Kind::Slow,
];

/// What the disk does at its `count`th operation, if `nth` is where `kind` begins.
fn fault(kind: Kind, nth: u64, count: u64, is_spent: &AtomicBool, at: &Operation) -> Option<Fault> {
    use OperationKind as Op;
    let once = |hit: bool, fault| (hit && !is_spent.swap(true, Ordering::SeqCst)).then_some(fault);
    let is_sync = matches!(at.kind, Op::SyncFile | Op::SyncDir);
    let takes_room = matches!(at.kind, Op::Create | Op::Append | Op::CreateDir | Op::Link);
    let short = |errno| Fault::ShortAppend {
        bytes: at.bytes / 2,
        errno,
    };
    let is_append = at.kind == Op::Append && count >= nth;
    match kind {
        Kind::Io => (count == nth).then_some(Fault::Errno(EIO)),
        Kind::Full => {
            let hit = takes_room && (nth..nth + FULL_FOR).contains(&count);
            hit.then_some(Fault::Errno(ENOSPC))
        }
        Kind::ShortFull => once(is_append, short(ENOSPC)),
        Kind::ShortIo => once(is_append, short(EIO)),
        Kind::SyncOnce => once(is_sync && count >= nth, Fault::Errno(EIO)),
        Kind::SyncForEver => (is_sync && count >= nth).then_some(Fault::Errno(EIO)),
        Kind::Slow => (count == nth).then_some(Fault::Delay(Duration::from_millis(20))),
    }
}

/// Runs the history with one fault. How many operations it had, whether the fault was met, and how many
/// lives it ended.
fn run(kind: Option<Kind>, nth: u64, seed: u64) -> (u64, bool, usize) {
    let what = format!("{kind:?} at operation {nth}, TIDEMILL_SEED={seed}");
    let mut history = History::new(format!("nth-{kind:?}-{nth}-{seed}"));
    let count = Arc::new(AtomicU64::new(0));
    let is_met = Arc::new(AtomicBool::new(false));
    let (counter, met, spent) = (
        Arc::clone(&count),
        Arc::clone(&is_met),
        AtomicBool::default(),
    );
    history.disk.set_faults(move |operation| {
        // The engine's looks at the free space come at times of their own.
        if operation.kind == OperationKind::List {
            return None;
        }
        let at = counter.fetch_add(1, Ordering::SeqCst);
        let fault = fault(kind?, nth, at, &spent, operation)?;
        met.store(true, Ordering::SeqCst);
        Some(fault)
    });
    let mut broke = 0;
    for life in 0..2_u64 {
        // Graceful the second time; the first leaves work for it.
        if let Some(reason) = history.try_life(life == 1) {
            assert!(is_met.load(Ordering::SeqCst), "{what}: {reason}");
            println!("{what}: {reason}");
            broke += 1;
            if kind == Some(Kind::SyncForEver) {
                // Another disk, with what the old one still had.
                history.disk.clear_faults();
            }
        }
        history.disk.power_cut_torn(seed.wrapping_add(life));
    }
    history.disk.clear_faults();
    let operations = count.load(Ordering::SeqCst);
    history.check(&what);
    (operations, is_met.load(Ordering::SeqCst), broke)
}

#[test]
fn whatever_operation_fails_acknowledged_records_are_in_one_output_each() {
    let seed = std::env::var("TIDEMILL_SEED").ok().map_or(1504, |seed| {
        seed.parse().expect("TIDEMILL_SEED is a number")
    });
    let all = std::env::var("TIDEMILL_CASES").is_ok_and(|cases| cases == "all");
    let (operations, _, broke) = run(None, 0, seed);
    assert_eq!(broke, 0);
    assert!(operations > 50, "{operations}");
    println!("TIDEMILL_SEED={seed}: {operations} operations, {SAMPLE} cases of a kind unless all");
    let step = if all { 1 } else { (operations / SAMPLE).max(1) };
    for (index, kind) in KINDS.into_iter().enumerate() {
        let first = if all { 0 } else { (seed + index as u64) % step };
        let (mut cases, mut met, mut broke) = (0, 0, 0);
        let mut nth = first;
        while nth < operations {
            let (_, is_met, broken) = run(Some(kind), nth, seed);
            cases += 1;
            met += u64::from(is_met);
            broke += broken;
            nth += step;
        }
        let fault = format!("operation N of a disk: {kind:?}");
        crate::report::report("engine", &fault, cases, 0);
        println!("{kind:?}: {cases} cases, fault met in {met}, a life ended early {broke} times");
        assert!(
            met * 2 > cases,
            "{kind:?}: too few faults are met to show anything"
        );
        match kind {
            Kind::Slow | Kind::Full => {}
            // What can't be undone ends the engine rather than being believed.
            Kind::SyncOnce | Kind::SyncForEver | Kind::ShortIo => assert!(broke > 0, "{kind:?}"),
            Kind::Io | Kind::ShortFull => {}
        }
    }
}
