use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Short, so that a test which waits for one is over soon.
const SHORT: Duration = Duration::from_millis(50);
/// So long that no test sees its end.
const LONG: Duration = Duration::from_secs(600);

fn patient() -> HttpLimits {
    HttpLimits {
        idle: LONG,
        head: LONG,
        stall: LONG,
        ..HttpLimits::default()
    }
}

/// The problem that is the last of some answers, whose length is told.
fn problem_of(answers: &str) -> serde_json::Value {
    let (head, body) = answers.rsplit_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("application/problem+json"),
        "no problem: {answers}"
    );
    assert!(
        head.ends_with(&format!("content-length: {}", body.len())),
        "{answers}"
    );
    serde_json::from_str(body).unwrap()
}

struct Running {
    address: SocketAddr,
    door: Arc<Door>,
    end: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    /// Told when somebody asks for `/late`.
    reached: Arc<tokio::sync::Notify>,
}

/// `GET /` says hi, `GET /late` after a while, `GET /endless` for ever; `POST /` says how long the body is.
async fn start(limits: HttpLimits) -> Running {
    let endless = || stream::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; 1 << 16]));
    let reached = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&reached);
    let late = || async move {
        told.notify_one();
        tokio::time::sleep(SHORT * 4).await;
        "late"
    };
    let count = |body: Body| async {
        match axum::body::to_bytes(body, usize::MAX).await {
            Ok(body) => (StatusCode::OK, body.len().to_string()),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "hi" }).post(count))
        .route("/late", get(late))
        .route(
            "/endless",
            get(move || async move { Body::from_stream(endless()) }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (door, end) = (Door::new(limits), CancellationToken::new());
    let server = Server {
        router,
        door: Arc::clone(&door),
        tls: TlsSlot::default(),
        end: end.clone(),
    };
    let server = tokio::spawn(server.run(listener));
    Running {
        address,
        door,
        end,
        server,
        reached,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends it on a connection of its own, and reads to the end.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut connection = self.connect().await;
        // It may be answered before all of it is sent.
        let _ = connection.write_all(request).await;
        rest(&mut connection).await
    }

    /// Others are served.
    async fn is_alive(&self) {
        let answer = self
            .exchange(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        assert!(answer.ends_with("hi"), "{answer}");
    }

    async fn has_open(&self, count: usize) {
        while self.door.status().open != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// What comes until the other side closes, which a reset is, too.
async fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = connection.read(&mut piece).await {
        bytes.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until this has come.
async fn until(connection: &mut TcpStream, text: &str) {
    let mut seen = String::new();
    while !seen.ends_with(text) {
        seen.push(char::from(connection.read_u8().await.unwrap()));
    }
}

#[tokio::test]
async fn a_head_that_drips_in_is_not_waited_for() {
    let server = start(HttpLimits {
        head: SHORT,
        ..patient()
    })
    .await;
    let (mut drips, mut writer) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        // Each byte is progress, and none of them makes more time.
        while writer.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut told = Vec::new();
    let _ = drips.read_to_end(&mut told).await;
    assert_eq!(String::from_utf8_lossy(&told), "");
    server.has_open(0).await;
    dripping.await.unwrap();
    server.is_alive().await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_and_one_that_waits_for_its_answer_is_not() {
    let server = start(HttpLimits {
        idle: SHORT,
        ..patient()
    })
    .await;
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut late = server.connect().await;
    late.write_all(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    until(&mut late, "late").await;
    // Kept open, and closed when nothing more comes.
    assert_eq!(rest(&mut late).await, "");
    server.has_open(0).await;
}

#[tokio::test]
async fn a_body_must_keep_coming() {
    let server = start(HttpLimits {
        stall: SHORT,
        ..patient()
    })
    .await;
    let mut stalls = server.connect().await;
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n";
    stalls.write_all(head).await.unwrap();
    stalls.write_all(b"some of it").await.unwrap();
    let answer = rest(&mut stalls).await;
    assert!(
        answer.contains("400 Bad Request") && answer.contains("too long for the rest"),
        "{answer}"
    );

    // One that drips is slower than it may be, though it never stalls.
    let mut drips = server.connect().await;
    drips.write_all(head).await.unwrap();
    let (mut drips, mut writer) = drips.into_split();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = String::new();
    let _ = drips.read_to_string(&mut answer).await;
    server.has_open(0).await;
    drop(drips);
    dripping.abort();
    server.is_alive().await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let server = start(HttpLimits {
        stall: SHORT,
        ..patient()
    })
    .await;
    let mut connection = server.connect().await;
    connection
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    until(&mut connection, "\r\n\r\n").await;
    server.has_open(0).await;
    server.is_alive().await;
}

#[tokio::test]
async fn connections_over_the_limit_are_told_and_closed() {
    let server = start(HttpLimits {
        connections_of_peer: 2,
        ..patient()
    })
    .await;
    let first = server.connect().await;
    let _second = server.connect().await;
    server.has_open(2).await;
    let mut third = server.connect().await;
    let told = rest(&mut third).await;
    let (head, _) = told.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1"),
        "{head}"
    );
    assert_eq!(problem_of(&told)["status"], 503);
    assert_eq!(server.door.status().refused, [("all", 0), ("peer", 1)]);
    drop(first);
    server.has_open(1).await;
    server.is_alive().await;
}

#[tokio::test]
async fn what_is_not_http_or_too_much_of_it_is_refused() {
    let server = start(patient()).await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(MAX_HEAD)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(200)
    );
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(1 << 17));
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n";
    let split = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd";
    for (garbage, status) in [
        (long.as_bytes(), 431),
        (many.as_bytes(), 431),
        (path.as_bytes(), 431),
        (&tls[..], 400),
        (&split[..], 400),
        (b"\0\0\0\0\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
    ] {
        let answer = server.exchange(garbage).await;
        let shown = String::from_utf8_lossy(&garbage[..garbage.len().min(40)]).into_owned();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown:?}: {answer}"
        );
        assert_eq!(problem_of(&answer)["status"], status, "{shown:?}");
        server.is_alive().await;
    }
    // Requests behind one another, then garbage: what was good is answered.
    let mut pipeline = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3);
    pipeline.extend_from_slice(b"\x01\x02\x03\r\n\r\n");
    let answers = server.exchange(&pipeline).await;
    assert_eq!(answers.matches("200 OK").count(), 3, "{answers}");
    assert_eq!(answers.matches("400 Bad Request").count(), 1, "{answers}");
    let (_, last) = answers.split_once("HTTP/1.1 400 ").unwrap();
    assert_eq!(problem_of(last)["status"], 400);
    server.has_open(0).await;
}

#[tokio::test]
async fn at_the_end_requests_under_way_are_answered_and_idle_connections_closed() {
    let server = start(patient()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    until(&mut idle, "hi").await;
    let mut late = server.connect().await;
    late.write_all(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let _ = server.reached.notified().await;
    server.end.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert!(rest(&mut late).await.ends_with("late"));
    server.server.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
