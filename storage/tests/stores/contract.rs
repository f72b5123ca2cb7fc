//! What every implementation of [`Objects`] promises.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tidemill_storage::{Objects, PutOutcome};

use PutOutcome::{Conflict, Written};

/// Larger than what any server or client takes in one piece.
const BIG: usize = 20 << 20;

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Runs everything on an empty store, listing so many names.
pub fn holds(objects: Arc<dyn Objects>, names: usize) {
    reads_what_was_written(&*objects);
    lists_in_name_order(&*objects);
    lists_entries(&*objects);
    reads_ranges(&*objects);
    replaces_what_was_read(&*objects);
    refuses_bad_names(&*objects);
    reads_many(&*objects);
    keeps_big_objects(&*objects);
    lets_one_creator_win(&objects);
    lets_one_replacer_win(&objects);
    lists_many(&objects, names);
    assert_eq!(objects.sweep().unwrap(), 0);
}

fn reads_what_was_written(objects: &dyn Objects) {
    assert_eq!(objects.get("a/b").unwrap(), None);
    assert!(objects.list("").unwrap().is_empty());
    assert!(objects.list("a").unwrap().is_empty());
    objects.delete("a/b").unwrap();
    assert_eq!(objects.put_new("a/b", text("1")).unwrap(), Written);
    assert_eq!(objects.put_new("a/b", text("1")).unwrap(), Written);
    assert_eq!(objects.put_new("a/b", text("2")).unwrap(), Conflict);
    assert_eq!(objects.get("a/b").unwrap(), Some(text("1")));
    objects.put("a/b", text("22")).unwrap();
    assert_eq!(objects.get("a/b").unwrap(), Some(text("22")));
    objects.delete("a/b").unwrap();
    objects.delete("a/b").unwrap();
    assert_eq!(objects.get("a/b").unwrap(), None);
    assert_eq!(objects.put_new("a/b", text("3")).unwrap(), Written);
    objects.delete("a/b").unwrap();
}

fn lists_in_name_order(objects: &dyn Objects) {
    let entries = [("a.x", "4444"), ("a/b", "22"), ("a/c/d", "333"), ("ab", "")];
    for (name, bytes) in entries {
        objects.put(name, text(bytes)).unwrap();
    }
    let listed = |prefix: &str| objects.list(prefix).unwrap();
    let expected = |from: usize, to: usize| -> Vec<(String, u64)> {
        let sized = |(name, bytes): &(&str, &str)| ((*name).to_owned(), bytes.len() as u64);
        entries[from..to].iter().map(sized).collect()
    };
    assert_eq!(listed("a"), expected(1, 3));
    assert_eq!(listed(""), expected(0, 4));
    assert_eq!(objects.get("a").unwrap_or_default(), None);
}

/// On what [`lists_in_name_order`] has left.
fn lists_entries(objects: &dyn Objects) {
    let names = |folder: &str, deep, after| -> Vec<String> {
        let entries = objects.list_entries(folder, deep, after).unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names("", false, None), ["a.x", "ab"]);
    assert_eq!(names("", true, None), ["a.x", "a/b", "a/c/d", "ab"]);
    assert_eq!(names("", false, Some("a.x")), ["ab"]);
    assert_eq!(names("", true, Some("a/b")), ["a/c/d", "ab"]);
    assert_eq!(names("a", false, None), ["a/b"]);
    assert_eq!(names("a", true, Some("a/b")), ["a/c/d"]);
    assert!(names("nothing", true, None).is_empty());
    // Whatever a listing says of an object, reading it says, too.
    let entry = || objects.list_entries("a", false, None).unwrap().remove(0);
    let first = entry();
    assert_eq!(first.len, 2);
    let read = objects.get_range_tagged("a/b", 1, 5).unwrap();
    assert_eq!(read, Some((text("2"), first.tag.clone())));
    objects.put("a/b", text("new")).unwrap();
    let second = entry();
    assert_eq!(second.len, 3);
    assert!(first.tag.is_none() || first.tag != second.tag);
    let (_, tag) = objects.get_range_tagged("a/b", 0, 1).unwrap().unwrap();
    assert_eq!(tag, second.tag);
    objects.put("a/b", text("22")).unwrap();
    assert_eq!(objects.get_range_tagged("a/none", 0, 1).unwrap(), None);
}

fn reads_ranges(objects: &dyn Objects) {
    objects.put("range", text("0123456789")).unwrap();
    objects.put("empty", text("")).unwrap();
    let range = |name: &str, offset, len| objects.get_range(name, offset, len).unwrap();
    assert_eq!(range("range", 2, 3), Some(text("234")));
    assert_eq!(range("range", 0, 10), Some(text("0123456789")));
    assert_eq!(range("range", 8, 100), Some(text("89")));
    for (offset, len) in [(10, 1), (11, 5), (1 << 40, 1), (3, 0), (30, 0)] {
        assert_eq!(
            range("range", offset, len),
            Some(text("")),
            "{offset}+{len}"
        );
    }
    assert_eq!(range("empty", 0, 4), Some(text("")));
    assert_eq!(range("absent", 0, 4), None);
    assert_eq!(range("absent", 0, 0), None);
}

fn replaces_what_was_read(objects: &dyn Objects) {
    assert!(objects.get_versioned("v").unwrap().is_none());
    objects.put("v", text("1")).unwrap();
    let (bytes, first) = objects.get_versioned("v").unwrap().unwrap();
    assert_eq!(bytes, text("1"));
    assert_eq!(objects.put_if("v", text("2"), &first).unwrap(), Written);
    assert_eq!(objects.put_if("v", text("3"), &first).unwrap(), Conflict);
    assert_eq!(objects.get("v").unwrap(), Some(text("2")));
    // An answer to one's own repetition: the bytes are there.
    assert_eq!(objects.put_if("v", text("2"), &first).unwrap(), Written);
    let (_, second) = objects.get_versioned("v").unwrap().unwrap();
    assert_ne!(first, second);
    assert_eq!(objects.put_if("v", text("4"), &second).unwrap(), Written);
    let (_, third) = objects.get_versioned("v").unwrap().unwrap();
    objects.delete("v").unwrap();
    assert_eq!(objects.put_if("v", text("5"), &third).unwrap(), Conflict);
    assert_eq!(objects.get("v").unwrap(), None);
}

fn refuses_bad_names(objects: &dyn Objects) {
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
        objects.get_range(bad, 0, 1).unwrap_err();
        assert!(objects.get_many(&[bad.to_owned()])[0].is_err());
    }
    // Good, though they mean something elsewhere.
    for good in ["a b", "50%", "a+b&c=d", "x#1", "käse"] {
        let name = format!("odd/{good}");
        objects.put(&name, text("x")).unwrap();
        assert_eq!(objects.get(&name).unwrap(), Some(text("x")), "{name}");
        assert_eq!(objects.list("odd").unwrap(), [(name.clone(), 1)]);
        objects.delete(&name).unwrap();
        assert!(objects.list("odd").unwrap().is_empty(), "{name}");
    }
}

fn reads_many(objects: &dyn Objects) {
    let names: Vec<String> = (0..40).map(|n| format!("many/{n}")).collect();
    for name in names.iter().filter(|name| !name.ends_with('7')) {
        objects.put(name, Bytes::from(name.clone())).unwrap();
    }
    for (name, found) in names.iter().zip(objects.get_many(&names)) {
        let expected = (!name.ends_with('7')).then(|| Bytes::from(name.clone()));
        assert_eq!(found.unwrap(), expected, "{name}");
    }
    assert!(objects.get_many(&[]).is_empty());
}

fn keeps_big_objects(objects: &dyn Objects) {
    let big: Bytes = (0..BIG).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect();
    assert_eq!(objects.put_new("big", big.clone()).unwrap(), Written);
    assert!(objects.get("big").unwrap().unwrap() == big);
    let range = objects.get_range("big", 5 << 20, 1 << 20).unwrap().unwrap();
    assert!(range == big[5 << 20..6 << 20]);
    objects.delete("big").unwrap();
}

/// Runs eight of `write` at once, and says how many wrote.
fn race(write: impl Fn(u32) -> PutOutcome + Sync) -> usize {
    let outcomes: Vec<_> = thread::scope(|scope| {
        let write = &write;
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || write(n))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    outcomes
        .iter()
        .filter(|outcome| **outcome == Written)
        .count()
}

pub fn lets_one_creator_win(objects: &Arc<dyn Objects>) {
    for round in 0..3 {
        let name = format!("epoch/{round}");
        let create = |writer: u32| objects.put_new(&name, writer.to_string().into()).unwrap();
        assert_eq!(race(create), 1, "round {round}");
        objects.delete(&name).unwrap();
    }
}

pub fn lets_one_replacer_win(objects: &Arc<dyn Objects>) {
    objects.put("race", text("first")).unwrap();
    for round in 0..3 {
        let (_, version) = objects.get_versioned("race").unwrap().unwrap();
        let replace = |writer: u32| {
            let bytes = format!("{round}-{writer}").into();
            objects.put_if("race", bytes, &version).unwrap()
        };
        assert_eq!(race(replace), 1, "round {round}");
    }
}

fn lists_many(objects: &Arc<dyn Objects>, count: usize) {
    let names: Vec<String> = (0..count).map(|n| format!("list/{n:05}")).collect();
    thread::scope(|scope| {
        for part in names.chunks(count.div_ceil(4)) {
            scope.spawn(move || {
                for name in part {
                    objects.put(name, text("x")).unwrap();
                }
            });
        }
    });
    let listed: Vec<String> = objects
        .list("list")
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(listed, names);
}
