//! `statistics`: sums over the batches of late.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::super::Admin;
use crate::StreamRate;
use crate::problem::Problem;
use crate::receiver::ReceiverState;
use crate::scheduler::CatchUp;
use crate::time::{Time, millis};

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct StreamingStatistics {
    start_time: Time,
    batch_duration: u64,
    num_receivers: usize,
    num_active_receivers: usize,
    num_inactive_receivers: usize,
    num_total_completed_batches: u64,
    num_retained_completed_batches: u64,
    num_active_batches: u64,
    num_processed_records: u64,
    num_received_records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_input_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_scheduling_delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_processing_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_total_delay: Option<u64>,
    /// What back-pressure holds each input to; not there without it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rates: Vec<StreamRate>,
    /// How far it is behind; not there while it keeps up.
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up: Option<CatchUp>,
}

pub(super) async fn statistics(
    State(shared): Admin,
    Path(app): Path<String>,
) -> Result<Json<StreamingStatistics>, Problem> {
    shared.is_application(&app)?;
    let context = &shared.context;
    let batch_duration = millis(context.batch_interval());
    let sums = context.progress().statistics(batch_duration);
    let receivers = context.receivers();
    let is_active = |state| state == ReceiverState::Active;
    let active = receivers
        .iter()
        .filter(|receiver| is_active(receiver.state))
        .count();
    Ok(Json(StreamingStatistics {
        start_time: context.started_at().unwrap_or(shared.since),
        batch_duration,
        num_receivers: receivers.len(),
        num_active_receivers: active,
        num_inactive_receivers: receivers.len() - active,
        num_total_completed_batches: sums.total_completed_batches,
        num_retained_completed_batches: sums.retained_completed_batches,
        num_active_batches: sums.active_batches,
        num_processed_records: sums.processed_records,
        num_received_records: sums.received_records,
        avg_input_rate: sums.average_input_rate,
        avg_scheduling_delay: sums.average_scheduling_delay,
        avg_processing_time: sums.average_processing_time,
        avg_total_delay: sums.average_total_delay,
        rates: context.rates(),
        catch_up: context.catch_up(),
    }))
}
