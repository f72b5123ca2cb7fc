use std::fs;
use std::path::Path;

use super::*;

fn source(folder: &Path) -> FileSource {
    FileSource::new(
        folder,
        FileSourceOptions {
            new_files_only: false,
            ..Default::default()
        },
    )
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn executor() -> Executor {
    Executor::new(2, 1).unwrap()
}

fn read(source: &FileSource, plan: &[u8]) -> Vec<String> {
    let mut lines = source.rdd(plan, &executor()).unwrap().collect().unwrap();
    lines.sort();
    lines
}

/// Plans, accepts and reads a batch.
fn batch(source: &FileSource, ms: u64) -> Vec<String> {
    let Some(planned) = source.plan(at(ms), None).unwrap() else {
        return Vec::new();
    };
    source.accept(&planned.plan).unwrap();
    read(source, &planned.plan)
}

fn put(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(folder.join(".new"), contents).unwrap();
    fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

#[test]
fn each_file_is_read_once_also_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a", "one\ntwo\r\nthree");
    let first = source(folder.path());
    assert_eq!(batch(&first, 1), ["one", "three", "two"]);
    assert!(batch(&first, 2).is_empty());
    let position = first.position();
    put(folder.path(), "b", "four\n");
    let plan = first.plan(at(3), None).unwrap().unwrap().plan;

    let second = source(folder.path());
    second.restore(&position).unwrap();
    second.accept(&plan).unwrap();
    second.accept(&plan).unwrap();
    assert_eq!(read(&second, &plan), ["four"]);
    put(folder.path(), "c", "five");
    assert_eq!(batch(&second, 4), ["five"]);
}

#[test]
fn what_is_not_a_finished_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".hidden", "_SUCCESS", "a.tmp", "empty"] {
        fs::write(
            folder.path().join(name),
            if name == "empty" { "" } else { "no" },
        )
        .unwrap();
    }
    fs::create_dir(folder.path().join("nested")).unwrap();
    fs::write(folder.path().join("nested/a"), "no").unwrap();
    assert!(batch(&source(folder.path()), 1).is_empty());
}

#[test]
fn only_new_files_and_those_that_match() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "old.log", "old");
    let options = FileSourceOptions {
        pattern: Some(Glob::new("*.log")),
        ..Default::default()
    };
    let source = FileSource::new(folder.path(), options);
    source.first_start().unwrap();
    put(folder.path(), "new.log", "new");
    put(folder.path(), "new.txt", "other");
    assert_eq!(batch(&source, 1), ["new"]);
}

#[test]
fn a_batch_takes_no_more_files_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"];
    names.iter().for_each(|name| put(folder.path(), name, name));
    let options = FileSourceOptions {
        max_files_per_batch: Some(2),
        new_files_only: false,
        ..Default::default()
    };
    let source = FileSource::new(folder.path(), options);
    let (first, second) = (batch(&source, 1), batch(&source, 2));
    assert_eq!((first.len(), second.len()), (2, 1));
    let mut all = [first, second].concat();
    all.sort();
    assert_eq!(all, names);
}

#[test]
fn a_replaced_file_is_new_and_a_longer_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a", "one\n");
    let source = source(folder.path());
    let plan = source.plan(at(1), None).unwrap().unwrap().plan;
    source.accept(&plan).unwrap();
    fs::write(folder.path().join("a"), "one\ntwo\n").unwrap();
    assert_eq!(read(&source, &plan), ["one"]);
    assert!(batch(&source, 2).is_empty());

    put(folder.path(), "a", "three");
    // Clocks of file systems tick slowly: say clearly that it was changed at another time.
    #[expect(
        clippy::disallowed_methods,
        reason = "files carry the wall clock's time"
    )]
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    let file = fs::File::options()
        .write(true)
        .open(folder.path().join("a"))
        .unwrap();
    file.set_modified(later).unwrap();
    let error = source
        .rdd(&plan, &executor())
        .unwrap()
        .collect()
        .unwrap_err()
        .to_string();
    assert!(error.contains("isn't the file any more"), "{error}");
    assert_eq!(batch(&source, 3), ["three"]);
    // A replay of what is older than the position doesn't bring the old file back to mind.
    source.accept(&plan).unwrap();
    assert!(batch(&source, 4).is_empty());
}

#[test]
fn names_that_left_the_folder_are_forgotten_in_time() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a", "one");
    let source = source(folder.path());
    batch(&source, 1);
    fs::remove_file(folder.path().join("a")).unwrap();
    let names = || {
        let position = source.position();
        ["a", "b"].map(|name| {
            position
                .windows(3)
                .any(|bytes| bytes == [0xc4, 1, name.as_bytes()[0]])
        })
    };
    batch(&source, 2);
    assert_eq!(names(), [true, false]);
    put(folder.path(), "b", "two");
    assert_eq!(batch(&source, 3), ["two"]);
    batch(&source, 3_600_002);
    assert_eq!(names(), [true, true]);
    batch(&source, 3_600_003);
    assert_eq!(names(), [false, true]);
}

#[test]
fn a_file_that_comes_back_is_read_again_only_if_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir_in(folder.path()).unwrap();
    let (here, there) = (folder.path().join("a"), elsewhere.path().join("a"));
    put(folder.path(), "a", "one");
    let source = source(folder.path());
    assert_eq!(batch(&source, 1), ["one"]);
    fs::rename(&here, &there).unwrap();
    put(folder.path(), "b", "two");
    assert_eq!(batch(&source, 2), ["two"]);
    fs::rename(&there, &here).unwrap();
    assert!(batch(&source, 3).is_empty());
    fs::rename(&here, &there).unwrap();
    assert!(batch(&source, 4).is_empty());
    put(folder.path(), "a", "three");
    assert_eq!(batch(&source, 5), ["three"]);
}

#[test]
fn a_file_made_anew_between_two_batches_is_new_whatever_its_inode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "one").unwrap();
    if fs::metadata(&path).unwrap().created().is_err() {
        eprintln!("left out: this file system doesn't say when files were made");
        return;
    }
    let source = source(folder.path());
    assert_eq!(batch(&source, 1), ["one"]);
    // Clocks of file systems tick slowly.
    let tick = std::time::Duration::from_millis(20);
    std::thread::sleep(tick);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "two").unwrap();
    assert_eq!(batch(&source, 2), ["two"]);
}

#[test]
fn a_folder_may_vanish_and_come_back() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("in");
    let source = FileSource::new(&folder, FileSourceOptions::default());
    source.first_start().unwrap();
    let error = source.plan(at(1), None).unwrap_err().to_string();
    assert!(error.contains(folder.to_str().unwrap()), "{error}");
    fs::create_dir(&folder).unwrap();
    put(&folder, "a", "one");
    assert_eq!(batch(&source, 2), ["one"]);
}

#[test]
fn files_that_can_not_be_read_as_planned_are_named() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a", "one\ntwo\n");
    let source = source(folder.path());
    let plan = source.plan(at(1), None).unwrap().unwrap().plan;
    let error = || {
        source
            .rdd(&plan, &executor())
            .unwrap()
            .collect()
            .unwrap_err()
            .to_string()
    };
    fs::File::options()
        .write(true)
        .open(folder.path().join("a"))
        .unwrap()
        .set_len(3)
        .unwrap();
    assert!(error().contains("has shrunk to 3 bytes"), "{}", error());
    fs::remove_file(folder.path().join("a")).unwrap();
    assert!(
        error().contains("/a, which a batch is to read, can't be opened"),
        "{}",
        error()
    );
}

#[test]
fn pieces_and_damage_do_not_break_lines() {
    let folder = tempfile::tempdir().unwrap();
    let long = "ä".repeat(200_000);
    let mut contents = Vec::new();
    let mut expected = Vec::new();
    for n in 0..20_000 {
        let line = if n % 9_000 == 0 {
            format!("{n} {long}")
        } else {
            format!("line {n}")
        };
        contents.extend_from_slice(line.as_bytes());
        contents.extend_from_slice(if n % 3 == 0 { b"\r\n" } else { b"\n" });
        expected.push(line);
    }
    contents.extend_from_slice(b"\nbroken \xff end");
    expected.extend([String::new(), "broken \u{fffd} end".to_owned()]);
    put(folder.path(), "a", contents);
    let source = source(folder.path());
    let plan = source.plan(at(1), None).unwrap().unwrap().plan;
    assert_eq!(
        source.rdd(&plan, &executor()).unwrap().collect().unwrap(),
        expected
    );
}

#[test]
fn golden_bytes() {
    let file = ListedFile {
        name: serde_bytes::ByteBuf::from("a"),
        length: 1,
        inode: 2,
        changed_ns: 3,
        born_ns: None,
        tag: None,
    };
    let bytes =
        b"\x85\xa4name\xc4\x01a\xa6length\x01\xa5inode\x02\xaachanged_ns\x03\xa7born_ns\xc0";
    let plan = encode(&Plan {
        time: at(7),
        files: vec![file.clone()],
    })
    .unwrap();
    assert_eq!(
        plan,
        [b"\x01\x82\xa4time\x07\xa5files\x91".as_slice(), bytes].concat()
    );

    let source = source(Path::new("nowhere"));
    source.accept(&plan).unwrap();
    let front = b"\x01\x82\xa5files\x81\xc4\x01a\x82\xa4file".as_slice();
    let back = b"\xa4gone\xc0\xa7through\x07".as_slice();
    assert_eq!(source.position(), [front, bytes, back].concat());
}

fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files_are_read_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.log.gz", gzip(b"one\ntwo"));
    put(folder.path(), "b.log", "three\n");
    #[cfg(feature = "zstd")]
    put(
        folder.path(),
        "c.zst",
        zstd::encode_all(&b"four\n"[..], 0).unwrap(),
    );
    #[cfg(not(feature = "zstd"))]
    put(folder.path(), "c", "four\n");
    assert_eq!(
        batch(&source(folder.path()), 1),
        ["four", "one", "three", "two"]
    );
    // Many pieces, and lines across them.
    let long: Vec<String> = (0..100_000).map(|n| format!("line {n:06}")).collect();
    put(folder.path(), "long.gz", gzip(long.join("\n").as_bytes()));
    let source = source(folder.path());
    let plan = source.plan(at(2), None).unwrap().unwrap().plan;
    let found = read(&source, &plan);
    assert_eq!(found.len(), 100_004);
    assert_eq!(found[1..100_001], long[..]);
}

#[test]
fn a_compressed_file_that_is_damaged_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(b"one\ntwo\n");
    put(folder.path(), "cut.gz", &whole[..whole.len() - 3]);
    let source = source(folder.path());
    let plan = source.plan(at(1), None).unwrap().unwrap().plan;
    let rdd = source.rdd(&plan, &executor()).unwrap();
    let error = rdd.collect().unwrap_err().to_string();
    assert!(
        error.contains("cut.gz") && error.contains("can't be read"),
        "{error}"
    );
}

#[test]
fn the_parts_of_folders_that_are_whole_are_read_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    for (name, success) in [("out-1", true), ("out-2", false), (".out-3.0.tmp", true)] {
        let within = folder.path().join(name);
        fs::create_dir(&within).unwrap();
        fs::write(within.join("part-00000"), name).unwrap();
        if success {
            fs::write(within.join("_SUCCESS"), "").unwrap();
        }
    }
    let options = FileSourceOptions {
        new_files_only: false,
        batch_folders: true,
        ..Default::default()
    };
    let watch = || FileSource::new(folder.path(), options.clone());
    let source = watch();
    assert_eq!(batch(&source, 1), ["out-1"]);
    fs::write(folder.path().join("out-2/_SUCCESS"), "").unwrap();
    let position = source.position();
    let source = watch();
    source.restore(&position).unwrap();
    assert_eq!(batch(&source, 2), ["out-2"]);
    assert!(batch(&source, 3).is_empty());
}
