//! Good pipelines: the examples, the layers, what is derived, and that no text panics.

// Helpers outside `#[test]` functions fail a test by panicking.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tidemill_config::{
    AggregateFunction, FileFormat, FilterOn, Input, Item, OpKind, Pipeline, RecordKind, SinkKind,
    SourceKind, Window,
};

fn parse(text: &str) -> Pipeline {
    parse_with(text, &[], &[])
}

fn parse_with(text: &str, sets: &[&str], env: &[(&str, &str)]) -> Pipeline {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match Pipeline::parse("p.toml", text, &sets, env) {
        Ok(pipeline) => pipeline,
        Err(errors) => panic!("{errors}\n--- of ---\n{text}"),
    }
}

fn with_ops(ops: &str) -> Pipeline {
    parse(&format!(
        "name = 't'\nbatch_interval = '3s'\ncheckpoint.url = 'memory:'\n\
         [sources.lines]\ntype = 'queue'\nlines = [['a b']]\n\
         [streams.s]\nfrom = 'lines'\nops = {ops}\n\
         [sinks.out]\nfrom = 's'\ntype = 'discard'\n"
    ))
}

fn example(name: &str) -> Pipeline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    match Pipeline::load(&path, &[], std::iter::empty()) {
        Ok(pipeline) => pipeline,
        Err(errors) => panic!("{errors}"),
    }
}

const COUNTS: RecordKind = RecordKind::Pair {
    key: Item::Text,
    value: Item::Integer,
};

#[test]
fn the_examples_are_what_scripts_rely_on() {
    for name in ["wordcount", "stateful_wordcount", "windowed_wordcount"] {
        let pipeline = example(&format!("{name}.toml"));
        assert_eq!(pipeline.name.as_str(), name);
        assert_eq!(pipeline.warnings, []);
        assert_eq!(
            pipeline.checkpoint.url.to_string(),
            format!("sled:data/{name}/checkpoint")
        );
        assert_eq!(
            pipeline.wal.url.to_string(),
            format!("file:data/{name}/wal")
        );
        assert_eq!(pipeline.admin.listen.unwrap().to_string(), "127.0.0.1:4040");
        assert!(pipeline.wal.receiver);
        let lines = pipeline.source("lines").unwrap();
        assert!(matches!(lines.kind, SourceKind::Http { listen: None, .. }));
        let counts = pipeline.stream("counts").unwrap();
        assert_eq!(counts.from, [Input::Source(lines.name.clone())]);
        assert_eq!(counts.output, COUNTS);
        let sinks: Vec<_> = pipeline
            .sinks
            .iter()
            .map(|sink| sink.name.as_str())
            .collect();
        assert_eq!(sinks, ["screen", "files"]);
        assert_eq!(
            pipeline.sinks[0].kind,
            SinkKind::Console {
                rows: 10.try_into().unwrap()
            }
        );
        assert_eq!(
            pipeline.sinks[1].kind,
            SinkKind::Files {
                format: FileFormat::Text,
                prefix: format!("data/{name}/out/counts"),
                suffix: Some("txt".into()),
                codec: None,
            }
        );
    }
    let stateful = example("stateful_wordcount.toml");
    let last = stateful
        .stream("counts")
        .unwrap()
        .ops
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        last.kind,
        OpKind::UpdateStateByKey {
            function: AggregateFunction::Sum
        }
    );
    let windowed = example("windowed_wordcount.toml");
    let last = windowed
        .stream("counts")
        .unwrap()
        .ops
        .last()
        .unwrap()
        .clone();
    let window = Window {
        length: Duration::from_secs(12),
        slide: Duration::from_secs(6),
    };
    let function = AggregateFunction::Sum;
    assert_eq!(
        last.kind,
        OpKind::ReduceByKeyAndWindow {
            function,
            window,
            inverse: true
        }
    );
    assert_eq!((last.slide, last.location.line), (window.slide, 39));
}

#[test]
fn layers_win_over_each_other_in_their_order() {
    let text = "name = 'file'\nbatch_interval = '1s'\ncheckpoint.url = 'file:d/cp'\n\
                [sources.lines]\ntype = 'rate'\nrecords_per_second = 5\n\
                [sinks.out]\nfrom = 'lines'\ntype = 'discard'\n";
    let env = [
        ("TIDEMILL__NAME", "env"),
        ("tidemill__checkpoint__retain", "7"),
    ];
    let pipeline = parse_with(text, &[], &env);
    assert_eq!(
        (pipeline.name.as_str(), pipeline.checkpoint.retain.get()),
        ("env", 7)
    );
    let pipeline = parse_with(
        text,
        &["name=42", "admin.listen=none", "jobs={max_failures=1}"],
        &env,
    );
    assert_eq!(pipeline.name.as_str(), "42");
    assert_eq!(pipeline.admin.listen, None);
    assert_eq!(pipeline.jobs.max_failures.get(), 1);
    assert_eq!(pipeline.text, text);
}

#[test]
fn what_follows_from_something_else() {
    let text = |batch: &str, more: &str| {
        format!(
            "name = 't'\nbatch_interval = '{batch}'\n[checkpoint]\nurl = 'sled:d/cp'\n{more}\n\
             [receiver]\nmax_rate = 9\n\
             [sources.a]\ntype = 'socket'\naddress = 'localhost:1'\nblock_interval = '2ms'\n\
             [sources.b]\ntype = 'http'\nmax_rate = 3\n[sources.c]\ntype = 'files'\npath = 'in'\n\
             [streams.all]\nfrom = ['a', 'b', 'c']\n[sinks.out]\nfrom = 'all'\ntype = 'discard'\n"
        )
    };
    let ms = Duration::from_millis;
    let pipeline = parse(&text("5ms", ""));
    assert_eq!(pipeline.wal.url.to_string(), "file:d/wal");
    assert_eq!(
        pipeline.receiver.block_interval,
        ms(5),
        "never by default more than a batch"
    );
    let limits: Vec<_> = pipeline
        .sources
        .iter()
        .map(|source| source.limits)
        .collect();
    let limits: Vec<_> = limits
        .iter()
        .map(|l| l.map(|l| (l.block_interval, l.max_rate.unwrap().get())))
        .collect();
    assert_eq!(limits, [Some((ms(2), 9)), Some((ms(5), 3)), None]);
    assert_eq!(pipeline.warnings, []);
    let pipeline = parse(&text("3s", ""));
    assert_eq!(
        pipeline.checkpoint.interval,
        ms(12_000),
        "10s rounded up, without a warning"
    );
    assert_eq!(pipeline.receiver.block_interval, ms(200));
    let pipeline = parse(&text("3s", "interval = '4s'"));
    assert_eq!(pipeline.checkpoint.interval, ms(6_000));
    assert_eq!(
        pipeline.warnings[0].to_string(),
        "p.toml:5:12: warning: `checkpoint.interval`: rounded up to 6s, a multiple of the batch interval"
    );
}

#[test]
fn kinds_follow_the_operators() {
    let kind = |ops: &str| with_ops(ops).sinks[0].input;
    let pair = |key, value| RecordKind::Pair { key, value };
    use Item::{Any, Float, Integer, Text};
    for (ops, expected) in [
        ("[]", RecordKind::TEXT),
        ("[{ op = 'split' }, { op = 'count_by_value' }]", COUNTS),
        ("[{ op = 'map', key_value = ',' }]", pair(Text, Text)),
        (
            "[{ op = 'map', key_value = ',' }, { op = 'map_values', function = 'parse_float' }, \
             { op = 'combine_by_key', function = 'avg' }]",
            pair(Text, Float),
        ),
        (
            "[{ op = 'map', json_pair = ['/a', '/b'] }, { op = 'reduce_by_key', function = 'sum' }]",
            pair(Any, Any),
        ),
        (
            "[{ op = 'map', key_value = ',' }, { op = 'group_by_key' }]",
            pair(Text, Any),
        ),
        (
            "[{ op = 'count_by_value' }, { op = 'map', function = 'swap' }]",
            pair(Integer, Text),
        ),
        (
            "[{ op = 'count_by_value' }, { op = 'count_by_value' }]",
            pair(Any, Integer),
        ),
        (
            "[{ op = 'map', function = 'length' }, { op = 'reduce', function = 'max' }]",
            RecordKind::Single(Integer),
        ),
        ("[{ op = 'map', regex = 'a(.)' }]", RecordKind::TEXT),
        ("[{ op = 'glom' }]", RecordKind::Single(Any)),
    ] {
        assert_eq!(kind(ops), expected, "{ops}");
    }
}

#[test]
fn operators_take_what_is_implied_from_their_input() {
    let first = |ops: &str| with_ops(ops).streams[0].ops.last().unwrap().kind.clone();
    let filter = |kind: OpKind| match kind {
        OpKind::Filter { on, negate, .. } => (on, negate),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        filter(first("[{ op = 'filter', contains = 'a', not = true }]")),
        (FilterOn::Record, true)
    );
    assert_eq!(
        filter(first(
            "[{ op = 'count_by_value' }, { op = 'filter', starts_with = 'a' }]"
        )),
        (FilterOn::Key, false)
    );
    assert_eq!(
        filter(first(
            "[{ op = 'count_by_value' }, { op = 'filter', min = 1, max = 5, on = 'value' }]"
        )),
        (FilterOn::Value, false)
    );
    let inverse = |ops: &str| match first(ops) {
        OpKind::ReduceByKeyAndWindow { inverse, .. } => inverse,
        other => panic!("{other:?}"),
    };
    let integers = "{ op = 'count_by_value' }";
    let floats = "{ op = 'map', key_value = ',' }, { op = 'map_values', function = 'parse_float' }";
    for (before, function, more, expected) in [
        (integers, "sum", "", true),
        (integers, "max", "", false),
        (integers, "sum", ", inverse = false", false),
        (integers, "sum", ", slide = '9s'", false),
        (floats, "sum", "", false),
        (floats, "count", "", true),
        (floats, "sum", ", inverse = true", true),
    ] {
        let op = format!(
            "op = 'reduce_by_key_and_window', length = '6s', function = '{function}'{more}"
        );
        assert_eq!(
            inverse(&format!("[{before}, {{ {op} }}]")),
            expected,
            "{before} {op}"
        );
    }
}

#[test]
fn streams_come_parents_first_and_the_unused_are_told() {
    let pipeline = parse(
        "name = 't'\nbatch_interval = '1s'\ncheckpoint.url = 'memory:'\n\
         [streams.late]\nfrom = 'early'\n[streams.early]\nfrom = 'a'\n\
         ops = [{ op = 'union', with = ['b'] }]\n[streams.idle]\nfrom = 'c'\n\
         [sources]\na = { type = 'http' }\nb = { type = 'http' }\nc = { type = 'http' }\n\
         [sinks.out]\nfrom = 'late'\ntype = 'console'\n",
    );
    let names: Vec<_> = pipeline
        .streams
        .iter()
        .map(|stream| stream.name.as_str())
        .collect();
    assert_eq!(names, ["early", "idle", "late"]);
    let warnings: Vec<_> = pipeline.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "p.toml:9:10: warning: stream `idle` feeds no sink, so it is never computed",
            "p.toml:14:1: warning: source `c` feeds no sink, so its records go nowhere"
        ]
    );
}

/// Every key of every operator, source and sink, as in its example, can be read: the lists of keys and
/// the code that reads them can't drift apart.
#[test]
fn every_key_is_read() {
    let sources: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut code = String::new();
    for path in [
        "settings/table.rs",
        "settings/read.rs",
        "source/table.rs",
        "source/read.rs",
        "typed.rs",
        "stream.rs",
        "sink.rs",
        "op/build.rs",
    ] {
        code += &std::fs::read_to_string(sources.join(path)).unwrap();
    }
    for section in tidemill_config::keys::sections() {
        for key in section.keys.iter().chain(section.shared) {
            let quoted = format!("\"{}\"", key.name);
            let uses = code.matches(&quoted).count();
            let declared_in_code = !section.section.ends_with(".ops");
            let enough = if declared_in_code { 2 } else { 1 };
            assert!(
                uses >= enough,
                "[{}] {} is listed but never read",
                section.section,
                key.name
            );
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Pipeline::parse("f", &text, &[], std::iter::empty());
    }

    /// Pieces of real pipelines in any order get further than letters drawn by chance.
    #[test]
    fn no_pieces_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24),
        set in "[a-z.0-9=\\[\\]{}\"]{0,20}",
        variable in "TIDEMILL__[A-Z_0-9]{0,16}",
    ) {
        let text = pieces.concat();
        let env = [(variable, "1".to_owned())];
        let _ = Pipeline::parse("f", &text, &[], std::iter::empty());
        let _ = Pipeline::parse("f", &text, &[set], env.into_iter());
    }
}

const PIECES: &[&str] = &[
    "name = 't'\n",
    "batch_interval = '3s'\n",
    "batch_interval = 3\n",
    "[checkpoint]\n",
    "[wal]\n",
    "url = 'memory:'\n",
    "url = 'sled:..'\n",
    "url = 's3://b'\n",
    "interval = '1ms'\n",
    "[sources.a]\n",
    "[sources.b]\n",
    "[streams.s]\n",
    "[streams.t]\n",
    "[streams.a]\n",
    "[sinks.k]\n",
    "[[sinks]]\n",
    "type = 'http'\n",
    "type = 'rate'\n",
    "type = 'console'\n",
    "type = 'kafka'\n",
    "from = 'a'\n",
    "from = ['s', 't']\n",
    "from = []\n",
    "from = 's'\n",
    "ops = [\n",
    "]\n",
    "{ op = 'split' },\n",
    "{ op = 'count_by_value' },\n",
    "{ op = 'union', with = 't' },\n",
    "{ op = 'join', with = 't', how = 'full' },\n",
    "{ op = 'top', n = 0 },\n",
    "{ op = 'window', length = '6s', slide = '36500d' },\n",
    "{ op = 'map', regex = '(?<é>.)' },\n",
    "{ op = 'reduce_by_key', function = 'sum' },\n",
    "{},\n",
    "9,\n",
    "x.y.z = 1\n",
    "a = 1e999\n",
    "records_per_second = 99999999999999999999\n",
    "é = 'ü'\n",
    "# comment\n",
    "\u{0}",
    "'''\n",
];

#[test]
fn factors_of_back_pressure_in_both_spellings_and_in_overlays() {
    let text = |section: &str| {
        format!(
            "name = 't'\nbatch_interval = '1s'\ncheckpoint.url = 'memory:'\n{section}\n\
             [sources.a]\ntype = 'http'\n[sinks.out]\nfrom = 'a'\ntype = 'discard'\n"
        )
    };
    let usual = parse(&text("")).backpressure;
    assert!(!usual.enabled && usual.initial_rate.is_none());
    let pid = &usual.pid;
    assert_eq!(
        (
            pid.proportional,
            pid.integral,
            pid.derived,
            pid.min_rate.get()
        ),
        (1.0, 0.2, 0.0, 100)
    );
    for section in [
        "[backpressure]\nenabled = true\npid.integral = 1\npid.min_rate = 7",
        "[backpressure]\nenabled = true\n[backpressure.pid]\nintegral = 1.0\nmin_rate = 7",
    ] {
        let set = parse(&text(section)).backpressure;
        assert!(set.enabled);
        assert_eq!((set.pid.integral, set.pid.min_rate.get()), (1.0, 7));
        assert_eq!(set.pid.proportional, 1.0);
    }
    let sets = ["backpressure.pid.derived=0.5".to_owned()];
    let env = [(
        "TIDEMILL__BACKPRESSURE__PID__MIN_RATE".to_owned(),
        "9".to_owned(),
    )];
    let pipeline = Pipeline::parse("p.toml", &text(""), &sets, env.into_iter()).unwrap();
    let pid = pipeline.backpressure.pid;
    assert_eq!((pid.derived, pid.min_rate.get()), (0.5, 9));
}
