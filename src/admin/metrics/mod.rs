//! `/metrics`: Prometheus text, written from the same snapshots as the API.
//!
//! All names are here, so that dashboards can be checked against one file: `tidemill_` in front, the
//! unit behind (seconds, bytes), `_total` on what only grows.

mod exposition;
mod logs;
mod space;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::{Admin, Shared};
use crate::clock::wall_clock;
use crate::receiver::ReceiverState;
use crate::time::{Time, millis};
use exposition::{Exposition, Kind};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(shared): Admin) -> impl IntoResponse {
    let mut text = Exposition::default();
    process(&mut text, &shared);
    batches(&mut text, &shared);
    checkpoints(&mut text, &shared);
    logs::logs(&mut text, &shared.context.logs());
    if let Some(status) = shared.context.space() {
        space::space(&mut text, &status);
    }
    receivers(&mut text, &shared);
    rates(&mut text, &shared);
    states(&mut text, &shared);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text.into_text())
}

/// Milliseconds as seconds.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn process(text: &mut Exposition, shared: &Shared) {
    let context = &shared.context;
    let name = context.name();
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("application", name.as_str()),
    ];
    text.family(
        "tidemill_info",
        Kind::Gauge,
        "Which release runs which application; always 1.",
    )
    .sample(&labels, 1);
    let ready = u8::from(context.obstacles().is_empty());
    text.gauge("tidemill_ready", "1 when /readyz answers 200.", ready);
    let started = seconds(context.started_at().unwrap_or(shared.since).as_millis());
    let help = "When the pipeline started, in seconds since the Unix epoch.";
    text.gauge("tidemill_start_time_seconds", help, started);
    if let Some(resident) = resident_bytes() {
        text.gauge(
            "process_resident_memory_bytes",
            "Resident memory of the process.",
            resident,
        );
    }
    let help = "Bytes of received blocks held in memory.";
    text.gauge(
        "tidemill_block_memory_bytes",
        help,
        context.block_bytes_in_memory(),
    );
    let help = "Events that listeners were too slow to take.";
    text.counter(
        "tidemill_listener_events_dropped_total",
        help,
        context.dropped_events(),
    );
    if let Some(beats) = context.heartbeats() {
        let help = "Rounds of the job generator: it stands still when the engine does.";
        text.counter("tidemill_job_generator_rounds_total", help, beats);
    }
}

/// The process's resident memory, as the kernel tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

fn batches(text: &mut Exposition, shared: &Shared) {
    let (context, progress) = (&shared.context, shared.context.progress());
    let interval = millis(context.batch_interval());
    let sums = progress.statistics(interval);
    text.gauge(
        "tidemill_batch_interval_seconds",
        "Time between batches.",
        seconds(interval),
    );
    text.counter(
        "tidemill_batches_completed_total",
        "Batches completed since the start.",
        sums.total_completed_batches,
    );
    text.counter(
        "tidemill_records_processed_total",
        "Records of batches completed since the start.",
        sums.processed_records,
    );
    text.gauge(
        "tidemill_batches_pending",
        "Batches that aren't complete.",
        sums.active_batches,
    );
    let help = "Batches that failed as often as they may and are tried on.";
    text.gauge("tidemill_batches_failing", help, progress.failing().len());
    let Some(last) = progress.last_completed() else {
        return;
    };
    let since_epoch = seconds(last.batch_time.as_millis());
    let help = "The last completed batch's time, in seconds since the Unix epoch.";
    text.gauge("tidemill_last_batch_time_seconds", help, since_epoch);
    text.gauge(
        "tidemill_last_batch_records",
        "Records of the last completed batch.",
        last.num_records,
    );
    for (name, help, delay) in [
        (
            "tidemill_last_batch_scheduling_delay_seconds",
            "From the last completed batch's submission to its first job.",
            last.scheduling_delay(),
        ),
        (
            "tidemill_last_batch_processing_delay_seconds",
            "From the last completed batch's first job to its last commit.",
            last.processing_delay(),
        ),
        (
            "tidemill_last_batch_total_delay_seconds",
            "From the last completed batch's submission to its last commit.",
            last.total_delay(),
        ),
    ] {
        if let Some(delay) = delay {
            text.gauge(name, help, seconds(delay));
        }
    }
}

fn checkpoints(text: &mut Exposition, shared: &Shared) {
    let Some(status) = shared.context.checkpoint_status() else {
        return;
    };
    text.gauge("tidemill_epoch", "The epoch of this driver.", status.epoch);
    let help = "Checkpoints written since the start.";
    text.counter("tidemill_checkpoints_written_total", help, status.written);
    let help = "Checkpoints that couldn't be written since the start.";
    text.counter("tidemill_checkpoint_failures_total", help, status.failures);
    let help = "Damaged checkpoints that this start passed over for an older one.";
    let skipped = status.skipped_at_recovery.len();
    text.gauge("tidemill_checkpoint_skipped_at_recovery", help, skipped);
    let in_flight = u8::from(status.in_flight.is_some());
    text.gauge(
        "tidemill_checkpoint_in_flight",
        "1 while one is being written.",
        in_flight,
    );
    let Some(newest) = status.newest else { return };
    let age = |since: Time| seconds(millis(wall_clock().since(since)));
    let help = "Time since the newest checkpoint was cut.";
    text.gauge("tidemill_checkpoint_age_seconds", help, age(newest.created));
    text.gauge(
        "tidemill_checkpoint_bytes",
        "Bytes the newest checkpoint names.",
        newest.bytes,
    );
    let help = "Bytes that were written for the newest checkpoint.";
    text.gauge("tidemill_checkpoint_new_bytes", help, newest.new_bytes);
    let help = "From the newest checkpoint's cut until it was durable.";
    text.gauge(
        "tidemill_checkpoint_duration_seconds",
        help,
        seconds(newest.duration),
    );
}

fn receivers(text: &mut Exposition, shared: &Shared) {
    let receivers = shared.context.receivers();
    if receivers.is_empty() {
        return;
    }
    let mut up = text.family(
        "tidemill_receiver_active",
        Kind::Gauge,
        "1 while it receives.",
    );
    for receiver in &receivers {
        let active = u8::from(receiver.state == ReceiverState::Active);
        up.sample(&[("stream", receiver.stream_name.as_str())], active);
    }
    let help = "Records stored since the start.";
    let mut records = text.family("tidemill_receiver_records_total", Kind::Counter, help);
    for receiver in &receivers {
        records.sample(
            &[("stream", receiver.stream_name.as_str())],
            receiver.records,
        );
    }
    let help = "How often it was started again after a failure.";
    let mut restarts = text.family("tidemill_receiver_restarts_total", Kind::Counter, help);
    for receiver in &receivers {
        restarts.sample(
            &[("stream", receiver.stream_name.as_str())],
            receiver.restarts,
        );
    }
}

fn rates(text: &mut Exposition, shared: &Shared) {
    let rates = shared.context.rates();
    let limits = rates
        .iter()
        .filter_map(|rate| Some((rate.stream_name.as_str(), rate.rate_limit?)));
    let limits: Vec<_> = limits.collect();
    if limits.is_empty() {
        return;
    }
    let help = "Records a second that back-pressure lets an input take in.";
    let mut family = text.family(
        "tidemill_backpressure_rate_limit_records_per_second",
        Kind::Gauge,
        help,
    );
    for (stream, limit) in limits {
        family.sample(&[("stream", stream)], limit);
    }
}

fn states(text: &mut Exposition, shared: &Shared) {
    let sizes = shared.context.state_sizes();
    if sizes.is_empty() {
        return;
    }
    let mut keys = text.family(
        "tidemill_state_keys",
        Kind::Gauge,
        "Keys held by an operator.",
    );
    sizes
        .iter()
        .for_each(|size| keys.sample(&[("operator", size.uid.as_str())], size.keys));
    let help = "Bytes of an operator's keys and values, without what they point to.";
    let mut bytes = text.family("tidemill_state_bytes", Kind::Gauge, help);
    sizes
        .iter()
        .for_each(|size| bytes.sample(&[("operator", size.uid.as_str())], size.bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_the_resident_memory() {
        assert!(resident_bytes().unwrap() > 100_000);
    }
}
