//! How long a source waits until its record is durable, while others keep the engine busy.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::sink::Discard;

use crate::raw;
use crate::report::{Report, percentile};
use crate::word_count::Run;

/// Sources that wait for each record's answer.
const SOURCES: usize = 64;
/// Lines a second that others send meanwhile.
const LOAD: usize = 200_000;
const BLOCK_INTERVAL: Duration = Duration::from_millis(200);

/// Stores one record after the other, each answered before the next, and notes how long that took.
struct Waiting(Arc<Mutex<Vec<f64>>>);

impl Receiver for Waiting {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let source = || {
            let (store, times) = (&store, &self.0);
            async move {
                loop {
                    let started = Instant::now();
                    store
                        .store_reliably(["one record"])
                        .await
                        .map_err(BoxError::from)?;
                    times
                        .lock()
                        .unwrap()
                        .push(started.elapsed().as_secs_f64() * 1_000.0);
                }
            }
        };
        let sources = (0..SOURCES).map(|_| source());
        // Ends with the first that is refused: when the engine stops.
        let endless: Result<Vec<()>, BoxError> = futures_util::future::try_join_all(sources).await;
        endless.map(drop)
    }
}

/// Lines at a steady rate.
struct Load(&'static crate::lines::Lines);

impl Receiver for Load {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let (piece, lines) = (LOAD / 100, self.0);
        let mut from = 0;
        loop {
            ticks.tick().await;
            let to = (from + piece).min(lines.len());
            store.store_lines(lines.slice(from..to)).await?;
            from = if to == lines.len() { 0 } else { to };
        }
    }
}

/// Milliseconds that one in a hundred writes of so many bytes and their sync take at least.
fn sync_p99(dir: &Path, bytes: usize) -> f64 {
    percentile(&raw::sync_times(dir, bytes), 0.99)
}

pub fn figure(with: Run<'_>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    // A record that waits shares its group with a block of the load.
    let block = LOAD as f64 * BLOCK_INTERVAL.as_secs_f64() * with.lines.bytes_per_line();
    let ([sync, small], ()) = raw::around(
        || {
            [
                sync_p99(with.dir, block as usize),
                sync_p99(with.dir, 4 << 10),
            ]
        },
        |_| {
            let context = StreamingContext::builder("answers", Duration::from_secs(1))
                .checkpoint(format!(
                    "sled:{}",
                    with.dir.join("answers/checkpoint").display()
                ))
                .block_interval(BLOCK_INTERVAL)
                .build()
                .unwrap();
            let waiting = context.receiver_stream(Waiting(Arc::clone(&times)));
            let load = context.receiver_stream(Load(with.lines));
            let words = waiting.union(&load).flat_map::<str>(|line, out| {
                line.split_ascii_whitespace()
                    .for_each(|word| out.emit(word));
            });
            words.count_by_value().sink(Discard);
            context.start().unwrap();
            std::thread::sleep(with.length * 2);
            context.stop(false).unwrap();
        },
    );
    let times = times.lock().unwrap();
    let p99 = percentile(&times, 0.99);
    let allowed = 3.0 * sync + BLOCK_INTERVAL.as_secs_f64() * 1_000.0;
    Report::new("acknowledgement_under_load")
        .number("answers", times.len() as f64)
        .number("ms_p50", percentile(&times, 0.5))
        .number("ms_p99", p99)
        .number("ms_max", percentile(&times, 1.0))
        .number("raw_sync_of_a_block_ms_p99", sync)
        .number("raw_sync_of_4_KiB_ms_p99", small)
        .number("allowed_ms_p99", allowed)
        .number("of_allowed", p99 / allowed)
        .number("goal", 1.0)
        .print();
}
