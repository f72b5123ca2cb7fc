//! Spark's gauges of a streaming application, under the names and at the paths that its users' dashboards know:
//! `/metrics/json` as its MetricsServlet writes it, `/metrics/prometheus` as its PrometheusServlet does. Times are
//! milliseconds since the Unix epoch, delays milliseconds, and -1 says that there is none yet.
//!
//! One thing is put right: releases of Spark differ in whether the times of the last received batch are those of
//! the last completed one. Here they are its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;

use super::super::{Admin, Shared};
use crate::scheduler::BatchInfo;
use crate::time::{Time, millis};

/// The registry as Spark's servlet writes it. Of what is empty here Spark has the driver's own figures, such as
/// the JVM's.
#[derive(Serialize, schemars::JsonSchema)]
pub(in super::super) struct Registry {
    version: &'static str,
    gauges: BTreeMap<String, Gauge>,
    counters: BTreeMap<String, Gauge>,
    histograms: BTreeMap<String, Gauge>,
    meters: BTreeMap<String, Gauge>,
    timers: BTreeMap<String, Gauge>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Gauge {
    value: i64,
}

/// Of the format of the JSON: that of the library that Spark uses.
const METRICS_JSON_VERSION: &str = "4.0.0";

pub(in super::super) async fn json(State(shared): Admin) -> Json<Registry> {
    let gauges = keyed(&shared);
    let gauges = gauges.map(|(key, value)| (key, Gauge { value }));
    Json(Registry {
        version: METRICS_JSON_VERSION,
        gauges: gauges.collect(),
        counters: BTreeMap::new(),
        histograms: BTreeMap::new(),
        meters: BTreeMap::new(),
        timers: BTreeMap::new(),
    })
}

pub(in super::super) async fn prometheus(State(shared): Admin) -> impl IntoResponse {
    let mut text = String::new();
    for (key, value) in keyed(&shared) {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let key: String = key.chars().map(plain).collect();
        for of in ["Number", "Value"] {
            // Writing to a string can't fail.
            let _ = writeln!(text, "metrics_{key}_{of}{{type=\"gauges\"}} {value}");
        }
    }
    (
        [(header::CONTENT_TYPE, super::Format::Plain.content_type())],
        text,
    )
}

/// The gauges under their full names, in their order. The application's name is its id, too.
fn keyed(shared: &Shared) -> impl Iterator<Item = (String, i64)> {
    let name = shared.context.name();
    let gauges: BTreeMap<&str, i64> = gauges(shared).into_iter().collect();
    let prefix = format!("{name}.driver.{name}.StreamingMetrics.streaming");
    gauges
        .into_iter()
        .map(move |(gauge, value)| (format!("{prefix}.{gauge}"), value))
}

fn gauges(shared: &Shared) -> [(&'static str, i64); 18] {
    let (context, progress) = (&shared.context, shared.context.progress());
    let sums = progress.statistics(millis(context.batch_interval()));
    let (active, completed) = (progress.active(), progress.last_completed());
    let running = active
        .iter()
        .filter(|info| info.processing_start_time.is_some())
        .count() as u64;
    let received = active.last().or(completed.as_ref());
    let of = |batch: Option<&BatchInfo>, time: fn(&BatchInfo) -> Option<Time>| {
        batch
            .and_then(time)
            .map_or(-1, |time| whole(time.as_millis()))
    };
    let delay =
        |delay: fn(&BatchInfo) -> Option<u64>| completed.as_ref().and_then(delay).map_or(-1, whole);
    let last = completed.as_ref();
    [
        ("receivers", whole(context.receivers().len() as u64)),
        ("totalCompletedBatches", whole(sums.total_completed_batches)),
        ("totalReceivedRecords", whole(sums.received_records)),
        ("totalProcessedRecords", whole(sums.processed_records)),
        ("unprocessedBatches", whole(active.len() as u64)),
        ("waitingBatches", whole(active.len() as u64 - running)),
        ("runningBatches", whole(running)),
        (
            "retainedCompletedBatches",
            whole(sums.retained_completed_batches),
        ),
        (
            "lastCompletedBatch_submissionTime",
            of(last, |info| Some(info.submission_time)),
        ),
        (
            "lastCompletedBatch_processingStartTime",
            of(last, |info| info.processing_start_time),
        ),
        (
            "lastCompletedBatch_processingEndTime",
            of(last, |info| info.processing_end_time),
        ),
        (
            "lastCompletedBatch_processingDelay",
            delay(BatchInfo::processing_delay),
        ),
        (
            "lastCompletedBatch_schedulingDelay",
            delay(BatchInfo::scheduling_delay),
        ),
        (
            "lastCompletedBatch_totalDelay",
            delay(BatchInfo::total_delay),
        ),
        (
            "lastReceivedBatch_submissionTime",
            of(received, |info| Some(info.submission_time)),
        ),
        (
            "lastReceivedBatch_processingStartTime",
            of(received, |info| info.processing_start_time),
        ),
        (
            "lastReceivedBatch_processingEndTime",
            of(received, |info| info.processing_end_time),
        ),
        (
            "lastReceivedBatch_records",
            whole(received.map_or(0, |info| info.num_records)),
        ),
    ]
}

/// As Spark's long.
fn whole(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}
