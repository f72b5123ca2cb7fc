//! Files of columns as other tools find them: what a program writes is read by pyarrow and fastavro.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{builder, clock_at, run_to};
use tidemill::codec::Codec;
use tidemill::columnar::{ArrowIpc, Avro, Parquet};
use tidemill::rdd::Data;
use tidemill::sink::Files;
use tidemill::{DStream, StreamingContext};

/// What reads the files, and what to do where it isn't there.
const MISSING: &str = "pyarrow and fastavro can't be run: `make readers` brings them, and TIDEMILL_WITHOUT_READERS=1 \
                       leaves their tests out";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Visit {
    id: u64,
    page: String,
    referrer: Option<String>,
    seconds: Option<f64>,
    bytes: i64,
    status: u16,
    ok: bool,
    place: Place,
    before: Option<Place>,
    tags: Vec<String>,
    sizes: Option<Vec<Option<i32>>>,
    totals: BTreeMap<String, i64>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    city: Option<String>,
    at: (f64, f32),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Person,
    Robot,
}

fn full() -> Visit {
    Visit {
        id: i64::MAX as u64,
        page: "/grüße \u{1F30A}\n\0".to_owned(),
        referrer: Some(String::new()),
        seconds: Some(0.1),
        bytes: i64::MIN,
        status: 65_535,
        ok: true,
        place: Place {
            city: Some("Kiel".to_owned()),
            at: (54.32, 10.25),
        },
        before: Some(Place {
            city: None,
            at: (-0.5, 1e30),
        }),
        tags: vec!["a".to_owned(), String::new()],
        sizes: Some(vec![Some(i32::MIN), None]),
        totals: BTreeMap::from([("x".to_owned(), -1), (String::new(), 2)]),
        kind: Kind::Robot,
    }
}

fn empty() -> Visit {
    Visit {
        id: 0,
        page: String::new(),
        referrer: None,
        seconds: None,
        bytes: 0,
        status: 0,
        ok: false,
        place: Place {
            city: None,
            at: (0.0, 0.0),
        },
        before: None,
        tags: Vec::new(),
        sizes: None,
        totals: BTreeMap::new(),
        kind: Kind::Person,
    }
}

/// An element as the readers have it: tuples are structs of `_1`, `_2` and so on.
fn row(visit: &Visit) -> Value {
    let place =
        |place: &Place| json!({"city": place.city, "at": {"_1": place.at.0, "_2": place.at.1}});
    let mut row = serde_json::to_value(visit).unwrap();
    row["place"] = place(&visit.place);
    row["before"] = visit.before.as_ref().map_or(Value::Null, place);
    row
}

fn context() -> (StreamingContext, tidemill::clock::ManualClock) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let location = format!("memory:columnar-{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let clock = clock_at(100);
    (builder(&location, &clock).build().unwrap(), clock)
}

/// Writes a batch of elements at each second from 101 on.
fn write<T: Data>(batches: &[Vec<T>], save: impl FnOnce(&DStream<T>)) {
    let (context, clock) = context();
    let (elements, queue) = context.queue_stream::<T>();
    save(&elements);
    batches.iter().for_each(|batch| {
        queue.push_vec(batch.clone());
    });
    context.start().unwrap();
    (1..=batches.len() as u64).for_each(|second| run_to(&context, &clock, 100 + second));
    context.stop(true).unwrap();
}

/// The parts of the batch at `second`, in order.
fn parts(prefix: &Path, second: u64) -> Vec<PathBuf> {
    let folder = PathBuf::from(format!("{}-{second}000", prefix.display()));
    assert!(folder.join("_SUCCESS").exists());
    let mut parts: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("_SUCCESS"))
        .collect();
    parts.sort();
    assert!(!parts.is_empty());
    parts
}

/// What other tools find in these files; `None` where they aren't to be had, which the environment says.
fn found(files: &[PathBuf]) -> Option<Vec<Value>> {
    if std::env::var_os("TIDEMILL_WITHOUT_READERS").is_some() {
        eprintln!("left out: TIDEMILL_WITHOUT_READERS is set");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/tools/readers/bin/python");
    assert!(python.exists(), "{MISSING}");
    let output = Command::new(python)
        .arg(root.join("tests/columnar/read.py"))
        .args(files)
        .output()
        .unwrap_or_else(|error| panic!("{MISSING}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn rows(files: &[Value]) -> Vec<Value> {
    let rows = files
        .iter()
        .flat_map(|file| file["rows"].as_array().unwrap());
    rows.cloned().collect()
}

/// The columns of [`Visit`], as pyarrow describes them.
const ARROW_COLUMNS: [&str; 13] = [
    "id: uint64 not null",
    "page: string not null",
    "referrer: string",
    "seconds: double",
    "bytes: int64 not null",
    "status: uint16 not null",
    "ok: bool not null",
    "place: struct<city: string, at: struct<_1: double not null, _2: float not null> not null> not null",
    "before: struct<city: string, at: struct<_1: double not null, _2: float not null> not null>",
    "tags: list<element: string not null> not null",
    "sizes: list<element: int32>",
    "totals: map<string, int64> not null",
    "kind: string not null",
];

/// What a program writes of visits: a batch of two, one of none.
fn visits(prefix: &Path, save: impl FnOnce(&DStream<Visit>)) -> Option<(Vec<Value>, Vec<Value>)> {
    write(&[vec![full(), empty()], Vec::new()], save);
    let some = found(&parts(prefix, 101))?;
    let none = found(&parts(prefix, 102))?;
    assert_eq!(rows(&some), [row(&full()), row(&empty())]);
    assert_eq!(rows(&none), Vec::<Value>::new());
    some.iter().chain(&none).for_each(|file| {
        assert_eq!(
            file["columns"], some[0]["columns"],
            "every part has the same columns"
        );
    });
    Some((some, none))
}

fn prefix(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("visits")
}

#[test]
fn pyarrow_reads_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = prefix(&folder);
    let save =
        |visits: &DStream<Visit>| visits.save_as_parquet_files(prefix.to_str().unwrap(), None);
    let Some((some, _)) = visits(&prefix, save) else {
        return;
    };
    assert_eq!(some[0]["columns"], json!(ARROW_COLUMNS));
    assert_eq!(some[0]["codec"], json!(["SNAPPY"]));
    let leaves = [
        "id: INT64 Int(bitWidth=64, isSigned=false)",
        "page: BYTE_ARRAY String",
        "referrer: BYTE_ARRAY String",
        "seconds: DOUBLE None",
        "bytes: INT64 None",
        "status: INT32 Int(bitWidth=16, isSigned=false)",
        "ok: BOOLEAN None",
        "place.city: BYTE_ARRAY String",
        "place.at._1: DOUBLE None",
        "place.at._2: FLOAT None",
        "before.city: BYTE_ARRAY String",
        "before.at._1: DOUBLE None",
        "before.at._2: FLOAT None",
        "tags.list.element: BYTE_ARRAY String",
        "sizes.list.element: INT32 None",
        "totals.entries.key: BYTE_ARRAY String",
        "totals.entries.value: INT64 None",
        "kind: BYTE_ARRAY String",
    ];
    assert_eq!(some[0]["leaves"], json!(leaves));
}

#[test]
fn pyarrow_reads_arrow() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = prefix(&folder);
    let save = |visits: &DStream<Visit>| visits.save_as_arrow_files(prefix.to_str().unwrap(), None);
    let Some((some, _)) = visits(&prefix, save) else {
        return;
    };
    assert_eq!(some[0]["columns"], json!(ARROW_COLUMNS));
}

#[test]
fn fastavro_reads_avro() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = prefix(&folder);
    let save = |visits: &DStream<Visit>| visits.save_as_avro_files(prefix.to_str().unwrap(), None);
    let Some((some, _)) = visits(&prefix, save) else {
        return;
    };
    assert_eq!(some[0]["codec"], json!(["null"]));
    let at = |name: &str| {
        json!({"type": "record", "name": name, "fields": [
            {"name": "_1", "type": "double"},
            {"name": "_2", "type": "float"},
        ]})
    };
    let place = |name: &str, within: &str| {
        json!({"type": "record", "name": name, "fields": [
            {"name": "city", "type": ["null", "string"]},
            {"name": "at", "type": at(within)},
        ]})
    };
    let schema = json!({"type": "record", "name": "topLevelRecord", "fields": [
        {"name": "id", "type": "long"},
        {"name": "page", "type": "string"},
        {"name": "referrer", "type": ["null", "string"]},
        {"name": "seconds", "type": ["null", "double"]},
        {"name": "bytes", "type": "long"},
        {"name": "status", "type": "int"},
        {"name": "ok", "type": "boolean"},
        {"name": "place", "type": place("place", "at")},
        {"name": "before", "type": ["null", place("before", "at_1")]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "sizes", "type": ["null", {"type": "array", "items": ["null", "int"]}]},
        {"name": "totals", "type": {"type": "map", "values": "long"}},
        {"name": "kind", "type": "string"},
    ]});
    assert_eq!(some[0]["columns"], schema);
}

#[test]
fn codecs_are_the_formats_own() {
    let folder = tempfile::tempdir().unwrap();
    let pairs: Vec<(String, u64)> = (0..10_000)
        .map(|n| (format!("word {}", n % 100), n))
        .collect();
    let expected: Vec<Value> = pairs
        .iter()
        .map(|(word, n)| json!({"_1": word, "_2": n}))
        .collect();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut files = Vec::new();
    for (codec, names) in [
        (Codec::Gzip, ["GZIP", "deflate"]),
        (Codec::Zstd, ["ZSTD", "zstandard"]),
    ] {
        write(std::slice::from_ref(&pairs), |stream| {
            let parquet = Files::open_with(&place(&format!("parquet-{codec}")), None, Parquet);
            stream.sink(parquet.unwrap().codec(codec));
            let avro = Files::open_with(&place(&format!("avro-{codec}")), None, Avro);
            stream.sink(avro.unwrap().codec(codec));
            if codec == Codec::Zstd {
                let arrow = Files::open_with(&place("arrow"), None, ArrowIpc);
                stream.sink(arrow.unwrap().codec(codec));
            }
        });
        files.push((format!("parquet-{codec}"), json!([names[0]])));
        files.push((format!("avro-{codec}"), json!([names[1]])));
    }
    files.push(("arrow".to_owned(), Value::Null));
    for (name, codec) in files {
        let kind = name.split('-').next().unwrap();
        let parts = parts(&folder.path().join(&name), 101);
        let ends = |part: &PathBuf| part.extension().is_some_and(|extension| extension == kind);
        assert!(parts.iter().all(ends), "{parts:?}");
        let Some(found) = found(&parts) else { return };
        assert_eq!(rows(&found), expected, "{name}");
        assert_eq!(found[0]["codec"], codec, "{name}");
    }
}

#[test]
fn what_cant_be_written_is_refused_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = prefix(&folder).to_str().unwrap().to_owned();
    let refused = |save: &dyn Fn(&StreamingContext)| {
        let (context, _) = context();
        save(&context);
        context.start().unwrap_err().to_string()
    };
    let untyped = refused(&|context| {
        let (values, _) = context.queue_stream::<Value>();
        values.save_as_parquet_files(&prefix, None);
    });
    assert!(
        untyped.contains("serde_json::value::Value have no columns"),
        "{untyped}"
    );
    let gzip = refused(&|context| {
        let (numbers, _) = context.queue_stream::<u64>();
        let files = Files::open_with(&prefix, None, ArrowIpc).unwrap();
        numbers.sink(files.codec(Codec::Gzip));
    });
    assert!(
        gzip.contains("can't be compressed by gzip: use zstd"),
        "{gzip}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A pipeline that counts and writes in each format what it knows the kinds of, and what it doesn't.
fn pipeline(folder: &Path) -> String {
    let mut text = "name = \"test\"\nbatch_interval = \"1s\"\n\
         [checkpoint]\nurl = \"memory:\"\n\
         [sources.lines]\ntype = \"queue\"\nlines = [[\"7\", \"8\"]]\n\
         [streams.counts]\nfrom = \"lines\"\nops = [{ op = \"count_by_value\" }]\n\
         [streams.numbers]\nfrom = \"lines\"\nops = [{ op = \"map\", function = \"parse_int\" }]\n\
         [sources.posts]\ntype = \"queue\"\nlines = [['{\"a\": [1, null]}', '{\"a\": null}', '{\"a\": 0.5}']]\n\
         [streams.documents]\nfrom = \"posts\"\nops = [{ op = \"map\", json = \"/a\" }]\n"
        .to_owned();
    for stream in ["lines", "counts", "numbers", "documents"] {
        for format in ["parquet", "arrow", "avro"] {
            text += &format!(
                "[sinks.{stream}_{format}]\nfrom = \"{stream}\"\ntype = \"{format}_files\"\n\
                 prefix = \"{}/{stream}-{format}\"\n",
                folder.display()
            );
        }
    }
    text
}

#[test]
fn a_pipeline_writes_the_columns_that_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let text = pipeline(folder.path());
    let parsed = tidemill_config::Pipeline::parse("p.toml", &text, &[], std::iter::empty());
    let (context, clock) = context();
    tidemill::pipeline::build(&context, &parsed.unwrap()).unwrap();
    context.start().unwrap();
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    for (stream, columns, expected) in [
        (
            "lines",
            json!(["value: string"]),
            json!([{"value": "7"}, {"value": "8"}]),
        ),
        (
            "counts",
            json!(["key: string", "value: int64"]),
            json!([{"key": "7", "value": 1}, {"key": "8", "value": 1}]),
        ),
        (
            "numbers",
            json!(["value: int64"]),
            json!([{"value": 7}, {"value": 8}]),
        ),
        (
            "documents",
            json!(["value: string"]),
            json!([{"value": "0.5"}, {"value": "[1, null]"}, {"value": null}]),
        ),
    ] {
        for format in ["parquet", "arrow", "avro"] {
            let prefix = folder.path().join(format!("{stream}-{format}"));
            let Some(files) = found(&parts(&prefix, 101)) else {
                return;
            };
            let mut found = rows(&files);
            found.sort_by_key(Value::to_string);
            assert_eq!(Value::from(found), expected, "{stream} {format}");
            if format != "avro" {
                assert_eq!(files[0]["columns"], columns, "{stream} {format}");
            }
        }
    }
}

#[test]
fn a_pipelines_arrow_files_are_not_compressed_by_gzip() {
    let text = pipeline(Path::new("data"))
        .replace("counts-arrow\"\n", "counts-arrow\"\ncodec = \"gzip\"\n");
    let refused = tidemill_config::Pipeline::parse("p.toml", &text, &[], std::iter::empty());
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("sinks.counts_arrow.codec") && error.contains("write zstd"),
        "{error}"
    );
}
