//! The names of this crate's failpoints, for tests that kill at each of them.

/// Every failpoint of this crate.
pub const FAILPOINTS: &[&str] = &[
    "block::before_addition",
    "block::before_acknowledgement",
    "tracker::after_block_addition",
    "tracker::before_batch_allocation",
    "tracker::after_batch_allocation",
    "tracker::before_batch_cleanup",
    "tracker::after_batch_cleanup",
    "engine::before_submit",
    "engine::before_state_merge",
    "engine::after_state_merge",
    "engine::before_checkpoint_write",
    "engine::after_checkpoint_write",
    "engine::before_truncate",
    "engine::after_truncate",
    "recovery::before_replay",
    "recovery::after_replay",
    "recovery::before_first_checkpoint",
    "recovery::after_first_checkpoint",
    "sink::before_folder_sync",
    "sink::before_commit",
    "sink::after_commit",
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
            let source = std::fs::read(path).unwrap();
            let source = String::from_utf8_lossy(&source);
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
