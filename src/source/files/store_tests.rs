//! Watched folders in an object store, and what is remembered of files.

use std::time::Duration;

use tidemill_storage::{ErrorKind, FaultyObjects, ObjectFault, RemoteObjects, RequestKind};

use super::*;

fn store() -> FaultyObjects {
    FaultyObjects::counting(Arc::new(RemoteObjects::in_memory().unwrap()))
}

fn put(objects: &FaultyObjects, name: &str, bytes: impl AsRef<[u8]>) {
    let bytes = bytes::Bytes::copy_from_slice(bytes.as_ref());
    objects.put(name, bytes).unwrap();
}

fn watch(objects: &FaultyObjects, options: FileSourceOptions) -> FileSource {
    FileSource::new("in", options).stored_in(Arc::new(objects.clone()))
}

/// All that is there, too.
fn all() -> FileSourceOptions {
    FileSourceOptions {
        new_files_only: false,
        ..Default::default()
    }
}

fn batches(remember: Remember) -> FileSourceOptions {
    FileSourceOptions {
        batch_folders: true,
        remember,
        ..all()
    }
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn collect(source: &FileSource, plan: &[u8]) -> Result<Vec<String>, String> {
    let executor = Executor::new(1, 1).unwrap();
    let rdd = source.rdd(plan, &executor).unwrap();
    rdd.collect().map_err(|error| error.to_string())
}

fn plan(source: &FileSource, ms: u64) -> Option<Vec<u8>> {
    source
        .plan(at(ms), None)
        .unwrap()
        .map(|planned| planned.plan)
}

/// Plans, accepts and reads a batch.
fn batch(source: &FileSource, ms: u64) -> Vec<String> {
    let Some(plan) = plan(source, ms) else {
        return Vec::new();
    };
    source.accept(&plan).unwrap();
    collect(source, &plan).unwrap()
}

/// As after a restart: a source of the same options at the same position.
fn again(source: &FileSource, objects: &FaultyObjects) -> FileSource {
    let second = watch(objects, source.options.clone());
    second.restore(&source.position()).unwrap();
    second
}

#[test]
fn each_object_is_read_once_also_across_restarts() {
    let objects = store();
    put(&objects, "in/old", "old\n");
    put(&objects, "inside", "another folder\n");
    let source = watch(&objects, FileSourceOptions::default());
    source.first_start().unwrap();
    assert!(batch(&source, 1).is_empty());
    put(&objects, "in/a", "one\ntwo\r\nthree");
    assert_eq!(batch(&source, 2), ["one", "two", "three"]);
    let restarted = again(&source, &objects);
    put(&objects, "in/b", "four\n");
    let logged = plan(&restarted, 3).unwrap();

    let crashed = again(&source, &objects);
    crashed.accept(&logged).unwrap();
    crashed.accept(&logged).unwrap();
    assert_eq!(collect(&crashed, &logged).unwrap(), ["four"]);
    put(&objects, "in/c", "five");
    assert_eq!(batch(&crashed, 4), ["five"]);
    assert!(batch(&crashed, 5).is_empty());
}

#[test]
fn what_is_not_a_finished_object_is_left_alone() {
    let objects = store();
    for name in [
        ".hidden",
        "_SUCCESS",
        "a.tmp",
        "nested/a",
        "nested/_SUCCESS",
    ] {
        put(&objects, &format!("in/{name}"), "no");
    }
    put(&objects, "in/empty", "");
    put(&objects, "in/ä b~c.log", "yes");
    put(&objects, "in/other.txt", "no");
    let options = FileSourceOptions {
        pattern: Some(Glob::new("*.log")),
        ..all()
    };
    assert_eq!(batch(&watch(&objects, options), 1), ["yes"]);
}

#[test]
fn an_object_that_is_written_anew_is_another() {
    let objects = store();
    put(&objects, "in/a", "one");
    let source = watch(&objects, all());
    let first = plan(&source, 1).unwrap();
    source.accept(&first).unwrap();
    put(&objects, "in/a", "two");
    let error = collect(&source, &first).unwrap_err();
    assert!(
        error.contains("in/a can't be read: at offset 0: it isn't the object any more"),
        "{error}"
    );
    assert_eq!(batch(&source, 2), ["two"]);
    objects.delete("in/a").unwrap();
    let error = collect(&source, &first).unwrap_err();
    assert!(
        error.contains("in/a can't be read: at offset 0: it is gone"),
        "{error}"
    );
}

#[test]
fn a_long_object_is_read_in_pieces_and_what_fails_is_named() {
    let objects = store();
    let lines: Vec<String> = (0..900_000).map(|n| format!("line {n:06}")).collect();
    put(&objects, "in/long", lines.join("\n"));
    let source = watch(&objects, all());
    let plan = plan(&source, 1).unwrap();
    assert!(collect(&source, &plan).unwrap() == lines);
    assert_eq!(objects.requests()[&RequestKind::GetRange], 2);

    objects.set_plan(|request| match (request.kind, request.number % 2) {
        (RequestKind::GetRange, 1) => ObjectFault::FailBefore(ErrorKind::Unavailable),
        _ => ObjectFault::None,
    });
    let errors = [(); 2].map(|()| collect(&source, &plan).unwrap_err());
    let names = |offset: &str| errors.iter().any(|error| error.contains(offset));
    assert!(
        names("in/long can't be read: at offset 8388608: "),
        "{errors:?}"
    );

    objects.set_plan(|_| ObjectFault::FailBefore(ErrorKind::Unavailable));
    let error = source.plan(at(2), None).unwrap_err().to_string();
    assert!(
        error.contains("the watched folder in can't be listed"),
        "{error}"
    );
    let error = watch(&objects, FileSourceOptions::default()).first_start();
    assert!(error.is_err());
    objects.set_plan(|_| ObjectFault::ShortRead(10));
    let error = collect(&source, &plan).unwrap_err();
    assert!(error.contains("isn't the object any more"), "{error}");
}

#[test]
fn batches_are_read_when_they_are_whole() {
    let objects = store();
    for name in [
        "out-1/part-00000",
        "out-2/part-00000",
        ".out-3.commit/part-00000.0",
    ] {
        put(&objects, &format!("in/{name}"), name);
    }
    put(&objects, "in/out-1/_SUCCESS", "");
    put(&objects, "in/out-1/deeper/part-00000", "no");
    let source = watch(&objects, batches(Remember::All));
    assert_eq!(batch(&source, 1), ["out-1/part-00000"]);
    put(&objects, "in/out-2/_SUCCESS", "");
    let source = again(&source, &objects);
    assert_eq!(batch(&source, 2), ["out-2/part-00000"]);
    assert!(batch(&source, 3).is_empty());
}

#[test]
fn names_that_ascend_need_neither_memory_nor_a_whole_listing() {
    let objects = store();
    let names: Vec<String> = (0..20).map(|n| format!("{n:03}")).collect();
    names
        .iter()
        .for_each(|name| put(&objects, &format!("in/{name}"), name));
    let options = FileSourceOptions {
        remember: Remember::GreatestName,
        max_files_per_batch: Some(6),
        ..all()
    };
    let source = watch(&objects, options);
    let mut found = Vec::new();
    for ms in 1..=4 {
        found.extend(batch(&source, ms));
    }
    assert_eq!(found, names);
    let position = source.position();
    let source = again(&source, &objects);
    assert_eq!(position, source.position());
    assert!(position.len() < 60, "{} bytes", position.len());
    let file = objects.list_entries("in", false, Some("in/019")).unwrap();
    assert!(file.is_empty());
    put(&objects, "in/0185", "too late");
    put(&objects, "in/020", "next");
    assert_eq!(batch(&source, 5), ["next"]);
}

#[test]
fn a_batch_that_is_not_whole_holds_up_what_is_behind_it() {
    let objects = store();
    let whole = |name: &str| put(&objects, &format!("in/{name}/_SUCCESS"), "");
    for name in ["out-1", "out-2", "out-3"] {
        for part in ["part-00000", "part-00001"] {
            put(
                &objects,
                &format!("in/{name}/{part}"),
                format!("{name} {part}"),
            );
        }
    }
    whole("out-1");
    whole("out-3");
    let options = FileSourceOptions {
        max_files_per_batch: Some(1),
        ..batches(Remember::GreatestName)
    };
    let source = watch(&objects, options);
    assert_eq!(batch(&source, 1), ["out-1 part-00000"]);
    let source = again(&source, &objects);
    assert_eq!(batch(&source, 2), ["out-1 part-00001"]);
    assert!(batch(&source, 3).is_empty());
    whole("out-2");
    let rest: Vec<String> = (4..9).flat_map(|ms| batch(&source, ms)).collect();
    let all = ["out-2", "out-3"].map(|name| [0, 1].map(|n| format!("{name} part-0000{n}")));
    assert_eq!(rest, all.concat());
}

/// A file as a store lists it.
fn listed(name: &str, changed_ns: i64) -> ListedFile {
    ListedFile {
        name: serde_bytes::ByteBuf::from(name),
        length: 1,
        inode: 0,
        changed_ns,
        born_ns: None,
        tag: Some(name.to_owned()),
    }
}

#[test]
fn names_are_forgotten_when_nothing_as_old_waits() {
    let remember = Remember::Within(Duration::from_nanos(100));
    let mut seen = Seen::default();
    let (old, waiting, new) = (listed("old", 10), listed("waiting", 20), listed("new", 500));
    let files = [old.clone(), waiting.clone(), new.clone()];
    seen.accept(at(1), std::slice::from_ref(&old), remember);
    seen.was_listed(at(2), &files, remember);
    seen.prune();
    // It is still to be read, and so is what changed at its time.
    assert!(seen.is_new(&waiting) && !seen.is_new(&old));
    assert!(seen.is_new(&listed("beside", 20)));
    assert!(!seen.is_new(&listed("late", 19)));
    seen.accept(at(2), &[waiting.clone(), new.clone()], remember);
    seen.was_listed(at(3), &files, remember);
    seen.prune();
    let names: Vec<_> = encode_position(&seen);
    let holds = |name: &[u8]| names.windows(name.len()).any(|found| found == name);
    assert!(holds(b"new") && !holds(b"old") && !holds(b"waiting"));
    assert!(!seen.is_new(&old) && !seen.is_new(&waiting) && !seen.is_new(&new));
    assert!(!seen.is_new(&listed("late", 400)) && seen.is_new(&listed("next", 401)));
    // Written anew it changed anew.
    let mut anew = listed("old", 450);
    anew.tag = Some("other".to_owned());
    assert!(seen.is_new(&anew));
}

/// What one way of remembering has left, another goes on from.
#[test]
fn ways_of_remembering_can_be_changed() {
    let mut seen = Seen::default();
    let (a, b, z) = (listed("a", 1), listed("b", 2), listed("z", 3));
    seen.accept(at(1), &[a.clone(), z.clone()], Remember::All);
    seen.accept(at(2), std::slice::from_ref(&b), Remember::GreatestName);
    seen.prune();
    assert!(!seen.is_new(&a) && !seen.is_new(&b) && !seen.is_new(&z));
    assert!(seen.is_new(&listed("c", 4)));
    seen.accept(at(3), &[listed("c", 4)], Remember::All);
    assert!(!seen.is_new(&listed("c", 4)) && !seen.is_new(&a));
}

#[test]
fn golden_bytes_of_objects() {
    let plan = Plan {
        time: at(7),
        files: vec![listed("a", 3)],
    };
    let file: &[u8] = b"\x86\xa4name\xc4\x01a\xa6length\x01\xa5inode\x00\xaachanged_ns\x03\
        \xa7born_ns\xc0\xa3tag\xa1a";
    let expected = [b"\x01\x82\xa4time\x07\xa5files\x91", file].concat();
    assert_eq!(encode(&plan).unwrap(), expected);

    let mut seen = Seen::default();
    seen.accept(at(7), &[listed("a", 3)], Remember::GreatestName);
    let front: &[u8] = b"\x01\x83\xa5files\x80\xa7through\x07\xa8greatest\xc4\x01a";
    assert_eq!(encode_position(&seen), front);
    let mut seen = Seen::default();
    let remember = Remember::Within(Duration::ZERO);
    seen.accept(at(7), &[listed("a", 3)], remember);
    seen.was_listed(at(8), &[listed("a", 3)], remember);
    seen.prune();
    let expected: &[u8] = b"\x01\x83\xa5files\x80\xa7through\x07\xacforgotten_ns\x03";
    assert_eq!(encode_position(&seen), expected);
}

#[test]
fn places_that_are_none_are_mistakes() {
    for (place, reason) in [
        ("s4://bucket/in", "is no location"),
        ("sled:data/in", "a database has no files to read"),
        ("hdfs://host/in", "isn't supported"),
        ("file://host/in", "names a host"),
        #[cfg(not(feature = "s3"))]
        ("s3://bucket/in", "needs the feature `s3`"),
    ] {
        let source = FileSource::new(place, all());
        let error = source.check().unwrap_err().to_string();
        assert!(error.contains(reason), "{place}: {error}");
    }
    for place in ["data/in", "data/a:b", "file:data/in", "memory:in"] {
        FileSource::new(place, all()).check().unwrap();
    }
}
