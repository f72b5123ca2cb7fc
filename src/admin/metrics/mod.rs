//! `/metrics`: Prometheus text, written from the same snapshots as the API. `/metrics/json` and
//! `/metrics/prometheus`: Spark's gauges, where and as Spark's servlets have them.
//!
//! All names are here, so that dashboards can be checked against one folder: `tidemill_` in front, the unit
//! behind (seconds, bytes), `_total` on what only grows. Labels are streams, operators, logs, disks and words of
//! fixed lists: how many series there are is known once the program is.

mod batches;
mod checkpoints;
mod connections;
mod exposition;
mod held;
mod inputs;
mod logs;
pub(super) mod original;
mod process;
mod space;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;

use super::{Admin, Shared};
use crate::problem::Problem;
use exposition::{Exposition, Format, Kind};

pub(super) async fn metrics(
    State(shared): Admin,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    let format = Format::accepted(&accept.join(","));
    // A state that is being merged, or /proc, may keep it waiting: not on the server's threads.
    let text = tokio::task::spawn_blocking(move || render(&shared, format)).await;
    let text = text.map_err(|error| {
        let detail = format!("the metrics can't be written: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text))
}

fn render(shared: &Arc<Shared>, format: Format) -> String {
    let context = &shared.context;
    let mut text = Exposition::new(format);
    engine(&mut text, shared);
    batches::batches(&mut text, context);
    inputs::inputs(&mut text, context);
    connections::connections(&mut text, shared);
    checkpoints::checkpoints(&mut text, context);
    logs::logs(&mut text, &context.logs());
    if let Some(status) = context.space() {
        space::space(&mut text, &status);
    }
    held::held(&mut text, context);
    process::process(&mut text);
    text.into_text()
}

/// Milliseconds as seconds.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn engine(text: &mut Exposition, shared: &Shared) {
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
    let help =
        "1 when the engine can't go on: another driver has taken over, or a log failed for good.";
    text.gauge("tidemill_broken", help, u8::from(context.is_broken()));
    let help = "1 when a later driver has taken over the checkpoint location.";
    text.gauge("tidemill_fenced", help, u8::from(context.is_fenced()));
    let started = seconds(context.started_at().unwrap_or(shared.since).as_millis());
    let help = "When the pipeline started, in seconds since the Unix epoch.";
    text.gauge("tidemill_start_time_seconds", help, started);
    let help = "Events that listeners were too slow to take.";
    text.counter(
        "tidemill_listener_events_dropped_total",
        help,
        context.dropped_events(),
    );
}
