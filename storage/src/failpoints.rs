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
    "storage::before_object_put",
    "storage::after_object_put",
];
