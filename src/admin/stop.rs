//! `POST /api/v1/stop?graceful=true|false`: accepted at once, done after the answer.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::Admin;
use crate::problem::Problem;

#[derive(Serialize)]
pub(super) struct Accepted {
    status: &'static str,
    graceful: bool,
}

type Parameters = Result<Query<BTreeMap<String, String>>, QueryRejection>;

/// Graceful unless `graceful=false`.
pub(super) async fn stop(
    State(shared): Admin,
    parameters: Parameters,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let Query(parameters) =
        parameters.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let graceful = match parameters.get("graceful").map(String::as_str) {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => {
            let detail = format!("graceful is `true` or `false`, not `{other}`");
            return Err(Problem::bad_request(detail));
        }
    };
    tracing::info!(graceful, "asked to stop over HTTP");
    (shared.options.on_stop)(graceful);
    Ok((
        StatusCode::ACCEPTED,
        Json(Accepted {
            status: "stopping",
            graceful,
        }),
    ))
}
