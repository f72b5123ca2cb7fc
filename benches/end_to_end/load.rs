//! A daemon with more clients than usual: 2,000 connections that post at once, and 10,000 requests a second on
//! `/api`. What is told besides: whether batches keep their interval meanwhile.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::daemon::Daemon;
use crate::many_clients::{Client, get, open_many_files, post};
use crate::report::{Report, percentile};
use crate::word_count::Run;

/// Connections that post at once.
const CONNECTIONS: usize = 2_000;
/// Lines of each of their posts.
const LINES_A_POST: usize = 10;
/// Requests a second on `/api`, and the connections that they come on.
const REQUESTS: f64 = 10_000.0;
const ASKING: usize = 32;
/// Lines a second that are fed beside the requests, and the connections that post them.
const FED: usize = 100_000;
const FEEDING: usize = 32;
/// How often each of them posts: an answer comes when the lines are durable, so not much oftener than this.
const POST_EVERY: Duration = Duration::from_millis(400);
/// How long a refused client waits.
const RETRY: Duration = Duration::from_millis(50);

const STREAMING: &str = "/api/v1/applications/wordcount/streaming";

/// What is asked for in turn: what a dashboard looks at, but for the long lists.
const PATHS: [&str; 6] = [
    "/api/v1/applications/wordcount/streaming/statistics",
    "/api/v1/applications/wordcount/streaming/receivers",
    "/api/v1/applications",
    "/api/v1/checkpoint",
    "/api/v1/wal",
    "/api/v1/graph",
];

/// The clients' side: a thread of its own, so that they take no more than one core.
fn clients() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// What the batches of some seconds say.
struct Batches {
    count: usize,
    processing: Vec<f64>,
    scheduling: Vec<f64>,
    total: Vec<f64>,
}

impl Batches {
    /// Those that ended since `from`, in milliseconds since the Unix epoch.
    async fn since(address: SocketAddr, from: u64) -> Self {
        let batches = json(address, &format!("{STREAMING}/batches?status=completed")).await;
        let batches = batches.as_array().unwrap();
        let of_late = batches
            .iter()
            .filter(|batch| batch["processingEndTime"].as_u64() > Some(from));
        let of_late: Vec<&Value> = of_late.collect();
        let all = |key: &str| {
            of_late
                .iter()
                .filter_map(|batch| batch[key].as_f64())
                .collect()
        };
        Self {
            count: of_late.len(),
            processing: all("processingTime"),
            scheduling: all("schedulingDelay"),
            total: all("totalDelay"),
        }
    }

    fn add_to(&self, report: Report, when: &str) -> Report {
        let name = |what: &str| format!("{what}_{when}");
        report
            .number(&name("batches"), self.count as f64)
            .number(
                &name("processing_ms_p50"),
                percentile(&self.processing, 0.5),
            )
            .number(
                &name("scheduling_delay_ms_p50"),
                percentile(&self.scheduling, 0.5),
            )
            .number(
                &name("scheduling_delay_ms_max"),
                percentile(&self.scheduling, 1.0),
            )
            .number(&name("total_delay_ms_p50"), percentile(&self.total, 0.5))
            .number(&name("total_delay_ms_max"), percentile(&self.total, 1.0))
    }
}

async fn json(address: SocketAddr, path: &str) -> Value {
    let mut client = Client::connect(address).await.unwrap();
    let (status, body) = client.ask(&get(path)).await.unwrap();
    assert_eq!(status, 200, "{path}");
    serde_json::from_slice(&body).unwrap()
}

/// The daemon's own clock: the time of its newest batch.
async fn newest_batch(address: SocketAddr) -> u64 {
    let batches = json(address, &format!("{STREAMING}/batches")).await;
    let times = batches.as_array().unwrap().iter();
    times
        .filter_map(|batch| batch["batchTime"].as_u64())
        .max()
        .unwrap_or_default()
}

fn started(folder: &Path) -> Daemon {
    let mut daemon = Daemon::start(folder, &["log.level=warn"]);
    daemon.wait_until_ready();
    daemon
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    /// Milliseconds that each answer took.
    times: Vec<f64>,
    refused: usize,
}

impl Seen {
    fn absorb(&mut self, other: Self) {
        self.times.extend(other.times);
        self.refused += other.refused;
    }
}

/// Runs `client` so many times at once; what all of them saw.
async fn at_once<F>(count: usize, client: impl Fn(usize) -> F) -> Seen
where
    F: Future<Output = Seen> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    (0..count).for_each(|n| drop(tasks.spawn(client(n))));
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        all.absorb(seen.unwrap());
    }
    all
}

/// Each connection posts, waits for the answer and posts again; all are open all the time. At the end every line
/// that was acknowledged is counted.
pub fn connections(with: Run<'_>) {
    let files = open_many_files();
    assert!(
        files > 2 * CONNECTIONS as u64,
        "only {files} open files are allowed"
    );
    let daemon = started(&with.dir.join("load-connections"));
    let (address, length) = (daemon.admin, with.length);
    let lines = with.lines.slice(0..LINES_A_POST);
    let request: Arc<[u8]> = post("/ingest/lines", lines).into();
    let (open, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    clients().block_on(async {
        let seen = at_once(CONNECTIONS, |_| {
            let (open, request) = (Arc::clone(&open), Arc::clone(&request));
            async move {
                let mut client = Client::connect(address).await.unwrap();
                open.fetch_add(1, Ordering::Relaxed);
                while open.load(Ordering::Relaxed) < CONNECTIONS as u64 {
                    tokio::time::sleep(RETRY).await;
                }
                let (mut seen, until) = (Seen::default(), Instant::now() + length);
                while Instant::now() < until {
                    posted(&mut client, &request, &mut seen).await;
                }
                seen
            }
        })
        .await;
        let seconds = started.elapsed().as_secs_f64();
        let acknowledged = (seen.times.len() * LINES_A_POST) as u64;
        let counted = counted(address, acknowledged).await;
        let report = Report::new("clients_2000_connections")
            .number("connections", CONNECTIONS as f64)
            .number("seconds", seconds)
            .number("posts_per_second", seen.times.len() as f64 / seconds)
            .number("lines_acknowledged", acknowledged as f64)
            .number("lines_counted", counted as f64)
            .number("posts_refused_and_sent_again", seen.refused as f64)
            .number("acknowledged_ms_p50", percentile(&seen.times, 0.5))
            .number("acknowledged_ms_p99", percentile(&seen.times, 0.99))
            .number("acknowledged_ms_max", percentile(&seen.times, 1.0))
            .number("daemon_resident_mib", daemon.resident_mib());
        Batches::since(address, 0)
            .await
            .add_to(report, "under_load")
            .print();
    });
}

/// Posts until it is taken.
async fn posted(client: &mut Client, request: &[u8], seen: &mut Seen) {
    loop {
        let asked = Instant::now();
        match client.ask(request).await.unwrap() {
            (200, _) => return seen.times.push(asked.elapsed().as_secs_f64() * 1_000.0),
            (429 | 503, _) => {
                seen.refused += 1;
                tokio::time::sleep(RETRY).await;
            }
            (other, body) => panic!("a post: {other} {}", String::from_utf8_lossy(&body)),
        }
    }
}

/// Waits until so many records are in complete batches, or some time has passed; returns how many are.
async fn counted(address: SocketAddr, wanted: u64) -> u64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let statistics = json(address, &format!("{STREAMING}/statistics")).await;
        let counted = statistics["numProcessedRecords"].as_u64().unwrap();
        if counted >= wanted || Instant::now() > until {
            return counted;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The same batches without and with requests on `/api`.
pub fn api(with: Run<'_>) {
    let daemon = started(&with.dir.join("load-api"));
    let address = daemon.admin;
    let lines = FED * POST_EVERY.as_millis() as usize / 1_000 / FEEDING;
    let request: Arc<[u8]> = post("/ingest/lines", with.lines.slice(0..lines)).into();
    clients().block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let fed = Instant::now();
        let feeder = |_| tokio::spawn(feed(address, Arc::clone(&request), Arc::clone(&stop)));
        let feeding: Vec<_> = (0..FEEDING).map(feeder).collect();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let from = newest_batch(address).await;
        tokio::time::sleep(with.length).await;
        let quiet = Batches::since(address, from).await;
        let from = newest_batch(address).await;
        let started = Instant::now();
        let seen = at_once(ASKING, |n| ask_steadily(address, n, with.length)).await;
        let seconds = started.elapsed().as_secs_f64();
        let asked = Batches::since(address, from).await;
        stop.store(true, Ordering::Relaxed);
        let mut posts = Seen::default();
        for feeder in feeding {
            posts.absorb(feeder.await.unwrap());
        }
        let fed = (posts.times.len() * lines) as f64 / fed.elapsed().as_secs_f64();
        let report = Report::new("clients_10000_requests")
            .number("requests_per_second", seen.times.len() as f64 / seconds)
            .number("goal", REQUESTS)
            .number("requests_refused", seen.refused as f64)
            .number("answer_ms_p50", percentile(&seen.times, 0.5))
            .number("answer_ms_p99", percentile(&seen.times, 0.99))
            .number("lines_fed_per_second", fed)
            .number("posts_refused", posts.refused as f64)
            .number("batch_interval_ms", 1_000.0)
            .number("seconds", seconds);
        asked.add_to(quiet.add_to(report, "quiet"), "asked").print();
    });
}

async fn feed(address: SocketAddr, request: Arc<[u8]>, stop: Arc<AtomicBool>) -> Seen {
    let mut client = Client::connect(address).await.unwrap();
    let (mut seen, mut ticks) = (Seen::default(), tokio::time::interval(POST_EVERY));
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        posted(&mut client, &request, &mut seen).await;
    }
    seen
}

/// One connection's share of the requests; those that came too late are made up for.
async fn ask_steadily(address: SocketAddr, n: usize, length: Duration) -> Seen {
    let requests = PATHS.map(get);
    let mut client = Client::connect(address).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(ASKING as f64 / REQUESTS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut seen, until) = (Seen::default(), Instant::now() + length);
    for request in requests.iter().cycle().skip(n) {
        ticks.tick().await;
        let asked = Instant::now();
        if asked > until {
            break;
        }
        match client.ask(request).await.unwrap() {
            (200, _) => seen.times.push(asked.elapsed().as_secs_f64() * 1_000.0),
            (503, _) => seen.refused += 1,
            (other, body) => panic!("a request: {other} {}", String::from_utf8_lossy(&body)),
        }
    }
    seen
}
