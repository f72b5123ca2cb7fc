//! `/api/v1/events`, without a browser.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::cli_support::{Daemon, Place};

/// An open stream.
struct Stream {
    lines: BufReader<TcpStream>,
    head: String,
}

impl Stream {
    fn open(daemon: &Daemon) -> Self {
        let mut stream = TcpStream::connect(&daemon.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        write!(
            stream,
            "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n",
            daemon.address
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self {
            lines,
            head: head.to_lowercase(),
        }
    }

    /// The next event's name and data; `None` at the end.
    fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
    }

    fn find(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        loop {
            let (name, data) = self.next().unwrap();
            if wanted(&name, &data) {
                return data;
            }
        }
    }
}

#[test]
fn a_stream_tells_what_happens_until_the_daemon_ends() {
    let place = Place::new();
    let daemon = place.start(&[]);
    let mut stream = Stream::open(&daemon);
    assert!(
        stream.head.contains("content-type: text/event-stream"),
        "{}",
        stream.head
    );
    let (name, state) = stream.next().unwrap();
    assert_eq!(
        (name.as_str(), &state["state"]),
        ("state", &Value::from("ACTIVE"))
    );
    assert_eq!(state["isReady"], true);
    let (name, checkpoint) = stream.next().unwrap();
    assert_eq!(name, "checkpoint");
    assert_eq!(checkpoint["epoch"], 1);

    daemon.feed("one\ntwo\n");
    let batch = stream.find(|name, data| name == "batch" && data["inputSize"] == 2);
    assert_eq!(batch["status"], "QUEUED");
    let time = batch["batchTime"].clone();
    let done = stream.find(|name, data| {
        name == "batch" && data["batchTime"] == time && data["status"] == "COMPLETED"
    });
    // The same as one who asks is told.
    let path = format!("/api/v1/applications/wordcount/streaming/batches/{time}");
    assert_eq!(daemon.get(&path).json(), done);

    let id = checkpoint["id"].as_u64();
    assert_eq!(daemon.post("/api/v1/checkpoint", "").status, 200);
    stream.find(|name, data| name == "checkpoint" && data["id"].as_u64() > id);

    daemon.signal("TERM");
    stream.find(|name, data| name == "receiver" && data["state"] == "STOPPED");
    while stream.next().is_some() {}
    let mut daemon = daemon;
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

#[test]
fn streams_are_counted_and_those_who_do_not_read_hold_nobody_up() {
    let place = Place::new();
    let daemon = place.start(&[]);
    let streams: Vec<Stream> = (0..32).map(|_| Stream::open(&daemon)).collect();
    assert!(
        streams
            .iter()
            .all(|stream| stream.head.starts_with("http/1.1 200"))
    );
    let refused = daemon.get("/api/v1/events");
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    assert!(
        refused.head.contains("application/problem+json"),
        "{}",
        refused.head
    );
    // Nobody reads, and batches go on.
    daemon.feed("one\n");
    drop(streams);
    crate::cli_support::eventually("there is room again", || {
        let stream = Stream::open(&daemon);
        stream.head.starts_with("http/1.1 200").then_some(())
    });
    daemon.stop();
    assert_eq!(place.output_lines(), ["(one,1)"]);
}
