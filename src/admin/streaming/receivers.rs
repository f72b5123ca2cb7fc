//! `receivers`: how they are doing. Spark's `eventRates` over time aren't kept yet, so they aren't shown.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::super::{Admin, Shared};
use super::{Parts, number};
use crate::OperatorUid;
use crate::clock::wall_clock;
use crate::problem::Problem;
use crate::receiver::{ReceiverState, ReceiverStatus};
use crate::time::Time;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ReceiverInfo {
    stream_id: usize,
    stream_name: OperatorUid,
    is_active: bool,
    /// Receivers run in the driver.
    executor_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Records a second since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_event_rate: Option<f64>,
    /// Where it receives from.
    location: String,
    state: ReceiverState,
    restarts: u64,
    /// Records stored since the start.
    records: u64,
    /// Records a second that it may store at most, for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<f64>,
}

pub(in super::super) fn describe(shared: &Shared, status: ReceiverStatus) -> ReceiverInfo {
    let since = shared.context.started_at();
    let seconds = since.map(|since| wall_clock().since(since).as_secs_f64());
    ReceiverInfo {
        stream_id: status.stream_id,
        stream_name: status.stream_name,
        is_active: status.state == ReceiverState::Active,
        executor_id: "driver",
        last_error_time: status.last_error_time,
        last_error: status.last_error_message.clone(),
        last_error_message: status.last_error_message,
        avg_event_rate: seconds
            .filter(|s| *s > 0.0)
            .map(|s| status.records as f64 / s),
        location: status.location,
        state: status.state,
        restarts: status.restarts,
        records: status.records,
        rate_limit: status.rate_limit,
    }
}

pub(super) async fn all(
    State(shared): Admin,
    Path(app): Path<String>,
) -> Result<Json<Vec<ReceiverInfo>>, Problem> {
    shared.is_application(&app)?;
    let receivers = shared.context.receivers().into_iter();
    Ok(Json(
        receivers.map(|status| describe(&shared, status)).collect(),
    ))
}

pub(super) async fn one(
    State(shared): Admin,
    Path([app, id]): Parts<2>,
) -> Result<Json<ReceiverInfo>, Problem> {
    shared.is_application(&app)?;
    let wanted = number("a receiver's id", &id)?;
    let mut receivers = shared.context.receivers().into_iter();
    let found = receivers.find(|status| status.stream_id as u64 == wanted);
    let found =
        found.ok_or_else(|| Problem::not_found(format!("there is no receiver {wanted}")))?;
    Ok(Json(describe(&shared, found)))
}
