//! What becomes of batches.

use super::exposition::{Exposition, Kind};
use super::seconds;
use crate::StreamingContext;
use crate::time::millis;

pub(super) fn batches(text: &mut Exposition, context: &StreamingContext) {
    let (progress, interval) = (context.progress(), millis(context.batch_interval()));
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
        "tidemill_records_received_total",
        "Records of batches that were cut since the start.",
        sums.received_records,
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
    let help = "Warnings that the page and /readyz show: silent sources, batches that take long, a clock that was set.";
    text.gauge("tidemill_warnings", help, context.warnings().len());
    if let (Some(now), Some(next)) = (context.now(), context.next_batch()) {
        let due = millis(now.since(next)) / interval.max(1);
        let help = "Batches that are overdue: being made up for after a time without.";
        text.gauge("tidemill_batches_behind", help, due);
    }
    let behind = context.catch_up();
    let left = behind.as_ref().map_or(0, |behind| behind.batches_left);
    let help = "Batches to go until it has caught up; 0 while it keeps up.";
    text.gauge("tidemill_catch_up_batches", help, left);
    if let Some(ms) = behind.and_then(|behind| behind.estimated_time_left) {
        let help = "How long catching up will take, if it goes on as it did.";
        text.gauge("tidemill_catch_up_seconds", help, seconds(ms));
    }
    if let Some(ms) = context.wall_clock_offset_ms() {
        let help = "How far the machine's wall clock is ahead of the stream's time, which doesn't follow when it is set.";
        text.gauge(
            "tidemill_wall_clock_offset_seconds",
            help,
            ms as f64 / 1000.0,
        );
    }
    if let Some(beats) = context.heartbeats() {
        let help = "Rounds of the job generator: it stands still when the engine does.";
        text.counter("tidemill_job_generator_rounds_total", help, beats);
    }
    let delays = progress.delays();
    for (name, help, delays) in [
        (
            "tidemill_batch_scheduling_delay_seconds",
            "From a batch's submission to its first job.",
            &delays.scheduling,
        ),
        (
            "tidemill_batch_processing_delay_seconds",
            "From a batch's first job to its last commit.",
            &delays.processing,
        ),
        (
            "tidemill_batch_total_delay_seconds",
            "From a batch's submission to its last commit.",
            &delays.total,
        ),
    ] {
        let mut family = text.family(name, Kind::Histogram, help);
        family.histogram(&[], delays);
    }
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
