//! Streams that are persisted or checkpointed.

use crate::{Batches, out, run, some};

#[test]
fn kept_and_saved_streams_give_what_they_would_have_given() {
    let batches: Batches<'_> = &[&["a b a"], &["b"], &["c"]];
    let counts = r#"{ op = "split" }, { op = "count_by_value" }"#;
    let window = r#"{ op = "window", length = "2s" }, { op = "reduce_by_key", function = "sum" }"#;
    let plain = run(batches, &out(&format!("{counts}, {window}")), 3);
    let levels = [
        "NONE",
        "DISK_ONLY",
        "MEMORY_ONLY",
        "MEMORY_ONLY_SER",
        "MEMORY_AND_DISK",
        "MEMORY_AND_DISK_SER",
        "OFF_HEAP",
    ];
    let kept = levels.map(|level| format!("{{ op = \"persist\", level = \"{level}\" }}"));
    let saved = [
        r#"{ op = "persist" }"#.to_owned(),
        r#"{ op = "checkpoint", interval = "1s" }"#.to_owned(),
        r#"{ op = "checkpoint" }"#.to_owned(),
    ];
    for op in kept.into_iter().chain(saved) {
        let ops = out(&format!("{counts}, {op}, {window}"));
        assert_eq!(run(batches, &ops, 3), plain, "{op}");
    }
    assert_eq!(plain[1], some(&["(a,2)", "(b,2)"]));
}
