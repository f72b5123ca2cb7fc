//! How checkpoints are doing, and whether this driver still owns them.

use super::exposition::{Exposition, Kind};
use super::seconds;
use crate::StreamingContext;
use crate::clock::wall_clock;
use crate::time::millis;

pub(super) fn checkpoints(text: &mut Exposition, context: &StreamingContext) {
    let Some(status) = context.checkpoint_status() else {
        return;
    };
    let now = wall_clock();
    text.gauge("tidemill_epoch", "The epoch of this driver.", status.epoch);
    let help = "Batch time between checkpoints.";
    let interval = seconds(status.interval);
    text.gauge("tidemill_checkpoint_interval_seconds", help, interval);
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
    let help = "1 when the newest checkpoint is older than it should ever get.";
    let stale = u8::from(status.is_stale(now));
    text.gauge("tidemill_checkpoint_stale", help, stale);
    if let Some(durations) = context.checkpoint_durations() {
        let help = "From a checkpoint's cut until it was durable.";
        let name = "tidemill_checkpoint_write_seconds";
        let mut family = text.family(name, Kind::Histogram, help);
        family.histogram(&[], &durations);
    }
    let Some(newest) = status.newest else { return };
    let help = "Time since the newest checkpoint was cut.";
    let age = seconds(millis(now.since(newest.created)));
    text.gauge("tidemill_checkpoint_age_seconds", help, age);
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
