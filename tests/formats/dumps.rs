//! The dumps are the golden files, byte for byte, and no golden file is without one.

use std::collections::BTreeMap;

use crate::page::{Page, files_below, relative};

/// Locations as they were written by earlier releases: folders, which no dump would explain.
const FOLDERS: [&str; 1] = ["checkpoint/tests/golden/sled-v1/"];

#[test]
fn every_golden_file_is_dumped_as_it_is() {
    let page = Page::read();
    let mut dumped: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for dump in page.sections.into_iter().flat_map(|section| section.dumps) {
        let before = dumped.insert(dump.file, dump.bytes);
        assert!(before.is_none(), "a file is dumped twice");
    }
    let mut golden = BTreeMap::new();
    for folder in ["src", "storage", "wal", "checkpoint"] {
        for path in files_below(folder) {
            let name = relative(&path);
            let is_golden = name.contains("/golden/") && !name.ends_with(".rs");
            if is_golden && !FOLDERS.iter().any(|folder| name.starts_with(folder)) {
                golden.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&dumped), names(&golden));
    for (name, bytes) in golden {
        assert_eq!(dumped[&name], bytes, "{name}");
    }
}
