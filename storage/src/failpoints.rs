//! The names of this crate's failpoints, for tests that kill at each of them.

/// Every failpoint of this crate.
pub const FAILPOINTS: &[&str] = &[
    "storage::before_temporary_write",
    "storage::before_temporary_sync",
    "storage::after_temporary_sync",
    "storage::before_rename",
    "storage::after_rename",
    "storage::before_link",
    "storage::after_link",
    "storage::before_dir_sync",
    "storage::after_dir_sync",
    "storage::before_dir_create",
    "storage::after_dir_create",
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
