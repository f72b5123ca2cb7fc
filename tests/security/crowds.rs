//! Crowds, slow clients and garbage: the daemon lives, and the others are served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::cli_support::{Place, eventually};

const HEAD: &str = "POST /ingest/lines HTTP/1.1\r\nHost: x\r\n";

#[test]
fn two_thousand_connections_post_at_once() {
    const CLIENTS: usize = 2_000;
    let place = Place::new();
    let daemon = place.start(&[]);
    raise_own_limit();
    let mut connections: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let connection = TcpStream::connect(&daemon.address).unwrap();
            connection
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            connection
        })
        .collect();
    // All of them are within a post before the first one is whole.
    for connection in &mut connections {
        write!(connection, "{HEAD}Content-Length: 5\r\n\r\nwo").unwrap();
    }
    eventually("all are there", || {
        let metrics = daemon.get("/metrics").body;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("tidemill_http_connections{"))?;
        let (_, open) = line.rsplit_once(' ')?;
        (open.parse::<usize>().unwrap() > CLIENTS).then_some(())
    });
    for connection in &mut connections {
        connection.write_all(b"rd\n").unwrap();
    }
    for connection in &mut connections {
        let mut start = [0; 12];
        connection.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
    }
    drop(connections);
    daemon.stop();
    let lines = place.output_lines();
    let count = |line: &String| -> usize {
        let number = line
            .strip_prefix("(word,")
            .and_then(|rest| rest.strip_suffix(')'));
        number.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    };
    assert_eq!(lines.iter().map(count).sum::<usize>(), CLIENTS);
}

/// The test has an end of each connection, too.
fn raise_own_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
}

#[test]
fn slow_and_broken_clients_are_cut_off_and_the_others_served() {
    let place = Place::new();
    let daemon = place.start(&[
        "--set",
        "http.header_timeout=200ms",
        "--set",
        "http.idle_timeout=400ms",
        "--set",
        "http.stall_timeout=300ms",
        "--set",
        "http.max_connections_per_peer=64",
    ]);
    let connect = || {
        let connection = TcpStream::connect(&daemon.address).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        connection
    };
    let rest = |mut connection: TcpStream| {
        let mut bytes = Vec::new();
        // A reset ends it, too.
        let _ = connection.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    thread::scope(|threads| {
        for _ in 0..20 {
            threads.spawn(|| {
                // A head that never ends.
                let mut connection = connect();
                while connection.write_all(b"X").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for _ in 0..10 {
            threads.spawn(|| {
                let mut connection = connect();
                write!(connection, "{HEAD}Content-Length: 1000\r\n\r\nsome").unwrap();
                let answer = rest(connection);
                assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
                assert!(answer.contains("too slowly"), "{answer}");
            });
            threads.spawn(|| assert_eq!(rest(connect()), ""));
        }
        for garbage in [
            &b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n"[..],
            b"\0\0\0\0\r\n\r\n",
            b"EHLO x\r\n\r\n",
        ] {
            threads.spawn(move || {
                let mut connection = connect();
                connection.write_all(garbage).unwrap();
                assert!(rest(connection).starts_with("HTTP/1.1 400 "));
            });
        }
        threads.spawn(|| {
            let mut connection = connect();
            // More than is taken; what is too long is answered before all of it is sent.
            let _ = write!(
                connection,
                "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
                "y".repeat(100_000)
            );
            assert!(rest(connection).starts_with("HTTP/1.1 431 "));
        });
        threads.spawn(|| {
            let mut connection = connect();
            write!(connection, "{HEAD}Content-Length: 99999999999\r\n\r\n").unwrap();
            assert!(rest(connection).starts_with("HTTP/1.1 413 "));
        });
        for _ in 0..30 {
            daemon.feed("word\n");
        }
    });
    // A crowd of one peer: what is over its limit is told, and room again when it goes.
    let crowd: Vec<TcpStream> = (0..80).map(|_| connect()).collect();
    let told = eventually("somebody is turned away", || {
        let answer = rest(connect());
        (!answer.is_empty()).then_some(answer)
    });
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    drop(crowd);
    eventually("there is room", || {
        let mut connection = connect();
        write!(
            connection,
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        rest(connection).starts_with("HTTP/1.1 200 ").then_some(())
    });
    daemon.stop();
    let count: usize = place
        .output_lines()
        .iter()
        .map(|line| {
            line.trim_start_matches("(word,")
                .trim_end_matches(')')
                .parse::<usize>()
                .unwrap()
        })
        .sum();
    assert_eq!(count, 30);
}

#[test]
fn posts_under_way_hold_only_so_much_memory_together() {
    let place = Place::new();
    let daemon = place.start(&[
        "--set",
        "http.bodies_memory=1MiB",
        "--set",
        "sources.lines.max_body=1MiB",
    ]);
    // Most of what there is, and it doesn't end.
    let begin = || {
        let mut connection = TcpStream::connect(&daemon.address).unwrap();
        let patience = Some(Duration::from_secs(1));
        connection.set_read_timeout(patience).unwrap();
        let (head, part) = (
            format!("{HEAD}Content-Length: 1000000\r\n\r\n"),
            vec![b'x'; 700_000],
        );
        // One that is refused need not be read to its end.
        let _ = connection
            .write_all(head.as_bytes())
            .and_then(|()| connection.write_all(&part));
        connection
    };
    let told = |connection: &mut TcpStream| {
        let mut bytes = [0; 4096];
        let length = connection.read(&mut bytes).unwrap_or_default();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let refused = eventually("one of two is refused", || {
        let mut both = [begin(), begin()];
        let answers = both.each_mut().map(told);
        answers
            .into_iter()
            .find(|answer| answer.starts_with("HTTP/1.1 503 "))
    });
    assert!(refused.contains("under way hold 1 MiB"), "{refused}");
    // It is free again when they have gone.
    daemon.feed("word\n");
    daemon.stop();
}
