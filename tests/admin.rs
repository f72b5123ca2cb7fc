//! The admin side over HTTP, on the real binary.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;

use cli_support::{Daemon, Place, eventually};
use serde_json::Value;

const STREAMING: &str = "/api/v1/applications/wordcount/streaming";

#[test]
fn the_api_tells_what_the_pipeline_does() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("to be\nor not\n");
    let get = |path: &str| {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    };
    let streaming = |path: &str| get(&format!("{STREAMING}/{path}"));
    let fed = eventually("the batch is complete", || {
        let batches = streaming("batches?status=completed");
        batches
            .as_array()
            .unwrap()
            .iter()
            .find(|batch| batch["inputSize"] == 2)
            .cloned()
    });
    assert_eq!(fed["status"], "COMPLETED");
    assert_eq!(fed["numCompletedOutputOps"], 2);
    assert_eq!(fed["batchId"], fed["batchTime"]);
    let time = &fed["batchTime"];
    assert_eq!(
        streaming(&format!("batches/{time}"))["totalDelay"],
        fed["totalDelay"]
    );
    let operations = streaming(&format!("batches/{time}/operations"));
    assert_eq!(operations[1]["description"], "files");
    assert_eq!(
        streaming(&format!("batches/{time}/operations/1")),
        operations[1]
    );

    let statistics = streaming("statistics");
    assert_eq!(statistics["numProcessedRecords"], 2);
    assert_eq!(statistics["batchDuration"], 100);
    assert_eq!(statistics["numActiveReceivers"], 1);
    assert_eq!(streaming("receivers")[0]["streamName"], "lines");
    assert_eq!(streaming("receivers/0")["records"], 2);

    assert_eq!(get("/api/v1/applications")[0]["id"], "wordcount");
    let graph = get("/api/v1/graph");
    assert_eq!(graph["operators"][0]["uid"], "lines");
    assert_eq!(graph["outputs"][1]["guarantee"], "idempotent");
    let paths = graph["paths"].as_array().unwrap();
    let told: Vec<[&Value; 4]> = paths
        .iter()
        .map(|path| ["source", "sink", "guarantee", "limitedBy"].map(|name| &path[name]))
        .collect();
    let at_least = ["lines", "screen", "at-least-once", "screen"].map(Value::from);
    let exactly = ["lines", "files", "exactly-once"].map(Value::from);
    assert_eq!(told[0], at_least.each_ref());
    assert_eq!(
        (&told[1][..3], told[1][3]),
        (&exactly.each_ref()[..], &Value::Null)
    );
    assert!(paths[0]["why"][0].as_str().unwrap().contains("`screen`"));
    assert_eq!(
        graph["lossWindows"],
        serde_json::json!([
            {"source": "lines", "acknowledged": "after-sync", "notDurable": 0, "atRisk": 0}
        ])
    );
    let wal = get("/api/v1/wal");
    assert_eq!(wal["logs"][0]["name"], "driver");
    assert_eq!(wal["logs"][1]["appends"], 1);

    let created = daemon.post("/api/v1/checkpoint", "");
    assert_eq!(created.status, 200, "{}", created.body);
    let newest = get("/api/v1/checkpoint");
    assert!(newest["id"].as_u64() >= created.json()["id"].as_u64());
    assert_eq!(
        (&newest["epoch"], &newest["verified"]),
        (&Value::from(1), &Value::from(true))
    );
    assert!(newest["age"].is_u64() && newest["bytes"].is_u64() && newest["time"].is_u64());
    assert!(
        !get("/api/v1/checkpoint/history")
            .as_array()
            .unwrap()
            .is_empty()
    );
    daemon.stop();
}

#[test]
fn the_graph_tells_what_each_operator_yields() {
    let place = Place::new();
    let daemon = place.start(&[]);
    eventually("a batch of these lines is the newest", || {
        daemon.feed("to be or not to be\n");
        let graph = daemon.get("/api/v1/graph").json();
        let operators = graph["operators"].as_array().unwrap();
        let yielded = |operator: &Value| operator["records"].as_u64();
        let yielded: Vec<u64> = operators.iter().filter_map(yielded).collect();
        let [lines, words, .., counts] = yielded[..] else {
            return None;
        };
        // Asked between two batches, the input may be a batch ahead.
        (lines > 0 && words == 6 * lines && counts == 4).then_some(())
    });
    daemon.stop();
}

/// A source that is told early, or never, loses what a crash finds in memory: that is told beforehand.
#[test]
fn the_loss_window_is_told_and_shuts_when_the_batch_is_complete() {
    let place = Place::new();
    let mut command = place.command(&["run", "p.toml", "--set", "wal.receiver=false"]);
    // The batch that holds the records waits for ever.
    command.env("FAILPOINTS", "sink::before_commit=pause");
    let daemon = Daemon::spawn(command);
    daemon.feed("to be\nor not\n");
    let graph = daemon.get("/api/v1/graph").json();
    assert_eq!(
        graph["lossWindows"],
        serde_json::json!([
            {"source": "lines", "acknowledged": "in-memory", "notDurable": 2, "atRisk": 2}
        ])
    );
    assert_eq!(graph["paths"][1]["guarantee"], "at-most-once");
    assert_eq!(graph["paths"][1]["limitedBy"], "lines");
    drop(daemon);

    let place = Place::new();
    let daemon = place.start(&["--set", "wal.receiver=false"]);
    daemon.feed("to be\n");
    eventually("the batch is complete", || {
        let graph = daemon.get("/api/v1/graph").json();
        (graph["lossWindows"][0]["atRisk"] == 0).then_some(())
    });
    let statistics = daemon.get(&format!("{STREAMING}/statistics")).json();
    assert_eq!(statistics["numProcessedRecords"], 1);
    daemon.stop();
}

#[test]
fn metrics_are_prometheus_text() {
    let place = Place::new();
    let daemon = place.start(&[]);
    daemon.feed("one\n");
    let text = eventually("the batch is counted", || {
        let answer = daemon.get("/metrics");
        assert!(
            answer
                .head
                .contains("content-type: text/plain; version=0.0.4"),
            "{}",
            answer.head
        );
        let counted = answer
            .body
            .contains("\ntidemill_records_processed_total 1\n");
        counted.then_some(answer.body)
    });
    for sample in [
        "tidemill_ready 1",
        "tidemill_epoch 1",
        "tidemill_wal_poisoned{log=\"driver\"} 0",
        "tidemill_receiver_records_total{stream=\"lines\"} 1",
        "tidemill_wal_sync_duration_seconds_count{log=\"blocks\"} 1",
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "{sample} isn't in:\n{text}"
        );
    }
    // Each family once, with help and type in front, and each sample a number.
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().unwrap();
            assert!(!families.contains(&name), "{name} twice");
            assert!(text.contains(&format!("# HELP {name} ")));
            families.push(name);
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(name.starts_with(families.last().unwrap()), "{line}");
        }
    }
    daemon.stop();
}

#[test]
fn under_back_pressure_the_rate_is_shown_and_posts_are_told_when_to_come_back() {
    let place = Place::new();
    let daemon = place.start(&[
        "--set",
        "backpressure.enabled=true",
        "--set",
        "backpressure.initial_rate=1",
    ]);
    let streaming = |path: &str| daemon.get(&format!("{STREAMING}/{path}")).json();
    let held = serde_json::json!([{"streamName": "lines", "rateLimit": 1.0}]);
    assert_eq!(streaming("statistics")["rates"], held);
    assert_eq!(streaming("receivers")[0]["rateLimit"], 1.0);
    let metrics = daemon.get("/metrics").body;
    let sample = "\ntidemill_backpressure_rate_limit_records_per_second{stream=\"lines\"} 1\n";
    assert!(metrics.contains(sample), "{metrics}");

    // A post is taken whole: it leaves a debt of minutes.
    daemon.feed(&"a line\n".repeat(600));
    let refused = daemon.post("/ingest/lines", "one more\n");
    assert_eq!(refused.status, 429, "{}", refused.body);
    let head = refused.head.to_lowercase();
    assert!(head.contains("retry-after: 5"), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    let status = place.run(&["status", "--admin", &daemon.url()]);
    let status = cli_support::stdout(&status);
    assert!(
        status.contains("held back   lines: 1 records/s"),
        "{status}"
    );
    daemon.stop();
    assert_eq!(place.output_lines(), ["(a,600)", "(line,600)"]);
}

#[test]
fn what_is_wrong_is_told_as_a_problem() {
    let place = Place::new();
    let daemon = place.start(&[]);
    let problem = |method: &str, path: &str, headers: &[&str], status: u16| {
        let answer = daemon.request(method, path, headers, "");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert!(
            answer
                .head
                .contains("content-type: application/problem+json"),
            "{}",
            answer.head
        );
        let body = answer.json();
        assert_eq!(body["status"], status);
        assert!(
            body["detail"].is_string() && body["title"].is_string(),
            "{body}"
        );
    };
    problem("GET", "/nowhere", &[], 404);
    problem(
        "GET",
        "/api/v1/applications/other/streaming/statistics",
        &[],
        404,
    );
    problem("GET", &format!("{STREAMING}/batches/1"), &[], 404);
    problem("GET", &format!("{STREAMING}/batches/soon"), &[], 400);
    problem("GET", &format!("{STREAMING}/batches?status=lost"), &[], 400);
    problem("GET", &format!("{STREAMING}/receivers/7"), &[], 404);
    problem("GET", &format!("{STREAMING}/nothing"), &[], 404);
    problem("POST", "/healthz", &[], 405);
    problem("GET", "/api/v1/stop", &[], 405);
    problem("POST", "/api/v1/stop?graceful=perhaps", &[], 400);
    problem("POST", "/ingest/line", &[], 404);
    // A page of another origin, open in somebody's browser.
    problem(
        "POST",
        "/api/v1/stop",
        &["Origin: http://evil.example"],
        403,
    );
    problem(
        "POST",
        "/ingest/lines",
        &["Origin: http://evil.example"],
        403,
    );
    let page = daemon.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.head.contains("content-type: text/html"),
        "{}",
        page.head
    );
    assert!(
        page.head
            .contains("content-security-policy: default-src 'none'"),
        "{}",
        page.head
    );
    daemon.stop();
}

#[test]
fn a_token_is_asked_for_everywhere_but_at_healthz_and_for_the_pages_own_files() {
    let place = Place::new();
    let token = "a-token-of-decent-length";
    std::fs::write(place.path("token"), format!("{token}\n")).unwrap();
    let mut daemon = place.start(&["--set", "admin.token_file=token"]);
    for open in ["/healthz", "/", "/page/main.js"] {
        assert_eq!(daemon.get(open).status, 200, "{open}");
    }
    for (method, path) in [
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/applications"),
        ("GET", "/api/v1/events"),
        ("GET", "/nowhere"),
        ("POST", "/ingest/lines"),
        ("POST", "/api/v1/stop"),
    ] {
        let refused = daemon.request(method, path, &[], "");
        assert_eq!(refused.status, 401, "{path}");
        assert!(
            refused.head.contains("www-authenticate: bearer"),
            "{}",
            refused.head
        );
        let wrong = daemon.request(
            method,
            path,
            &["Authorization: Bearer a-token-of-decent-lengtH"],
            "",
        );
        assert_eq!(wrong.status, 401, "{path}");
    }
    let shown = format!("Authorization: Bearer {token}");
    assert_eq!(daemon.request("GET", "/readyz", &[&shown], "").status, 200);
    assert_eq!(
        daemon
            .request("POST", "/ingest/lines", &[&shown], "one\n")
            .status,
        200
    );

    let without = place.run(&["stop", "--admin", &daemon.url()]);
    assert_eq!(without.status.code(), Some(1));
    let with = place.run(&["stop", "--admin", &daemon.url(), "--token-file", "token"]);
    assert_eq!(
        with.status.code(),
        Some(0),
        "{}",
        cli_support::stderr(&with)
    );
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(!daemon.log().contains(token));
}
