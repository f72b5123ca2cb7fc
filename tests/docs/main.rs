//! What the documents say to type is typed: every command, pipeline and output in them.
//!
//! A code block's first word is its language, the words behind it say what becomes of it:
//!
//! | block | what happens |
//! |---|---|
//! | `sh` | runs, from a folder that has `config/` in it; must end well |
//! | `sh exits=N` | runs; must end with that code |
//! | `sh stops` | runs; what is in the background must then end well by itself |
//! | `sh background` | is started and goes on until the document's end; what comes next waits until it is ready |
//! | `sh elsewhere` | is read by the shell, not run: it needs a whole machine, or is what runs these tests |
//! | `text output`, `json output` | what the command before it prints; `…` stands for anything |
//! | `toml file=NAME` | is written to that file, for the commands after it, and checked |
//! | `toml` | is checked: a whole pipeline by itself, anything less on top of a small one |
//! | `json` | is JSON |
//! | `rust` | is compiled and run with the library's documentation |
//! | `text`, `dump` | is shown only |

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod blocks;
mod output;
mod place;
#[path = "../support/port.rs"]
mod port;

use std::path::{Path, PathBuf};

use blocks::{Block, Use};
use place::Place;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Does what a document says, from its beginning to its end.
fn follow(document: &str) {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let mut place = Place::new(root());
    for block in Block::all(document, &text) {
        eprintln!("{}", block.place);
        match block.usage {
            Use::Run { exit } => place.run(&block, exit),
            Use::Stop => {
                place.run(&block, 0);
                place.wait();
            }
            Use::Start => place.start(&block),
            Use::Read => place.read(&block),
            Use::Output => place.compare(&block),
            Use::File(ref name) => place.write(&block, name),
            Use::Pipeline => place.check(&block),
            Use::Json => {
                let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
                assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
            }
            Use::Nothing => {}
        }
    }
    place.end();
}

macro_rules! documents {
    ($($test:ident: $path:literal;)+) => {
        $(#[test]
        fn $test() {
            follow($path);
        })+

        const DOCUMENTS: &[&str] = &[$($path),+];
    };
}

documents! {
    readme: "README.md";
    contributing: "CONTRIBUTING.md";
    service: "ops/README.md";
    guide: "docs/README.md";
    api: "docs/api.md";
    architecture: "docs/architecture.md";
    cli: "docs/cli.md";
    comparison: "docs/comparison.md";
    concepts: "docs/concepts.md";
    configuration: "docs/configuration.md";
    conformance: "docs/conformance.md";
    dead_letters: "docs/dead-letters.md";
    findings_object_stores: "docs/findings-object-stores.md";
    findings_sled: "docs/findings-sled.md";
    first_steps: "docs/first-steps.md";
    formats: "docs/formats.md";
    installation: "docs/installation.md";
    library: "docs/library.md";
    limits: "docs/limits.md";
    metrics: "docs/metrics.md";
    object_stores: "docs/object-stores.md";
    operations: "docs/operations.md";
    performance: "docs/performance.md";
    pipelines: "docs/pipelines.md";
    security: "docs/security.md";
    sinks: "docs/sinks.md";
    streaming_page: "docs/streaming-page.md";
    testing: "docs/testing.md";
    tracing: "docs/tracing.md";
    upgrades: "docs/upgrades.md";
}

#[test]
fn every_document_is_followed() {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "ops/README.md"]
        .map(PathBuf::from)
        .to_vec();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = PathBuf::from("docs").join(entry.unwrap().file_name());
        if name.extension().is_some_and(|extension| extension == "md") {
            found.push(name);
        }
    }
    let mut listed: Vec<PathBuf> = DOCUMENTS.iter().map(PathBuf::from).collect();
    found.sort();
    listed.sort();
    assert_eq!(listed, found, "add the document to the list above");
}

/// A link to a file, and to a heading in it, leads somewhere.
#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in blocks::links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root().join(document),
                file => folder.join(file),
            };
            let leads = target.exists()
                && (heading.is_empty()
                    || blocks::headings(&std::fs::read_to_string(&target).unwrap())
                        .any(|found| found == heading));
            if !leads {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
