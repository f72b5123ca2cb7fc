//! Word count in batches of a second: from a receiver in the process, from a socket, over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::sink::Discard;
use tidemill::{Builder, DStream, StreamingContext};

use crate::lines::Lines;
use crate::pace::Pace;
use crate::raw;
use crate::report::Report;
use crate::watch::{Sustained, Watch};

/// What the original sustains at most on a machine of this kind, measured once, elsewhere.
const ORIGINAL: f64 = 600_000.0;
/// Batches that aren't counted: in them the pace is found.
pub const WARM_UP: usize = 8;
const BATCH: Duration = Duration::from_secs(1);
/// Lines that generators hand over at a time.
const PIECE: usize = 20_000;
/// Where the pace begins, as a part of the raw limit.
pub const BEGIN: f64 = 0.25;
/// Bytes of blocks in memory: a batch that is computed, one that is gathered, and some slack.
const MEMORY: u64 = 2 << 30;

/// How a figure is to be taken.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub lines: &'static Lines,
    pub dir: &'a Path,
    pub cores: usize,
    /// How long the pipeline runs.
    pub length: Duration,
    pub short: bool,
}

pub fn context(dir: &Path, receiver_log: bool) -> StreamingContext {
    builder(dir, receiver_log).build().unwrap()
}

fn builder(dir: &Path, receiver_log: bool) -> Builder {
    StreamingContext::builder("bench", BATCH)
        .checkpoint(format!("sled:{}", dir.join("checkpoint").display()))
        .receiver_write_ahead_log(receiver_log)
        .receiver_memory_bytes(MEMORY)
        // Often, so that the logs stay small.
        .checkpoint_interval(Duration::from_secs(2))
}

pub fn count_words(lines: &DStream<str>) {
    let words = lines.flat_map::<str>(|line, out| {
        line.split_ascii_whitespace()
            .for_each(|word| out.emit(word));
    });
    words.count_by_value().sink(Discard);
}

/// Stores prebuilt lines, at a pace or as fast as they are taken.
pub struct Prebuilt(pub &'static Lines, pub Option<Pace>);

impl Receiver for Prebuilt {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let pieces = self.0.pieces(PIECE);
        for piece in pieces.iter().cycle() {
            store.store_lines(piece).await?;
            if let Some(pace) = &self.1 {
                tokio::time::sleep(pace.take(PIECE)).await;
            }
        }
        Ok(())
    }
}

fn run(context: &StreamingContext, length: Duration) -> Sustained {
    let watch = Watch::of(context);
    context.start().unwrap();
    watch.wait_for_batches(WARM_UP);
    std::thread::sleep(length);
    let sustained = watch.sustained(WARM_UP);
    context.stop(false).unwrap();
    sustained
}

fn report(name: &str, sustained: &Sustained) -> Report {
    Report::new(name)
        .number("lines_per_second", sustained.records_per_second)
        .number("seconds", sustained.seconds)
        .number("batches", sustained.batches as f64)
        .number("median_processing_ms", sustained.median_processing)
        .number("max_scheduling_delay_ms", sustained.max_scheduling_delay)
        .number("last_scheduling_delay_ms", sustained.last_scheduling_delay)
        .number("lines_per_cpu_second", sustained.records_per_cpu_second)
        .number(
            "times_the_original",
            sustained.records_per_second / ORIGINAL,
        )
}

/// From a receiver in the process. Without the receiver log: against the loop that only counts, on all
/// cores. With it: against the lower of the figure without and a bare loop that writes and syncs.
pub fn in_process(with: Run<'_>) {
    let counting = || raw::count_loop(with.lines, with.cores);
    let pipeline = |raw: f64, receiver_log| {
        let dir = with.dir.join(format!("inprocess-{receiver_log}"));
        let context = context(&dir, receiver_log);
        let pace = Pace::following(&context, raw * BEGIN);
        count_words(&context.receiver_stream(Prebuilt(with.lines, Some(pace))));
        run(&context, with.length)
    };
    let ([raw, raw_cpu], off) = raw::around(counting, |[raw, _]| pipeline(raw, false));
    let off_ratio = off.records_per_second / raw;
    report("inprocess_wal_off", &off)
        .number("raw_count_loop_lines_per_second", raw)
        .number("raw_count_loop_lines_per_cpu_second", raw_cpu)
        .number("ratio", off_ratio)
        .number("ratio_of_cpu_time", off.records_per_cpu_second / raw_cpu)
        .number("goal", 0.4)
        .print();

    let limits = || {
        let [raw, raw_cpu] = counting();
        [raw, raw_cpu, raw::write_sync(with.dir, 8 << 20)]
    };
    let ([raw, raw_cpu, written], on) = raw::around(limits, |[raw, ..]| pipeline(raw, true));
    let written_lines = written / with.lines.bytes_per_line();
    // What it would be without the log on the machine as it is now.
    let without = off_ratio * raw;
    report("inprocess_wal_on", &on)
        .number("raw_count_loop_lines_per_second", raw)
        .number("raw_write_sync_lines_per_second", written_lines)
        .number("raw_write_sync_bytes_per_second", written)
        .number("wal_off_lines_per_second", without)
        .number("ratio", on.records_per_second / without.min(written_lines))
        .number("ratio_of_cpu_time", on.records_per_cpu_second / raw_cpu)
        .number("goal", 0.7)
        .print();
}

/// From a receiver in the process that stores as fast as it is taken, held back by back-pressure or by a full
/// memory alone: against the loop that only counts.
pub fn unpaced(with: Run<'_>) {
    let counting = || raw::count_loop(with.lines, with.cores);
    for back_pressure in [true, false] {
        let ([raw, _], sustained) = raw::around(counting, |_| {
            let dir = with.dir.join(format!("unpaced-{back_pressure}"));
            let builder = builder(&dir, false).backpressure(back_pressure);
            let context = builder.build().unwrap();
            count_words(&context.receiver_stream(Prebuilt(with.lines, None)));
            run(&context, with.length)
        });
        report(
            match back_pressure {
                true => "unpaced_back_pressure",
                false => "unpaced_full_memory",
            },
            &sustained,
        )
        .number("raw_count_loop_lines_per_second", raw)
        .number("ratio", sustained.records_per_second / raw)
        .print();
    }
}

/// From a socket whose other end is on the same cores: against an end that only reads.
pub fn socket(with: Run<'_>, receiver_log: bool) {
    let dir = with.dir.join(format!("socket-{receiver_log}"));
    let ([raw], sustained) = raw::around(
        || [loopback(with.lines)],
        |_| {
            let stop = Arc::new(AtomicBool::new(false));
            let context = context(&dir, receiver_log);
            let [counted, _] = raw::count_loop(with.lines, with.cores);
            let pace = Pace::following(&context, counted * BEGIN);
            let address = serve_lines(with.lines, Some(pace), &stop);
            count_words(&context.socket_text_stream(address));
            let sustained = run(&context, with.length);
            stop.store(true, Ordering::Relaxed);
            sustained
        },
    );
    report(
        if receiver_log {
            "socket_wal_on"
        } else {
            "socket_wal_off"
        },
        &sustained,
    )
    .number("raw_loopback_lines_per_second", raw)
    .number("ratio", sustained.records_per_second / raw)
    .number("goal_times_the_original", 5.0)
    .print();
}

/// Sends lines to who connects, at a pace or as fast as they are taken; returns where.
fn serve_lines(lines: &'static Lines, pace: Option<Pace>, stop: &Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name("linegen".to_owned())
        .spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let pieces = lines.pieces(PIECE);
            for piece in pieces.iter().cycle() {
                if stop.load(Ordering::Relaxed) || connection.write_all(piece.as_bytes()).is_err() {
                    return;
                }
                if let Some(pace) = &pace {
                    std::thread::sleep(pace.take(PIECE));
                }
            }
        })
        .unwrap();
    address
}

/// Lines a second over the loopback to an end that only reads.
fn loopback(lines: &'static Lines) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let mut connection = TcpStream::connect(serve_lines(lines, None, &stop)).unwrap();
    let mut buffer = vec![0; 256 << 10];
    let started = std::time::Instant::now();
    let mut bytes = 0;
    while started.elapsed() < Duration::from_secs(1) {
        bytes += connection.read(&mut buffer).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    bytes as f64 / lines.bytes_per_line() / started.elapsed().as_secs_f64()
}

/// Posts of 20,000 lines over a few connections, each answered when its lines are durable.
pub fn http(with: Run<'_>) {
    const CONNECTIONS: usize = 8;
    let stop = Arc::new(AtomicBool::new(false));
    let ([written], (sustained, retries)) = raw::around(
        || [raw::write_sync(with.dir, 1 << 20)],
        |_| {
            let context = context(&with.dir.join("http"), true);
            let [counted, _] = raw::count_loop(with.lines, with.cores);
            let pace = Pace::following(&context, counted * BEGIN);
            let listen = "127.0.0.1:0".parse().unwrap();
            count_words(&context.http_stream("lines", Some(listen)));
            let ingest = context.ingest().clone();
            let clients: Vec<_> = (0..CONNECTIONS)
                .map(|n| {
                    let (ingest, stop) = (ingest.clone(), Arc::clone(&stop));
                    let (pace, pieces) = (pace.clone(), with.lines.pieces(PIECE));
                    std::thread::spawn(move || {
                        let address = loop {
                            if let Some(address) = ingest.address("lines") {
                                break address;
                            }
                            std::thread::sleep(Duration::from_millis(5));
                        };
                        post_all(address, pieces.iter().cycle().skip(n), &pace, &stop)
                    })
                })
                .collect();
            let sustained = run(&context, with.length);
            stop.store(true, Ordering::Relaxed);
            let retries: usize = clients
                .into_iter()
                .map(|client| client.join().unwrap())
                .sum();
            (sustained, retries)
        },
    );
    let written_lines = written / with.lines.bytes_per_line();
    report("http_wal_on", &sustained)
        .number("connections", CONNECTIONS as f64)
        .number("lines_per_post", PIECE as f64)
        .number("posts_refused_and_sent_again", retries as f64)
        .number("raw_write_sync_lines_per_second", written_lines)
        .number("ratio", sustained.records_per_second / written_lines)
        .print();
}

/// Posts until told to stop or cut off; returns how many posts were refused and sent again.
fn post_all<'a>(
    address: std::net::SocketAddr,
    pieces: impl Iterator<Item = &'a &'a str>,
    pace: &Pace,
    stop: &AtomicBool,
) -> usize {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(connection.try_clone().unwrap());
    let mut requests = connection;
    let mut refused = 0;
    for piece in pieces {
        std::thread::sleep(pace.take(PIECE));
        loop {
            if stop.load(Ordering::Relaxed) {
                return refused;
            }
            let head = format!(
                "POST /ingest/lines HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
                piece.len()
            );
            let sent = requests
                .write_all(head.as_bytes())
                .and_then(|()| requests.write_all(piece.as_bytes()));
            match sent.and_then(|()| status(&mut answers)) {
                Ok(200) => break,
                Ok(429 | 503) => {
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(other) => panic!("a post was answered with {other}"),
                Err(_) => return refused,
            }
        }
    }
    refused
}

/// Reads an answer; returns its status.
fn status(answers: &mut impl BufRead) -> std::io::Result<u16> {
    let (mut status, mut length) = (0, 0);
    for first in [true, false].into_iter().chain(std::iter::repeat(false)) {
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if first {
            status = line
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .unwrap_or_default();
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        } else if line.is_empty() {
            break;
        }
    }
    std::io::copy(&mut answers.take(length), &mut std::io::sink())?;
    Ok(status)
}
