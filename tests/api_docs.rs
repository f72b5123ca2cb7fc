//! The answers that docs/api.md shows are those of a live daemon: the same fields, of the same types.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;
#[path = "support/shape.rs"]
mod shape;

use std::path::Path;

use cli_support::{Daemon, Place, eventually};
use serde_json::Value;
use shape::differ;

/// A documented request with the answer that the page shows.
struct Example {
    method: String,
    path: String,
    answer: Value,
}

/// Each heading `### METHOD PATH` with the JSON that comes after it.
fn examples() -> Vec<Example> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let text = std::fs::read_to_string(page).unwrap();
    let sections = text.split("\n### ").skip(1);
    let example = |section: &str| {
        let (heading, rest) = section.split_once('\n').unwrap();
        let (method, path) = heading.split_once(' ').unwrap();
        let (_, rest) = rest.split_once("```json\n")?;
        let (json, _) = rest.split_once("```").unwrap();
        Some(Example {
            method: method.to_owned(),
            path: path.trim_matches('`').to_owned(),
            answer: serde_json::from_str(json).unwrap(),
        })
    };
    sections.filter_map(example).collect()
}

/// What only a batch with records has.
const OF_RECORDS: &[&str] = &[".streamRecords.lines", ".operators[].records"];

/// The time of a completed batch with records.
fn batch(daemon: &Daemon) -> Value {
    let batches = "/api/v1/applications/wordcount/streaming/batches?status=completed";
    eventually("the batch is complete", || {
        let batches = daemon.get(batches).json();
        let mut batches = batches.as_array()?.iter();
        let found = batches.find(|batch| batch["inputSize"] != 0)?;
        Some(found["batchId"].clone())
    })
}

#[test]
fn answers_have_the_fields_that_are_documented() {
    let place = Place::new();
    let mut daemon = place.start(&[]);
    daemon.feed("to be\nor not\n");
    let time = batch(&daemon).to_string();
    let cut = daemon.post("/api/v1/checkpoint", "");
    assert_eq!(cut.status, 200, "{}", cut.body);

    let (mut found, mut seen) = (Vec::new(), Vec::new());
    // The last one stops the daemon.
    for Example {
        method,
        path,
        answer,
    } in examples()
    {
        let asked = path
            .replace("{app}", "wordcount")
            .replace("{time}", &time)
            .replace("{id}", "0")
            .replace("{source}", "lines");
        let body = if path.starts_with("/ingest") {
            "one\n"
        } else {
            ""
        };
        let live = daemon.request(&method, &asked, &[], body);
        let is_problem = answer.get("title").is_some();
        assert_eq!(
            live.status >= 400,
            is_problem,
            "{method} {asked}: {}",
            live.body
        );
        differ(
            "docs/api.md",
            &format!("{method} {path}: "),
            &answer,
            &live.json(),
            &mut found,
        );
        seen.push(format!("{method} {path}"));
    }
    found.retain(|difference| !OF_RECORDS.iter().any(|field| difference.contains(field)));
    assert!(found.is_empty(), "{found:#?}");
    for wanted in [
        "GET /readyz",
        "GET /api/v1/graph",
        "GET /api/v1/checkpoint",
        "GET /api/v1/wal",
        "POST /api/v1/stop",
    ] {
        assert!(
            seen.iter().any(|seen| seen == wanted),
            "{wanted} isn't in {seen:?}"
        );
    }
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}
