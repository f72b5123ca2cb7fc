//! Each field of a record is in a table, and each field of a table is in some record: golden files, and what
//! a running program wrote.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::page::{Page, root};
use crate::{messagepack, program};

/// Where a section's records come from: MessagePack bodies.
struct Records {
    section: &'static str,
    bodies: Vec<Vec<u8>>,
}

/// The MessagePack of a golden file, from `skip` on.
fn golden(path: &str, skip: usize) -> Vec<u8> {
    std::fs::read(root().join(path)).unwrap()[skip..].to_vec()
}

fn body(envelope: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(envelope[16..24].try_into().unwrap()) as usize;
    envelope[24..24 + length].to_vec()
}

fn block_header(payload: &[u8]) -> Vec<u8> {
    let length = u32::from_le_bytes(payload[..4].try_into().unwrap()) as usize;
    payload[4..4 + length].to_vec()
}

fn all_records() -> Vec<Records> {
    let written = program::run();
    let in_envelope = |kind: &str| {
        let path = format!("checkpoint/tests/golden/{kind}-v1.bin");
        body(&golden(&path, 0))
    };
    let event = |name: &str| golden(&format!("src/block/golden/{name}_v1.bin"), 1);
    let mut events = vec![
        event("block_addition"),
        event("batch_allocation"),
        event("batch_cleanup"),
    ];
    events.extend(written.events.iter().map(|payload| payload[1..].to_vec()));
    let mut blocks = vec![block_header(&golden("src/block/golden/block_v1.bin", 0))];
    blocks.extend(written.blocks.iter().map(|payload| block_header(payload)));
    let mut metadata = vec![golden("src/recovery/golden/metadata_v1.bin", 0)];
    metadata.extend(written.metadata);
    let mut manifests = vec![in_envelope("manifest")];
    manifests.extend(written.manifests.iter().map(|bytes| body(bytes)));
    let mut claims = vec![in_envelope("claim")];
    claims.extend(written.claims.iter().map(|bytes| body(bytes)));
    let of = |section, bodies| Records { section, bodies };
    vec![
        of("Driver log", events),
        of("Block log", blocks),
        of("Manifest", manifests),
        of("Claim", claims),
        of("Fence", vec![in_envelope("fence")]),
        of("Pack", vec![in_envelope("pack")]),
        of("Metadata", metadata),
        of(
            "History",
            vec![golden("src/recovery/golden/history_v1.bin", 0)],
        ),
        of(
            "Head",
            vec![body(&golden("wal/tests/golden/head-v1.bin", 0))],
        ),
        of("Run", vec![body(&golden("wal/tests/golden/run-v1.bin", 0))]),
    ]
}

/// The paths of a section's tables of fields.
fn listed(page: &Page, section: &str) -> BTreeSet<String> {
    let tables = page.section(section).tables.iter();
    let fields = tables.filter(|table| table.head[0] == "field");
    fields
        .flat_map(|table| table.rows.iter().map(|row| row[0].clone()))
        .collect()
}

/// Walks a value. A map whose place is listed with `{}` has keys of its own; a value that is listed
/// without anything behind it may hold what it likes.
fn walk(value: &Value, path: &str, listed: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    let mut seen = |path: &str| {
        if listed.contains(path) {
            found.insert(path.to_owned());
        }
    };
    seen(path);
    let goes_on = |suffix: &str| {
        let longer = format!("{path}{suffix}");
        listed.iter().any(|known| known.starts_with(&longer))
    };
    match value {
        Value::Object(fields) if goes_on("{}") => {
            for inner in fields.values() {
                walk(inner, &format!("{path}{{}}"), listed, found);
            }
        }
        Value::Object(fields) if path.is_empty() || goes_on(".") => {
            for (name, inner) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{name}");
                let begins = |known: &String| {
                    known
                        .strip_prefix(&path)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '{']))
                };
                assert!(
                    listed.iter().any(begins),
                    "no table names the field `{path}`"
                );
                walk(inner, &path, listed, found);
            }
        }
        Value::Array(items) if goes_on("[]") || goes_on("[0]") => {
            for (index, inner) in items.iter().enumerate() {
                let place = if goes_on("[]") {
                    "[]".to_owned()
                } else {
                    format!("[{index}]")
                };
                walk(inner, &format!("{path}{place}"), listed, found);
            }
        }
        Value::Object(_) => assert!(listed.contains(path), "no table says what is in `{path}`"),
        _ => {}
    }
}

#[test]
fn tables_of_fields_are_what_is_written() {
    let page = Page::read();
    for Records { section, bodies } in all_records() {
        let listed = listed(&page, section);
        let mut found = BTreeSet::new();
        for body in &bodies {
            walk(&messagepack::read(body), "", &listed, &mut found);
        }
        assert_eq!(found, listed, "{section}");
    }
}
