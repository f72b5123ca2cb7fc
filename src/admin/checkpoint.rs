//! `/api/v1/checkpoint`: how checkpoints are doing, and cutting one.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::{Admin, Shared};
use crate::clock::wall_clock;
use crate::error::Error;
use crate::problem::Problem;
use crate::time::{Time, millis};
use crate::{CheckpointInfo, CheckpointStatus};

/// How long a checkpoint that was asked for may take: a boundary between batches must come first.
const CREATE_LIMIT: Duration = Duration::from_secs(60);

/// The status with the newest checkpoint's figures beside it, where scripts look for them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    id: Option<u64>,
    time: Option<Time>,
    created: Option<Time>,
    bytes: Option<u64>,
    duration: Option<u64>,
    /// Milliseconds since it was cut.
    age: Option<u64>,
    #[serde(flatten)]
    status: CheckpointStatus,
}

pub(super) async fn status(State(shared): Admin) -> Result<Json<Status>, Problem> {
    let status = shared
        .context
        .checkpoint_status()
        .ok_or_else(Problem::not_active)?;
    let newest = status.newest.as_ref();
    let now = wall_clock();
    Ok(Json(Status {
        id: newest.map(|newest| newest.id),
        time: newest.map(|newest| newest.time),
        created: newest.map(|newest| newest.created),
        bytes: newest.map(|newest| newest.bytes),
        duration: newest.map(|newest| newest.duration),
        age: newest.map(|newest| millis(now.since(newest.created))),
        status,
    }))
}

/// What this driver wrote of late, newest first.
pub(super) async fn history(State(shared): Admin) -> Json<Vec<CheckpointInfo>> {
    Json(shared.context.checkpoint_history())
}

/// Cuts one and answers when it is durable.
pub(super) async fn create(State(shared): Admin) -> Result<Json<CheckpointInfo>, Problem> {
    let cut = tokio::task::spawn_blocking(move || cut(&shared)).await;
    let cut = cut.map_err(|error| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the cut ended badly: {error}"),
        )
    })?;
    cut.map(Json)
}

fn cut(shared: &Arc<Shared>) -> Result<CheckpointInfo, Problem> {
    let context = &shared.context;
    if context.checkpoint_status().is_none() {
        return Err(Problem::not_active());
    }
    context.checkpoint_now(CREATE_LIMIT).map_err(|error| {
        let status = match &error {
            Error::WrongState(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error.to_string())
    })
}
