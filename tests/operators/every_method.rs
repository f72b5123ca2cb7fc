//! Each method of a stream has a property test: its name stands in a file that has some.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Methods that have none, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("for_each_partition", "an output: tests/connection_pool.rs"),
    (
        "for_each_partition_with",
        "an output: tests/connection_pool.rs",
    ),
    (
        "migrate_keys",
        "a change of the program: tests/upgrades/operators.rs",
    ),
    ("persist", "is `cache`"),
    ("print_rows", "an output, on the terminal"),
    ("save_as_arrow_files", "an output: tests/columnar"),
    ("save_as_avro_files", "an output: tests/columnar"),
    ("save_as_csv_files", "an output: src/sink/formats/tests.rs"),
    (
        "save_as_hadoop_files",
        "an output: src/sink/formats/tests.rs",
    ),
    ("save_as_json_files", "an output: src/sink/formats/tests.rs"),
    ("save_as_object_files", "an output: tests/object_files.rs"),
    ("save_as_parquet_files", "an output: tests/columnar"),
    (
        "save_as_sequence_files",
        "an output: src/sink/formats/tests.rs",
    ),
    (
        "save_as_text_files_with",
        "an output: tests/sink_stores/codecs.rs",
    ),
    ("sink", "an output: src/sink/conformance kills each sink"),
    (
        "sink_with_uid",
        "an output: src/sink/conformance kills each sink",
    ),
    (
        "silent_after",
        "watches, and changes no record: tests/watching.rs",
    ),
    (
        "slice",
        "asks beside the stream: tests/operators/queries.rs",
    ),
    ("slide_duration", "tells what was declared"),
];

/// The sources below `folder`, with what is in them.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn every_method_of_a_stream_has_a_property_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let methods: BTreeSet<String> = sources(&root.join("src/dstream"))
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.strip_prefix("    pub fn "))
        .map(|line| line.split(['(', '<']).next().unwrap().to_owned())
        .collect();
    let random: Vec<String> = sources(&root.join("tests"))
        .into_iter()
        .filter(|(path, text)| text.contains("proptest! {") && !path.ends_with("every_method.rs"))
        .map(|(_, text)| text)
        .collect();
    let is_called = |method: &str| {
        let calls = [
            format!(".{method}("),
            format!(".{method}::<"),
            format!("DStream::{method}"),
        ];
        random
            .iter()
            .any(|text| calls.iter().any(|call| text.contains(call)))
    };
    assert!(methods.len() >= 60, "{methods:?}");
    let without: Vec<&str> = WITHOUT.iter().map(|(name, _)| *name).collect();
    for method in &methods {
        assert_ne!(
            is_called(method),
            without.contains(&method.as_str()),
            "`{method}` is called in a property test, or is named here with the reason why not"
        );
    }
    for name in without {
        assert!(methods.contains(name), "there is no `{name}`");
    }
}
