//! Each crate lists its failpoints, so that the ledger test can kill at every one. The lists are whole.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::Path;

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let source = std::fs::read(path).unwrap();
        let source = String::from_utf8_lossy(&source);
        for (start, pattern) in source.match_indices(concat!("failpoint", "!(\"")) {
            let name = source[start + pattern.len()..].split('"').next().unwrap();
            found.insert(name.to_owned());
        }
    }
}

#[test]
fn every_failpoint_of_the_sources_is_listed_once() {
    let lists = [
        ("src", tidemill::FAILPOINTS),
        ("storage/src", tidemill_storage::FAILPOINTS),
        ("wal/src", tidemill_wal::FAILPOINTS),
        ("checkpoint/src", tidemill_checkpoint::FAILPOINTS),
    ];
    for (folder, listed) in lists {
        let mut found = BTreeSet::new();
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut found,
        );
        let names: BTreeSet<String> = listed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, names, "{folder}");
        assert_eq!(
            names.len(),
            listed.len(),
            "{folder}: a name is listed twice"
        );
    }
}
