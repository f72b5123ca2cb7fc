use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::source::testing::Pond;

const LOOPBACK: &str = "127.0.0.1:0";

/// A source with an address of its own, once it listens.
async fn open(pond: &Pond<str>, max_body: usize) -> (Ingest, SocketAddr) {
    let ingest = Ingest::new();
    let listen = Some(LOOPBACK.parse().unwrap());
    pond.run(HttpSource::new("lines", ingest.clone(), listen, max_body));
    loop {
        if let Some(address) = ingest.address("lines") {
            return (ingest, address);
        }
        tokio::task::yield_now().await;
    }
}

/// Sends a request and returns the answer: status, head and body.
async fn request(address: SocketAddr, head: &str, body: &[u8]) -> (u16, String, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let length = format!("content-length: {}\r\n\r\n", body.len());
    connection.write_all(length.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    answer(connection).await
}

async fn answer(mut connection: TcpStream) -> (u16, String, String) {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

async fn post(address: SocketAddr, body: &[u8]) -> (u16, String, String) {
    request(address, "POST /ingest/lines", body).await
}

#[tokio::test]
async fn lines_are_taken_and_counted() {
    let pond = Pond::new(None);
    let (_, address) = open(&pond, 1 << 20).await;
    let (status, _, body) = post(address, b"one\ntwo\r\nthree").await;
    assert_eq!((status, body.as_str()), (200, r#"{"records":3}"#));
    let (status, _, body) = post(address, b"").await;
    assert_eq!((status, body.as_str()), (200, r#"{"records":0}"#));
    assert_eq!(pond.drain().await, ["one", "two", "three"]);
}

#[tokio::test]
async fn mistakes_are_explained_as_problems() {
    let pond = Pond::new(None);
    let (_, address) = open(&pond, 10).await;
    let (status, head, body) = request(address, "POST /ingest/other", b"a").await;
    assert_eq!(status, 404);
    assert!(head.contains("application/problem+json"), "{head}");
    assert!(body.contains("did you mean `lines`?"), "{body}");
    assert!(
        body.contains(r#""status":404"#) && body.contains(r#""title":"Not Found""#),
        "{body}"
    );

    let (status, _, body) = post(address, b"ab\xff").await;
    assert_eq!(status, 400);
    assert!(body.contains("offset 2"), "{body}");
    let (status, _, body) = post(address, b"more than ten bytes").await;
    assert_eq!(status, 413);
    assert!(body.contains("10 bytes"), "{body}");
    let (status, head, _) = request(address, "GET /ingest/lines", b"").await;
    assert_eq!(status, 405);
    assert!(head.contains("application/problem+json"), "{head}");
    assert!(pond.drain().await.is_empty());
}

#[tokio::test]
async fn a_body_in_chunks_is_held_to_the_limit_too() {
    let pond = Pond::new(None);
    let (_, address) = open(&pond, 10).await;
    let chunked = |chunks: &str| {
        format!(
            "POST /ingest/lines HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
        )
    };
    for (chunks, expected) in [
        ("4\r\nab\nc\r\n3\r\nd\ne\r\n", 200),
        ("6\r\naaaaaa\r\n6\r\nbbbbbb\r\n", 413),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection
            .write_all(chunked(chunks).as_bytes())
            .await
            .unwrap();
        assert_eq!(answer(connection).await.0, expected);
    }
    assert_eq!(pond.drain().await, ["ab", "cd", "e"]);
}

#[tokio::test]
async fn under_back_pressure_the_client_is_told_when_to_come_back() {
    let pond = Pond::new(Some(1.0));
    let (ingest, address) = open(&pond, 1 << 20).await;
    // The bucket is empty for seconds after this.
    assert_eq!(
        ingest.ingest("lines", b"1\n2\n3\n4\n5\n6\n7\n8\n9\n").await,
        Ok(9)
    );
    let (status, head, _) = post(address, b"a").await;
    assert_eq!(status, 429);
    let retry = head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "))
        .unwrap();
    assert!(retry.parse::<u64>().unwrap() >= 1);
    assert_eq!(pond.drain().await.len(), 9);
}

/// Of many posts at once one is taken, whole, and the others know at once that none of theirs was.
#[tokio::test]
async fn of_posts_that_come_at_once_the_first_takes_the_room() {
    let pond = Pond::new(Some(1.0));
    let (ingest, _) = open(&pond, 1 << 20).await;
    let bodies: Vec<String> = (0..20).map(|n| format!("{n}\n").repeat(500)).collect();
    let posts = bodies
        .iter()
        .map(|body| ingest.ingest("lines", body.as_bytes()));
    let answers = futures_util::future::join_all(posts).await;
    let taken: Vec<usize> = (0..20).filter(|n| answers[*n] == Ok(500)).collect();
    assert_eq!(taken.len(), 1, "{answers:?}");
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        // The debt is minutes, but the rate may rise before.
        let retry_after = Duration::from_secs(5);
        assert_eq!(*refused, IngestError::Busy { retry_after });
    }
    let stored = pond.drain().await;
    assert_eq!(stored, vec![taken[0].to_string(); 500]);
}

#[tokio::test]
async fn a_higher_rate_opens_the_source_again() {
    let pond = Pond::new(Some(1000.0));
    pond.limit().unwrap().set_rate(1.0);
    let (_, address) = open(&pond, 1 << 20).await;
    assert_eq!(post(address, &b"a\n".repeat(50)).await.0, 200);
    assert_eq!(post(address, b"b").await.0, 429);
    // 49 are owed: at a thousand a second that is soon over.
    pond.limit().unwrap().set_rate(1e9);
    while post(address, b"c").await.0 != 200 {}
    assert_eq!(pond.drain().await.len(), 51);
}

#[tokio::test]
async fn while_a_disk_is_too_full_nothing_is_taken_and_the_client_is_told() {
    use crate::block::Writer;
    use futures_util::FutureExt;
    let pond = Pond::new(None);
    let (_, address) = open(&pond, 1 << 20).await;
    pond.gate().refused(Writer::BlockLog, &"no space left");
    let (status, head, body) = post(address, b"a").await;
    assert_eq!(status, 503);
    assert!(head.contains("retry-after: 5"), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    assert!(
        body.contains("no room for the block log: no space left"),
        "{body}"
    );
    let store = pond.store();
    assert!(!store.hold_back().is_zero());
    let mut storing = Box::pin(store.store("b"));
    assert!(storing.as_mut().now_or_never().is_none());
    pond.gate().accepted(&Writer::BlockLog);
    storing.await.unwrap();
    assert_eq!(post(address, b"c").await.0, 200);
    assert_eq!(pond.drain().await, ["b", "c"]);
}

#[tokio::test]
async fn a_post_that_a_full_disk_holds_up_is_answered_all_the_same() {
    use crate::block::Writer;
    use crate::clock::ManualClock;
    use crate::time::Time;
    // Its clock stands, so no block is cut and nothing becomes durable.
    let clock = ManualClock::new(Time::from_millis(1000));
    let pond = Pond::on(Arc::new(clock), None);
    let (_, address) = open(&pond, 1 << 20).await;
    let caught = tokio::spawn(post(address, b"a"));
    pond.wait_for(1).await;
    pond.gate().refused(Writer::BlockLog, &"no space left");
    let (status, head, body) = caught.await.unwrap();
    assert_eq!(status, 503);
    assert!(head.contains("retry-after"), "{head}");
    assert!(
        body.contains("no room left to store all of them")
            && body.contains("the block log: no space left"),
        "{body}"
    );
    // It has no answer that it is in the stream, and may be.
    pond.gate().accepted(&Writer::BlockLog);
    assert_eq!(pond.drain().await, ["a"]);
}

#[tokio::test]
async fn who_waits_for_room_is_told_when_the_stream_ends() {
    use crate::block::Writer;
    let pond = Pond::new(None);
    let (ingest, _) = open(&pond, 1 << 20).await;
    let store = pond.store();
    pond.gate().refused(Writer::BlockLog, &"no space left");
    let waiting = tokio::spawn(async move { store.store("a").await });
    tokio::task::yield_now().await;
    assert!(pond.drain().await.is_empty());
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("the test ends"), "{error}");
    drop(ingest);
}

#[tokio::test]
async fn what_is_on_its_way_at_the_stop_gets_its_true_answer() {
    let pond = Pond::new(None);
    let (ingest, address) = open(&pond, 1 << 20).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = "POST /ingest/lines HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab";
    slow.write_all(head.as_bytes()).await.unwrap();
    let fast = post(address, b"whole\n");
    assert_eq!(fast.await.0, 200);

    pond.stop();
    while ingest.address("lines").is_some() {
        tokio::task::yield_now().await;
    }
    let stopped = ingest.ingest("lines", b"late").await.unwrap_err();
    assert_eq!(
        stopped,
        IngestError::Closed {
            reason: "it is stopped".to_owned()
        }
    );
    assert!(stopped.retry_after().is_some());
    slow.write_all(b"cd").await.unwrap();
    assert_eq!(answer(slow).await.0, 503);
    ingest.drained().await;
    assert_eq!(pond.drain().await, ["whole"]);
}

#[tokio::test]
async fn an_answer_waits_for_durability_also_when_stopping() {
    let pond = Pond::<str>::new(None);
    let ingest = Ingest::new();
    let source = HttpSource::new("lines", ingest.clone(), None, 1 << 20);
    assert_eq!(
        ingest.ingest("lines", b"early").await,
        Err(IngestError::Closed {
            reason: "it hasn't been started yet".to_owned()
        })
    );
    pond.run(source);
    let posted = tokio::spawn({
        let ingest = ingest.clone();
        async move {
            loop {
                match ingest.ingest("lines", b"a\nb").await {
                    Err(IngestError::Closed { .. }) => {
                        tokio::time::sleep(Duration::from_millis(1)).await
                    }
                    answer => return answer,
                }
            }
        }
    });
    pond.wait_for(2).await;
    let stored = pond.drain().await;
    assert_eq!(posted.await.unwrap(), Ok(2));
    assert_eq!(stored, ["a", "b"]);
}

#[tokio::test]
async fn two_sources_can_not_share_a_name() {
    let pond = Pond::<str>::new(None);
    let ingest = Ingest::new();
    let name: Arc<str> = "lines".into();
    ingest.announce(&name, 1);
    let first = ingest.open(&name, pond.store()).unwrap();
    assert!(ingest.open(&name, pond.store()).is_err());
    drop(first);
    assert!(ingest.open(&name, pond.store()).is_ok());
}
