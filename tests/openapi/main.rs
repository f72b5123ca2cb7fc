//! The OpenAPI document against a live daemon: each of its operations is there, and is answered as it says.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../cli_support/mod.rs"]
mod cli_support;
mod fuzz;
mod schema;

use std::io::{Read, Write};
use std::net::TcpStream;

use cli_support::{Answer, Daemon, Place, eventually};
use schema::violations;
use serde_json::Value;

/// Every operation: method, path, description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            (method.to_uppercase(), path.clone(), operation.clone())
        })
    });
    operations.collect()
}

/// The answer has a status and a media type that are documented for it, and is as its schema says.
fn is_documented(document: &Value, operation: &Value, answer: &Answer, what: &str) {
    let documented = &operation["responses"][answer.status.to_string()];
    let not_documented = format!(
        "{what}: {} isn't documented: {}",
        answer.status, answer.body
    );
    assert!(documented.is_object(), "{not_documented}");
    let media = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "));
    let media = media.unwrap_or_else(|| panic!("{what}: no content type"));
    let media = media.split(';').next().unwrap();
    let content = &documented["content"][media];
    assert!(content.is_object(), "{what}: {media} isn't in {documented}");
    if media.ends_with("json") {
        let found = violations(document, &content["schema"], &answer.json());
        assert!(found.is_empty(), "{what}: {found:#?}\n{}", answer.body);
    }
}

/// The time of a completed batch with records.
fn completed_batch(daemon: &Daemon, headers: &[&str]) -> String {
    let batches = "/api/v1/applications/wordcount/streaming/batches?status=completed";
    eventually("the batch is complete", || {
        let batches = daemon.request("GET", batches, headers, "").json();
        let mut batches = batches.as_array()?.iter();
        let found = batches.find(|batch| batch["inputSize"] != 0)?;
        Some(found["batchId"].to_string())
    })
}

/// The beginning of an answer that has no end.
fn beginning(daemon: &Daemon, path: &str, until: &str) -> Answer {
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.address);
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut piece) = (String::new(), [0; 4096]);
    while !answer.contains(until) {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "it ended: {answer}");
        answer.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// A path with something for each of its names.
fn filled(path: &str, with: impl Fn(&str) -> String) -> String {
    let mut parts = path.split(['{', '}']);
    let mut filled = parts.next().unwrap().to_owned();
    while let (Some(name), Some(rest)) = (parts.next(), parts.next()) {
        filled.push_str(&with(name));
        filled.push_str(rest);
    }
    filled
}

#[test]
fn every_operation_is_answered_as_documented() {
    let place = Place::new();
    let mut daemon = place.start(&[]);
    daemon.feed("to be\n");
    let time = completed_batch(&daemon, &[]);
    let document = daemon.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    // What is for readers of the code only.
    for mark in ["[`", "crate::"] {
        assert!(!document.to_string().contains(mark), "{mark}");
    }
    let there = |name: &str| match name {
        "app" => "wordcount".to_owned(),
        "time" => time.clone(),
        "id" => "0".to_owned(),
        "source" => "lines".to_owned(),
        "path" => "main.js".to_owned(),
        other => panic!("what stands for {other}?"),
    };
    let operations = operations(&document);
    // One goes on for ever, the other ends the daemon.
    let is_apart = |path: &str| path.ends_with("/events") || path.ends_with("/stop");
    for (method, path, operation) in operations.iter().filter(|(_, path, _)| !is_apart(path)) {
        let good = filled(path, there);
        // They need a name, and letters, that there are.
        let is_refused = path.ends_with("/forget") || path.ends_with("/requeue");
        for (asked, is_good) in [
            (good.clone(), !is_refused),
            (filled(path, |_| "nothing".to_owned()), false),
            (filled(path, |_| "%FF".to_owned()), false),
            (format!("{good}?dates=text"), false),
            (format!("{good}?dates=words&status=%zz&graceful=1"), false),
        ] {
            let answer = daemon.request(method, &asked, &[], "one\n");
            let what = format!("{method} {asked}");
            assert!(answer.status < 500, "{what}: {}", answer.body);
            assert!(!is_good || answer.status < 300, "{what}: {}", answer.body);
            is_documented(&document, operation, &answer, &what);
        }
    }
    assert_eq!(
        operations
            .iter()
            .filter(|(_, path, _)| is_apart(path))
            .count(),
        2
    );
    let open_metrics = ["Accept: application/openmetrics-text"];
    let metrics = daemon.request("GET", "/metrics", &open_metrics, "");
    is_documented(
        &document,
        &document["paths"]["/metrics"]["get"],
        &metrics,
        "OpenMetrics",
    );
    let events = beginning(&daemon, "/api/v1/events", "event: state");
    is_documented(
        &document,
        &document["paths"]["/api/v1/events"]["get"],
        &events,
        "events",
    );
    let stop = daemon.post("/api/v1/stop", "");
    is_documented(
        &document,
        &document["paths"]["/api/v1/stop"]["post"],
        &stop,
        "stop",
    );
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

/// docs/api.md has a heading for each operation, and none for what there isn't.
#[test]
fn the_page_and_the_document_have_the_same_operations() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let mut told: Vec<String> = headings.map(|heading| heading.replace('`', "")).collect();
    // Shows what a problem looks like.
    told.retain(|heading| heading != "GET /nowhere");
    told.sort();
    let place = Place::new();
    let daemon = place.start(&[]);
    let document = daemon.get("/api/v1/openapi.json").json();
    let operations = operations(&document).into_iter();
    let mut there: Vec<String> = operations
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    there.sort();
    assert_eq!(told, there);
    daemon.stop();
}

#[test]
fn without_a_token_the_answer_is_documented() {
    let place = Place::new();
    std::fs::write(place.path("token"), "a-token-of-decent-length\n").unwrap();
    let daemon = place.start(&["--set", "admin.token_file=token"]);
    let shown = "Authorization: Bearer a-token-of-decent-length";
    let document = daemon
        .request("GET", "/api/v1/openapi.json", &[shown], "")
        .json();
    for (method, path, operation) in operations(&document) {
        let answer = daemon.request(&method, &path, &[], "");
        let is_open = operation["security"].as_array().unwrap().is_empty();
        assert_eq!(
            answer.status == 401,
            !is_open,
            "{method} {path}: {}",
            answer.status
        );
        is_documented(&document, &operation, &answer, &path);
        if method == "POST" {
            let headers = [shown, "Origin: http://evil.example"];
            let answer = daemon.request(&method, &path, &headers, "");
            assert_eq!(answer.status, 403, "{path}");
            is_documented(&document, &operation, &answer, &path);
        }
    }
    daemon.stop();
}
