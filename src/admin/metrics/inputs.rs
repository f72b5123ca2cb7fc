//! What comes in, what is refused, what waits, and what could be lost.

use std::collections::BTreeMap;

use super::exposition::{Exposition, Kind};
use super::seconds;
use crate::receiver::{ReceiverState, ReceiverStatus};
use crate::source::Ingest;
use crate::time::{Time, millis};
use crate::{SourceFreshness, SourceLag, StreamingContext};

pub(super) fn inputs(text: &mut Exposition, context: &StreamingContext) {
    receivers(text, &context.receivers());
    let help = "1 when a source that isn't a receiver could be read for the last batch.";
    let family = ("tidemill_source_readable", Kind::Gauge, help);
    let direct = context.source_troubles();
    let readable = direct.iter();
    let readable = readable.map(|(uid, trouble)| (uid.as_str(), u8::from(trouble.is_none())));
    text.each(family, "stream", readable);
    let help = "Records a second that back-pressure lets an input take in.";
    let family = (
        "tidemill_backpressure_rate_limit_records_per_second",
        Kind::Gauge,
        help,
    );
    let rates = context.rates();
    let limits = rates
        .iter()
        .filter_map(|rate| Some((rate.stream_name.as_str(), rate.rate_limit?)));
    text.each(family, "stream", limits);
    freshness(text, &context.freshness());
    refusals(text, context.ingest());
    if let Some(now) = context.now() {
        lags(text, &context.lags(), now);
    }
}

fn receivers(text: &mut Exposition, receivers: &[ReceiverStatus]) {
    let each = |figure: fn(&ReceiverStatus) -> u64| {
        let figures = receivers.iter();
        figures.map(move |receiver| (receiver.stream_name.as_str(), figure(receiver)))
    };
    text.each(
        (
            "tidemill_receiver_active",
            Kind::Gauge,
            "1 while it receives.",
        ),
        "stream",
        each(|receiver| u64::from(receiver.state == ReceiverState::Active)),
    );
    let help = "1 while it fails again and again and receives nothing.";
    let family = ("tidemill_receiver_down", Kind::Gauge, help);
    text.each(
        family,
        "stream",
        each(|receiver| u64::from(receiver.down_since.is_some())),
    );
    let help = "Records stored since the start.";
    let family = ("tidemill_receiver_records_total", Kind::Counter, help);
    text.each(family, "stream", each(|receiver| receiver.records));
    let help = "How often it was started again after a failure.";
    let family = ("tidemill_receiver_restarts_total", Kind::Counter, help);
    text.each(family, "stream", each(|receiver| receiver.restarts));
}

fn freshness(text: &mut Exposition, inputs: &[SourceFreshness]) {
    let help = "When the last record of an input came, in seconds since the Unix epoch.";
    let family = (
        "tidemill_source_last_record_time_seconds",
        Kind::Gauge,
        help,
    );
    let times = inputs.iter().filter_map(|input| {
        let last = input.last_record?;
        Some((input.uid.as_str(), seconds(last.as_millis())))
    });
    text.each(family, "stream", times);
    let help = "1 while an input has given nothing for longer than its `silent_after`; of those that have one.";
    let family = ("tidemill_source_silent", Kind::Gauge, help);
    let watched = inputs.iter().filter(|input| input.silent_after.is_some());
    let silent = watched.map(|input| {
        let is_silent = u8::from(input.silent_since.is_some());
        (input.uid.as_str(), is_silent)
    });
    text.each(family, "stream", silent);
}

/// Reasons that have a figure from the beginning, so that the first refusal of a kind shows as an increase.
const REASONS: [&str; 9] = [
    "bad_record",
    "busy",
    "closed",
    "incomplete",
    "no_room",
    "not_admitted",
    "not_utf8",
    "too_large",
    "too_slow",
];

fn refusals(text: &mut Exposition, ingest: &Ingest) {
    let refusals = ingest.refusals();
    if refusals.is_empty() {
        return;
    }
    let help = "Posts that were refused since the start, by the reason; `busy` is 429.";
    let mut family = text.family("tidemill_ingest_refused_total", Kind::Counter, help);
    for (source, refused) in &refusals {
        let mut counts: BTreeMap<&str, u64> = REASONS.iter().map(|reason| (*reason, 0)).collect();
        counts.extend(refused);
        for (reason, count) in counts {
            family.sample(&[("stream", source), ("reason", reason)], count);
        }
    }
    let help = "Posts since the start to sources that there aren't.";
    text.counter(
        "tidemill_ingest_unknown_source_total",
        help,
        ingest.strays(),
    );
}

fn lags(text: &mut Exposition, lags: &[SourceLag], now: Time) {
    if lags.is_empty() {
        return;
    }
    let age = |since: Option<Time>| since.map_or(0.0, |since| seconds(millis(now.since(since))));
    let known = |figure: fn(&SourceLag) -> Option<u64>| {
        let figures = lags.iter();
        figures.filter_map(move |lag| Some((lag.uid.as_str(), figure(lag)?)))
    };
    let help = "Records that came in, or are due, and whose batch isn't complete.";
    let family = ("tidemill_source_lag_records", Kind::Gauge, help);
    text.each(family, "stream", known(|lag| lag.records));
    let help = "Their bytes; of files: of those that are in no batch yet.";
    let family = ("tidemill_source_lag_bytes", Kind::Gauge, help);
    text.each(family, "stream", known(|lag| lag.bytes));
    let help = "Files that are in no batch yet.";
    let family = ("tidemill_source_lag_files", Kind::Gauge, help);
    text.each(family, "stream", known(|lag| lag.files));
    let help = "How long the oldest of what waits has been waiting; 0 when nothing does.";
    let family = ("tidemill_source_lag_seconds", Kind::Gauge, help);
    let ages = lags.iter().map(|lag| (lag.uid.as_str(), age(lag.oldest)));
    text.each(family, "stream", ages);
    let oldest = lags.iter().map(|lag| age(lag.oldest)).fold(0.0, f64::max);
    let help = "The age of the oldest record of any source whose batch isn't complete; 0 when there is none.";
    text.gauge(
        "tidemill_oldest_unprocessed_record_age_seconds",
        help,
        oldest,
    );
    let help = "The loss window that is held: for how long there has been a record that its source takes for \
                delivered and that a crash now would lose; 0 when there is none.";
    let family = ("tidemill_loss_window_seconds", Kind::Gauge, help);
    let held = lags
        .iter()
        .map(|lag| (lag.uid.as_str(), age(lag.at_risk_since)));
    text.each(family, "stream", held);
    let help =
        "The loss window that is declared: after what a record is safe from a crash; always 1.";
    let mut family = text.family("tidemill_loss_window_declared_info", Kind::Gauge, help);
    for lag in lags {
        let labels = [
            ("stream", lag.uid.as_str()),
            ("durable_after", lag.durable_after.as_str()),
        ];
        family.sample(&labels, 1);
    }
}
