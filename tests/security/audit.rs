//! Whoever changes something is noted, with what came of it.

use crate::cli_support::{Place, eventually};
use crate::roles::{OPERATE, READ, TOKENS, place, status};

/// The lines that note changes.
fn noted(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains(" audit: "))
        .collect()
}

#[test]
fn each_change_is_one_line_with_who_what_and_the_outcome() {
    let place = place();
    let mut daemon = place.start(&TOKENS);
    for (path, expected) in [
        ("/api/v1/checkpoint?name=before-v2", 200),
        ("/api/v1/checkpoint?name=before-v2", 409),
        ("/api/v1/checkpoint/forget?name=none", 409),
        ("/api/v1/dead-letters/requeue", 409),
        ("/api/v1/reload", 200),
    ] {
        assert_eq!(
            status(&daemon, "POST", path, Some(OPERATE)),
            expected,
            "{path}"
        );
        let wanted = format!("POST {path}");
        let line = eventually("it is noted", || {
            let log = daemon.log();
            let found = noted(&log).into_iter().rfind(|line| {
                line.contains(&wanted) && line.contains(&format!("status={expected}"))
            });
            found.map(str::to_owned)
        });
        assert!(
            line.contains("by=operator by token at 127.0.0.1:"),
            "{line}"
        );
    }
    // What was read again says who asked for it, too.
    daemon.wait_for_log("reloaded; nothing differs");
    let log = daemon.log();
    let reloaded = log
        .lines()
        .find(|line| line.contains("reloaded; nothing differs"))
        .unwrap();
    assert!(
        reloaded.contains("by=operator by token at 127.0.0.1:")
            || reloaded.contains("by=\"operator by token at"),
        "{reloaded}"
    );

    assert_eq!(status(&daemon, "POST", "/api/v1/stop", Some(READ)), 403);
    daemon.wait_for_log("POST /api/v1/stop: refused");
    let log = daemon.log();
    let refused = noted(&log)
        .into_iter()
        .find(|line| line.contains("stop: refused"))
        .unwrap();
    assert!(
        refused.contains("WARN")
            && refused.contains("read-only by token")
            && refused.contains("status=403"),
        "{refused}"
    );

    // A line of it can't be made up by what is asked for.
    let answer = daemon.request(
        "POST",
        "/api/v1/stop?graceful=%0Aaudit%3A",
        &[&format!("Authorization: Bearer {OPERATE}")],
        "",
    );
    assert_eq!(answer.status, 400);
    daemon.wait_for_log("graceful=%0Aaudit%3A");

    // Whoever only looks isn't noted, and nor is ingest.
    let before = noted(&daemon.log()).len();
    for path in ["/api/v1/graph", "/metrics"] {
        assert_eq!(status(&daemon, "GET", path, Some(READ)), 200);
        assert_eq!(status(&daemon, "GET", path, None), 401);
    }
    assert_eq!(status(&daemon, "POST", "/ingest/lines", Some(OPERATE)), 200);
    assert_eq!(noted(&daemon.log()).len(), before);

    assert_eq!(status(&daemon, "POST", "/api/v1/stop", Some(OPERATE)), 202);
    assert_eq!(daemon.wait().code(), Some(0));
    let log = daemon.log();
    assert!(
        noted(&log)
            .iter()
            .any(|line| line.contains("POST /api/v1/stop") && line.contains("status=202")),
        "{log}"
    );
}

#[test]
fn without_tokens_it_is_anybody_and_a_signal_is_noted() {
    let place = Place::new();
    let mut daemon = place.start(&[]);
    assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
    daemon.wait_for_log("by=anybody at 127.0.0.1:");
    // Refused requests don't fill the log.
    for _ in 0..50 {
        let answer = daemon.request("POST", "/api/v1/stop", &["Origin: http://evil.example"], "");
        assert_eq!(answer.status, 403);
    }
    let told = noted(&daemon.log())
        .iter()
        .filter(|line| line.contains("refused"))
        .count();
    assert!(told < 50, "{told}");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let log = daemon.log();
    assert!(
        noted(&log).iter().any(|line| line.contains("signal 15")),
        "{log}"
    );
}
