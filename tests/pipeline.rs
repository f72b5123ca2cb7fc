//! Pipelines from files: each operator against what it should give, names in the graph, restarts.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

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

#[test]
fn text_becomes_text() {
    let lines = ["To be", " or\tnot ", ""];
    assert_eq!(once(&lines, SPLIT), ["To", "be", "not", "or"]);
    assert_eq!(
        once(&["a,b,,c"], r#"{ op = "split", on = "," }"#),
        ["", "a", "b", "c"]
    );
    assert_eq!(
        once(&lines, r#"{ op = "flat_map", function = "split" }"#),
        ["To", "be", "not", "or"]
    );
    assert_eq!(
        once(&lines, r#"{ op = "map", function = "trim" }"#),
        ["", "To be", "or\tnot"]
    );
    assert_eq!(
        once(&["Ab"], r#"{ op = "map", function = "lowercase" }"#),
        ["ab"]
    );
    assert_eq!(
        once(&["Ab"], r#"{ op = "map", function = "uppercase" }"#),
        ["AB"]
    );
    assert_eq!(
        once(&["Ab"], r#"{ op = "map", function = "identity" }"#),
        ["Ab"]
    );
    assert_eq!(
        once(&["äb"], r#"{ op = "map", function = "length" }"#),
        ["2"]
    );
    let regex = r#"{ op = "map", regex = "user=([a-z]+)" }"#;
    assert_eq!(once(&["x user=eve y", "nobody"], regex), ["eve"]);
    let whole = r#"{ op = "map", regex = "[0-9]+" }"#;
    assert_eq!(once(&["a12b"], whole), ["12"]);
}

#[test]
fn records_that_do_not_fit_are_left_out() {
    let ints = r#"{ op = "map", function = "parse_int" }"#;
    assert_eq!(once(&["1", "abc", " 2 "], ints), ["1", "2"]);
    assert_eq!(
        once(&["1", "x"], r#"{ op = "map", function = "parse_float" }"#),
        ["1.0"]
    );
    assert_eq!(once(&["a=1", "b"], KEY_VALUE), ["(a,1)"]);
    assert_eq!(once(&["a=1", "b=x"], INTEGERS), ["(a,1)"]);
}

#[test]
fn json_documents_are_taken_apart() {
    let lines = [
        r#"{"u":{"n":"eve"},"k":[1,2.5,null],"b":7}"#,
        "no json",
        r#"{"u":{}}"#,
    ];
    assert_eq!(once(&lines, r#"{ op = "map", json = "/u/n" }"#), ["eve"]);
    assert_eq!(
        once(&lines, r#"{ op = "map", json = "/k" }"#),
        ["[1, 2.5, null]"]
    );
    assert_eq!(
        once(&lines, r#"{ op = "map", json_pair = ["/u/n", "/b"] }"#),
        ["(eve,7)"]
    );
    let nested = r#"{ op = "map", json = "/u" }, { op = "map", json = "/n" }"#;
    assert_eq!(once(&lines, nested), ["eve"]);
    let split = r#"{ op = "map", json = "/u/n" }, { op = "split", on = "v" }"#;
    assert_eq!(once(&lines, split), ["e", "e"]);
    let upper = r#"{ op = "map", json = "/u/n" }, { op = "map", function = "uppercase" }"#;
    assert_eq!(once(&lines, upper), ["EVE"]);
    let numbers = r#"{ op = "map", json = "/b" }, { op = "map", function = "parse_float" }"#;
    assert_eq!(once(&lines, numbers), ["7.0"]);
}

#[test]
fn pairs_are_taken_apart() {
    let lines = ["a=1", "b=2 3"];
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "map", function = "key" }}"#)
        ),
        ["a", "b"]
    );
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "map", function = "swap" }}"#)
        ),
        ["(1,a)", "(2 3,b)"]
    );
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "map", function = "value" }}, {SPLIT}"#)
        ),
        ["1", "2", "3"]
    );
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "flat_map_values" }}"#)
        ),
        ["(a,1)", "(b,2)", "(b,3)"]
    );
    let counts = format!(r#"{SPLIT}, {{ op = "count_by_value" }}"#);
    let words = ["x y x"];
    assert_eq!(
        once(
            &words,
            &format!(r#"{counts}, {{ op = "map", function = "key" }}"#)
        ),
        ["x", "y"]
    );
    assert_eq!(
        once(
            &words,
            &format!(r#"{counts}, {{ op = "map", function = "value" }}"#)
        ),
        ["1", "2"]
    );
    assert_eq!(
        once(
            &words,
            &format!(r#"{counts}, {{ op = "map", function = "swap" }}"#)
        ),
        ["(1,y)", "(2,x)"]
    );
}

#[test]
fn filters_keep_what_fits() {
    let lines = ["GET /a", "POST /b", "GET /bc"];
    let keeps = |test: &str| once(&lines, &format!(r#"{{ op = "filter", {test} }}"#));
    assert_eq!(keeps(r#"starts_with = "GET""#), ["GET /a", "GET /bc"]);
    assert_eq!(keeps(r#"ends_with = "b""#), ["POST /b"]);
    assert_eq!(keeps(r#"contains = "/b""#), ["GET /bc", "POST /b"]);
    assert_eq!(keeps(r#"contains = "/b", not = true"#), ["GET /a"]);
    assert_eq!(keeps(r#"equals = "GET /a""#), ["GET /a"]);
    assert_eq!(keeps(r#"matches = "/[a-z]$""#), ["GET /a", "POST /b"]);
    assert_eq!(keeps("min_length = 7"), ["GET /bc", "POST /b"]);

    let numbers = r#"{ op = "map", function = "parse_int" }, { op = "filter", min = 2, max = 3 }"#;
    assert_eq!(once(&["1", "2", "3", "4"], numbers), ["2", "3"]);
    let pairs = |test: &str| {
        once(
            &["a=1", "b=2"],
            &format!(r#"{INTEGERS}, {{ op = "filter", {test} }}"#),
        )
    };
    assert_eq!(pairs(r#"equals = "a""#), ["(a,1)"]);
    assert_eq!(pairs(r#"on = "value", equals = 2"#), ["(b,2)"]);
    let counts = |test: &str| {
        let ops = format!(r#"{SPLIT}, {{ op = "count_by_value" }}, {{ op = "filter", {test} }}"#);
        once(&["x y x"], &ops)
    };
    assert_eq!(counts(r#"starts_with = "y""#), ["(y,1)"]);
    assert_eq!(counts(r#"on = "value", min = 2"#), ["(x,2)"]);
}

#[test]
fn batches_are_counted_and_folded() {
    assert_eq!(once(&["a", "b"], r#"{ op = "count" }"#), ["2"]);
    assert_eq!(
        run(&[&["a"]], &out(r#"{ op = "count" }"#), 2),
        [some(&["1"]), some(&["0"])]
    );
    let folds = |function: &str| {
        let ops = format!(
            r#"{{ op = "map", function = "parse_int" }}, {{ op = "repartition", partitions = 3 }},
               {{ op = "reduce", function = "{function}" }}"#
        );
        once(&["5", "-2", "9", "4"], &ops.replace('\n', " "))
    };
    assert_eq!(folds("sum"), ["16"]);
    assert_eq!(folds("min"), ["-2"]);
    assert_eq!(folds("max"), ["9"]);
    assert_eq!(folds("count"), ["4"]);
    assert_eq!(
        once(&["b", "c", "a"], r#"{ op = "reduce", function = "first" }"#),
        ["b"]
    );
    assert_eq!(
        once(&["b", "c", "a"], r#"{ op = "reduce", function = "last" }"#),
        ["a"]
    );
    assert_eq!(
        once(&["b", "c", "a"], r#"{ op = "reduce", function = "max" }"#),
        ["c"]
    );
    assert!(once(&[], r#"{ op = "reduce", function = "max" }"#).is_empty());
}

#[test]
fn keys_are_grouped_and_folded() {
    let lines = ["a=3", "b=1", "a=1", "a=2"];
    let folds = |function: &str| {
        once(
            &lines,
            &format!(r#"{INTEGERS}, {{ op = "reduce_by_key", function = "{function}" }}"#),
        )
    };
    assert_eq!(folds("sum"), ["(a,6)", "(b,1)"]);
    assert_eq!(folds("min"), ["(a,1)", "(b,1)"]);
    assert_eq!(folds("max"), ["(a,3)", "(b,1)"]);
    assert_eq!(folds("count"), ["(a,3)", "(b,1)"]);
    assert_eq!(folds("first"), ["(a,3)", "(b,1)"]);
    assert_eq!(folds("last"), ["(a,2)", "(b,1)"]);
    let combines = |function: &str| {
        once(
            &lines,
            &format!(r#"{INTEGERS}, {{ op = "combine_by_key", function = "{function}" }}"#),
        )
    };
    assert_eq!(combines("list"), ["(a,[3, 1, 2])", "(b,[1])"]);
    assert_eq!(combines("set"), ["(a,[1, 2, 3])", "(b,[1])"]);
    assert_eq!(combines("avg"), ["(a,2.0)", "(b,1.0)"]);
    assert_eq!(combines("sum"), ["(a,6)", "(b,1)"]);
    assert_eq!(combines("count"), ["(a,3)", "(b,1)"]);
    assert_eq!(combines("min"), ["(a,1)", "(b,1)"]);
    assert_eq!(combines("max"), ["(a,3)", "(b,1)"]);
    assert_eq!(
        once(
            &lines,
            &format!(r#"{KEY_VALUE}, {{ op = "group_by_key", partitions = 3 }}"#)
        ),
        ["(a,[3, 1, 2])", "(b,[1])"]
    );
    let counts = r#"{ op = "split" }, { op = "count_by_value" }, { op = "reduce_by_key", function = "sum" }"#;
    assert_eq!(once(&["x y x"], counts), ["(x,2)", "(y,1)"]);
}

#[test]
fn records_of_any_kind_are_counted_by_value() {
    assert_eq!(
        once(
            &["a=1", "a=1", "b=1"],
            &format!(r#"{KEY_VALUE}, {{ op = "count_by_value" }}"#)
        ),
        ["((a,1),2)", "((b,1),1)"]
    );
    let lengths = r#"{ op = "map", function = "length" }, { op = "count_by_value" }"#;
    assert_eq!(once(&["ab", "cd", "e"], lengths), ["(1,1)", "(2,2)"]);
}

#[test]
fn partitions_are_worked_on_as_a_whole() {
    let one = r#"{ op = "repartition", partitions = 1 }"#;
    let works = |function: &str| {
        let ops = format!(r#"{one}, {{ op = "map_partitions", function = "{function}" }}"#);
        once_in_order(&["b", "a", "b"], &ops)
    };
    assert_eq!(works("sort"), ["a", "b", "b"]);
    assert_eq!(works("distinct"), ["b", "a"]);
    let pairs = format!(r#"{INTEGERS}, {one}, {{ op = "map_partitions", function = "sort" }}"#);
    assert_eq!(
        once_in_order(&["b=1", "a=10", "a=9"], &pairs),
        ["(a,9)", "(a,10)", "(b,1)"]
    );
    assert_eq!(
        once(&["b", "a"], &format!(r#"{one}, {{ op = "glom" }}"#)),
        ["[b, a]"]
    );
    let pairs = format!(r#"{KEY_VALUE}, {one}, {{ op = "glom" }}"#);
    assert_eq!(once(&["b=1", "a=2"], &pairs), ["[(b,1), (a,2)]"]);
}

#[test]
fn the_greatest_come_first() {
    let top = |ops: &str, lines: &[&str]| once_in_order(lines, ops);
    assert_eq!(
        top(r#"{ op = "top", n = 2 }"#, &["b", "c", "a"]),
        ["c", "b"]
    );
    let numbers = r#"{ op = "map", function = "parse_int" }, { op = "top", n = 2 }"#;
    assert_eq!(top(numbers, &["9", "10", "-1"]), ["10", "9"]);
    let counts = r#"{ op = "split" }, { op = "count_by_value" }, { op = "top", n = 3 }"#;
    assert_eq!(top(counts, &["x y z z y z a"]), ["(z,3)", "(y,2)", "(a,1)"]);
    let keys = r#"{ op = "split" }, { op = "count_by_value" }, { op = "top", n = 1, by = "key" }"#;
    assert_eq!(top(keys, &["x y z z"]), ["(z,2)"]);
    let pairs = format!(r#"{INTEGERS}, {{ op = "top", n = 2 }}"#);
    assert_eq!(top(&pairs, &["a=5", "b=7", "c=6"]), ["(b,7)", "(c,6)"]);
    let lines: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(top(numbers, &lines), ["4999", "4998"]);
}

#[test]
fn unions_hold_the_records_of_all() {
    let streams = format!(
        "[streams.words]\nfrom = \"lines\"\nops = [{SPLIT}]\n\
         [streams.out]\nfrom = [\"lines\", \"words\"]\nops = []"
    );
    assert_eq!(run(&[&["a b"]], &streams, 1), [some(&["a", "a b", "b"])]);
    let streams = format!(
        "[streams.lengths]\nfrom = \"lines\"\nops = [{{ op = \"map\", function = \"length\" }}]\n\
         [streams.out]\nfrom = \"lines\"\nops = [{SPLIT}, {{ op = \"union\", with = \"lengths\" }}]"
    );
    assert_eq!(run(&[&["a b"]], &streams, 1), [some(&["3", "a", "b"])]);
    let streams = format!(
        "[streams.pairs]\nfrom = \"lines\"\nops = [{KEY_VALUE}]\n\
         [streams.out]\nfrom = \"lines\"\nops = [{{ op = \"count_by_value\" }}, {{ op = \"union\", with = \"pairs\" }}]"
    );
    assert_eq!(run(&[&["a=2"]], &streams, 1), [some(&["(a,2)", "(a=2,1)"])]);
}

#[test]
fn joins_pair_the_values_of_two_streams() {
    let join = |how: &str| {
        format!(
            "[streams.sides]\nfrom = \"lines\"\nops = [{KEY_VALUE}]\n\
             [streams.others]\nfrom = \"sides\"\nops = [{{ op = \"filter\", starts_with = \"r\", on = \"value\" }}]\n\
             [streams.out]\nfrom = \"sides\"\nops = [{{ op = \"filter\", starts_with = \"l\", on = \"value\" }}, \
             {{ op = \"join\", with = \"others\"{how} }}]"
        )
    };
    let batches: Batches<'_> = &[&["a=l1", "a=l2", "b=l3", "a=r1", "c=r2"], &["b=r3"]];
    let rows = |how: &str| run(batches, &join(how), 2);
    let both = ["(a,(l1,r1))", "(a,(l2,r1))"];
    let with = |more: &[&str]| some(&[&both[..], more].concat());
    assert_eq!(rows(""), [with(&[]), some(&[])]);
    assert_eq!(rows(", how = \"inner\", partitions = 3"), rows(""));
    assert_eq!(
        rows(", how = \"left\""),
        [with(&["(b,(l3,null))"]), some(&[])]
    );
    let right = [with(&["(c,(null,r2))"]), some(&["(b,(null,r3))"])];
    assert_eq!(rows(", how = \"right\""), right);
    let full = [
        with(&["(b,(l3,null))", "(c,(null,r2))"]),
        some(&["(b,(null,r3))"]),
    ];
    assert_eq!(rows(", how = \"full\""), full);
    // Counted words are pairs of other types; a stream can be joined with itself.
    let itself = format!(
        "[streams.counts]\nfrom = \"lines\"\nops = [{SPLIT}, {{ op = \"count_by_value\" }}]\n\
         [streams.out]\nfrom = \"counts\"\nops = [{{ op = \"join\", with = \"counts\" }}]"
    );
    assert_eq!(
        run(&[&["a b a"]], &itself, 1),
        [some(&["(a,(2,2))", "(b,(1,1))"])]
    );
}

/// Two streams of pairs, `sides` and `others`, and `out` of these operators on `sides`.
fn two_sides(ops: &str) -> String {
    let on = |start: &str| {
        format!("{KEY_VALUE}, {{ op = \"filter\", starts_with = \"{start}\", on = \"value\" }}")
    };
    format!(
        "[streams.sides]\nfrom = \"lines\"\nops = [{}]\n\
         [streams.others]\nfrom = \"lines\"\nops = [{}]\n\
         [streams.out]\nfrom = \"sides\"\nops = [{ops}]",
        on("l"),
        on("r")
    )
}

#[test]
fn joined_values_are_taken_apart() {
    let batches: Batches<'_> = &[&["a=l1", "b=l2", "a=r1", "a=r2"]];
    let join = |how: &str, rest: &str| {
        let ops = format!("{{ op = \"join\", with = \"others\", how = \"{how}\" }}, {rest}");
        run(batches, &two_sides(&ops), 1).remove(0).unwrap()
    };
    let pick = |pick: &str| join("left", &format!("{{ op = \"map\", pick = {pick} }}"));
    assert_eq!(pick("\"key\""), ["a", "a", "b"]);
    assert_eq!(pick("\"value.left\""), ["l1", "l1", "l2"]);
    assert_eq!(pick("\"value.right\""), ["null", "r1", "r2"]);
    assert_eq!(pick("\"value.1\""), pick("\"value.right\""));
    let swapped = ["(l2,null)", "(r1,l1)", "(r2,l1)"];
    assert_eq!(
        join(
            "inner",
            "{ op = \"map\", pick = [\"value.right\", \"value.left\"] }"
        ),
        swapped[1..]
    );
    // What isn't there is a record that doesn't fit, and null is there.
    assert_eq!(pick("\"value.right.left\""), [""; 0]);
    assert_eq!(
        join("left", "{ op = \"map_values\", pick = \"left\" }"),
        ["(a,l1)", "(a,l1)", "(b,l2)"]
    );
    // Picked values are values like any other.
    assert_eq!(
        join(
            "inner",
            "{ op = \"map\", pick = \"value.left\" }, { op = \"map\", function = \"uppercase\" }, \
             { op = \"count_by_value\" }"
        ),
        ["(L1,2)"]
    );
    // A join of a join.
    let twice = "{ op = \"join\", with = \"others\" }, { op = \"map\", pick = [\"value.left.right\", \"key\"] }";
    assert_eq!(
        join("inner", twice),
        ["(r1,a)", "(r1,a)", "(r2,a)", "(r2,a)"]
    );
}

#[test]
fn cogroups_pair_lists_that_can_be_taken_apart() {
    let batches: Batches<'_> = &[&["a=l2", "b=l3", "a=l1", "a=r1", "c=r2"], &[]];
    let cogroup = |rest: &str| {
        let ops = format!("{{ op = \"cogroup\", with = \"others\", partitions = 3 }}{rest}");
        run(batches, &two_sides(&ops), 2)
    };
    let groups = ["(a,([l2, l1],[r1]))", "(b,([l3],[]))", "(c,([],[r2]))"];
    assert_eq!(cogroup(""), [some(&groups), some(&[])]);
    let left = ", { op = \"map_values\", pick = \"left\" }, { op = \"flat_map_values\", function = \"items\" }";
    assert_eq!(cogroup(left)[0], some(&["(a,l1)", "(a,l2)", "(b,l3)"]));
    let items =
        ", { op = \"map\", pick = \"value.right\" }, { op = \"flat_map\", function = \"items\" }";
    assert_eq!(cogroup(items)[0], some(&["r1", "r2"]));
    let first = ", { op = \"map\", pick = \"value.left.0\" }";
    assert_eq!(cogroup(first)[0], some(&["l2", "l3"]));
}

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

#[test]
fn windows_come_out_as_they_should() {
    let batches: Batches<'_> = &[&["a=1"], &["a=2", "b=5"], &[], &["b=7"]];
    let window = r#"length = "2s", slide = "1s""#;
    let ops = |op: &str| out(&format!(r#"{INTEGERS}, {{ op = "{op}, {window} }}"#));

    let sums = [
        some(&["(a,1)"]),
        some(&["(a,3)", "(b,5)"]),
        some(&["(a,2)", "(b,5)"]),
        some(&["(b,7)"]),
        some(&["(b,7)"]),
        some(&[]),
    ];
    for inverse in ["true", "false"] {
        let ops = ops(&format!(
            r#"reduce_by_key_and_window", function = "sum", inverse = {inverse}"#
        ));
        assert_eq!(run(batches, &ops, 6), sums, "inverse = {inverse}");
    }
    let last = ops(r#"reduce_by_key_and_window", function = "last""#);
    assert_eq!(
        run(batches, &last, 2),
        [some(&["(a,1)"]), some(&["(a,2)", "(b,5)"])]
    );
    let groups = [
        some(&["(a,[1])"]),
        some(&["(a,[1, 2])", "(b,[5])"]),
        some(&["(a,[2])", "(b,[5])"]),
    ];
    assert_eq!(run(batches, &ops(r#"group_by_key_and_window""#), 3), groups);
    let counts = [
        some(&["1"]),
        some(&["3"]),
        some(&["2"]),
        some(&["1"]),
        some(&["1"]),
        some(&["0"]),
    ];
    assert_eq!(run(batches, &ops(r#"count_by_window""#), 6), counts);
    let all = [
        some(&["(a,1)"]),
        some(&["(a,1)", "(a,2)", "(b,5)"]),
        some(&["(a,2)", "(b,5)"]),
    ];
    assert_eq!(run(batches, &ops(r#"window""#), 3), all);
}

#[test]
fn windows_of_single_records() {
    let batches: Batches<'_> = &[&["1"], &["2", "-2"], &[], &["4"]];
    let ops = |inverse: &str| {
        out(&format!(
            r#"{{ op = "map", function = "parse_int" }}, {{ op = "reduce_by_window", function = "sum", length = "2s", slide = "1s", inverse = {inverse} }}"#
        ))
    };
    // A sum of zero is a result; no records give none.
    let sums = [
        some(&["1"]),
        some(&["1"]),
        some(&["0"]),
        some(&["4"]),
        some(&["4"]),
        some(&[]),
    ];
    for inverse in ["true", "false"] {
        assert_eq!(run(batches, &ops(inverse), 6), sums, "inverse = {inverse}");
    }
    let first = out(r#"{ op = "reduce_by_window", function = "first", length = "2s" }"#);
    assert_eq!(
        run(batches, &first, 3),
        [some(&["1"]), some(&["1"]), some(&["2"])]
    );

    let words: Batches<'_> = &[&["x y"], &["x"]];
    let counts = out(&format!(
        r#"{SPLIT}, {{ op = "count_by_value_and_window", length = "2s", slide = "1s" }}"#
    ));
    let expected = [
        some(&["(x,1)", "(y,1)"]),
        some(&["(x,2)", "(y,1)"]),
        some(&["(x,1)"]),
        some(&[]),
    ];
    assert_eq!(run(words, &counts, 4), expected);
    let lengths = out(
        r#"{ op = "map", function = "length" }, { op = "count_by_value_and_window", length = "2s" }"#,
    );
    assert_eq!(
        run(words, &lengths, 2),
        [some(&["(3,1)"]), some(&["(1,1)", "(3,1)"])]
    );
}

#[test]
fn a_window_slides_in_steps_of_its_own() {
    let ops = format!(
        r#"{SPLIT}, {{ op = "count_by_value" }},
           {{ op = "reduce_by_key_and_window", function = "sum", length = "4s", slide = "2s" }}"#
    );
    let batches: Batches<'_> = &[&["a"], &["a b"], &["b"], &["c"], &[], &[]];
    let expected = [
        None,
        some(&["(a,2)", "(b,1)"]),
        None,
        some(&["(a,2)", "(b,2)", "(c,1)"]),
        None,
        some(&["(b,1)", "(c,1)"]),
    ];
    assert_eq!(run(batches, &out(&ops.replace('\n', " ")), 6), expected);
}

#[test]
fn state_goes_on_after_a_restart() {
    let batches: Batches<'_> = &[&["a=1", "b=4"], &["a=2"], &["a=3"]];
    for (function, expected) in [
        ("sum", ["(a,6)", "(b,4)"]),
        ("min", ["(a,1)", "(b,4)"]),
        ("max", ["(a,3)", "(b,4)"]),
        ("count", ["(a,3)", "(b,1)"]),
        ("first", ["(a,1)", "(b,4)"]),
        ("last", ["(a,3)", "(b,4)"]),
    ] {
        let ops =
            format!(r#"{INTEGERS}, {{ op = "update_state_by_key", function = "{function}" }}"#);
        let folder = TempDir::new().unwrap();
        let (clock, url) = (clock_at(START), location());
        let pipeline = program(batches, &out(&ops), folder.path());
        for second in 1..=3 {
            let context = context(&url, &clock, &pipeline);
            context.start().unwrap();
            run_to(&context, &clock, START + second);
            context.stop(false).unwrap();
        }
        let mut last = output(folder.path(), 3).unwrap();
        last.sort();
        assert_eq!(last, expected, "{function}");
    }
}

#[test]
fn mapped_state_goes_on_after_a_restart() {
    let batches: Batches<'_> = &[&["a=1", "b=4"], &["a=2", "a=5"], &["c=7"], &["a=3", "b=1"]];
    for (function, expected) in [
        (
            "sum",
            [
                ["(a,1)", "(b,4)"].as_slice(),
                &["(a,8)"],
                &["(c,7)"],
                &["(a,11)", "(b,5)"],
            ],
        ),
        (
            "min",
            [
                &["(a,1)", "(b,4)"],
                &["(a,1)"],
                &["(c,7)"],
                &["(a,1)", "(b,1)"],
            ],
        ),
        (
            "max",
            [
                &["(a,1)", "(b,4)"],
                &["(a,5)"],
                &["(c,7)"],
                &["(a,5)", "(b,4)"],
            ],
        ),
        (
            "count",
            [
                &["(a,1)", "(b,1)"],
                &["(a,3)"],
                &["(c,1)"],
                &["(a,4)", "(b,2)"],
            ],
        ),
        (
            "first",
            [
                &["(a,1)", "(b,4)"],
                &["(a,1)"],
                &["(c,7)"],
                &["(a,1)", "(b,4)"],
            ],
        ),
        (
            "last",
            [
                &["(a,1)", "(b,4)"],
                &["(a,5)"],
                &["(c,7)"],
                &["(a,3)", "(b,1)"],
            ],
        ),
    ] {
        let ops = format!(r#"{INTEGERS}, {{ op = "map_with_state", function = "{function}" }}"#);
        // Only the keys of each batch are in its output, whatever was started in between.
        assert_eq!(restarted(batches, &ops), expected, "{function}");
    }
    // A key that doesn't come for longer than its time-out begins anew, though that passed over a restart.
    let ops =
        format!(r#"{INTEGERS}, {{ op = "map_with_state", function = "sum", timeout = "2s" }}"#);
    let batches: Batches<'_> = &[&["a=1", "b=4"], &[], &["a=2"], &[], &["a=3", "b=1"]];
    let expected = [
        ["(a,1)", "(b,4)"].as_slice(),
        &[],
        &["(a,3)"],
        &[],
        &["(a,6)", "(b,1)"],
    ];
    assert_eq!(restarted(batches, &ops), expected);
}

/// What each batch gave, sorted, of a program that is started anew for each.
fn restarted(batches: Batches<'_>, ops: &str) -> Vec<Vec<String>> {
    let folder = TempDir::new().unwrap();
    let (clock, url) = (clock_at(START), location());
    let pipeline = program(batches, &out(ops), folder.path());
    let seconds = 1..=batches.len() as u64;
    for second in seconds.clone() {
        let context = context(&url, &clock, &pipeline);
        context.start().unwrap();
        run_to(&context, &clock, START + second);
        context.stop(false).unwrap();
    }
    let sorted = |second| {
        let mut lines = output(folder.path(), second).unwrap();
        lines.sort();
        lines
    };
    seconds.map(sorted).collect()
}

#[test]
fn running_totals_of_words() {
    let ops = r#"{ op = "split" }, { op = "count_by_value" }, { op = "update_state_by_key", function = "sum" }"#;
    let batches: Batches<'_> = &[&["a b a"], &[], &["b"]];
    let expected = [
        some(&["(a,2)", "(b,1)"]),
        some(&["(a,2)", "(b,1)"]),
        some(&["(a,2)", "(b,2)"]),
    ];
    assert_eq!(run(batches, &out(ops), 3), expected);
}

#[test]
fn the_examples_are_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let pipeline = Pipeline::load(&path, &[], std::iter::empty()).unwrap();
        let context = StreamingContext::builder(pipeline.name.as_str(), pipeline.batch_interval)
            .build()
            .unwrap();
        pipeline::build(&context, &pipeline).unwrap();
        let graph = serde_json::to_string(&context.graph()).unwrap();
        for uid in [
            "lines",
            "counts.split",
            "counts.count_by_value",
            "screen",
            "files",
        ] {
            assert!(
                graph.contains(&format!("\"{uid}\"")),
                "{}: {uid} in {graph}",
                path.display()
            );
        }
    }
}

#[test]
fn text_files_are_compressed_when_asked() {
    let folder = TempDir::new().unwrap();
    let clock = clock_at(START);
    let pipeline = program(&[&["to be", "or not"]], &out(""), folder.path());
    let pipeline = parse(&format!("{}codec = \"gzip\"\n", pipeline.text));
    let context = context(&location(), &clock, &pipeline);
    context.start().unwrap();
    run_to(&context, &clock, START + 1);
    context.stop(true).unwrap();
    let batch = folder.path().join(format!("out-{}000", START + 1));
    let mut lines = String::new();
    let mut parts: Vec<_> = std::fs::read_dir(batch)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    parts.sort();
    for part in parts {
        let file = std::fs::File::open(part).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut lines).unwrap();
    }
    assert_eq!(lines, "to be\nor not\n");
}

#[test]
fn object_files_hold_records_as_they_are() {
    let folder = TempDir::new().unwrap();
    let clock = clock_at(START);
    let counts = out(&format!("{SPLIT}, {{ op = \"count_by_value\" }}"));
    let pipeline = program(&[&["to be", "or not to be"]], &counts, folder.path());
    let text = pipeline.text.replace("\"text_files\"", "\"object_files\"");
    let pipeline = parse(&format!("{text}codec = \"gzip\"\n"));
    let context = context(&location(), &clock, &pipeline);
    context.start().unwrap();
    run_to(&context, &clock, START + 1);
    let counts = context.object_file::<(String, i64)>(folder.path()).unwrap();
    let mut counts = counts.collect().unwrap();
    counts.sort();
    let expected = [("be", 2), ("not", 1), ("or", 1), ("to", 2)];
    assert_eq!(
        counts,
        expected.map(|(word, count)| (word.to_owned(), count))
    );
    context.stop(true).unwrap();
}
