//! The names of this crate's failpoints, for tests that kill at each of them.

/// Every failpoint of this crate.
pub const FAILPOINTS: &[&str] = &[
    "wal::before_header_sync",
    "wal::after_header_sync",
    "wal::before_dir_sync",
    "wal::after_dir_sync",
    "wal::before_group_write",
    "wal::after_group_write",
    "wal::after_group_sync",
    "wal::before_tail_cut",
    "wal::after_tail_cut",
    "wal::after_tail_sync",
    "wal::before_segment_delete",
    "wal::after_segment_delete",
    "wal::after_segment_delete_sync",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn collect(dir: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            for (start, pattern) in source.match_indices(concat!("failpoint", "!(\"")) {
                let name = source[start + pattern.len()..].split('"').next().unwrap();
                found.insert(name.to_owned());
            }
        }
    }

    #[test]
    fn the_list_names_every_failpoint_of_the_sources() {
        let mut found = BTreeSet::new();
        collect(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut found,
        );
        let listed: BTreeSet<String> = FAILPOINTS.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, listed);
        assert_eq!(listed.len(), FAILPOINTS.len(), "a name is listed twice");
    }
}
