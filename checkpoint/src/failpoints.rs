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
