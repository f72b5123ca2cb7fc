//! `POST /api/v1/dead-letters/requeue?batch=TIME_MS`: puts letters back, those of all batches without `batch`.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::Admin;
use super::query::parameter;
use crate::RequeuedBatch;
use crate::error::Error;
use crate::problem::Problem;
use crate::time::Time;

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Requeued")]
pub(super) struct Answer {
    batches: Vec<RequeuedBatch>,
}

/// Answers when what is put back is durable.
pub(super) async fn requeue(
    State(shared): Admin,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Problem> {
    let batch = parameter(query.as_deref(), "batch")?;
    let batch = match batch.map(|text| text.parse()) {
        None => None,
        Some(Ok(ms)) => Some(Time::from_millis(ms)),
        Some(Err(_)) => {
            let detail = "batch is a time in milliseconds since the Unix epoch".to_owned();
            return Err(Problem::bad_request(detail));
        }
    };
    let done = tokio::task::spawn_blocking(move || shared.context.requeue_dead_letters(batch));
    let done = done.await.map_err(|error| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("putting letters back ended badly: {error}"),
        )
    })?;
    let batches = done.map_err(|error| {
        let status = match &error {
            Error::WrongState(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error.to_string())
    })?;
    Ok(Json(Answer { batches }))
}
