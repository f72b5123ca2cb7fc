use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Three partitions of a thousand numbers, and how often one was computed.
struct Numbers {
    executor: Executor,
    computed: Arc<AtomicUsize>,
    first: tempfile::TempDir,
    second: tempfile::TempDir,
}

const LEVELS: [StorageLevel; 11] = [
    StorageLevel::MEMORY_ONLY,
    StorageLevel::MEMORY_ONLY_2,
    StorageLevel::MEMORY_ONLY_SER,
    StorageLevel::MEMORY_ONLY_SER_2,
    StorageLevel::MEMORY_AND_DISK,
    StorageLevel::MEMORY_AND_DISK_2,
    StorageLevel::MEMORY_AND_DISK_SER,
    StorageLevel::MEMORY_AND_DISK_SER_2,
    StorageLevel::DISK_ONLY,
    StorageLevel::DISK_ONLY_2,
    StorageLevel::OFF_HEAP,
];

impl Numbers {
    fn new(budget: Option<u64>) -> Self {
        let executor = Executor::new(2, 1).unwrap();
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        executor.cache().configure(CacheOptions {
            budget,
            scratch: Some(first.path().to_owned()),
            replica: Some(second.path().to_owned()),
        });
        Self {
            executor,
            computed: Arc::default(),
            first,
            second,
        }
    }

    fn rdd(&self) -> Rdd<u64> {
        let computed = Arc::clone(&self.computed);
        let source = Rdd::parallelize((0..3000u64).collect(), 3, &self.executor);
        source.map_partitions(move |partition: Vec<u64>| {
            computed.fetch_add(1, Ordering::SeqCst);
            partition
        })
    }

    fn reads(&self, kept: &Rdd<u64>) {
        assert_eq!(kept.collect().unwrap(), (0..3000).collect::<Vec<_>>());
    }

    fn computed(&self) -> usize {
        self.computed.load(Ordering::SeqCst)
    }

    fn files(&self, folder: &Path) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        for own in std::fs::read_dir(folder).unwrap() {
            let parts = std::fs::read_dir(own.unwrap().path()).unwrap();
            files.extend(parts.map(|part| part.unwrap().path()));
        }
        files.retain(|file| file.extension().is_some_and(|kind| kind == "part"));
        files
    }
}

#[test]
fn every_level_computes_once_and_reads_the_same() {
    for level in LEVELS {
        let numbers = Numbers::new(None);
        let kept = numbers.rdd().persist(level);
        for _ in 0..3 {
            numbers.reads(&kept);
        }
        assert_eq!(numbers.computed(), 3, "{level}");
        let on_disk = level.uses_disk() && !level.uses_memory();
        let expected = |is_there: bool| if is_there { 3 } else { 0 };
        let (first, second) = (numbers.first.path(), numbers.second.path());
        assert_eq!(numbers.files(first).len(), expected(on_disk), "{level}");
        let copied = level.replication() > 1;
        assert_eq!(numbers.files(second).len(), expected(copied), "{level}");
        assert_eq!(numbers.executor.cache().bytes() > 0, level.uses_memory());
        // With the dataset goes all that was kept of it.
        drop(kept);
        assert_eq!(numbers.executor.cache().bytes(), 0, "{level}");
        assert!(numbers.files(first).is_empty() && numbers.files(second).is_empty());
    }
}

/// Room for one partition of 8000 bytes and a bit.
#[test]
fn what_the_budget_has_no_room_for_is_moved_or_computed_again() {
    for level in LEVELS {
        let numbers = Numbers::new(Some(9000));
        let kept = numbers.rdd().persist(level);
        numbers.reads(&kept);
        numbers.reads(&kept);
        assert!(numbers.executor.cache().bytes() <= 9000, "{level}");
        let is_lost = level.uses_memory() && !level.uses_disk() && level.replication() == 1;
        let is_small = level.is_serialized() && level.uses_memory();
        if is_lost {
            assert!(
                numbers.computed() > 3 || is_small,
                "{level}: {}",
                numbers.computed()
            );
        } else {
            assert_eq!(numbers.computed(), 3, "{level}");
        }
    }
}

#[test]
fn the_least_recently_used_goes_first() {
    let numbers = Numbers::new(Some(17_000));
    let (a, b) = (
        numbers.rdd().persist(StorageLevel::MEMORY_ONLY),
        numbers.rdd(),
    );
    let b = b.persist(StorageLevel::MEMORY_ONLY);
    let read = |rdd: &Rdd<u64>, partition: usize| {
        let before = numbers.computed();
        rdd.buffer_of(partition).unwrap();
        numbers.computed() > before
    };
    assert!(read(&a, 0) && read(&a, 1));
    assert!(!read(&a, 0));
    // Room for two: the second of `a` has been used the longest ago.
    assert!(read(&b, 0));
    assert!(!read(&a, 0) && !read(&b, 0) && read(&a, 1));
}

#[test]
fn a_damaged_or_lost_file_is_read_from_the_second_place_or_computed_again() {
    for (level, again) in [(StorageLevel::DISK_ONLY, 2), (StorageLevel::DISK_ONLY_2, 0)] {
        let numbers = Numbers::new(None);
        let kept = numbers.rdd().persist(level);
        numbers.reads(&kept);
        let files = numbers.files(numbers.first.path());
        let mut bytes = std::fs::read(&files[0]).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&files[0], bytes).unwrap();
        std::fs::remove_file(&files[1]).unwrap();
        numbers.reads(&kept);
        assert_eq!(numbers.computed(), 3 + again, "{level}");
        // Whole again.
        numbers.reads(&kept);
        assert_eq!(numbers.computed(), 3 + again, "{level}");
    }
}

#[test]
fn a_disk_that_cant_be_written_costs_time_only() {
    let numbers = Numbers::new(None);
    let root = numbers.first.path().to_owned();
    std::fs::remove_dir(&root).unwrap();
    std::fs::write(&root, "no folder").unwrap();
    let kept = numbers.rdd().persist(StorageLevel::DISK_ONLY);
    numbers.reads(&kept);
    numbers.reads(&kept);
    assert_eq!(numbers.computed(), 6);
    std::fs::remove_file(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
}

#[test]
fn leftovers_of_processes_that_died_are_removed_and_others_stay() {
    let numbers = Numbers::new(None);
    let living = Numbers::new(None);
    let kept = living.rdd().persist(StorageLevel::DISK_ONLY);
    living.reads(&kept);
    let root = living.first.path();
    let dead = root.join("tidemill-scratch-1-0");
    std::fs::create_dir(&dead).unwrap();
    for name in ["lock", "0.part"] {
        std::fs::write(dead.join(name), "").unwrap();
    }
    std::fs::create_dir(root.join("somebody's")).unwrap();
    scratch::Scratch::new(root.to_owned()).clear_leftovers();
    assert!(!dead.exists() && root.join("somebody's").exists());
    living.reads(&kept);
    assert_eq!(living.computed(), 3);
    drop(numbers);
}
