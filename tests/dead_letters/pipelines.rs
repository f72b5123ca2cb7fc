//! Letters of pipelines from files.

use std::path::Path;

use tidemill::dead_letters::DeadLetter;
use tidemill_config::Pipeline;

use crate::letters;
use crate::support::{SECOND, builder, clock_at, run_to};

/// A pipeline whose operator needs integers.
fn readings(folder: &Path, on_error: &str, letters: bool) -> Pipeline {
    let url = match letters {
        true => format!("[dead_letters]\nurl = \"{}/letters\"\n", folder.display()),
        false => String::new(),
    };
    let text = format!(
        "name = \"test\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n{url}\
         [sources.lines]\ntype = \"queue\"\nlines = [[\"a=1\", \"a=x\", \"b\", \"b=3\"]]\n\
         [streams.out]\nfrom = \"lines\"\nops = [{{ op = \"map\", key_value = \"=\" }}, \
         {{ op = \"map_values\", function = \"parse_int\"{on_error} }}]\n\
         [sinks.files]\nfrom = \"out\"\ntype = \"text_files\"\nprefix = \"{}/out\"\n",
        folder.display(),
    );
    Pipeline::parse("test.toml", &text, &[], std::iter::empty())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Runs it for a batch; the letters, as (operator, record, error).
fn run_readings(
    url: &str,
    folder: &Path,
    on_error: &str,
    letters_too: bool,
) -> Vec<(String, serde_json::Value, String)> {
    let clock = clock_at(100);
    let pipeline = readings(folder, on_error, letters_too);
    let mut builder = builder(url, &clock).max_failures(1);
    if let Some(url) = &pipeline.dead_letters.url {
        builder = builder.dead_letters(url.as_str());
    }
    let context = builder.build().unwrap();
    tidemill::pipeline::build(&context, &pipeline).unwrap();
    context.start().unwrap();
    if on_error.contains("fail") {
        clock.advance(SECOND);
        let error = context.await_termination().unwrap_err().to_string();
        assert!(
            error.contains("[\"a\",\"x\"]: expected an integer"),
            "{error}"
        );
        assert!(!folder.join("out-101000").exists());
    } else {
        run_to(&context, &clock, 101);
        let mut written = String::new();
        for entry in std::fs::read_dir(folder.join("out-101000")).unwrap() {
            written += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
        }
        let mut lines: Vec<&str> = written.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["(a,1)", "(b,3)"]);
    }
    context.stop(false).unwrap();
    let found = letters(&folder.join("letters")).into_values().flatten();
    let told = |letter: DeadLetter| (letter.operator.to_string(), letter.record, letter.error);
    found.map(told).collect()
}

#[test]
fn in_pipelines_records_become_letters_where_those_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let found = run_readings("memory:toml-letters", folder.path(), "", true);
    let text = |text: &str| text.to_owned();
    let pair = text("expected text with the separator");
    let integer = text("expected an integer");
    let mut expected = vec![
        (text("out.map"), serde_json::json!("b"), pair),
        (
            text("out.map_values"),
            serde_json::json!(["a", "x"]),
            integer,
        ),
    ];
    let mut sorted = found.clone();
    sorted.sort_by_key(|(operator, ..)| operator.clone());
    expected.sort_by_key(|(operator, ..)| operator.clone());
    assert_eq!(sorted, expected);

    // The command lists them.
    let place = folder.path().join("letters").display().to_string();
    let listed = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["dead-letters", "list", &place])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("101000") && listed.contains("out.map_values"),
        "{listed}"
    );
    let as_json = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .args(["dead-letters", "list", &place, "--json"])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let letters: Vec<_> = text
            .lines()
            .map(|line| DeadLetter::from_line(line).unwrap())
            .collect();
        letters
    };
    assert_eq!(as_json(&[]).len(), 2);
    assert!(as_json(&["--batch", "102000"]).is_empty());
    assert_eq!(as_json(&[])[0].source.as_ref().unwrap().as_str(), "lines");
}

#[test]
fn in_pipelines_an_operator_may_say_otherwise() {
    for (url, on_error, letters_too, expected) in [
        ("memory:toml-drop", ", on_error = \"drop\"", true, 1),
        ("memory:toml-none", "", false, 0),
        ("memory:toml-fail", ", on_error = \"fail\"", true, 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let found = run_readings(url, folder.path(), on_error, letters_too);
        assert_eq!(found.len(), expected, "{on_error}: {found:?}");
    }
    let text = "name = \"test\"\nbatch_interval = \"1s\"\n[checkpoint]\nurl = \"memory:\"\n\
                [sources.lines]\ntype = \"queue\"\nlines = []\n[streams.out]\nfrom = \"lines\"\n\
                ops = [{ op = \"map\", function = \"parse_int\", on_error = \"dead_letters\" }]\n\
                [sinks.screen]\nfrom = \"out\"\ntype = \"console\"\n";
    let error = Pipeline::parse("test.toml", text, &[], std::iter::empty())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no place for dead letters"), "{error}");
    assert!(error.contains("test.toml:10"), "{error}");
    let error = Pipeline::parse(
        "test.toml",
        &text.replace("dead_letters", "dead_leters"),
        &[],
        std::iter::empty(),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("dead_letters"), "{error}");
}
