//! More clients than usual: 2,000 connections post at once, with others between them that talk nonsense. Nobody's
//! time is measured here; `make load` does that.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod cli_support;
#[path = "support/many_clients.rs"]
mod many_clients;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cli_support::{Place, eventually};
use many_clients::{Client, open_many_files, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 2_000;
/// Each of them posts so often, two lines at a time.
const POSTS: usize = 3;
/// Those who talk nonsense.
const BABBLERS: u64 = 40;

/// Posts until it is taken: what was refused isn't in the stream, so it may be sent again.
async fn deliver(client: &mut Client, lines: &str) {
    let request = post("/ingest/lines", lines);
    loop {
        match client.ask(&request).await.unwrap() {
            (200, body) => return assert_eq!(body, br#"{"records":2}"#),
            (429 | 503, _) => tokio::time::sleep(Duration::from_millis(50)).await,
            (other, body) => panic!("{other}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

/// Sends bytes that are no request, and goes away in one of several ways.
async fn babble(address: SocketAddr, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..random() % 5_000).map(|_| random() as u8).collect();
    if seed.is_multiple_of(3) {
        bytes.splice(
            ..0,
            *b"POST /ingest/lines HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
        );
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be refused before all of it is sent.
    let _ = stream.write_all(&bytes).await;
    if seed.is_multiple_of(2) {
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[test]
fn two_thousand_connections_are_served_and_each_record_counts_once() {
    let files = open_many_files();
    assert!(
        files > CONNECTIONS as u64 + 500,
        "this needs more open files than {files}: raise the hard limit (ulimit -Hn)"
    );
    let place = Place::new();
    let daemon = place.start(&[]);
    let address: SocketAddr = daemon.address.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // All are open before the first posts, and until the last has.
        let all_open = Arc::new(Barrier::new(CONNECTIONS));
        let mut clients = JoinSet::new();
        for n in 0..CONNECTIONS {
            let all_open = Arc::clone(&all_open);
            clients.spawn(async move {
                let mut client = Client::connect(address).await.unwrap();
                all_open.wait().await;
                for number in 0..POSTS {
                    deliver(
                        &mut client,
                        &format!("a-{n}-{number} all\nb-{n}-{number}\n"),
                    )
                    .await;
                }
                all_open.wait().await;
            });
        }
        let mut babblers = JoinSet::new();
        (0..BABBLERS).for_each(|seed| drop(babblers.spawn(babble(address, seed))));
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        babblers.abort_all();
    });
    let wanted = CONNECTIONS * POSTS;
    let totals = eventually("all is counted", || {
        let mut totals = BTreeMap::new();
        for line in place.output_lines() {
            let (word, count) = line[1..line.len() - 1].rsplit_once(',').unwrap();
            *totals.entry(word.to_owned()).or_insert(0) += count.parse::<usize>().unwrap();
        }
        (totals.get("all") >= Some(&wanted)).then_some(totals)
    });
    daemon.stop();
    assert_eq!(totals["all"], wanted);
    let is_ours = |word: &str| word.starts_with("a-") || word.starts_with("b-");
    let ours = totals.iter().filter(|(word, _)| is_ours(word));
    assert!(
        ours.clone().all(|(_, count)| *count == 1),
        "a record is counted more than once"
    );
    assert_eq!(ours.count(), 2 * wanted);
    assert_eq!(totals.len(), 2 * wanted + 1, "nonsense has been counted");
}
