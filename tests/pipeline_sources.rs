//! Each kind of source, declared in a pipeline file, up to the files that a sink writes.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use support::{builder, clock_at, eventually, run_to};
use tempfile::TempDir;
use tidemill::clock::ManualClock;
use tidemill::{OperatorUid, StreamingContext, pipeline};
use tidemill_config::Pipeline;

/// The second before the first batch.
const START: u64 = 100;

fn context(
    url: &str,
    clock: &ManualClock,
    source: &str,
    ops: &str,
    folder: &Path,
) -> StreamingContext {
    let text = format!(
        "name = \"test\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n\
         [sources.lines]\n{source}\n\
         [streams.out]\nfrom = \"lines\"\nops = [{ops}]\n\
         [sinks.files]\nfrom = \"out\"\ntype = \"text_files\"\nprefix = \"{}/out\"\n",
        folder.display()
    );
    let pipeline = Pipeline::parse("test.toml", &text, &[], std::iter::empty())
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let context = builder(url, clock).build().unwrap();
    pipeline::build(&context, &pipeline).unwrap();
    context
}

/// All lines of all batches, sorted.
fn written(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in std::fs::read_dir(folder).unwrap() {
        let batch = batch.unwrap().path();
        if !batch.join("_SUCCESS").exists() {
            continue;
        }
        for part in std::fs::read_dir(batch).unwrap() {
            let text = std::fs::read_to_string(part.unwrap().path()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines.sort();
    lines
}

/// Waits until the receiver has stored `records`, and moves the clock for the block interval.
fn wait_for_records(context: &StreamingContext, clock: &ManualClock, records: u64) {
    eventually("the records are stored", || {
        clock.advance(Duration::from_millis(1));
        context
            .receivers()
            .iter()
            .any(|receiver| receiver.records >= records)
            .then_some(())
    });
    clock.advance(Duration::from_millis(50));
}

#[test]
fn files_are_read_once_also_after_a_restart() {
    let (input, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let clock = clock_at(START);
    let source = format!(
        "type = \"files\"\npath = \"{}\"\npattern = \"*.log\"\nnew_files_only = false",
        input.path().display()
    );
    for second in 1..=3 {
        std::fs::write(
            input.path().join(format!("{second}.log")),
            format!("{second}\nx\n"),
        )
        .unwrap();
        std::fs::write(input.path().join(format!("{second}.txt")), "no\n").unwrap();
        let context = context("memory:sources-files", &clock, &source, "", output.path());
        context.start().unwrap();
        run_to(&context, &clock, START + second);
        context.stop(false).unwrap();
    }
    assert_eq!(written(output.path()), ["1", "2", "3", "x", "x", "x"]);
}

#[test]
fn a_place_that_is_none_is_refused_with_its_line() {
    let text = "name = \"test\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n\
                [sources.lines]\ntype = \"files\"\npath = \"hdfs://host/in\"\n\
                [sinks.out]\nfrom = \"lines\"\ntype = \"discard\"\n";
    let pipeline = Pipeline::parse("test.toml", text, &[], std::iter::empty()).unwrap();
    let context = builder("memory:sources-none", &clock_at(START))
        .build()
        .unwrap();
    let error = pipeline::build(&context, &pipeline)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("test.toml:5:")
            && error.contains("source `lines`")
            && error.contains("isn't supported"),
        "{error}"
    );
}

/// What one pipeline writes to a store another reads, batch by batch, over restarts.
#[test]
fn batches_of_another_pipeline_are_read_once() {
    for (name, keys) in [
        ("all", ""),
        ("last", "ascending_names = true"),
        ("hour", "remember = \"1h\""),
    ] {
        let output = TempDir::new().unwrap();
        let clock = clock_at(START);
        let store = format!("memory:sources-chain-{name}");
        let writer = {
            let text = format!(
                "name = \"writer\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n\
                 [sources.lines]\ntype = \"queue\"\nlines = [[\"1\", \"x\"], [\"2\"], [], [\"4\"]]\n\
                 [sinks.files]\nfrom = \"lines\"\ntype = \"text_files\"\nprefix = \"{store}/out\"\n"
            );
            let pipeline = Pipeline::parse("writer.toml", &text, &[], std::iter::empty()).unwrap();
            let context = builder(&format!("memory:sources-writer-{name}"), &clock)
                .build()
                .unwrap();
            pipeline::build(&context, &pipeline).unwrap();
            context.start().unwrap();
            context
        };
        let source = format!(
            "type = \"files\"\npath = \"{store}\"\nbatch_folders = true\nnew_files_only = false\n{keys}"
        );
        for second in 1..=5 {
            run_to(&writer, &clock, START + 2 * second - 1);
            let reader = format!("memory:sources-reader-{name}");
            let reader = context(&reader, &clock, &source, "", output.path());
            reader.start().unwrap();
            run_to(&reader, &clock, START + 2 * second);
            reader.stop(second % 2 == 0).unwrap();
        }
        writer.stop(true).unwrap();
        assert_eq!(written(output.path()), ["1", "2", "4", "x"], "{name}");
    }
}

#[test]
fn a_rate_source_makes_each_line_once() {
    let output = TempDir::new().unwrap();
    let clock = clock_at(START);
    let source = "type = \"rate\"\nrecords_per_second = 7\nlimit = 30";
    for second in 1..=6 {
        let context = context("memory:sources-rate", &clock, source, "", output.path());
        context.start().unwrap();
        run_to(&context, &clock, START + second);
        context.stop(false).unwrap();
    }
    let mut lines = written(output.path());
    assert_eq!(lines.len(), 30);
    lines.dedup();
    assert_eq!(lines.len(), 30);
}

#[test]
fn posted_lines_are_answered_when_they_are_durable() {
    let output = TempDir::new().unwrap();
    let clock = clock_at(START);
    let source = "type = \"http\"\nlisten = \"127.0.0.1:0\"";
    let context = context(
        "memory:sources-http",
        &clock,
        source,
        r#"{ op = "split" }"#,
        output.path(),
    );
    context.start().unwrap();
    eventually("the source listens", || context.ingest().address("lines"));
    let ingest = context.ingest().clone();
    let mut posted = context
        .runtime()
        .unwrap()
        .spawn(async move { ingest.ingest("lines", b"to be\nor not").await });
    eventually("the lines are acknowledged", || {
        clock.advance(Duration::from_millis(1));
        posted.is_finished().then_some(())
    });
    let taken = context.runtime().unwrap().block_on(&mut posted).unwrap();
    assert_eq!(taken, Ok(2));
    run_to(&context, &clock, START + 2);
    context.stop(true).unwrap();
    assert_eq!(written(output.path()), ["be", "not", "or", "to"]);
}

#[test]
fn a_socket_is_connected_to_again() {
    let output = TempDir::new().unwrap();
    let clock = clock_at(START);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for lines in ["one\ntwo\n", "three"] {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(lines.as_bytes()).unwrap();
        }
    });
    let source = format!("type = \"socket\"\naddress = \"{address}\"\nreconnect_delay = \"1ms\"");
    let context = context("memory:sources-socket", &clock, &source, "", output.path());
    context.start().unwrap();
    wait_for_records(&context, &clock, 3);
    server.join().unwrap();
    run_to(&context, &clock, START + 5);
    context.stop(true).unwrap();
    assert_eq!(written(output.path()), ["one", "three", "two"]);
}

#[test]
fn operators_are_named_after_their_stream_unless_the_file_says_otherwise() {
    let output = TempDir::new().unwrap();
    let ops = r#"{ op = "split" }, { op = "split", on = "," }, { op = "count_by_value", uid = "words" },
        { op = "update_state_by_key", function = "sum" }, { op = "filter", on = "value", min = 1 },
        { op = "reduce_by_key", function = "last" }"#;
    let source = "type = \"queue\"\nlines = []";
    let context = context(
        "memory:sources-names",
        &clock_at(START),
        source,
        ops,
        output.path(),
    );
    let graph = context.graph();
    let expected = [
        "lines",
        "out.split",
        "out.split#2",
        "words",
        "out.update_state_by_key",
        "out.filter",
        "out.reduce_by_key.pairs",
        "out.reduce_by_key.numbered",
        "out.reduce_by_key.placed",
        "out.reduce_by_key.reduced",
        "out.reduce_by_key",
    ];
    for uid in expected {
        assert!(
            graph.operator(&OperatorUid::new(uid)).is_some(),
            "{uid} in {graph:?}"
        );
    }
}
