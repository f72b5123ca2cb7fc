//! Names and bytes in the store, and what is refused.

use std::sync::Arc;

use bytes::Bytes;
use tidemill::rdd::{Executor, Rdd};
use tidemill::sink::{Guarantee, Sink, TextFiles};
use tidemill_storage::{Location, PutOutcome, open_objects};

use super::requests::{Watched, read_folder};
use super::{FOLDER, all_records, batch, commit, in_memory, records};

fn names(objects: &dyn tidemill_storage::Objects) -> Vec<String> {
    let found = objects.list("").unwrap();
    found.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_batch_is_a_folder_as_on_disk_and_nothing_else_stays() {
    let objects = in_memory();
    commit(objects.clone(), &[3, 6, 9]).unwrap();
    assert_eq!(
        names(&*objects),
        ["_SUCCESS", "part-00000", "part-00001", "part-00002"]
            .map(|name| format!("{FOLDER}/{name}"))
    );
    let parts = read_folder(&*objects, FOLDER).unwrap().unwrap();
    assert_eq!(parts[0], "record 0\nrecord 1\nrecord 2\n");
    assert_eq!(records(&parts), all_records());
    // Again, from other partitions.
    commit(objects.clone(), &[2, 4, 6, 8, 9]).unwrap();
    assert_eq!(read_folder(&*objects, FOLDER).unwrap().unwrap(), parts);
    assert_eq!(names(&*objects).len(), 4);
}

/// As the documentation says.
#[test]
fn a_commit_costs_so_many_requests() {
    for (layout, parts) in [(&[9][..], 1), (&[3, 6, 9][..], 3)] {
        let watched = Watched::new(in_memory());
        commit(Arc::new(watched.clone()), layout).unwrap();
        let (on_parts, reads, writes, lists, deletes) = (3 * parts, 3, 2, 2, parts + 1);
        assert_eq!(
            watched.requests(),
            on_parts + reads + writes + lists + deletes
        );
    }
}

#[test]
fn an_empty_batch_leaves_an_empty_part() {
    let objects = in_memory();
    let executor = Executor::new(1, 1).unwrap();
    let files = TextFiles::on_objects("out/counts", Some("txt"), objects.clone());
    files
        .commit(&batch(), &Rdd::<String>::empty(&executor))
        .unwrap();
    assert_eq!(
        read_folder(&*objects, FOLDER).unwrap().unwrap(),
        [Bytes::new()]
    );
    assert!(files.is_committed(batch().time).unwrap());
}

#[test]
fn a_store_is_opened_by_its_location() {
    let executor = Executor::new(1, 1).unwrap();
    let files = TextFiles::open("memory:sink-stores/out/counts", Some("txt")).unwrap();
    Sink::<String>::check(&files).unwrap();
    assert_eq!(Sink::<String>::guarantee(&files), Guarantee::Idempotent);
    let rdd = Rdd::parallelize(vec!["a".to_owned()], 1, &executor);
    files.commit(&batch(), &rdd).unwrap();
    let location: Location = "memory:sink-stores/out".parse().unwrap();
    let objects = open_objects(&location).unwrap();
    assert_eq!(
        names(&*objects),
        ["counts-7000.txt/_SUCCESS", "counts-7000.txt/part-00000"]
    );
}

#[test]
fn what_isnt_ours_is_left_alone() {
    for name in ["part-00000", "part-00007", "data.csv"] {
        let objects = in_memory();
        let (name, theirs) = (format!("{FOLDER}/{name}"), Bytes::from_static(b"theirs"));
        objects.put(&name, theirs.clone()).unwrap();
        let error = commit(objects.clone(), &[3, 6, 9]).unwrap_err().to_string();
        assert!(
            error.contains(&name) && error.contains("move it away"),
            "{error}"
        );
        assert_eq!(objects.get(&name).unwrap().unwrap(), theirs);
        assert!(read_folder(&*objects, FOLDER).unwrap().is_none());
        // And once it is moved away, the batch goes through.
        objects.delete(&name).unwrap();
        commit(objects.clone(), &[5, 9]).unwrap();
        let parts = read_folder(&*objects, FOLDER).unwrap().unwrap();
        assert_eq!(records(&parts), all_records());
    }
}

#[test]
fn what_was_staged_is_verified() {
    let hidden = "out/.counts-7000.txt.commit";
    let damage = |object: &str, damaged: &'static [u8]| {
        let objects = in_memory();
        // Decided, and not yet published: somebody else's file is in the way.
        let stranger = format!("{FOLDER}/stranger");
        objects.put(&stranger, Bytes::new()).unwrap();
        commit(objects.clone(), &[5, 9]).unwrap_err();
        objects.delete(&stranger).unwrap();
        let name = format!("{hidden}/{object}");
        assert!(objects.get(&name).unwrap().is_some(), "{name}");
        objects.put(&name, Bytes::from_static(damaged)).unwrap();
        let error = commit(objects.clone(), &[5, 9]).unwrap_err().to_string();
        assert!(error.contains(&name), "{error}");
        assert!(read_folder(&*objects, FOLDER).unwrap().is_none());
        error
    };
    let error = damage("part-00001.0", b"record 5\n");
    assert!(error.contains("checksum"), "{error}");
    // Its checksum is right, but no batch is without a part.
    let error = damage("decision", b"tidemill-parts 1 00000000\n");
    assert!(error.contains("it is damaged"), "{error}");
    let error = damage("decision", b"tidemill-parts 9 00000000\n");
    assert!(error.contains("format version 9"), "{error}");
}

#[test]
fn a_staged_part_that_vanished_is_reported() {
    let objects = in_memory();
    let stranger = format!("{FOLDER}/stranger");
    objects.put(&stranger, Bytes::new()).unwrap();
    commit(objects.clone(), &[5, 9]).unwrap_err();
    objects.delete(&stranger).unwrap();
    let staged = "out/.counts-7000.txt.commit/part-00000.0";
    objects.delete(staged).unwrap();
    let error = commit(objects.clone(), &[5, 9]).unwrap_err().to_string();
    assert!(
        error.contains(staged) && error.contains("has vanished"),
        "{error}"
    );
}

#[test]
fn somebody_elses_marker_counts() {
    let objects = in_memory();
    let success = format!("{FOLDER}/_SUCCESS");
    let written = objects
        .put_new(&success, Bytes::from_static(b"{}"))
        .unwrap();
    assert_eq!(written, PutOutcome::Written);
    commit(objects.clone(), &[3, 6, 9]).unwrap();
    assert_eq!(names(&*objects), [success]);
}
