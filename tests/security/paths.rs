//! What clients name stays in its folder: nothing that comes from outside becomes a path.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cli_support::Place;

/// Names as somebody would write them who looks for a way out, in a URL's form.
const NAMES: &[&str] = &[
    "..",
    ".",
    "..%2F..%2Foutside",
    "%2E%2E%2Foutside",
    "..%5C..%5Coutside",
    "%2Fetc%2Fpasswd",
    "%2Ftmp%2Foutside",
    "a%2Fb",
    "a%00b",
    "%00",
    "a%0Ab",
    "%7E%2Foutside",
    "%24HOME",
    "file%3Aoutside",
    "%EF%BC%8E%EF%BC%8E%EF%BC%8Foutside",
    "%20",
    "",
];

/// All files below a folder, but those that a running pipeline writes in its own folders anyway.
fn beside(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        found.insert(entry.unwrap().file_name().into_string().unwrap());
    }
    found
}

#[test]
fn names_of_clients_lead_nowhere_else() {
    let outer = Place::new();
    // One level further in, so that what climbs out is seen.
    std::fs::create_dir(outer.path("inner")).unwrap();
    std::fs::rename(outer.path("p.toml"), outer.path("inner/p.toml")).unwrap();
    let mut command = outer.command(&["run", "p.toml", "--set", "dead_letters.url=data/letters"]);
    command.current_dir(outer.path("inner"));
    let daemon = crate::cli_support::Daemon::spawn(command);
    daemon.feed("one\n");
    let seen = || {
        let inner = outer.path("inner");
        let data = inner.join("data");
        [beside(&outer.path(".")), beside(&inner), beside(&data)]
    };
    crate::cli_support::eventually("the first output is there", || {
        (!outer_lines(&outer).is_empty()).then_some(())
    });
    let before = seen();
    let long = "x".repeat(300);
    let names = NAMES.iter().copied().chain([long.as_str()]);
    for name in names {
        for (method, path, allowed) in [
            (
                "POST",
                format!("/api/v1/checkpoint?name={name}"),
                &[400, 409][..],
            ),
            (
                "POST",
                format!("/api/v1/checkpoint/forget?name={name}"),
                &[400, 409],
            ),
            (
                "POST",
                format!("/api/v1/dead-letters/requeue?batch={name}"),
                &[400],
            ),
            ("POST", format!("/ingest/{name}"), &[400, 404]),
            ("GET", format!("/page/{name}"), &[400, 404]),
            ("GET", format!("/page/../{name}"), &[400, 404]),
            ("GET", format!("/api/v1/applications/{name}"), &[400, 404]),
            (
                "GET",
                format!("/api/v1/applications/{name}/streaming/statistics"),
                &[400, 404],
            ),
            (
                "GET",
                format!("/api/v1/applications/wordcount/streaming/batches/{name}"),
                &[400, 404],
            ),
            (
                "GET",
                format!("/api/v1/applications/wordcount/streaming/receivers/{name}"),
                &[400, 404],
            ),
        ] {
            let answer = daemon.request(method, &path, &[], "two\n");
            assert!(
                allowed.contains(&answer.status),
                "{method} {path}: {} {}",
                answer.status,
                answer.body
            );
            assert!(!answer.body.contains("root:"), "{path}: {}", answer.body);
        }
    }
    assert_eq!(seen(), before, "something was written elsewhere");
    daemon.stop();
}

fn outer_lines(outer: &Place) -> Vec<std::fs::DirEntry> {
    let out = std::fs::read_dir(outer.path("inner/out"));
    out.map(|entries| entries.filter_map(Result::ok).collect())
        .unwrap_or_default()
}
