//! What being looked at costs: the word count with the streaming page open and `/metrics` scraped each second,
//! against the same without, in turns within one run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill::StreamingContext;
use tidemill::admin::{AccessSlot, AdminServer, Options, TlsSlot};
use tidemill::source::HttpLimits;

use crate::pace::Pace;
use crate::process::until_input_ends;
use crate::raw::{self, cpu_seconds};
use crate::report::{Report, percentile};
use crate::watch::{Rates, Watch};
use crate::word_count::{self, Run, WARM_UP};

/// Short and many: what others on the machine leave changes in between.
const ROUND: Duration = Duration::from_secs(6);
/// Between two rounds: what one did shall not be in the other.
const SETTLE: Duration = Duration::from_secs(1);

pub fn figure(with: Run<'_>) {
    let [counted, _] = raw::count_loop(with.lines, with.cores);
    let context = word_count::context(&with.dir.join("overhead"), true);
    let pace = Pace::following(&context, counted * word_count::BEGIN);
    word_count::count_words(&context.receiver_stream(word_count::Prebuilt(with.lines, Some(pace))));
    let watch = Watch::of(&context);
    let (server, address) = serve(&context);
    context.start().unwrap();
    watch.wait_for_batches(WARM_UP);

    let pairs = if with.short { 4 } else { 16 };
    let (mut quiet, mut watched) = (Vec::new(), Vec::new());
    let mut seen = Seen::default();
    for pair in 0..pairs {
        // Now the one, now the other first: what changes slowly on the machine falls out.
        for is_watched in [pair % 2 == 1, pair % 2 == 0] {
            let page = is_watched.then(|| Page::open(address));
            std::thread::sleep(SETTLE);
            let from = Instant::now();
            std::thread::sleep(ROUND);
            let rates = watch.rates_since(from);
            match page {
                Some(page) => {
                    seen += page.close();
                    watched.push(rates);
                }
                None => quiet.push(rates),
            }
        }
    }
    context.stop(false).unwrap();
    server.shut_down();
    let alone = watched_alone(with);

    let all = |rounds: &[Rates], of: fn(&Rates) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let ratios = |of: fn(&Rates) -> f64| -> Vec<f64> {
        let pairs = all(&watched, of).into_iter().zip(all(&quiet, of));
        pairs.map(|(watched, quiet)| watched / quiet).collect()
    };
    let per_second: fn(&Rates) -> f64 = |rates| rates.per_second;
    let found = ratios(per_second);
    Report::new("page_and_metrics")
        .number("rounds_of_each", pairs as f64)
        .number("seconds_a_round", ROUND.as_secs_f64())
        .number(
            "lines_per_second_without",
            percentile(&all(&quiet, per_second), 0.5),
        )
        .number(
            "lines_per_second_watched",
            percentile(&all(&watched, per_second), 0.5),
        )
        .number("events_seen", seen.events as f64)
        .number("scrapes", seen.scrapes as f64)
        .number("ratio_min", percentile(&found, 0.0))
        .number("ratio_max", percentile(&found, 1.0))
        .number(
            "ratio_of_cpu_time",
            percentile(&ratios(|rates| rates.per_cpu_second), 0.5),
        )
        .number("cpu_ms_a_second_of_being_watched", alone * 1000.0)
        .number("least_ratio_by_that", 1.0 - alone / with.cores as f64)
        .number("ratio", percentile(&found, 0.5))
        .number("goal", 0.97)
        .print();
}

/// The processor seconds that a second of being watched takes, in a program that has nothing else to do: what it
/// tells and how often doesn't depend on how many lines there are. That of who watches isn't counted.
fn watched_alone(with: Run<'_>) -> f64 {
    let context = word_count::context(&with.dir.join("watched"), true);
    let (lines, _queue) = context.queue_stream::<str>();
    word_count::count_words(&lines);
    let (server, address) = serve(&context);
    context.start().unwrap();
    let turns = if with.short { 2 } else { 4 };
    let mut taken = [0.0, 0.0];
    for _ in 0..turns {
        for (is_watched, taken) in [false, true].into_iter().zip(&mut taken) {
            let page = is_watched.then(|| Page::open(address));
            std::thread::sleep(SETTLE);
            let (from, cpu) = (Instant::now(), cpu_seconds());
            std::thread::sleep(ROUND);
            *taken += (cpu_seconds() - cpu) / from.elapsed().as_secs_f64();
            page.map(Page::close);
        }
    }
    context.stop(false).unwrap();
    server.shut_down();
    let [quiet, watched] = taken;
    (watched - quiet) / f64::from(turns)
}

fn serve(context: &StreamingContext) -> (AdminServer, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = Options {
        access: Arc::new(AccessSlot::default()),
        tls: TlsSlot::default(),
        limits: HttpLimits::default(),
        on_stop: Box::new(|_| ()),
        on_reload: None,
    };
    let server = AdminServer::start(listener, context.clone(), options).unwrap();
    (server, address)
}

/// What who looks on has seen.
#[derive(Default)]
struct Seen {
    events: u64,
    scrapes: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.scrapes += other.scrapes;
    }
}

/// A process that follows the events, as the page does, and scrapes the metrics: it is no part of the program that
/// is measured, but takes its time from the same cores.
struct Page(Child);

impl Page {
    fn open(address: SocketAddr) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--child", "watch", &address.to_string()]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Ends it; it must have seen something.
    fn close(self) -> Seen {
        let output = self.0.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let mut numbers = said
            .split_whitespace()
            .map(|number| number.parse().unwrap());
        let mut next = || {
            numbers
                .next()
                .filter(|count| *count > 0)
                .expect("it saw nothing")
        };
        Seen {
            events: next(),
            scrapes: next(),
        }
    }
}

/// What that process does, until its input ends: then it says how many events and scrapes there were.
pub fn watch(address: &str) {
    let (events, scrapes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = [Arc::clone(&events), Arc::clone(&scrapes)];
    let [follower, scraper] = [address.to_owned(), address.to_owned()];
    std::thread::spawn(move || {
        for line in BufReader::new(ask(&follower, "/api/v1/events")).lines() {
            if line.unwrap().starts_with("event:") {
                events.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    std::thread::spawn(move || {
        loop {
            let mut answer = String::new();
            ask(&scraper, "/metrics")
                .read_to_string(&mut answer)
                .unwrap();
            assert!(answer.contains("tidemill_"), "{answer}");
            scrapes.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    until_input_ends();
    let [events, scrapes] = counts.map(|count| count.load(Ordering::Relaxed));
    println!("{events} {scrapes}");
}

fn ask(address: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    connection
}
