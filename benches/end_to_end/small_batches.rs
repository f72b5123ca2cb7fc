//! Batches of 5 ms at 1,000 records a second with the receiver log on: does the scheduling delay grow?

use std::time::Duration;

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::scheduler::BatchInfo;
use tidemill::sink::Discard;

use crate::raw;
use crate::report::{Report, mean, percentile};
use crate::watch::Watch;
use crate::word_count::Run;

const BATCH: Duration = Duration::from_millis(5);
const RECORD: &str = "one record each millisecond";

/// A record each millisecond.
struct Ticking;

impl Receiver for Ticking {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        loop {
            ticks.tick().await;
            store.store(RECORD).await?;
        }
    }
}

pub fn figure(with: Run<'_>) {
    let length = Duration::from_secs(if with.short { 10 } else { 60 });
    let syncs = || [raw::write_sync(with.dir, 4 << 10) / f64::from(4 << 10)];
    let ([raw], batches) = raw::around(syncs, |_| {
        let context = StreamingContext::builder("small", BATCH)
            .checkpoint(format!(
                "sled:{}",
                with.dir.join("small/checkpoint").display()
            ))
            .build()
            .unwrap();
        let lines = context.receiver_stream(Ticking);
        let words = lines.flat_map::<str>(|line, out| {
            line.split_ascii_whitespace()
                .for_each(|word| out.emit(word));
        });
        words.count_by_value().sink(Discard);
        let watch = Watch::of(&context);
        context.start().unwrap();
        std::thread::sleep(length);
        context.stop(false).unwrap();
        watch.batches()
    });
    let all = |of: fn(&BatchInfo) -> Option<u64>| -> Vec<f64> {
        batches
            .iter()
            .filter_map(|info| Some(of(info)? as f64))
            .collect()
    };
    let scheduling = all(BatchInfo::scheduling_delay);
    let total = all(BatchInfo::total_delay);
    // From a batch's time to its last commit, the durable allocation included.
    let latency = all(|info| {
        let end = info.processing_end_time?;
        u64::try_from(end.since(info.batch_time).as_millis()).ok()
    });
    let sixth = scheduling.len() / 6;
    let records: u64 = batches.iter().map(|info| info.num_records).sum();
    Report::new("small_batches")
        .number("batch_interval_ms", 5.0)
        .number("seconds", length.as_secs_f64())
        .number("batches", batches.len() as f64)
        .number("batches_wanted", length.as_secs_f64() / BATCH.as_secs_f64())
        .number("records_per_second", records as f64 / length.as_secs_f64())
        .number(
            "scheduling_delay_ms_first_sixth",
            mean(&scheduling[..sixth]),
        )
        .number(
            "scheduling_delay_ms_last_sixth",
            mean(&scheduling[scheduling.len() - sixth..]),
        )
        .number("scheduling_delay_ms_p50", percentile(&scheduling, 0.5))
        .number("scheduling_delay_ms_p99", percentile(&scheduling, 0.99))
        .number("total_delay_ms_p50", percentile(&total, 0.5))
        .number("total_delay_ms_p99", percentile(&total, 0.99))
        .number("latency_ms_p50", percentile(&latency, 0.5))
        .number("latency_ms_p99", percentile(&latency, 0.99))
        .number(
            "latency_ms_max",
            latency.iter().copied().fold(0.0, f64::max),
        )
        .number("raw_4k_syncs_per_second", raw)
        .print();
}
