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
