//! The names of this crate's failpoints, for tests that kill at each of them.

/// Every failpoint of this crate.
pub const FAILPOINTS: &[&str] = &[
    "checkpoint::before_claim",
    "checkpoint::after_claim",
    "checkpoint::before_fence",
    "checkpoint::after_fence",
    "checkpoint::before_chunk",
    "checkpoint::after_chunk",
    "checkpoint::before_chunks_sync",
    "checkpoint::after_chunks_sync",
    "checkpoint::before_publish",
    "checkpoint::after_publish",
    "checkpoint::before_manifest_delete",
    "checkpoint::after_manifest_delete",
    "checkpoint::before_chunk_delete",
    "checkpoint::after_chunk_delete",
    "checkpoint::before_flush",
    "checkpoint::after_flush",
    "checkpoint::before_file_sync",
    "checkpoint::after_file_sync",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
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
