//! Pipelines from files: each operator against what it should give, names in the graph, restarts.

#![allow(clippy::unwrap_used, clippy::panic)]

mod batches;
mod examples;
mod files;
mod kept;
mod records;
mod several;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod windows;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use support::{builder, clock_at, run_to};
use tempfile::TempDir;
use tidemill::clock::ManualClock;
use tidemill::{StreamingContext, pipeline};
use tidemill_config::Pipeline;

/// The second before the first batch.
const START: u64 = 100;

/// Lines of each batch.
type Batches<'a> = &'a [&'a [&'a str]];

fn parse(text: &str) -> Pipeline {
    Pipeline::parse("test.toml", text, &[], std::iter::empty()).unwrap_or_else(|error| {
        panic!("{error}\n{text}");
    })
}

/// A pipeline of one-second batches with one stream, `out`, that is written to `folder`.
fn program(batches: Batches<'_>, streams: &str, folder: &Path) -> Pipeline {
    let lines = serde_json::to_string(batches).unwrap();
    parse(&format!(
        "name = \"test\"\nbatch_interval = \"1s\"\n\
         [checkpoint]\nurl = \"memory:\"\n\
         [sources.lines]\ntype = \"queue\"\nlines = {lines}\n\
         {streams}\n\
         [sinks.files]\nfrom = \"out\"\ntype = \"text_files\"\nprefix = \"{}/out\"\n",
        folder.display(),
    ))
}

/// A stream `out` of these operators on the lines.
fn out(ops: &str) -> String {
    format!("[streams.out]\nfrom = \"lines\"\nops = [{ops}]")
}

fn context(url: &str, clock: &ManualClock, pipeline: &Pipeline) -> StreamingContext {
    let context = builder(url, clock).build().unwrap();
    pipeline::build(&context, pipeline).unwrap();
    context
}

fn location() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("memory:pipeline-{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// The lines of the batch at `START + second`, in the order of the parts; `None` when there's no batch.
fn output(folder: &Path, second: u64) -> Option<Vec<String>> {
    let folder = folder.join(format!("out-{}000", START + second));
    assert!(folder.join("_SUCCESS").exists() || !folder.exists());
    let mut parts: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("part-")
        })
        .collect();
    parts.sort();
    let lines = parts.iter().flat_map(|part| {
        let text = std::fs::read_to_string(part).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    Some(lines.collect())
}

/// Runs a program for `seconds` and returns what each batch gave, in the order of the files.
fn run_in_order(batches: Batches<'_>, streams: &str, seconds: u64) -> Vec<Option<Vec<String>>> {
    let folder = TempDir::new().unwrap();
    let clock = clock_at(START);
    let context = context(
        &location(),
        &clock,
        &program(batches, streams, folder.path()),
    );
    context.start().unwrap();
    for second in 1..=seconds {
        run_to(&context, &clock, START + second);
    }
    context.stop(false).unwrap();
    (1..=seconds)
        .map(|second| output(folder.path(), second))
        .collect()
}

/// The same, each batch sorted.
fn run(batches: Batches<'_>, streams: &str, seconds: u64) -> Vec<Option<Vec<String>>> {
    let mut all = run_in_order(batches, streams, seconds);
    all.iter_mut().flatten().for_each(|batch| batch.sort());
    all
}

/// What `ops` make of a single batch, sorted.
fn once(lines: &[&str], ops: &str) -> Vec<String> {
    let mut all = run(&[lines], &out(ops), 1);
    all.remove(0).unwrap()
}

/// What they make of a single batch, in order.
fn once_in_order(lines: &[&str], ops: &str) -> Vec<String> {
    let mut all = run_in_order(&[lines], &out(ops), 1);
    all.remove(0).unwrap()
}

fn some(lines: &[&str]) -> Option<Vec<String>> {
    Some(lines.iter().map(|line| (*line).to_owned()).collect())
}

const SPLIT: &str = r#"{ op = "split" }"#;
const KEY_VALUE: &str = r#"{ op = "map", key_value = "=" }"#;
const INTEGERS: &str =
    r#"{ op = "map", key_value = "=" }, { op = "map_values", function = "parse_int" }"#;
