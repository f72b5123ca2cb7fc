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
    "wal::before_quarantine_link",
    "wal::after_quarantine_link",
    "wal::after_quarantine_replace",
    "wal::before_quarantine_move",
    "wal::after_quarantine_move",
];
