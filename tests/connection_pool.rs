//! A pool of connections to a real server, used from partitions over many batches.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use support::{builder, clock_at, eventually, run_to};
use tidemill::rdd::BoxError;
use tidemill::sink::{ConnectionPool, PoolStatus};

/// Answers each line with itself, and notes it with the number of its connection.
struct Server {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<(usize, String)>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            lines: Arc::default(),
            connections: Arc::default(),
            closed: Arc::default(),
        };
        let (lines, connections) = (Arc::clone(&server.lines), Arc::clone(&server.connections));
        let closed = Arc::clone(&server.closed);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                connections
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                let (lines, closed) = (Arc::clone(&lines), Arc::clone(&closed));
                std::thread::spawn(move || {
                    let mut out = stream.try_clone().unwrap();
                    for line in BufReader::new(stream).lines() {
                        let Ok(line) = line else { break };
                        lines.lock().unwrap().push((number, line.clone()));
                        if writeln!(out, "{line}").is_err() {
                            break;
                        }
                    }
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    fn accepted(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Hangs up on everybody.
    fn hang_up(&self) {
        for connection in &*self.connections.lock().unwrap() {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let mut lines: Vec<String> = lines.iter().map(|(_, line)| line.clone()).collect();
        lines.sort();
        lines
    }

    fn pool(&self) -> ConnectionPool<Client> {
        let address = self.address;
        ConnectionPool::new(move || Client::connect(address))
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> std::io::Result<Self> {
        TcpStream::connect(address).map(|stream| Self(BufReader::new(stream)))
    }

    /// Sends a line and waits for its answer.
    fn send(&mut self, line: &str) -> Result<(), BoxError> {
        writeln!(self.0.get_mut(), "{line}")?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        if answer.trim_end() != line {
            return Err(format!("the server answered {answer:?} to {line:?}").into());
        }
        Ok(())
    }
}

#[test]
fn connections_outlive_batches() {
    let server = Server::start();
    let pool = server.pool();
    let clock = clock_at(100);
    let context = builder("memory:pool-batches", &clock).build().unwrap();
    let (words, queue) = context.queue_stream::<String>();
    words.for_each_partition_with(&pool, |client, partition, time| {
        partition.try_for_each(|word| client.send(&format!("{} {word}", time.as_millis())))
    });
    let mut expected = Vec::new();
    for batch in 1..=6u64 {
        let words: Vec<String> = (0..10).map(|n| format!("word {n}")).collect();
        expected.extend(
            words
                .iter()
                .map(|word| format!("{} {word}", (100 + batch) * 1000)),
        );
        queue.push_vec(words);
    }
    context.start().unwrap();
    (1..=6).for_each(|second| run_to(&context, &clock, 100 + second));
    context.stop(true).unwrap();
    expected.sort();
    assert_eq!(server.lines(), expected);
    // Never more than there are tasks at once, over all batches.
    assert!(
        (1..=2).contains(&server.accepted()),
        "{}",
        server.accepted()
    );
    let status = pool.status();
    assert_eq!(
        (status.open, status.idle),
        (server.accepted(), server.accepted())
    );
}

/// The first two uses fail, by an error and by a panic: both connections are closed, and the batch comes through.
#[test]
fn errors_and_panics_close_the_connection_and_leave_the_pool() {
    let server = Server::start();
    let pool = server.pool().max_size(1);
    let uses = Arc::new(AtomicUsize::new(0));
    let clock = clock_at(100);
    let context = builder("memory:pool-failures", &clock)
        .parallelism(1)
        .build()
        .unwrap();
    let (words, queue) = context.queue_stream::<String>();
    let counted = Arc::clone(&uses);
    words.for_each_partition_with(&pool, move |client, partition, _| -> Result<(), BoxError> {
        client.send("begun")?;
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Err("an error")?,
            1 => panic!("a panic"),
            _ => {}
        }
        Ok(partition.try_for_each(|word| client.send(word))?)
    });
    queue.push_vec(vec!["word".to_owned()]);
    context.start().unwrap();
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    assert_eq!(server.lines(), ["begun", "begun", "begun", "word"]);
    assert_eq!(server.accepted(), 3);
    eventually("two connections are closed", || {
        (server.closed.load(Ordering::SeqCst) == 2).then_some(())
    });
    assert_eq!(pool.status(), PoolStatus { open: 1, idle: 1 });
}

#[test]
fn a_connection_that_died_is_found_by_the_check() {
    let server = Server::start();
    let pool = server.pool().check(|client| client.send("ping"));
    pool.with(|client| client.send("one")).unwrap();
    server.hang_up();
    pool.with(|client| client.send("two")).unwrap();
    assert_eq!(server.accepted(), 2);
    assert_eq!(server.lines(), ["one", "two"]);
    // Good ones are used again.
    pool.with(|client| client.send("three")).unwrap();
    assert_eq!(server.accepted(), 2);
    assert_eq!(server.lines(), ["one", "ping", "three", "two"]);
}

#[test]
fn what_cant_be_opened_is_an_error_and_takes_no_place() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let pool = ConnectionPool::new(move || Client::connect(address)).max_size(1);
    for _ in 0..3 {
        pool.with(|client| client.send("word")).unwrap_err();
        assert_eq!(pool.status(), PoolStatus::default());
    }
    let panicking: ConnectionPool<Client> =
        ConnectionPool::new(|| -> Result<Client, BoxError> { panic!("no") }).max_size(1);
    for _ in 0..3 {
        let used = std::panic::AssertUnwindSafe(|| panicking.with(|client| client.send("word")));
        assert!(std::panic::catch_unwind(used).is_err());
    }
    assert_eq!(panicking.status(), PoolStatus::default());
}

#[test]
fn idle_connections_are_limited_in_number_and_time() {
    let server = Server::start();
    let pool = server.pool().idle_timeout(Duration::ZERO);
    for _ in 0..3 {
        pool.with(|client| client.send("word")).unwrap();
    }
    assert_eq!(server.accepted(), 3);
    assert_eq!(pool.status(), PoolStatus { open: 1, idle: 1 });

    let pool = server.pool().max_idle(1);
    let (both, users) = (Barrier::new(2), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let used = pool.with(|client| {
                    users.fetch_add(1, Ordering::SeqCst);
                    both.wait();
                    client.send("word")
                });
                used.unwrap();
            });
        }
    });
    assert_eq!(users.load(Ordering::SeqCst), 2);
    assert_eq!(pool.status(), PoolStatus { open: 1, idle: 1 });
}

/// Eight threads, two connections: each waits until one is free, and none is left out.
#[test]
fn who_comes_when_all_are_in_use_waits() {
    let server = Server::start();
    let pool = server.pool().max_size(2);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..20 {
                    pool.with(|client| client.send(&format!("{thread}-{n}")))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(server.lines().len(), 160);
    assert!(server.accepted() <= 2);
}
