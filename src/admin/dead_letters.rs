//! `POST /api/v1/dead-letters/requeue?batch=TIME_MS`: puts letters back, those of all batches without `batch`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::Admin;
use crate::RequeuedBatch;
use crate::error::Error;
use crate::problem::Problem;
use crate::time::Time;

#[derive(Serialize)]
pub(super) struct Answer {
    batches: Vec<RequeuedBatch>,
}

type Parameters = Result<Query<BTreeMap<String, String>>, QueryRejection>;

/// Answers when what is put back is durable.
pub(super) async fn requeue(
    State(shared): Admin,
    parameters: Parameters,
) -> Result<Json<Answer>, Problem> {
    let Query(parameters) =
        parameters.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let batch = match parameters.get("batch").map(|text| text.parse()) {
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
