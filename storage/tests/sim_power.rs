//! The simulated disk's torn power cut: each rule by itself, and that a seed always tells the same story.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::Path;

use proptest::prelude::*;
use tidemill_storage::{Disk, DiskFile, SimDisk};

const SECTOR: usize = 512;
const SEEDS: u64 = 400;

fn create(disk: &SimDisk, path: &str) -> Box<dyn DiskFile> {
    disk.create_new(Path::new(path)).unwrap()
}

fn append(file: &mut Box<dyn DiskFile>, bytes: &[u8]) {
    file.append(&mut [IoSlice::new(bytes)]).unwrap();
}

/// A disk with a durable file of these bytes, and its handle.
fn durable(bytes: &[u8]) -> (SimDisk, Box<dyn DiskFile>) {
    let disk = SimDisk::new();
    let mut file = create(&disk, "/f");
    append(&mut file, bytes);
    file.sync_all().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    (disk, file)
}

fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    disk.read(Path::new(path)).ok().map(|bytes| bytes.to_vec())
}

/// What each of many seeds leaves of `disk`.
fn cuts(disk: &SimDisk) -> impl Iterator<Item = SimDisk> {
    (0..SEEDS).map(|seed| {
        let cut = disk.snapshot();
        cut.power_cut_torn(seed);
        cut
    })
}

fn names(disk: &SimDisk, dir: &str) -> Vec<String> {
    let entries = disk.read_dir(Path::new(dir)).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn what_was_synced_stays_whatever_else_happens() {
    let (disk, mut file) = durable(&[7; 1_000]);
    append(&mut file, &[8; 3_000]);
    for cut in cuts(&disk) {
        let left = read(&cut, "/f").unwrap();
        assert!(left.len() >= 1_000 && left[..1_000] == [7; 1_000]);
    }
    file.sync_data().unwrap();
    for cut in cuts(&disk) {
        assert_eq!(read(&cut, "/f"), read(&disk, "/f"));
    }
}

#[test]
fn appended_sectors_arrive_each_for_itself() {
    let (disk, mut file) = durable(b"");
    for byte in 1..=4 {
        append(&mut file, &[byte; SECTOR]);
    }
    let mut patterns = BTreeSet::new();
    let mut holes = BTreeSet::new();
    for cut in cuts(&disk) {
        let left = read(&cut, "/f").unwrap();
        assert!(left.len() <= 4 * SECTOR);
        let pattern: Vec<bool> = left
            .chunks(SECTOR)
            .zip(1..)
            .map(|(sector, byte)| sector == [byte; SECTOR])
            .collect();
        let hole = |(sector, arrived): (&[u8], &bool)| {
            (!arrived).then(|| sector.iter().all(|byte| *byte == 0))
        };
        holes.extend(left.chunks(SECTOR).zip(&pattern).filter_map(hole));
        patterns.insert(pattern);
    }
    assert!(patterns.contains(&Vec::new()), "nothing at all");
    assert!(patterns.contains(&vec![true; 4]), "everything");
    assert!(patterns.contains(&vec![false; 4]), "the length alone");
    let gap = |pattern: &Vec<bool>| pattern.windows(2).any(|pair| pair == [false, true]);
    assert!(patterns.iter().any(gap), "later ones without earlier ones");
    assert_eq!(holes.len(), 2, "holes are zeros, and something else");
}

#[test]
fn one_append_is_torn_at_a_sector_and_nowhere_else() {
    let (disk, mut file) = durable(&[7; 100]);
    append(&mut file, &[8; 1_000]);
    let mut lens = BTreeSet::new();
    let mut torn = 0;
    for cut in cuts(&disk) {
        let left = read(&cut, "/f").unwrap();
        lens.insert(left.len());
        for (start, end) in [(100, 512), (512, 1_024), (1_024, 1_100)] {
            let piece = &left[start.min(left.len())..end.min(left.len())];
            // The rest of the first sector never holds noise: it was written with zeros behind its end.
            let whole = piece.iter().all(|byte| *byte == 8);
            let none = piece.iter().all(|byte| *byte == 0);
            assert!(whole || none || start > 100, "{start}: {piece:?}");
            torn += usize::from(!whole);
        }
    }
    assert_eq!(lens, BTreeSet::from([100, 1_100]));
    assert!(torn > 0);
}

#[test]
fn an_overwritten_sector_is_old_or_new() {
    let (disk, _file) = durable(&[1; 4 * SECTOR]);
    disk.rewrite(Path::new("/f"), 0, &[2; 3 * SECTOR]).unwrap();
    disk.rewrite(Path::new("/f"), 0, &[3; SECTOR]).unwrap();
    let mut seen = [
        BTreeSet::new(),
        BTreeSet::new(),
        BTreeSet::new(),
        BTreeSet::new(),
    ];
    for cut in cuts(&disk) {
        let left = read(&cut, "/f").unwrap();
        assert_eq!(left.len(), 4 * SECTOR);
        for (sector, seen) in left.chunks(SECTOR).zip(&mut seen) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
            seen.insert(sector[0]);
        }
    }
    assert_eq!(seen[0], BTreeSet::from([1, 2, 3]));
    assert_eq!(seen[1], BTreeSet::from([1, 2]));
    assert_eq!(seen[3], BTreeSet::from([1]));
}

#[test]
fn a_cut_of_the_file_may_or_may_not_have_happened() {
    let (disk, mut file) = durable(&[1; 1_000]);
    file.set_len(10).unwrap();
    let lens: BTreeSet<usize> = cuts(&disk)
        .map(|cut| read(&cut, "/f").unwrap().len())
        .collect();
    assert_eq!(lens, BTreeSet::from([10, 1_000]));
}

#[test]
fn any_of_a_folders_changes_may_have_happened() {
    let disk = SimDisk::new();
    for path in ["/a", "/b", "/c"] {
        create(&disk, path).sync_all().unwrap();
    }
    let mut seen = BTreeSet::new();
    for cut in cuts(&disk) {
        seen.insert(names(&cut, "/"));
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
    disk.sync_dir(Path::new("/")).unwrap();
    disk.remove_file(Path::new("/a")).unwrap();
    let seen: BTreeSet<_> = cuts(&disk).map(|cut| names(&cut, "/")).collect();
    assert_eq!(seen.len(), 2, "a removed name may come back: {seen:?}");
}

#[test]
fn a_rename_is_one_step_between_two_folders_too() {
    let (disk, _file) = durable(b"bytes");
    disk.create_dir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.rename(Path::new("/f"), Path::new("/d/g")).unwrap();
    let seen: BTreeSet<_> = cuts(&disk)
        .map(|cut| (read(&cut, "/f").is_some(), read(&cut, "/d/g").is_some()))
        .collect();
    assert_eq!(seen, BTreeSet::from([(false, true), (true, false)]));
    // With one folder synced, the other's half is on its own.
    disk.sync_dir(Path::new("/d")).unwrap();
    let seen: BTreeSet<_> = cuts(&disk)
        .map(|cut| (read(&cut, "/f").is_some(), read(&cut, "/d/g").is_some()))
        .collect();
    assert_eq!(seen, BTreeSet::from([(false, true), (true, true)]));
}

#[test]
fn a_name_may_arrive_before_its_bytes_and_a_folder_go_by_halves() {
    let disk = SimDisk::new();
    append(&mut create(&disk, "/f"), b"never synced");
    let empty = |cut: SimDisk| read(&cut, "/f").is_some_and(|bytes| bytes.is_empty());
    assert!(cuts(&disk).any(empty));
    disk.create_dir(Path::new("/d")).unwrap();
    create(&disk, "/d/a").sync_all().unwrap();
    create(&disk, "/d/b").sync_all().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.remove_dir_all(Path::new("/d")).unwrap();
    let left: BTreeSet<_> = cuts(&disk)
        .map(|cut| {
            cut.metadata(Path::new("/d"))
                .unwrap()
                .map(|_| names(&cut, "/d"))
        })
        .collect();
    assert_eq!(left.len(), 5, "gone, or any of its names: {left:?}");
}

/// A random life of a few files and folders.
#[derive(Debug, Clone)]
enum Step {
    Append(u8, u16),
    Rewrite(u8, u16, u16),
    Cut(u8, u16),
    Rename(u8, u8),
    Link(u8, u8),
    Remove(u8),
    RemoveAll,
    Sync(u8),
    SyncDir(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let file = || 0..6_u8;
    prop_oneof![
        4 => (file(), 0..3_000_u16).prop_map(|(f, n)| Step::Append(f, n)),
        2 => (file(), 0..2_000_u16, 0..2_000_u16).prop_map(|(f, o, n)| Step::Rewrite(f, o, n)),
        1 => (file(), 0..3_000_u16).prop_map(|(f, n)| Step::Cut(f, n)),
        2 => (file(), file()).prop_map(|(a, b)| Step::Rename(a, b)),
        1 => (file(), file()).prop_map(|(a, b)| Step::Link(a, b)),
        1 => file().prop_map(Step::Remove),
        1 => Just(Step::RemoveAll),
        2 => file().prop_map(Step::Sync),
        2 => any::<bool>().prop_map(Step::SyncDir),
    ]
}

fn path(file: u8) -> String {
    let dir = if file < 3 { "/d" } else { "/" };
    format!("{dir}/{file}")
}

/// Does a step as well as it can be done; what fails changes nothing.
fn apply(disk: &SimDisk, step: &Step, number: usize) {
    let text = |len: u16| vec![number as u8; usize::from(len)];
    let open = |file: u8| {
        let path = path(file);
        let created = disk.create_new(Path::new(&path));
        created.or_else(|_| disk.open(Path::new(&path)))
    };
    let _ = match step {
        Step::Append(file, len) => {
            open(*file).and_then(|mut file| file.append(&mut [IoSlice::new(&text(*len))]))
        }
        Step::Rewrite(file, offset, len) => {
            disk.rewrite(Path::new(&path(*file)), u64::from(*offset), &text(*len))
        }
        Step::Cut(file, len) => open(*file).and_then(|mut file| file.set_len(u64::from(*len))),
        Step::Rename(a, b) => disk.rename(Path::new(&path(*a)), Path::new(&path(*b))),
        Step::Link(a, b) => disk.link_new(Path::new(&path(*a)), Path::new(&path(*b))),
        Step::Remove(file) => disk.remove_file(Path::new(&path(*file))),
        Step::RemoveAll => disk.remove_dir_all(Path::new("/d")),
        Step::Sync(file) => open(*file).and_then(|mut file| file.sync_all()),
        Step::SyncDir(root) => {
            let _ = disk.create_dir(Path::new("/d"));
            disk.sync_dir(Path::new(if *root { "/" } else { "/d" }))
        }
    };
}

fn live(steps: &[Step]) -> SimDisk {
    let disk = SimDisk::new();
    for (number, step) in steps.iter().enumerate() {
        apply(&disk, step, number);
    }
    disk
}

/// Every name with its bytes.
fn contents(disk: &SimDisk) -> Vec<(String, Option<Vec<u8>>)> {
    ["/", "/d"]
        .into_iter()
        .filter(|dir| disk.metadata(Path::new(dir)).unwrap().is_some())
        .flat_map(|dir| {
            names(disk, dir)
                .into_iter()
                .map(move |name| format!("{dir}/{name}"))
        })
        .map(|path| (path.clone(), read(disk, &path)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_same_seed_and_history_leave_the_same_bytes(
        steps in prop::collection::vec(step(), 1..40),
        more in prop::collection::vec(step(), 1..20),
        seed in any::<u64>(),
    ) {
        let (one, other) = (live(&steps), live(&steps));
        for disk in [&one, &other] {
            disk.power_cut_torn(seed);
            for (number, step) in more.iter().enumerate() {
                apply(disk, step, number);
            }
            disk.power_cut_torn(!seed);
        }
        prop_assert_eq!(contents(&one), contents(&other));
        // What one cut left is durable: the next takes nothing away.
        let before = contents(&one);
        one.power_cut_torn(seed);
        prop_assert_eq!(&contents(&one), &before);
        one.power_cut();
        prop_assert_eq!(&contents(&one), &before);
    }

    #[test]
    fn nothing_unsynced_leaves_nothing_to_tear(
        steps in prop::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let disk = live(&steps);
        for file in 0..6 {
            if let Ok(mut file) = disk.open(Path::new(&path(file))) {
                file.sync_all().unwrap();
            }
        }
        for dir in ["/d", "/"] {
            let _ = disk.sync_dir(Path::new(dir));
        }
        let before = contents(&disk);
        disk.power_cut_torn(seed);
        prop_assert_eq!(contents(&disk), before);
    }
}
