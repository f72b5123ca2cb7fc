//! The names of this crate's failpoints, for tests that kill at each of them.

/// Every failpoint of this crate.
pub const FAILPOINTS: &[&str] = &[
    "checkpoint::before_claim",
    "checkpoint::after_claim",
    "checkpoint::before_fence",
    "checkpoint::after_fence",
    "checkpoint::before_chunk",
    "checkpoint::after_chunk",
    "checkpoint::before_publish",
    "checkpoint::after_publish",
    "checkpoint::before_manifest_delete",
    "checkpoint::after_manifest_delete",
    "checkpoint::before_chunk_delete",
    "checkpoint::after_chunk_delete",
    "checkpoint::before_pack_delete",
    "checkpoint::after_pack_delete",
    "checkpoint::before_index_update",
    "checkpoint::after_index_update",
    "checkpoint::before_index_aside",
    "checkpoint::after_index_aside",
];
