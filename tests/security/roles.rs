//! Roles, shown by tokens.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::cli_support::{Daemon, Place, stderr, stdout};

pub const READ: &str = "read-0123456789abcdef";
pub const OPERATE: &str = "operate-0123456789abcdef";
pub const LINES: &str = "lines-0123456789abcdef";

/// A folder with a file for each token.
pub fn place() -> Place {
    let place = Place::new();
    for (name, token) in [("read", READ), ("operate", OPERATE), ("post", LINES)] {
        std::fs::write(place.path(name), format!("{token}\n")).unwrap();
    }
    place
}

/// The settings that name them.
pub const TOKENS: [&str; 6] = [
    "--set",
    "admin.token_file=operate",
    "--set",
    "admin.read_token_file=read",
    "--set",
    "sources.lines.token_file=post",
];

/// Where the source `lines` takes posts at an address of its own.
pub fn own_address(daemon: &mut Daemon) -> String {
    daemon.wait_for_log("takes lines at /ingest/lines");
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("takes lines at"));
    let (_, address) = line.unwrap().split_once("address=").unwrap();
    address.split_whitespace().next().unwrap().to_owned()
}

/// The status with this token.
pub fn status(daemon: &Daemon, method: &str, path: &str, token: Option<&str>) -> u16 {
    let shown = token.map(|token| format!("Authorization: Bearer {token}"));
    let headers: Vec<&str> = shown.iter().map(String::as_str).collect();
    let answer = daemon.request(method, path, &headers, "");
    match answer.status {
        401 => {
            assert!(
                answer.head.contains("www-authenticate: bearer"),
                "{}",
                answer.head
            );
            assert!(answer.json()["detail"].as_str().unwrap().contains("token"));
        }
        403 => assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .contains("read-only")
        ),
        _ => {}
    }
    answer.status
}

#[test]
fn each_role_may_do_what_it_is_for() {
    let place = place();
    let daemon = place.start(&TOKENS);
    let who = [
        None,
        Some("wrong-0123456789abcdef"),
        Some(LINES),
        Some(READ),
        Some(OPERATE),
    ];
    for (method, path, expected) in [
        ("GET", "/healthz", [200, 200, 200, 200, 200]),
        ("GET", "/", [200, 200, 200, 200, 200]),
        ("GET", "/page/main.js", [200, 200, 200, 200, 200]),
        ("GET", "/readyz", [401, 401, 401, 200, 200]),
        ("GET", "/metrics", [401, 401, 401, 200, 200]),
        ("GET", "/api/v1/graph", [401, 401, 401, 200, 200]),
        ("HEAD", "/api/v1/graph", [401, 401, 401, 200, 200]),
        ("GET", "/api/v1/nothing", [401, 401, 401, 404, 404]),
        ("GET", "/api/v1/stop", [401, 401, 401, 405, 405]),
        ("POST", "/api/v1/reload", [401, 401, 401, 403, 200]),
        ("POST", "/api/v1/checkpoint", [401, 401, 401, 403, 200]),
        (
            "POST",
            "/api/v1/checkpoint/forget?name=a",
            [401, 401, 401, 403, 409],
        ),
        (
            "POST",
            "/api/v1/dead-letters/requeue?batch=x",
            [401, 401, 401, 403, 400],
        ),
        (
            "POST",
            "/api/v1/stop?graceful=perhaps",
            [401, 401, 401, 403, 400],
        ),
        ("DELETE", "/api/v1/graph", [401, 401, 401, 403, 405]),
        ("POST", "/ingest/lines", [401, 401, 200, 403, 200]),
        // The same name in another form.
        ("POST", "/ingest/%6Cines", [401, 401, 200, 403, 200]),
        // Who may post to one source learns nothing of others.
        ("POST", "/ingest/line", [401, 401, 401, 403, 404]),
    ] {
        for (token, expected) in who.iter().zip(expected) {
            if method == "HEAD" {
                // No body to look at.
                let shown =
                    token.map_or_else(String::new, |t| format!("Authorization: Bearer {t}"));
                let answer = daemon.request(method, path, &[&shown], "");
                assert_eq!(answer.status, expected, "{method} {path} {token:?}");
                continue;
            }
            assert_eq!(
                status(&daemon, method, path, *token),
                expected,
                "{method} {path} {token:?}"
            );
        }
    }
    let asked = daemon.post("/api/v1/stop", "");
    assert_eq!(asked.json()["neededRole"], "operator");
    assert_eq!(daemon.get("/api/v1/wal").json()["neededRole"], "read-only");
    daemon.stop();
}

#[test]
fn a_source_has_its_token_where_the_admin_side_has_none_and_at_an_address_of_its_own() {
    let place = place();
    let daemon = place.start(&["--set", "sources.lines.token_file=post"]);
    for (path, token, expected) in [
        ("/ingest/lines", None, 401),
        ("/ingest/lines", Some(OPERATE), 401),
        ("/ingest/lines", Some(LINES), 200),
        ("/ingest/line", None, 404),
        ("/api/v1/checkpoint", None, 200),
    ] {
        assert_eq!(
            status(&daemon, "POST", path, token),
            expected,
            "{path} {token:?}"
        );
    }
    daemon.stop();

    // There the operators' tokens mean nothing, and without one of its own it is open.
    for (sets, by_none, by_operator, by_own) in
        [(&TOKENS[..], 401, 401, 200), (&TOKENS[..4], 200, 200, 200)]
    {
        let mut all = sets.to_vec();
        all.extend(["--set", "sources.lines.listen=127.0.0.1:0"]);
        let mut daemon = place.start(&all);
        let own = own_address(&mut daemon);
        let admin = std::mem::replace(&mut daemon.address, own);
        assert_eq!(status(&daemon, "POST", "/ingest/lines", None), by_none);
        assert_eq!(
            status(&daemon, "POST", "/ingest/lines", Some(OPERATE)),
            by_operator
        );
        assert_eq!(
            status(&daemon, "POST", "/ingest/lines", Some(LINES)),
            by_own
        );
        // Nothing else is there.
        assert_eq!(status(&daemon, "GET", "/api/v1/graph", Some(OPERATE)), 404);
        daemon.address = admin;
        daemon.stop();
    }
}

#[test]
fn all_tokens_are_read_again_and_a_bad_one_changes_none() {
    let place = place();
    let daemon = place.start(&TOKENS);
    let write = |name: &str, token: &str| std::fs::write(place.path(name), token).unwrap();
    let reload = |token| status(&daemon, "POST", "/api/v1/reload", Some(token));
    write("read", "new-read-0123456789");
    write("post", "short");
    assert_eq!(reload(OPERATE), 422);
    assert_eq!(status(&daemon, "GET", "/api/v1/wal", Some(READ)), 200);
    write("post", "new-lines-0123456789");
    assert_eq!(reload(OPERATE), 200);
    assert_eq!(status(&daemon, "GET", "/api/v1/wal", Some(READ)), 401);
    assert_eq!(
        status(&daemon, "GET", "/api/v1/wal", Some("new-read-0123456789")),
        200
    );
    assert_eq!(status(&daemon, "POST", "/ingest/lines", Some(LINES)), 401);
    assert_eq!(
        status(
            &daemon,
            "POST",
            "/ingest/lines",
            Some("new-lines-0123456789")
        ),
        200
    );
    // One token for both roles would make every reader an operator.
    write("read", OPERATE);
    assert_eq!(reload(OPERATE), 422);
    assert_eq!(
        status(&daemon, "GET", "/api/v1/wal", Some("new-read-0123456789")),
        200
    );
    daemon.stop();
    let same = place.run(&[&["run", "p.toml"], &TOKENS[..]].concat());
    assert_eq!(same.status.code(), Some(2));
    assert!(
        stderr(&same).contains("is the operator's, too"),
        "{}",
        stderr(&same)
    );
}

#[test]
fn the_commands_show_their_token() {
    let place = place();
    let daemon = place.start(&TOKENS);
    let url = daemon.url();
    let run = |arguments: &[&str], token: &str| {
        let mut all = arguments.to_vec();
        all.extend(["--admin", &url]);
        let mut command = place.command(&all);
        command.env("TIDEMILL_TOKEN_FILE", PathBuf::from(token));
        command.output().unwrap()
    };
    let looked = run(&["status"], "read");
    assert_eq!(looked.status.code(), Some(0), "{}", stderr(&looked));
    assert!(stdout(&looked).starts_with("wordcount: active"));
    let refused = run(&["stop"], "read");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("needs the operator role"),
        "{}",
        stderr(&refused)
    );
    let cut = run(&["checkpoint", "create"], "operate");
    assert_eq!(cut.status.code(), Some(0), "{}", stderr(&cut));
    daemon.stop();
}

#[test]
fn an_address_that_others_reach_is_refused_unless_it_asks_who_comes() {
    let place = place();
    for (sets, code) in [
        (&["admin.listen=0.0.0.0:0"][..], 2),
        (&["admin.listen=0.0.0.0:0", "admin.token_file=operate"], 0),
        (&["admin.listen=0.0.0.0:0", "admin.read_token_file=read"], 0),
        (&["sources.lines.listen=0.0.0.0:0"], 2),
        (&["sources.lines.listen=[::]:0"], 2),
        (
            &[
                "sources.lines.listen=0.0.0.0:0",
                "sources.lines.token_file=post",
            ],
            0,
        ),
        (
            &["sources.lines.listen=0.0.0.0:0", "sources.lines.open=true"],
            0,
        ),
    ] {
        let mut arguments = vec!["check", "p.toml"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        let checked = place.run(&arguments);
        assert_eq!(
            checked.status.code(),
            Some(code),
            "{sets:?}: {}",
            stderr(&checked)
        );
        assert!(code == 0 || stderr(&checked).contains("isn't a loopback address"));
    }
    // Nothing was opened or written.
    assert_eq!(place.names(), ["operate", "p.toml", "post", "read"]);
}

/// The status of a request as a browser sends it.
fn as_browser(address: &str, request: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("{request}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_web_page_of_somebody_else_learns_and_changes_nothing() {
    let place = place();
    // A name of its own that stands for this machine makes it the same origin to the browser.
    let rebound = "GET /api/v1/graph HTTP/1.1\r\nHost: evil.example:4040";
    let stop = "POST /api/v1/stop HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 0";
    let lines = "POST /ingest/lines HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 0";
    let across = "POST /ingest/lines HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nContent-Length: 0";
    let daemon = place.start(&[]);
    for (request, expected) in [(rebound, 421), (stop, 421), (lines, 421), (across, 403)] {
        assert_eq!(as_browser(&daemon.address, request), expected, "{request}");
    }
    for host in ["localhost:4040", "127.0.0.1", "[::1]:4040", "tidemill"] {
        let request = format!("GET /api/v1/graph HTTP/1.1\r\nHost: {host}");
        assert_eq!(as_browser(&daemon.address, &request), 200, "{host}");
    }
    daemon.stop();

    let mut daemon = place.start(&["--set", "sources.lines.listen=127.0.0.1:0"]);
    let own = own_address(&mut daemon);
    for request in [lines, across] {
        assert_eq!(as_browser(&own, request), 403, "{request}");
    }
    let plain = "POST /ingest/lines HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0";
    assert_eq!(as_browser(&own, plain), 200);
    daemon.stop();

    // With a token any name will do, also to get the page that asks for it.
    let daemon = place.start(&TOKENS);
    for (path, token, expected) in [
        ("/", "x", 200),
        ("/api/v1/graph", "x", 401),
        ("/api/v1/graph", READ, 200),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: pipelines.example\r\nAuthorization: Bearer {token}"
        );
        assert_eq!(as_browser(&daemon.address, &request), expected, "{path}");
    }
    daemon.stop();
}
