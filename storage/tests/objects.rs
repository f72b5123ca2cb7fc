//! One suite for every home of objects, and what locations are told apart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{
    Disk, DiskObjects, LocalDisk, Location, LocationError, Objects, PutOutcome, RemoteObjects,
    SimDisk, open_objects,
};

fn conforms(objects: &dyn Objects) {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    assert_eq!(objects.get("a/b").unwrap(), None);
    assert!(objects.list("").unwrap().is_empty());
    assert!(objects.list("a").unwrap().is_empty());
    objects.delete("a/b").unwrap();
    assert_eq!(
        objects.put_new("a/b", bytes("1")).unwrap(),
        PutOutcome::Written
    );
    assert_eq!(
        objects.put_new("a/b", bytes("1")).unwrap(),
        PutOutcome::Written
    );
    assert_eq!(
        objects.put_new("a/b", bytes("2")).unwrap(),
        PutOutcome::Conflict
    );
    assert_eq!(objects.get("a/b").unwrap(), Some(bytes("1")));
    objects.put("a/b", bytes("22")).unwrap();
    objects.put("a/c/d", bytes("333")).unwrap();
    objects.put("ab", bytes("")).unwrap();
    objects.put("a.x", bytes("4444")).unwrap();
    let names = |prefix: &str| -> Vec<(String, u64)> { objects.list(prefix).unwrap() };
    let named = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
        list.iter()
            .map(|(name, size)| ((*name).to_owned(), *size))
            .collect()
    };
    assert_eq!(names("a"), named(&[("a/b", 2), ("a/c/d", 3)]));
    assert_eq!(
        names(""),
        named(&[("a.x", 4), ("a/b", 2), ("a/c/d", 3), ("ab", 0)])
    );
    objects.delete("a/b").unwrap();
    objects.delete("a/b").unwrap();
    assert_eq!(objects.get("a/b").unwrap(), None);
    assert_eq!(objects.get("a").unwrap_or_default(), None);
    for bad in [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/./b",
        "a/.b.1-1.tmp",
        "a\0",
    ] {
        objects.put(bad, Bytes::new()).unwrap_err();
        objects.get(bad).unwrap_err();
    }
    assert_eq!(objects.sweep().unwrap(), 0);
}

#[test]
fn a_local_folder_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&DiskObjects::new(
        Arc::new(LocalDisk),
        dir.path().join("not/yet"),
    ));
}

#[test]
fn a_simulated_folder_conforms_and_keeps_everything_over_a_power_cut() {
    let disk = SimDisk::new();
    let objects = DiskObjects::new(Arc::new(disk.clone()), "/root");
    conforms(&objects);
    let before = objects.list("").unwrap();
    disk.power_cut();
    // Deletions may come back; nothing else may differ.
    let after: Vec<_> = objects.list("").unwrap();
    assert!(before.iter().all(|object| after.contains(object)));
    disk.create_new(std::path::Path::new("/root/a/.left.1-1.tmp"))
        .unwrap();
    assert!(
        objects
            .list("a")
            .unwrap()
            .iter()
            .all(|(name, _)| !name.contains("left"))
    );
    assert_eq!(objects.sweep().unwrap(), 1);
}

#[test]
fn a_store_in_memory_conforms() {
    conforms(&RemoteObjects::in_memory().unwrap());
}

#[test]
fn a_remote_store_can_be_called_from_a_tokio_worker() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { conforms(&RemoteObjects::in_memory().unwrap()) });
}

#[test]
fn only_one_of_many_creators_wins() {
    let objects: Arc<dyn Objects> = Arc::new(RemoteObjects::in_memory().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let files: Arc<dyn Objects> = Arc::new(DiskObjects::new(Arc::new(LocalDisk), dir.path()));
    for objects in [objects, files] {
        let create = |writer: u32| {
            let objects = Arc::clone(&objects);
            std::thread::spawn(move || objects.put_new("epoch/1", writer.to_string().into()))
        };
        let threads: Vec<_> = (0..8).map(create).collect();
        let outcomes = threads
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap());
        assert_eq!(
            outcomes
                .filter(|outcome| *outcome == PutOutcome::Written)
                .count(),
            1
        );
    }
}

#[test]
fn a_named_memory_is_found_again_and_a_nameless_one_is_fresh() {
    let open = |text: &str| open_objects(&text.parse().unwrap()).unwrap();
    open("memory:found-again")
        .put("a", Bytes::from_static(b"1"))
        .unwrap();
    assert!(open("memory:found-again").get("a").unwrap().is_some());
    assert!(open("memory:another").get("a").unwrap().is_none());
    open("memory:").put("a", Bytes::from_static(b"1")).unwrap();
    assert!(open("memory:").get("a").unwrap().is_none());
}

#[test]
fn locations_parse_and_print() {
    let parse = |text: &str| text.parse::<Location>();
    assert_eq!(
        parse("file:data/x").unwrap(),
        Location::File(PathBuf::from("data/x"))
    );
    assert_eq!(
        parse("file:///data/x").unwrap(),
        Location::File(PathBuf::from("/data/x"))
    );
    assert_eq!(parse("sled:data/x").unwrap().to_string(), "sled:data/x");
    assert!(parse("sled:x").unwrap().is_local());
    assert!(!parse("memory:x").unwrap().is_local());
    assert_eq!(parse("memory://x").unwrap(), Location::Memory("x".into()));
    for bad in ["file:", "file://host/x", "s3:bucket", "gs://"] {
        assert!(
            matches!(parse(bad), Err(LocationError::Malformed { .. })),
            "{bad}"
        );
    }
    for bad in ["data/x", "", "ftp://x", "C:\\x"] {
        assert!(
            matches!(parse(bad), Err(LocationError::UnknownScheme { .. })),
            "{bad}"
        );
    }
    assert!(
        parse("hdfs://name/x")
            .unwrap_err()
            .to_string()
            .contains("isn't supported")
    );
    open_objects(&parse("sled:x").unwrap()).unwrap_err();
}

#[cfg(not(feature = "s3"))]
#[test]
fn a_store_that_is_not_built_in_names_its_feature() {
    let error = "s3://bucket/prefix".parse::<Location>().unwrap_err();
    assert!(
        error.to_string().contains("build with `--features s3`"),
        "{error}"
    );
}

#[cfg(feature = "s3")]
#[test]
fn a_bucket_parses_and_prints() {
    let location: Location = "s3://bucket/a/b/".parse().unwrap();
    assert_eq!(location.to_string(), "s3://bucket/a/b");
}
