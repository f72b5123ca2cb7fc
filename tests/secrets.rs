//! Secrets stay where they are: whatever a daemon and its commands write and answer is searched for them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use std::path::Path;

use cli_support::{Daemon, Place, eventually, stderr, stdout};

/// Each has this in it.
const MARKER: &str = "hunter2";

/// Everything that can be asked for without changing anything.
const PATHS: [&str; 17] = [
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/applications",
    "/api/v1/applications/wordcount",
    "/api/v1/applications/wordcount/streaming/statistics",
    "/api/v1/applications/wordcount/streaming/receivers",
    "/api/v1/applications/wordcount/streaming/receivers/0",
    "/api/v1/applications/wordcount/streaming/batches",
    "/api/v1/checkpoint",
    "/api/v1/checkpoint/history",
    "/api/v1/wal",
    "/api/v1/graph",
    "/api/v1/openapi.json",
    "/no/such/path",
    "/ingest/lines",
];

fn without(what: &str, text: &[u8]) {
    let at = text
        .windows(MARKER.len())
        .position(|bytes| bytes == MARKER.as_bytes());
    let Some(at) = at else { return };
    let around = &text[at.saturating_sub(80)..(at + 80).min(text.len())];
    panic!("{what} holds a secret: {}", String::from_utf8_lossy(around));
}

/// All files but those that secrets are kept in.
fn search(folder: &Path, kept: &[&Path], files: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if kept.contains(&path.as_path()) {
            continue;
        }
        if path.is_dir() {
            search(&path, kept, files);
        } else {
            *files += 1;
            // What is cleaned up meanwhile holds nothing.
            without(
                &path.display().to_string(),
                &std::fs::read(&path).unwrap_or_default(),
            );
        }
    }
}

#[test]
fn no_secret_is_written_logged_or_answered() {
    let (credential, variable) = (
        "credential-hunter2-0123456789",
        "variable-hunter2-0123456789",
    );
    let place = Place::new();
    let credentials = place.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let read = "read-hunter2-0123456789";
    for (name, secret) in [
        ("token", credential),
        ("read", read),
        ("lines", "lines-hunter2-0123456789"),
    ] {
        std::fs::write(credentials.join(name), secret).unwrap();
    }
    // A password that somebody has put into a comment is in the file, and nowhere else.
    let file = place.path("p.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("# s3://me:hunter2@bucket/checkpoint\n{text}"),
    )
    .unwrap();
    let sets = [
        "--set",
        "admin.token_file=credential:token",
        "--set",
        "admin.read_token_file=credential:read",
        "--set",
        "sources.lines.token_file=credential:lines",
        "--set",
        "log.level=trace",
    ];
    let with_secrets = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command
            .env("CREDENTIALS_DIRECTORY", &credentials)
            .env("TOKEN", variable)
            .env("AWS_SECRET_ACCESS_KEY", "hunter2-aws");
        command
    };
    let mut run = vec!["run", "p.toml"];
    run.extend(sets);
    let mut daemon = Daemon::spawn(with_secrets(&run));
    let ask = |daemon: &Daemon, token: &str| {
        let header = format!("Authorization: Bearer {token}");
        for path in PATHS {
            let answer = daemon.request("GET", path, &[&header], "");
            without(path, answer.head.as_bytes());
            without(path, answer.body.as_bytes());
        }
        let posted = daemon.request("POST", "/ingest/lines", &[&header], "to be\n");
        let reloaded = daemon.request("POST", "/api/v1/reload", &[&header], "");
        let cut = daemon.request("POST", "/api/v1/checkpoint", &[&header], "");
        for answer in [&posted, &reloaded, &cut] {
            without("an answer", answer.body.as_bytes());
        }
        [posted.status, reloaded.status, cut.status]
    };
    assert_eq!(ask(&daemon, "a-wrong-hunter2-token"), [401, 401, 401]);
    assert_eq!(ask(&daemon, read), [403, 403, 403]);
    assert_eq!(ask(&daemon, credential), [200, 200, 200]);

    // The token now comes from a variable, and a layer that can't be used is answered.
    let folder = place.path("p.toml.d");
    std::fs::create_dir(&folder).unwrap();
    let drop_in = folder.join("1.toml");
    for refused in [
        "admin.token = 'hunter2-0123456789'\n",
        "dead_letters.url = 's3://me:hunter2@bucket/letters'\n",
    ] {
        std::fs::write(&drop_in, refused).unwrap();
        assert_eq!(ask(&daemon, credential), [200, 422, 200]);
        let checked = with_secrets(&["check", "p.toml"]).output().unwrap();
        assert_eq!(checked.status.code(), Some(2));
        without("check", stderr(&checked).as_bytes());
    }
    std::fs::remove_file(&drop_in).unwrap();
    eventually("an output is written", || {
        (!place.output_lines().is_empty()).then_some(())
    });
    let url = daemon.url();
    let token_file = credentials.join("token");
    let token_file = token_file.to_str().unwrap();
    for arguments in [
        &["check", "p.toml", "--explain"][..],
        &["check", "p.toml", "--explain", "--json"],
        &["check", "p.toml", "--against", "p.toml", "--json"],
        &[
            "status",
            "--json",
            "--admin",
            &url,
            "--token-file",
            token_file,
        ],
        &[
            "reload",
            "--json",
            "--admin",
            &url,
            "--token-file",
            token_file,
        ],
        &["checkpoint", "list", "p.toml", "--json"],
        &["checkpoint", "show", "p.toml", "--json"],
        &["wal", "dump", "p.toml"],
        &["fsck", "p.toml", "--json"],
        &["run", "--help"],
        &["reload", "--help"],
    ] {
        let mut all = arguments.to_vec();
        if arguments[0] == "check" {
            all.extend(sets);
        }
        let output = with_secrets(&all).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?} {}",
            stderr(&output)
        );
        without(&format!("{arguments:?}"), stdout(&output).as_bytes());
        without(&format!("{arguments:?}"), stderr(&output).as_bytes());
    }
    let shown = stdout(&place.run(&["checkpoint", "show", "p.toml", "--json"]));
    assert!(shown.contains("s3://me:***@bucket/checkpoint"), "{shown}");

    daemon.wait_for_log("DEBUG");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    without("the log", daemon.log().as_bytes());

    // Another start, with the token in a variable.
    let run = [
        "run",
        "p.toml",
        "--set",
        "admin.token_file=environment:TOKEN",
    ];
    let mut daemon = Daemon::spawn(with_secrets(&run));
    assert_eq!(ask(&daemon, credential), [401, 401, 401]);
    assert_eq!(ask(&daemon, variable), [200, 200, 200]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    without("the log", daemon.log().as_bytes());
    let mut files = 0;
    search(
        place.path(".").as_path(),
        &[&place.path("./credentials"), &place.path("./p.toml")],
        &mut files,
    );
    assert!(files > 5, "{files} files were searched");
}
