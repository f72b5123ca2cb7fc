//! Which failpoints a daemon passes, by where it keeps things: the others say why not.

use super::workload::Pipeline;
use super::workload::Store::{self, Bucket, File, Sled};

/// Failpoints that are passed only with some stores.
struct Only {
    stores: &'static [Store],
    why: &'static str,
    points: &'static [&'static str],
}

const RULES: &[Only] = &[
    Only {
        stores: &[],
        why: "only `tidemill wal repair` moves anything to a quarantine",
        points: &[
            "wal::before_quarantine_link",
            "wal::after_quarantine_link",
            "wal::after_quarantine_replace",
            "wal::before_quarantine_move",
            "wal::after_quarantine_move",
            "wal::before_quarantine_put",
            "wal::after_quarantine_put",
            "wal::before_repaired_run_put",
            "wal::after_repaired_run_put",
            "wal::before_repaired_head_put",
            "wal::after_repaired_head_put",
            "wal::before_repair_fence_put",
            "wal::after_repair_fence_put",
            "wal::before_repaired_delete",
            "wal::after_repaired_delete",
        ],
    },
    Only {
        stores: &[],
        why: "nobody goes back to a savepoint before the end; there a trial kills by itself",
        points: &[
            "recovery::before_savepoint_blocks",
            "recovery::after_savepoint_blocks",
        ],
    },
    Only {
        stores: &[],
        why: "so few segments are kept here that none are put together; the log's own tests do it",
        points: &["wal::before_run_put", "wal::after_run_put"],
    },
    Only {
        stores: &[],
        why: "only a damaged index or an older format's is moved aside, and a kill damages none",
        points: &[
            "checkpoint::before_index_aside",
            "checkpoint::after_index_aside",
        ],
    },
    Only {
        stores: &[Bucket],
        why: "files have no requests",
        points: &["storage::before_object_put", "storage::after_object_put"],
    },
    Only {
        stores: &[Bucket],
        why: "only in an object store a segment is an object",
        points: &[
            "wal::before_head_put",
            "wal::after_head_put",
            "wal::before_fence_put",
            "wal::after_fence_put",
            "wal::before_slot_put",
            "wal::after_slot_put",
            "wal::before_object_delete",
            "wal::after_object_delete",
        ],
    },
    Only {
        stores: &[Bucket],
        why: "a lock keeps others out of a local store: nothing to fence",
        points: &["checkpoint::before_fence", "checkpoint::after_fence"],
    },
    Only {
        stores: &[Bucket],
        why: "a disk has a rename, and needs no decision",
        points: &[
            "sink::before_staging",
            "sink::before_decision",
            "sink::after_decision",
            "sink::before_publishing",
        ],
    },
    Only {
        stores: &[Sled, File],
        why: "objects are whole and durable when their request is answered",
        points: &[
            "wal::before_header_sync",
            "wal::after_header_sync",
            "wal::before_dir_sync",
            "wal::after_dir_sync",
            "wal::before_group_write",
            "wal::after_group_write",
            "wal::after_group_sync",
            "wal::before_tail_cut",
            "wal::after_tail_cut",
            "wal::before_tail_rewrite",
            "wal::after_tail_rewrite",
            "wal::after_tail_sync",
            "wal::before_segment_delete",
            "wal::after_segment_delete",
            "wal::after_segment_delete_sync",
            "sink::before_folder_sync",
        ],
    },
    Only {
        stores: &[Sled],
        why: "there are no packs and no index",
        points: &[
            "checkpoint::before_pack_delete",
            "checkpoint::after_pack_delete",
            "checkpoint::before_index_update",
            "checkpoint::after_index_update",
        ],
    },
    Only {
        stores: &[File],
        why: "so small a state lies in packs, and the pipeline that runs in buckets here has none",
        points: &[
            "checkpoint::before_chunk",
            "checkpoint::after_chunk",
            "checkpoint::before_chunk_delete",
            "checkpoint::after_chunk_delete",
        ],
    },
];

/// Failpoints that only a start upon a log passes, or one behind an interrupted write. A kill leaves none,
/// the page cache outlives it: so the test interrupts one.
const NEEDS_TORN_LOG: &[&str] = &[
    "wal::before_tail_cut",
    "wal::after_tail_cut",
    "wal::before_tail_rewrite",
    "wal::after_tail_rewrite",
    "wal::after_tail_sync",
];

/// Failpoints that only the wide pipeline passes: others put no records aside, and nobody asks them for
/// savepoints.
pub const ONLY_WIDE: &[&str] = &[
    "dead_letters::before_commit",
    "dead_letters::after_commit",
    "dead_letters::before_put_back",
    "dead_letters::before_addition",
    "dead_letters::after_put_back",
    "engine::before_savepoint_blocks",
    "engine::after_savepoint_blocks",
];

/// Whether a daemon with this pipeline and store passes a failpoint sooner or later.
pub fn is_passed(point: &str, pipeline: Pipeline, store: Store) -> bool {
    if ONLY_WIDE.contains(&point) && pipeline != Pipeline::Wide {
        return false;
    }
    let is_local_disk = point.starts_with("storage::") && !point.contains("object_put");
    let rules = RULES.iter().filter(|rule| rule.points.contains(&point));
    let is_allowed = |rule: &Only| rule.stores.contains(&store);
    !(is_local_disk && store == Bucket) && rules.into_iter().all(is_allowed)
}

/// Whether it takes an interrupted write to come there.
pub fn needs_torn_log(point: &str) -> bool {
    NEEDS_TORN_LOG.contains(&point)
}

#[test]
fn every_point_in_a_rule_exists() {
    let all = [
        tidemill_storage::FAILPOINTS,
        tidemill_wal::FAILPOINTS,
        tidemill_checkpoint::FAILPOINTS,
        tidemill::FAILPOINTS,
    ]
    .concat();
    let named = RULES.iter().flat_map(|rule| {
        assert!(!rule.why.is_empty());
        rule.points
    });
    let unknown: Vec<&&str> = named
        .chain(NEEDS_TORN_LOG)
        .chain(ONLY_WIDE)
        .filter(|point| !all.contains(point))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
