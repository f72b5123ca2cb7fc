//! Posted bodies, through the real route, connection and engine: what is answered, and what arrives.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::source::ingest_router;

use crate::run::{Target, as_it_is};

/// The longest body that is taken.
const MAX_BODY: usize = 2_000;

/// What the route must answer.
#[derive(Debug, PartialEq)]
enum Answer {
    Taken(usize),
    NotText(usize),
    TooLarge,
}

fn expected(body: &[u8]) -> (Answer, Vec<String>) {
    if body.len() > MAX_BODY {
        return (Answer::TooLarge, Vec::new());
    }
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return (Answer::NotText(error.valid_up_to()), Vec::new()),
    };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    // What ends with a line end has no line behind it.
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    for line in &mut lines {
        if line.ends_with('\r') {
            line.pop();
        }
    }
    (Answer::Taken(lines.len()), lines)
}

/// Lines in their order, without keeping them.
#[derive(Default)]
struct Lines {
    count: u64,
    hash: u32,
}

impl Lines {
    fn add(&mut self, line: &str) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.hash);
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
        (self.count, self.hash) = (self.count + 1, hasher.finalize());
    }
}

struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Posts in one piece, or in as many chunks as the body's own bytes ask for.
    fn post(&mut self, body: &[u8]) -> Answer {
        loop {
            let mut connection = self
                .connection
                .take()
                .unwrap_or_else(|| BufReader::new(TcpStream::connect(self.address).unwrap()));
            let mut request = b"POST /ingest/lines HTTP/1.1\r\nhost: x\r\n".to_vec();
            let sum: usize = body.iter().map(|byte| usize::from(*byte)).sum();
            if sum.is_multiple_of(2) {
                write!(request, "content-length: {}\r\n\r\n", body.len()).unwrap();
                request.extend(body);
            } else {
                request.extend(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in body.chunks(1 + sum % 50) {
                    write!(request, "{:x}\r\n", chunk.len()).unwrap();
                    request.extend(chunk);
                    request.extend(b"\r\n");
                }
                request.extend(b"0\r\n\r\n");
            }
            // A body that is too large may be answered before it is sent.
            let _ = connection.get_mut().write_all(&request);
            let (status, text, stays) = answer(&mut connection);
            if stays && status == 200 {
                self.connection = Some(connection);
            }
            return match status {
                200 => {
                    let count = text
                        .trim_start_matches("{\"records\":")
                        .trim_end_matches('}');
                    Answer::Taken(count.parse().unwrap())
                }
                400 => {
                    let (_, offset) = text.split_once("offset ").unwrap();
                    let digits = offset.split(|c: char| !c.is_ascii_digit()).next().unwrap();
                    Answer::NotText(digits.parse().unwrap())
                }
                413 => Answer::TooLarge,
                // The stream is behind; a client comes again.
                429 => continue,
                other => panic!("{other}: {text}"),
            };
        }
    }
}

/// Status, body, and whether the connection stays.
fn answer(connection: &mut BufReader<TcpStream>) -> (u16, String, bool) {
    let mut status = String::new();
    connection.read_line(&mut status).unwrap();
    let status = status
        .split(' ')
        .nth(1)
        .expect("an answer")
        .parse()
        .unwrap();
    let (mut length, mut stays) = (0, true);
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        stays &= line != "connection: close";
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap(), stays)
}

#[test]
fn ingest_body() {
    let context = StreamingContext::builder("fuzz", Duration::from_millis(20))
        .checkpoint("memory:fuzz-ingest")
        .block_interval(Duration::from_millis(1))
        .parallelism(1)
        .build()
        .unwrap();
    let arrived = Arc::new(Mutex::new(Lines::default()));
    let all = Arc::clone(&arrived);
    context
        .http_stream("lines", None)
        .for_each_rdd(move |rdd, _time| -> Result<(), BoxError> {
            let mut all = all.lock().unwrap();
            rdd.collect()?.iter().for_each(|line| all.add(line));
            Ok(())
        });
    context.start().unwrap();
    let runtime = context.runtime().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    let router = ingest_router(context.ingest().clone(), MAX_BODY);
    let server = runtime.spawn(axum::serve(listener, router).into_future());
    let client = RefCell::new(Client {
        address,
        connection: None,
    });
    crate::support::eventually("the source is open", || {
        context.ingest().closed_sources().is_empty().then_some(())
    });
    let sent = RefCell::new(Lines::default());
    let target = Target {
        name: "ingest_body",
        seeds: vec![
            b"one\ntwo\r\nthree".to_vec(),
            "täg→\n\n\r\n \0".as_bytes().to_vec(),
            vec![b'x'; MAX_BODY],
            [b"ab\n".repeat(650), vec![0xff]].concat(),
            Vec::new(),
        ],
        words: &["\r", "\n", "\r\n", "\0", "é", "\u{2028}", "→"],
        repair: as_it_is,
        cases: 600,
    };
    target.run(|body| {
        let (must, lines) = expected(body);
        let answer = client.borrow_mut().post(body);
        assert_eq!(answer, must);
        lines.iter().for_each(|line| sent.borrow_mut().add(line));
        match answer {
            Answer::Taken(count) => format!("taken {}", count.min(3)),
            other => format!("{other:?}"),
        }
    });
    server.abort();
    context.stop(true).unwrap();
    let (arrived, sent) = (arrived.lock().unwrap(), sent.into_inner());
    assert_eq!(arrived.count, sent.count);
    assert_eq!(arrived.hash, sent.hash, "lines were changed");
}
