//! What people write: pipeline files, sizes, durations, addresses, locations, patterns.

use tidemill::source::Glob;
use tidemill_checkpoint::Location;
use tidemill_config::{
    ByteSize, HostPort, Name, Pipeline, StoreUrl, default_toml, format_duration, parse_duration,
};
use tidemill_storage::{Holder, read_holder};

use crate::run::{Outcome, Target, as_it_is};

#[test]
fn pipeline_toml() {
    let examples = ["wordcount", "stateful_wordcount", "windowed_wordcount"].map(|name| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/examples");
        std::fs::read(format!("{folder}/{name}.toml")).unwrap()
    });
    let mut seeds = examples.to_vec();
    seeds.push(default_toml().into_bytes());
    // Nesting that a recursive reader would die of.
    seeds.push([b"a = ".to_vec(), vec![b'['; 20_000]].concat());
    seeds.push([b"[".to_vec(), b"a.".repeat(20_000), b"a]".to_vec()].concat());
    let target = Target {
        name: "pipeline_toml",
        seeds,
        words: &[
            "from = ",
            "ops = [",
            "{ op = \"",
            "\"split\"",
            "\"window\"",
            "length = \"12s\"",
            "slide",
            "[",
            "]",
            "\"\"\"",
            "'''",
            "\n",
            " = ",
            "type = \"files\"",
            "type = \"rate\"",
            "join",
            "union",
            "function = \"sum\"",
            "9223372036854775807",
            "1e308",
            "nan",
            "1979-05-27T07:32:00Z",
        ],
        repair: as_it_is,
        cases: 1_500,
    };
    target.run(|case| {
        let text = String::from_utf8_lossy(case);
        match Pipeline::parse("mill.toml", &text, &[], std::iter::empty()) {
            Ok(pipeline) => {
                assert!(!pipeline.sinks.is_empty());
                let again = Pipeline::parse("mill.toml", &pipeline.text, &[], std::iter::empty());
                assert_eq!(again.as_ref(), Ok(&pipeline));
                "read".to_owned()
            }
            Err(errors) => {
                assert!(!errors.errors().is_empty());
                for error in errors.errors() {
                    assert!(error.to_string().starts_with("mill.toml"), "{error}");
                }
                errors.errors()[0].problem.to_string()
            }
        }
    });
}

/// Settings that are laid over the file.
#[test]
fn pipeline_sets() {
    let file = include_str!("../../config/examples/wordcount.toml");
    let target = Target {
        name: "pipeline_sets",
        seeds: vec![
            b"sources.lines.address=127.0.0.1:9998".to_vec(),
            b"batch_interval=2s".to_vec(),
            b"checkpoint.url=memory:".to_vec(),
            b"streams.counts.ops=[{ op = \"count\" }]".to_vec(),
        ],
        words: &["=", ".", "\"", "sources", "[", "]", "{", "}", "true", "1s"],
        repair: as_it_is,
        cases: 1_500,
    };
    target.run(|case| {
        let set = String::from_utf8_lossy(case).into_owned();
        match Pipeline::parse(
            "mill.toml",
            file,
            std::slice::from_ref(&set),
            std::iter::empty(),
        ) {
            Ok(_) => "read".to_owned(),
            Err(errors) => errors.errors()[0].problem.to_string(),
        }
    });
}

fn told<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Outcome {
    match result {
        Ok(_) => format!("{what} read"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty());
            format!("{what} {text}")
        }
    }
}

#[test]
fn small_values() {
    let seeds = [
        "64MiB",
        "16 KiB",
        "1GB",
        "4096",
        "200ms",
        "10s",
        "1h30m",
        "1d",
        "127.0.0.1:9998",
        "[::1]:80",
        "sled:data/wordcount",
        "file:/a/b",
        "memory:",
        "s3://bucket/a/b",
        "gs://b",
        "az://c/d",
        "*.t?t",
        "words",
    ];
    let target = Target {
        name: "small_values",
        seeds: seeds.iter().map(|text| text.as_bytes().to_vec()).collect(),
        words: &[
            "MiB",
            "ms",
            "s3://",
            ":",
            "/",
            "..",
            "*",
            "?",
            "99999999999999999999",
            "-",
            "é",
        ],
        repair: as_it_is,
        cases: 20_000,
    };
    target.run(|case| {
        let text = String::from_utf8_lossy(case);
        if let Ok(size) = ByteSize::parse(&text) {
            assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
        }
        if let Ok(duration) = parse_duration(&text) {
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        if let Ok(url) = StoreUrl::parse(&text) {
            assert_eq!(StoreUrl::parse(&url.to_string()).as_ref(), Ok(&url));
            let _ = url.wal_beside();
        }
        if let Ok(location) = text.parse::<Location>() {
            assert_eq!(location.to_string().parse::<Location>().unwrap(), location);
        }
        if let Ok(address) = HostPort::parse(&text) {
            assert_eq!(HostPort::parse(&address.to_string()).as_ref(), Ok(&address));
        }
        assert!(Glob::new("*").matches(&text));
        let _ = Glob::new(&*text).matches("words.txt");
        [
            told("size", ByteSize::parse(&text)),
            told("duration", parse_duration(&text)),
            told("address", HostPort::parse(&text)),
            told("name", Name::parse(&text)),
            told("url", StoreUrl::parse(&text).map_err(|(error, _)| error)),
            told("location", text.parse::<Location>()),
        ]
        .map(|told| told.split('`').next().unwrap_or_default().to_owned())
        .join(", ")
    });
}

/// What lies in a lock file says who holds the lock, and proves nothing: whatever it is, no start fails.
#[test]
fn lock_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let holder = Holder {
        admin: Some("127.0.0.1:4040".to_owned()),
        ..Holder::current("tägliche \"counts\"", 1_504_665_716_000)
    };
    let target = Target {
        name: "lock_file",
        seeds: vec![
            serde_json::to_vec(&holder).unwrap(),
            b"{\"pid\":1,\"host\":\"\",\"application\":\"\",\"started_ms\":0,\"x\":[]}".to_vec(),
            vec![b'['; 100_000],
            Vec::new(),
        ],
        words: &[
            "\"pid\":",
            "\"admin\":null",
            "{",
            "}",
            "\\u0000",
            "4294967296",
        ],
        repair: as_it_is,
        cases: 5_000,
    };
    target.run(|case| {
        std::fs::write(&path, case).unwrap();
        let Some(read) = read_holder(&path).unwrap() else {
            assert!(serde_json::from_slice::<Holder>(case).is_err());
            return "nobody".to_owned();
        };
        let again = serde_json::to_vec(&read).unwrap();
        std::fs::write(&path, again).unwrap();
        assert_eq!(read_holder(&path).unwrap().as_ref(), Some(&read));
        // It is put into lines for people.
        assert!(read.to_string().contains(&read.application));
        format!("somebody {}", read.admin.is_some())
    });
}
