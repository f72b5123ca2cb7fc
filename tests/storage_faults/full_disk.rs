//! Full disks: sources stop in time, people are told, and it goes on by itself.

use std::io::IoSlice;
use std::path::Path;
use std::time::{Duration, Instant};

use tidemill::{Builder, Error};
use tidemill_storage::{Disk, SimDisk};

use crate::history::{History, Life};
use crate::support::{SECOND, eventually};

const RESERVE: u64 = 40_000;

fn with_reserve(builder: Builder) -> Builder {
    builder.disk_reserve(RESERVE)
}

/// Something else writes to the disk until only `left` bytes are free.
fn fill(disk: &SimDisk, left: u64) {
    let free = disk.free_bytes().unwrap();
    let bytes = vec![0; usize::try_from(free - left).unwrap()];
    let mut file = disk.create_new(Path::new("/ballast")).unwrap();
    file.append(&mut [IoSlice::new(&bytes)]).unwrap();
}

fn make_room(disk: &SimDisk) {
    disk.remove_file(Path::new("/ballast")).unwrap();
}

/// Moves the clock until sources are held back, or aren't any more.
fn wait_until_held_back(history: &History, life: &Life, held_back: bool) {
    eventually("sources stop or go on", || {
        history.clock.advance(SECOND / 100);
        (life.context.space()?.held_back == held_back).then_some(())
    });
}

#[test]
fn sources_stop_before_the_disk_is_full_and_go_on_when_there_is_room() {
    let mut history = History::new("full-disk-of-others".to_owned());
    history.disk.set_capacity(Some(400_000));
    let life = history.start(with_reserve).unwrap();
    assert!(history.live(&life));
    let status = life.context.space().unwrap();
    assert!(
        !status.held_back && status.disks[0].free.is_some(),
        "{status:?}"
    );
    assert!(life.context.obstacles().is_empty());

    fill(&history.disk, RESERVE - 1);
    wait_until_held_back(&history, &life, true);
    let until = Instant::now() + Duration::from_millis(100);
    assert!(
        !history.offer(&life, || Instant::now() > until),
        "taken on a full disk"
    );
    let status = life.context.space().unwrap();
    assert_eq!(status.paused_sources.len(), 1);
    assert!(
        status.since.is_some() && status.disks[0].is_low,
        "{status:?}"
    );
    let obstacles = life.context.obstacles().join("; ");
    assert!(
        obstacles.contains("40000 are to be kept free"),
        "{obstacles}"
    );
    // What was taken in before goes on, checkpoints included.
    assert!(history.tick(&life));
    life.context.checkpoint_now(SECOND * 60).unwrap();

    make_room(&history.disk);
    wait_until_held_back(&history, &life, false);
    assert!(history.offer(&life, || false));
    assert!(history.tick(&life));
    let status = life.context.space().unwrap();
    assert_eq!(status.refusals, 0, "nothing was refused: {status:?}");
    assert!(life.context.obstacles().is_empty());
    assert!(life.end(true).is_none());
    history.disk.power_cut();
    history.disk.set_capacity(None);
    history.check("a full disk");
}

#[test]
fn what_batches_and_clean_ups_let_go_is_room() {
    let mut history = History::new("full-disk-of-ours".to_owned());
    let life = history.start(with_reserve).unwrap();
    let used = |disk: &SimDisk| 1_000_000 - disk.free_bytes().unwrap();
    history.disk.set_capacity(Some(1_000_000));
    // Room for the reserve and a bit: some records fill it, as nothing is cleaned up meanwhile.
    history
        .disk
        .set_capacity(Some(used(&history.disk) + RESERVE + RESERVE / 2));
    let is_full = |life: &Life| life.context.space().unwrap().held_back;
    let mut taken = 0;
    while !is_full(&life) {
        let until = Instant::now() + SECOND * 5;
        taken += usize::from(history.offer(&life, || is_full(&life) || Instant::now() > until));
        assert!(taken < 5_000, "sources never stop");
    }
    assert!(taken > 10, "{taken}");
    // Batches end, checkpoints pass them, and what is below the older one goes.
    eventually("it goes on by itself", || {
        history.tick(&life);
        let _ = life.context.checkpoint_now(SECOND * 60);
        (!is_full(&life)).then_some(())
    });
    assert!(history.offer(&life, || false));
    assert_eq!(life.context.space().unwrap().refusals, 0);
    history.disk.set_capacity(None);
    assert!(life.end(true).is_none());
    history.check("a disk that we filled");
}

#[test]
fn segments_that_nothing_fills_any_more_go_for_room() {
    let mut history = History::new("full-disk-of-one-segment".to_owned());
    // One segment of each log takes all that is ever written here: nothing is left for a new one by its size.
    let life = history
        .start(|builder| with_reserve(builder).segment_bytes(64 << 20))
        .unwrap();
    let used = |disk: &SimDisk| 1_000_000 - disk.free_bytes().unwrap();
    history.disk.set_capacity(Some(1_000_000));
    let start = used(&history.disk);
    let is_full = |life: &Life| life.context.space().unwrap().held_back;
    history.disk.set_capacity(Some(start + 3 * RESERVE));
    for round in 0..3 {
        let mut taken = 0;
        while !is_full(&life) {
            let until = Instant::now() + SECOND * 5;
            taken += usize::from(history.offer(&life, || is_full(&life) || Instant::now() > until));
            assert!(taken < 5_000, "sources never stop");
        }
        assert!(taken > 10, "round {round}: {taken}");
        eventually("it goes on by itself", || {
            history.tick(&life);
            let _ = life.context.checkpoint_now(SECOND * 60);
            (!is_full(&life)).then_some(())
        });
    }
    assert!(history.offer(&life, || false));
    let status = life.context.space().unwrap();
    assert_eq!(status.refusals, 0, "{status:?}");
    history.disk.set_capacity(None);
    assert!(life.end(true).is_none());
    history.check("a disk that one segment filled");
}

#[test]
fn without_a_reserve_refused_writes_hold_sources_back_and_stops_dont_hang() {
    for gracefully in [false, true] {
        let mut history = History::new(format!("no-reserve-{gracefully}"));
        let life = history
            .start(|builder| builder.disk_reserve(0).stop_timeout(SECOND / 2))
            .unwrap();
        assert!(history.live(&life));
        history.disk.set_capacity(Some(0));
        let until = Instant::now() + SECOND / 5;
        assert!(!history.offer(&life, || Instant::now() > until));
        // The batch waits for room, too.
        history.clock.advance(SECOND);
        let status = eventually("the refusal is told", || {
            let status = life.context.space()?;
            (status.refusals > 0 && status.held_back).then_some(status)
        });
        assert!(status.reasons[0].contains("no room for"), "{status:?}");
        drop(life.end(gracefully));
        history.disk.power_cut();
        history.disk.set_capacity(None);
        history.check("a disk without a reserve");
    }
}

#[test]
fn a_refused_write_is_tried_until_there_is_room() {
    let mut history = History::new("refused".to_owned());
    let life = history.start(|builder| builder.disk_reserve(0)).unwrap();
    history.disk.set_capacity(Some(0));
    let disk = history.disk.clone();
    let refused = life.context.clone();
    let room = std::thread::spawn(move || {
        eventually("it is refused", || {
            (refused.space()?.refusals > 2).then_some(())
        });
        disk.set_capacity(None);
    });
    assert!(
        history.offer(&life, || false),
        "acknowledged once there is room"
    );
    room.join().unwrap();
    assert!(history.tick(&life));
    assert!(!life.context.space().unwrap().held_back);
    assert!(life.end(true).is_none());
    history.check("refused writes");
}

#[test]
fn a_start_on_a_full_disk_is_refused_before_anything_is_changed() {
    let mut history = History::new("full-at-start".to_owned());
    assert!(history.try_life(false).is_none());
    history.disk.set_capacity(Some(2_000_000));
    fill(&history.disk, RESERVE / 4 - 1);
    history.disk.record();
    let Err(error) = history.start(with_reserve) else {
        panic!("started on a full disk");
    };
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("a start takes 10000"), "{error}");
    let below_wal = history.disk.recorded().into_iter();
    let changes: Vec<_> = below_wal
        .filter(|operation| {
            operation.path.starts_with("/wal") && operation.kind.changes_something()
        })
        .collect();
    assert!(changes.is_empty(), "{changes:?}");
    // Enough to start on, and too little to take anything in.
    make_room(&history.disk);
    fill(&history.disk, RESERVE / 2);
    let life = history.start(with_reserve).unwrap();
    assert!(life.context.space().unwrap().held_back);
    make_room(&history.disk);
    wait_until_held_back(&history, &life, false);
    assert!(history.offer(&life, || false));
    assert!(life.end(true).is_none());
    history.disk.set_capacity(None);
    history.check("a start on a full disk");
}
